/* bench_file.c - the file of results, a list of objects, one a line. See bench.h. */
#include "bench.h"
#include "io/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static json_t *rivals_of(const bench_result *r, bool memory)
{
    json_t *map = json_object();
    for (int i = 0; i < r->num_rivals; i++)
        if (!r->rivals[i].failed) json_object_set_new(map, r->rivals[i].name, json_real(memory ? r->rivals[i].rss : r->rival_value[i]));
    return map;
}

/* NULL with `why` filled. */
static json_t *object_of(const bench_result *r, json_error_t *why)
{
    return json_pack_ex(why, 0, "{s:s, s:s, s:i, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:I, s:f, s:f, s:f, s:o, s:o}",
                     "workload", r->workload, "what", r->what, "threads", r->threads, "value", r->value, "unit", r->unit,
                     "best", r->best, "share_of_peak", r->share_of_peak, "best_share", r->best_share,
                     "peak_gflops", r->peak_gflops, "best_peak_gflops", r->best_peak_gflops, "limit", r->limit,
                     "median_us", r->median_us, "best_us", r->best_us, "compile_ms", r->compile_ms, "passes_ms", r->pass_ms,
                     "predicted_us", r->predicted_us, "threads_in_use", r->in_use, "thread_switches", (json_int_t)r->switches,
                     "arena_bytes", r->arena_bytes, "state_bytes", r->state_bytes, "process_bytes", r->rss_bytes,
                     "rivals", rivals_of(r, false), "rivals_bytes", rivals_of(r, true));
}

/* Where it stands in the list; its length if it does not. */
static size_t find(const json_t *list, const bench_result *r)
{
    size_t i = 0;
    for (; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const char *workload = json_string_value(json_object_get(o, "workload"));
        const char *what = json_string_value(json_object_get(o, "what")); /* not in every file */
        if (workload && strcmp(workload, r->workload) == 0 && (!what || strcmp(what, r->what) == 0) &&
            json_integer_value(json_object_get(o, "threads")) == r->threads) break;
    }
    return i;
}

/* What stands in the file; an empty list where there is none, or no regular file. */
static json_t *read_list(const char *path, gr_error *e)
{
    struct stat at;
    json_error_t why;
    if (stat(path, &at) || !S_ISREG(at.st_mode) || at.st_size == 0) return json_array();
    json_t *list = json_load_file(path, 0, &why);
    if (json_is_array(list)) return list;
    gr_set_error(e, GR_EINVAL, "%s is no file of results, a list of objects, and is left as it is%s%s", path, list ? "" : ": ",
                 list ? "" : why.text);
    json_decref(list);
    return NULL;
}

static void print_change(const json_t *old, const bench_result *r)
{
    double was = json_number_value(json_object_get(old, "value")), peak = json_number_value(json_object_get(old, "peak_gflops"));
    const char *unit = json_string_value(json_object_get(old, "unit"));
    if (!(was > 0) || !unit || strcmp(unit, r->unit) != 0) return;
    printf("  change    %+9.1f %%  %.6g -> %.6g %s, the peak %+.1f %%\n", 100 * (r->value / was - 1), was, r->value, unit,
           peak > 0 ? 100 * (r->peak_gflops / peak - 1) : 0);
}

static int write_list(const char *path, const json_t *list, gr_error *e)
{
    gr_writer w;
    if (gr_writer_open(&w, path, e)) return e->status;
    gr_writer_put(&w, "[\n", 2);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *line = json_dumps(json_array_get(list, i), JSON_REAL_PRECISION(8));
        if (line) gr_writer_put(&w, line, strlen(line));
        gr_writer_put(&w, i + 1 < json_array_size(list) ? ",\n" : "\n", i + 1 < json_array_size(list) ? 2 : 1);
        free(line);
    }
    gr_writer_put(&w, "]\n", 2);
    return gr_writer_finish(&w, true, e);
}

int bench_file_put(const char *path, const bench_result *r, gr_error *e)
{
    json_error_t why = {0};
    json_t *list = read_list(path, e), *o = list ? object_of(r, &why) : NULL;
    if (!list) return e->status;
    if (!o) {
        json_decref(list);
        return gr_set_error(e, GR_EINVAL, "%s is left as it is: the result of '%s' cannot be written: %s", path, r->workload, why.text);
    }
    size_t at = find(list, r);
    if (at < json_array_size(list)) {
        print_change(json_array_get(list, at), r);
        json_array_set_new(list, at, o);
    } else {
        json_array_append_new(list, o);
    }
    int status = write_list(path, list, e);
    json_decref(list);
    return status;
}
