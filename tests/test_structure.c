/* test_structure.c - each folder includes only what stands above it. */
#include "tests.h"
#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the lowest; a folder may include itself and those before it. */
static const char *const folders[] = {"graphrun", "base",  "graph",  "model", "pass", "kernel",  "program",
                                      "run",      "io",    "data",   "train",  "library", "report", NULL};

static int level(const char *name, size_t n)
{
    for (int i = 0; folders[i]; i++)
        if (strlen(folders[i]) == n && strncmp(folders[i], name, n) == 0) return i;
    return -1;
}

/* The folder that `#include "folder/file.h"` or <graphrun/...> names; -1: another header. */
static int included_level(const char *line)
{
    if (strncmp(line, "#include ", 9) != 0) return -1;
    const char *path = line + 10, *slash = strchr(path, '/');
    return slash ? level(path, (size_t)(slash - path)) : -1;
}

static int check_file(const char *folder, const char *path, int own)
{
    char line[512];
    int faults = 0;
    FILE *f = fopen(path, "r");
    if (!f) return 1;
    while (fgets(line, sizeof line, f)) {
        if (included_level(line) <= own) continue;
        fprintf(stderr, "%s includes what stands above %s: %s", path, folder, line);
        faults++;
    }
    fclose(f);
    return faults;
}

static bool is_source(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0);
}

static int check_folder(const char *path, const char *folder, int own)
{
    DIR *d = opendir(path);
    int faults = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char file[1024];
        if (!is_source(e->d_name)) continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        faults += check_file(folder, file, own);
    }
    if (d) closedir(d);
    return d ? faults : 1;
}

static void includes_go_down(void)
{
    char path[1024];
    for (int i = 1; folders[i]; i++) {
        snprintf(path, sizeof path, "%s/src/%s", GR_SOURCE_DIR, folders[i]);
        CU_ASSERT_EQUAL(check_folder(path, folders[i], i), 0);
    }
}

static void ops_see_include_alone(void)
{
    CU_ASSERT_EQUAL(check_folder(GR_SOURCE_DIR "/ops", "ops", 0), 0);
    CU_ASSERT_EQUAL(check_folder(GR_SOURCE_DIR "/include/graphrun", "include", 0), 0);
}

/* Foreign headers, each with the one file that may include it. */
static const struct { const char *header, *file; } seams[] = {
    {"<blis.h>", "src/kernel/microkernel.c"},
    {"<yaml.h>", "src/model/doc.c"},
    {"<hwloc.h>", "src/program/topology.c"},
    {"<csv.h>", "src/io/csv.c"},
    {"<zip.h>", "src/io/zip.c"},
};

static int count_includes(const char *path, const char *header)
{
    char line[512];
    int n = 0;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) n += strncmp(line, "#include", 8) == 0 && strstr(line, header) != NULL;
    if (f) fclose(f);
    return n;
}

static void foreign_headers_have_one_user(void)
{
    for (size_t s = 0; s < sizeof seams / sizeof *seams; s++)
        for (int i = 1; folders[i]; i++) {
            char path[1024], file[2048], own[1024];
            snprintf(path, sizeof path, "%s/src/%s", GR_SOURCE_DIR, folders[i]);
            snprintf(own, sizeof own, "%s/%s", GR_SOURCE_DIR, seams[s].file);
            DIR *d = opendir(path);
            for (struct dirent *e; d && (e = readdir(d));) {
                if (!is_source(e->d_name)) continue;
                snprintf(file, sizeof file, "%s/%s", path, e->d_name);
                int n = count_includes(file, seams[s].header);
                CU_ASSERT_EQUAL(n, strcmp(file, own) == 0 ? n : 0);
            }
            if (d) closedir(d);
        }
}

void test_structure(void)
{
    CU_pSuite s = CU_add_suite("structure", NULL, NULL);
    CU_add_test(s, "folders include only those above them", includes_go_down);
    CU_add_test(s, "ops and public headers see include/ alone", ops_see_include_alone);
    CU_add_test(s, "a foreign header has one user", foreign_headers_have_one_user);
}
