/* costs_file.c - measured costs in a file: a line that says of which machine, one with the number of measurements,
 * then a number a line, and last one that says that nothing was cut off. */
#include "io/file.h"
#include "kernel/kernel.h"
#include "train/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT 5 /* to be raised where a number gets another meaning */
#define MOST_BYTES 4096
#define END "end\n"

/* What stands in /proc is not ours, so it may be missing. */
const char *gr_cpu_name(gr_arena *a)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256] = "";
    const char *name = "unknown";
    while (f && fgets(line, sizeof line, f)) {
        const char *at = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !at) continue;
        at += 1 + strspn(at + 1, " \t");
        name = gr_arena_strndup(a, at, strcspn(at, "\n"));
        break;
    }
    if (f) fclose(f);
    return name;
}

static const char *first_line(gr_arena *a, int cores)
{
    return gr_arena_printf(a, "graphrun costs %d, %s, %d cores, %s\n", FORMAT, gr_cpu_name(a), cores, gr_kernel_name());
}

/* Numbers that no machine has would be no mistake, but no help either. */
static bool is_likely(double x) { return isfinite(x) && x > 1e-6 && x < 1e9; }

/* The next number; false: there is none. */
static bool read_number(char **at, double *number)
{
    char *end;
    *number = strtod(*at, &end);
    const bool any = end != *at;
    *at = end;
    return any;
}

int gr_costs_read(gr_arena *a, const char *path, int cores, gr_costs list[GR_COSTS_KEPT])
{
    gr_error e = {0};
    char *text;
    size_t length;
    double count, number[GR_COSTS_KEPT][GR_COSTS];
    if (gr_file_read(a, path, MOST_BYTES, &text, &length, &e)) return 0;
    const char *head = first_line(a, cores);
    if (strncmp(text, head, strlen(head)) != 0) return 0;
    char *at = text + strlen(head);
    if (!read_number(&at, &count) || !(count >= 1 && count <= GR_COSTS_KEPT)) return 0;
    for (int i = 0; i < (int)count; i++)
        for (int k = 0; k < GR_COSTS; k++)
            if (!read_number(&at, &number[i][k]) || !is_likely(number[i][k])) return 0;
    if (strcmp(at + strspn(at, " \n"), END) != 0) return 0;
    memcpy(list, number, (size_t)count * sizeof *list);
    return (int)count;
}

/* ~/.cache may be missing, its parent may not. */
static void make_folder(gr_arena *a, const char *path)
{
    const char *end = strrchr(path, '/');
    if (end && end > path) mkdir(gr_arena_strndup(a, path, (size_t)(end - path)), 0700);
}

void gr_costs_write(gr_arena *a, const char *path, int cores, const gr_costs *list, int count)
{
    gr_error e = {0};
    gr_writer w;
    double number[GR_COSTS];
    make_folder(a, path);
    if (gr_writer_open(&w, path, &e)) return;
    const char *head = gr_arena_printf(a, "%s%d\n", first_line(a, cores), count);
    gr_writer_put(&w, head, strlen(head));
    for (int i = 0; i < count; i++) {
        memcpy(number, &list[i], sizeof number);
        for (int k = 0; k < GR_COSTS; k++) {
            const char *line = gr_arena_printf(a, "%.6g\n", number[k]);
            gr_writer_put(&w, line, strlen(line));
        }
    }
    gr_writer_put(&w, END, strlen(END));
    gr_writer_finish(&w, true, &e);
}
