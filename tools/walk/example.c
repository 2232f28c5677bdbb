/* example.c - see example.h. */
#include "example.h"
#include "report/reference.h"
#include "train/loop.h"
#include "train/session.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- its files ---- */

/* "# words.txt:" -> words.txt */
static bool file_name(const char *line, size_t n, char *name, size_t room)
{
    bool is = n > 4 && n < room && line[0] == '#' && line[1] == ' ' && isalnum((unsigned char)line[2]) && line[n - 1] == ':' &&
              !memchr(line + 2, ' ', n - 2);
    if (is) snprintf(name, room, "%.*s", (int)(n - 3), line + 2);
    return is;
}

/* Writes the files that stand in comments. */
static int write_files(gr_arena *a, const char *folder, const char *example, gr_error *e)
{
    FILE *f = NULL;
    char name[64];
    for (const char *line = example; *line; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n");
        const bool starts = file_name(line, n, name, sizeof name), goes_on = f && strncmp(line, "#   ", 4) == 0;
        if (f && !goes_on) fclose(f), f = NULL;
        if (starts && !(f = fopen(gr_arena_printf(a, "%s/%s", folder, name), "w"))) return gr_set_error(e, GR_EIO, "%s/%s: %s", folder, name, strerror(errno));
        if (goes_on) fprintf(f, "%.*s\n", (int)n - 4, line + 4);
    }
    if (f) fclose(f);
    return 0;
}

/* The example as a file, in the arena. */
static const char *write_model(gr_arena *a, const char *folder, const char *example, gr_error *e)
{
    const char *path = gr_arena_printf(a, "%s/example.yaml", folder);
    FILE *f = write_files(a, folder, example, e) < 0 ? NULL : fopen(path, "w");
    if (f && fputs(gr_example_model(a, example), f) >= 0 && fclose(f) == 0) return path;
    if (e->status == GR_OK) gr_set_error(e, GR_EIO, "%s: %s", path, strerror(errno));
    return NULL;
}

/* ---- running it ---- */

static bool all_finite(const gr_exec *x)
{
    bool finite = true;
    for (int i = 0; i < x->graph->num_results; i++) {
        gr_type t;
        const void *data = gr_run_result(x->run, x->graph->result_names[i], &t);
        for (int64_t k = 0; data && gr_is_float(t.dtype) && k < gr_numel(&t); k++)
            finite = finite && isfinite(gr_element(data, t.dtype, k));
    }
    return finite;
}

static int run_once(gr_session *s, gr_error *e)
{
    const gr_tensor *field = NULL;
    gr_exec *x = gr_session_compile(s, &(gr_want){0}, e);
    if (!x) return e->status ? e->status : GR_EINVAL;
    if (s->data) {
        if (gr_data_begin(s->data, "train", 0, 0, e) || gr_data_next(s->data, &field, e) != 1) return GR_EINVAL;
        if (!(x = gr_exec_for_batch(x, field, e)) || gr_exec_feed_batch(x, field, e)) return GR_EINVAL;
    }
    if (gr_exec_step(x, 0, e)) return GR_EINVAL;
    if (!s->data && x->graph->num_results == 0) return gr_set_error(e, GR_EINVAL, "nothing is computed");
    return all_finite(x) ? 0 : gr_set_error(e, GR_EINVAL, "a result is not finite");
}

static int train_or_run(gr_session *s, gr_error *e)
{
    if (!s->recipe->minimize) return run_once(s, e);
    FILE *out = fopen("/dev/null", "w");
    gr_train_result r;
    int status = gr_train(s, &(gr_train_options){.epochs = -1, .steps = -1, .quiet = true, .out = out}, &r, e);
    fclose(out);
    return status;
}

/* The first line of the first mistake is kept: place and message, without the source line. */
static void keep_first(void *data, gr_tone tone, const char *text)
{
    gr_error *first = data;
    if (first->status == GR_OK && tone == GR_ERROR) gr_set_error(first, GR_EINVAL, "%.*s", (int)strcspn(text, "\n"), text);
}

int example_run(const char *folder, const char *example, const char *const *plugins, gr_error *e)
{
    gr_arena *a = gr_arena_create();
    gr_error said = {0};
    gr_frame frame;
    volatile int status = -1;
    const gr_session_options o = {.model.plugins = plugins, .seed = 1, .threads = 1, .quiet = true, .say = {keep_first, &said}};
    const char *path = write_model(a, folder, example, e);
    gr_session *s = path ? gr_session_open(path, &o, e) : NULL;
    if (s && gr_try(s->arena, &frame)) {
        status = train_or_run(s, e);
        gr_end_try(s->arena, &frame);
    } else if (s) {
        gr_caught(s->arena, e);
    }
    gr_session_close(s);
    gr_arena_destroy(a);
    if (status && said.status != GR_OK) *e = said;
    return status;
}

bool example_speaks_of(const char *example, const char *name)
{
    char plain[2048];
    size_t n = 0;
    for (const char *c = example; *c && n + 1 < sizeof plain; c++)
        if (*c != '_') plain[n++] = *c;
    plain[n] = 0;
    return strcasestr(plain, name) != NULL;
}

/* Why, without the folder, which is gone when it is read. */
static const char *wrong_with(const char *folder, const gr_op *op, const char *plugin, gr_error *e)
{
    const char *const plugins[] = {plugin, NULL};
    const size_t n = strlen(folder);
    if (!example_speaks_of(op->example, op->name)) return "its example does not use it";
    if (example_run(folder, op->example, plugins, e) == 0) return NULL;
    return strncmp(e->message, folder, n) == 0 && e->message[n] == '/' ? e->message + n + 1 : e->message;
}

void example_walk(const char *folder, const gr_op *op, const char *plugin, op_report *report)
{
    op_finding *f = &report->of[OP_EXAMPLE];
    gr_error e = {0};
    if (!op->example) return;
    report->at = OP_EXAMPLE;
    snprintf(report->where, sizeof report->where, "its example");
    f->count++;
    const char *why = wrong_with(folder, op, plugin, &e);
    if (why && !f->failures++) snprintf(f->failure, sizeof f->failure, "%.500s", why);
}

/* ---- its folder ---- */

bool example_make_folder(char *path, size_t room)
{
    const char *in = getenv("TMPDIR");
    snprintf(path, room, "%s/graphrun-example-XXXXXX", in && *in ? in : "/tmp");
    return mkdtemp(path) != NULL;
}

void example_remove_folder(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *file; d && (file = readdir(d));) unlinkat(dirfd(d), file->d_name, 0);
    if (d) closedir(d);
    rmdir(path);
}
