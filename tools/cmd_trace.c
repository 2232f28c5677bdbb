/* cmd_trace.c - graphrun trace: where the time of a step goes, task by task.
 *
 * The steps traced are those that `graphrun bench` measures: the same batch again and again. */
#include "bench.h"
#include "io/file.h"
#include "report/trace.h"

#include <string.h>

typedef struct trace_args {
    cli_common common;
    const char *file;
    int64_t steps;
    bool forward;
} trace_args;

static int record(bench *b, int64_t steps, gr_trace **made, gr_error *e)
{
    enum { WARM_UP = 5 };
    int status = bench_open(b, e);
    for (int i = 0; i < WARM_UP && !status; i++) status = gr_exec_step(b->exec, b->done++, e);
    if (status) return status;
    if (!(*made = gr_trace_create(b->exec->program, b->exec->schedule, (int)steps, e))) return e->status;
    gr_run_set_trace(b->exec->run, *made);
    for (int64_t i = 0; i < steps && !status; i++) status = gr_exec_step(b->exec, b->done++, e);
    gr_run_set_trace(b->exec->run, NULL);
    gr_trace_stop(*made);
    return status;
}

static int write_file(const gr_trace *t, const char *title, const char *path, gr_error *e)
{
    gr_writer w;
    if (gr_writer_open(&w, path, e)) return e->status;
    const bool made = gr_trace_write(t, title, w.file) == 0 || ferror((FILE *)w.file); /* the latter is the writer's to tell */
    if (gr_writer_finish(&w, made, e)) return e->status;
    return made ? 0 : gr_set_error(e, GR_ENOMEM, "%s: out of memory for the timeline", path);
}

static int trace(gr_session *s, void *data)
{
    const trace_args *a = data;
    bench b = {.session = s, .what = a->forward || !s->recipe->minimize ? BENCH_INFER : BENCH_TRAIN};
    gr_error e = {0};
    gr_trace *t = NULL;
    if (a->file && gr_writer_try(a->file, &e)) return cli_fail(&e);
    int status = record(&b, a->steps, &t, &e);
    if (status == GR_ESTATE && !*e.message) gr_set_error(&e, GR_ESTATE, "a value of the step is not finite");
    int code = status ? cli_fail(&e) : EXIT_DONE;
    if (!status) {
        const char *title = gr_arena_printf(s->arena, "%s, %s", gr_model_name(s->model), b.what == BENCH_TRAIN ? "training step" : "forward pass");
        gr_trace_print(t, title, stdout);
        if (a->file && write_file(t, title, a->file, &e)) code = cli_fail(&e);
    }
    gr_trace_free(t);
    return code;
}

int cmd_trace(int argc, char **argv)
{
    const cli_command *self = cli_find("trace");
    trace_args a = {.common = CLI_DEFAULTS, .steps = 1};
    const cli_option own[] = {
        {"output", 'o', CLI_TEXT, &a.file, "FILE", "write the timeline as .json for Perfetto (ui.perfetto.dev) or chrome://tracing"},
        {"steps", 0, CLI_INT, &a.steps, "N", "how many steps are traced (1), after five that are not"},
        {"forward", 0, CLI_FLAG, &a.forward, NULL, "the forward pass alone"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &a.common);
    if (done >= 0) return done;
    if (a.steps < 1 || a.steps > 10000) return cli_misuse(self, "--steps takes a number from 1 to 10000");
    gr_session_options o = cli_session_options(&a.common);
    o.measure = true;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, trace, &a);
    gr_session_close(s);
    return code;
}
