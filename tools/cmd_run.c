/* cmd_run.c - graphrun run: one run on given inputs; values and gradients to .npy files, or
 * as text where no file is named. */
#include "cli.h"
#include "io/npy.h"
#include "print.h"

#include <string.h>

typedef struct run_args {
    cli_common common;
    cli_list inputs, fetch, grad;
    const char *of, *weights;
    gr_session_options options;
    bool training;
} run_args;

typedef struct run_state {
    gr_session *session;
    const run_args *args;
    gr_tensor *array;      /* by --input */
    char **input;          /* their names */
    gr_axis_size *axes; int num_axes, cap_axes;
    gr_exec *exec;
} run_state;

static const gr_model_input *find_input(run_state *r, const char *name, gr_error *e)
{
    gr_session *s = r->session;
    const char *names = "";
    for (int i = 0; i < s->num_inputs; i++) {
        if (strcmp(s->inputs[i].name, name) == 0) return &s->inputs[i];
        names = gr_arena_printf(s->arena, "%s%s%s", names, i ? ", " : "", s->inputs[i].name);
    }
    gr_set_error(e, GR_EINVAL, "the model has no Input called '%s'; it has: %s", name, *names ? names : "none");
    return NULL;
}

/* Reads the arrays; their dims give the axes that the model leaves open. */
static int read_inputs(run_state *r, gr_error *e)
{
    gr_arena *a = r->session->arena;
    const cli_list *list = &r->args->inputs;
    r->array = GR_NEW_ARRAY(a, gr_tensor, list->count + 1);
    r->input = GR_NEW_ARRAY(a, char *, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        const char *file;
        cli_split(list->item[i], &r->input[i], &file);
        const gr_model_input *in = find_input(r, r->input[i], e);
        if (!in) return e->status;
        if (gr_npy_read(a, file, &r->array[i], e)) return e->status;
        for (int k = 0; k < in->rank && k < r->array[i].rank; k++)
            if (in->axis[k]) *GR_PUSH(a, r->axes, r->num_axes, r->cap_axes) = (gr_axis_size){in->axis[k], r->array[i].dim[k]};
    }
    return 0;
}

static const char **names_of(gr_arena *a, const cli_list *list)
{
    const char **names = GR_NEW_ARRAY(a, const char *, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        char *name;
        const char *file;
        cli_split(list->item[i], &name, &file);
        names[i] = name;
    }
    return names;
}

static int feed(run_state *r, gr_error *e)
{
    gr_session *s = r->session;
    const gr_tensor *field = NULL;
    if (s->data && (gr_data_begin(s->data, "train", 0, 0, e) || gr_data_next(s->data, &field, e) < 0)) return e->status;
    for (int i = 0; field && i < s->num_inputs; i++) {
        bool given = false;
        for (int k = 0; k < r->args->inputs.count; k++) given |= strcmp(r->input[k], s->inputs[i].name) == 0;
        if (!given && r->exec->field[i] >= 0 && gr_exec_feed(r->exec, s->inputs[i].name, &field[r->exec->field[i]], e))
            return e->status;
    }
    for (int i = 0; i < r->args->inputs.count; i++)
        if (gr_exec_feed(r->exec, r->input[i], &r->array[i], e)) return e->status;
    return 0;
}

/* Every Input that the program reads must come from somewhere. */
static int check_fed(run_state *r, gr_error *e)
{
    gr_session *s = r->session;
    for (int i = 0; i < s->num_inputs; i++) {
        gr_type t;
        bool given = r->exec->field[i] >= 0 || !gr_run_feed(r->exec->run, s->inputs[i].name, &t);
        for (int k = 0; k < r->args->inputs.count && !given; k++) given = strcmp(r->input[k], s->inputs[i].name) == 0;
        if (!given)
            return gr_set_error(e, GR_EINVAL, "Input '%s' is not fed; give --input %s=FILE.npy", s->inputs[i].name,
                                s->inputs[i].name);
    }
    return 0;
}

static int write_result(run_state *r, const char *result, const char *file, gr_error *e)
{
    gr_type t;
    const void *data = gr_run_result(r->exec->run, result, &t);
    if (!data) return gr_set_error(e, GR_EINVAL, "'%s' has no value in this run", result);
    if (!file) {
        print_tensor(result, &t, data);
        return 0;
    }
    gr_tensor out = {.data = (void *)(uintptr_t)data, .dtype = t.dtype, .rank = t.rank};
    int64_t stride = 1;
    for (int k = t.rank - 1; k >= 0; k--) {
        out.dim[k] = t.dim[k];
        out.stride[k] = stride;
        stride *= t.dim[k];
    }
    return gr_npy_write(file, &out, e);
}

static int write_all(run_state *r, const cli_list *list, const char *prefix, gr_error *e)
{
    for (int i = 0; i < list->count; i++) {
        char *name;
        const char *file;
        cli_split(list->item[i], &name, &file);
        if (write_result(r, gr_arena_printf(r->session->arena, "%s%s", prefix, name), file, e)) return e->status;
    }
    return 0;
}

static int run_once(run_state *r, gr_error *e)
{
    gr_session *s = r->session;
    const run_args *a = r->args;
    if (read_inputs(r, e)) return e->status;
    const gr_want want = {.training = a->training, .fetch = names_of(s->arena, &a->fetch), .of = a->of,
                          .grad = a->grad.count ? names_of(s->arena, &a->grad) : NULL, .axes = r->axes,
                          .num_axes = r->num_axes};
    if (a->grad.count && !a->of && !s->recipe->minimize)
        return gr_set_error(e, GR_EINVAL, "--grad needs --of VALUE: the model minimizes nothing");
    if (!(r->exec = gr_session_compile(s, &want, e)) || gr_session_check_weights(s, r->exec, e)) return e->status;
    if (feed(r, e) || check_fed(r, e)) return e->status;
    if (gr_exec_step(r->exec, 0, e)) return e->status;
    if (!a->fetch.count && !a->grad.count) {
        for (int i = 0; i < r->exec->graph->num_results; i++)
            if (write_result(r, r->exec->graph->result_names[i], NULL, e)) return e->status;
        return 0;
    }
    return write_all(r, &a->fetch, "", e) || write_all(r, &a->grad, "grad:", e) ? e->status : 0;
}

static int run_guarded(gr_session *s, void *data)
{
    run_state r = {.session = s, .args = data};
    gr_error e = {0};
    return run_once(&r, &e) ? cli_fail(&e) : EXIT_DONE;
}

static int run_model(const char *model, run_args *a)
{
    a->options.weights = a->weights;
    gr_session *s = cli_open(model, &a->options);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, run_guarded, a);
    if (code == EXIT_DONE) cli_note_rounding(s);
    gr_session_close(s);
    return code;
}

/* NAME=FILE, where `alone` NAME too. -1: all are; else the exit code. */
static int check_names(const cli_command *self, const char *option, const cli_list *list, bool alone)
{
    for (int i = 0; i < list->count; i++) {
        const char *text = list->item[i], *equals = strchr(text, '=');
        if (*text && equals != text && (equals ? equals[1] != 0 : alone)) continue;
        return cli_misuse(self, "--%s wants NAME=FILE.npy%s, not '%s'", option, alone ? " or NAME" : "", text);
    }
    return -1;
}

int print_all_outputs(const char *model, const cli_common *common, const char *weights, bool partial)
{
    run_args a = {.common = *common, .weights = weights, .options = cli_session_options(common)};
    a.options.partial = partial;
    return run_model(model, &a);
}

int cmd_run(int argc, char **argv)
{
    run_args a = {.common = CLI_DEFAULTS};
    const char *weights_dtype = NULL;
    const cli_option own[] = {
        {"input", 0, CLI_LIST, &a.inputs, "NAME=FILE.npy", "feed an Input"},
        {"fetch", 0, CLI_LIST, &a.fetch, "VALUE[=FILE.npy]", "write a value: a node, node.port, a parameter, one in a loop"},
        {"grad", 0, CLI_LIST, &a.grad, "NAME[=FILE.npy]", "write d(VALUE)/d(NAME)"},
        {"of", 0, CLI_TEXT, &a.of, "VALUE", "what --grad differentiates; what the model minimizes where not given"},
        {"weights", 0, CLI_TEXT, &a.weights, "FILE", "start from these (safetensors)"},
        CLI_WEIGHTS_DTYPE(&weights_dtype),
        {"training", 0, CLI_FLAG, &a.training, NULL, "as in training: Dropout drops"},
        {0},
    };
    const cli_command *self = cli_find("run");
    int done = cli_parse_model(self, argc, argv, own, &a.common);
    if (done < 0) done = check_names(self, "input", &a.inputs, false);
    if (done < 0) done = check_names(self, "fetch", &a.fetch, true);
    if (done < 0) done = check_names(self, "grad", &a.grad, true);
    if (done >= 0) return done;
    if (a.of && !a.grad.count) return cli_misuse(self, "--of says what --grad differentiates: give --grad NAME, or --fetch %s", a.of);
    a.options = cli_session_options(&a.common);
    if ((done = cli_weights_dtype(self, &a.common, weights_dtype, &a.options)) >= 0) return done;
    a.options.inference = false; /* one run: nothing is packed more than once */
    return run_model(argv[1], &a);
}
