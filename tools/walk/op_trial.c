/* op_trial.c - graphs of one node, and in which ways they are held against one another. */
#include "op_trial.h"
#include "eval.h"
#include "graph/frame.h"
#include "pass/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One input: its kind, for integers how many, and lengths of axes. NULL, with *why, where it says something else. */
static const char *parse_operand(const char *text, operand *o, const char **why)
{
    char *end;
    *o = (operand){.kind = *text};
    *why = "an input is one of the kinds f p q u t n iN b - and the lengths of its axes, as in \"f 2 3; i5 2\"";
    if (!*text || !strchr("fpqutnib-", *text++)) return NULL;
    if (o->kind == 'i') o->classes = (int)strtol(text, &end, 10), text = end;
    o->type.dtype = o->kind == 'i' ? GR_INT32 : o->kind == 'b' ? GR_BOOL : GR_FLOAT64;
    if (o->kind == 'i' && o->classes < 1) return *why = "integers are written iN, from 0 to N - 1: \"i5 2\"", NULL;
    while (*(text += strspn(text, " ")) && *text != ';') {
        long d = strtol(text, &end, 10);
        if (end == text) return NULL;
        if (d < 0 || d > 4096) return *why = "an axis of a case is 0 to 4096 long", NULL;
        if (o->type.rank == GR_MAX_RANK) return *why = "an input has more axes than a value may have", NULL;
        o->type.dim[o->type.rank++] = d;
        text = end;
    }
    if (gr_numel(&o->type) > 1 << 20) return *why = "an input of a case has at most 1048576 elements", NULL;
    return text;
}

int trial_operands(const char *text, operand *in, const char **why)
{
    int n = 0;
    while (*(text += strspn(text, " ;"))) {
        if (n == MAX_IN) return *why = "a case has at most 12 inputs", -1;
        if (!(text = parse_operand(text, &in[n++], why))) return -1;
    }
    return n;
}

/* steps -1: none */
static const char *dims_text(gr_arena *a, const gr_type *t, int steps)
{
    const char *text = gr_arena_printf(a, steps >= 0 ? "[%d" : "[", steps);
    for (int i = 0; i < t->rank; i++)
        text = gr_arena_printf(a, "%s%s%lld", text, i || steps >= 0 ? ", " : "", (long long)t->dim[i]);
    return gr_arena_printf(a, "%s]", text);
}

bool trial_whole(const trial *t, int input)
{
    const gr_port *p = t->op->inputs;
    if (t->whole >> input & 1) return true;
    for (int i = 0; p && p[i].name; i++)
        if (i == input || (p[i].flags & GR_PORT_VARIADIC)) return p[i].flags & GR_PORT_WHOLE;
    return false;
}

static bool has_sequence(const trial *t)
{
    for (int i = 0; i < t->num_in; i++)
        if (t->input[i] && !trial_whole(t, i)) return true;
    return false;
}

trial trial_begin(gr_dtype real, const op_case *c, int steps, unsigned whole, const op_more *more)
{
    static const char *const dtype[GR_NUM_DTYPES] = {"", "float32", "float64", "int32", "bool"};
    trial t = {.c = c, .arena = gr_arena_create(), .steps = steps, .whole = whole, .report = more ? more->report : NULL};
    const char *why = "";
    if (t.report) trial_look(&t, t.report->at); /* until the walk says */
    t.diag = gr_diag_create(t.arena);
    t.graph = gr_graph_create(t.arena, op_registry_of(more), t.diag, real);
    t.graph->typed = t.graph->training = true;
    t.emitter = gr_emitter_create(t.graph, GR_FORWARD);
    t.op = gr_registry_find(t.graph->registry, c->op);
    t.num_in = trial_operands(c->inputs, t.in, &why);
    if (t.num_in < 0) gr_diag_error(t.diag, (gr_loc){0}, "inputs \"%s\": %s", c->inputs, why);
    for (int i = 0; t.op && i < t.num_in; i++) {
        if (t.in[i].kind == '-') continue;
        const gr_type *type = &t.in[i].type;
        t.input[i] = (gr_value *)(uintptr_t)gr_emit(gr_emitter_ctx(t.emitter), "Input", gr_arena_printf(t.arena, "in%d", i), 0, NULL,
                                                    "shape=%s, dtype=%s", dims_text(t.arena, type, steps && !trial_whole(&t, i) ? steps : -1),
                                                    dtype[type->dtype]);
        gr_graph_set_name(t.graph, t.input[i]->node->name, t.input[i]);
    }
    return t;
}

static void apply_op(trial *t, gr_value *const *in)
{
    gr_attr *attr = gr_attr_defaults(t->arena, t->op);
    const char *why = "";
    const char *text = t->c->attrs + strspn(t->c->attrs, ", ");
    if (gr_attrs_parse(t->arena, t->op, text, attr, &why) < 0) {
        gr_diag_error(t->diag, (gr_loc){0}, "%s", why);
        return;
    }
    gr_apply w = {.op = t->op, .name = "node", .num_in = t->num_in, .in = in, .attr = attr};
    t->num_out = gr_apply_op(t->emitter, &w, t->out, NULL, MAX_OUT);
}

/* In the else branch of gr_try. */
static void say_unwound(trial *t)
{
    t->unwound = true;
    gr_diag_error(t->diag, (gr_loc){0}, "%s", gr_arena_fault(t->arena));
}

static void apply(trial *t, gr_value *const *in)
{
    gr_frame frame;
    t->num_out = -1;
    if (!t->op || t->num_in < 0) return;
    if (gr_try(t->arena, &frame)) {
        apply_op(t, in);
        gr_end_try(t->arena, &frame);
    } else {
        say_unwound(t);
    }
}

bool trial_outside(trial *t)
{
    apply(t, t->input);
    return t->num_out >= 0 && !gr_diag_count(t->diag);
}

void trial_end(trial *t) { gr_arena_destroy(t->arena); }

/* The sum over all float outputs of the output times numbers of its own: the Inputs w0, ... */
static gr_value *objective(trial *t, gr_value **out, int n)
{
    gr_ctx *c = gr_emitter_ctx(t->emitter);
    gr_val sum = NULL;
    for (int i = 0; i < n; i++) {
        if (!gr_is_float(out[i]->type.dtype)) continue;
        gr_val w = gr_emit(c, "Input", gr_arena_printf(t->arena, "w%d", i), 0, NULL, "shape=%s", dims_text(t->arena, &out[i]->type, -1));
        gr_val term = gr_emit1(c, "Sum", gr_emit2(c, "Mul", out[i], w));
        sum = sum ? gr_emit2(c, "Add", sum, term) : term;
    }
    return (gr_value *)(uintptr_t)sum;
}

/* {dim=1} of "f 2 3", in a loop */
static void note_place(const trial *t)
{
    op_report *r = t->report;
    if (!r) return;
    r->at = t->check;
    snprintf(r->where, sizeof r->where, "{%s} of \"%s\"%s", t->c->attrs, t->c->inputs, t->lengths ? ", in a ragged loop" : t->steps ? ", in a loop" : "");
}

static void report_failure(trial *t, const char *what)
{
    op_finding *f = &t->report->of[t->check];
    gr_loc at;
    const char *said = gr_diag_count(t->diag) ? gr_diag_message(t->diag, 0, &at) : NULL;
    note_place(t);
    if (!f->failures++) snprintf(f->failure, sizeof f->failure, "%s: %s%s%s", t->report->where, what, said ? ": " : "", said ? said : "");
}

void trial_look(trial *t, op_check check)
{
    if (!t->settled) t->check = check;
    note_place(t);
}

void trial_settle(trial *t, op_check check)
{
    trial_look(t, check);
    t->settled = true;
}

void trial_compared(trial *t, int64_t count, double worst)
{
    if (!t->report) return;
    op_finding *f = &t->report->of[t->check];
    f->count += count;
    f->worst = fmax(f->worst, worst);
}

bool trial_failed(trial *t, const char *what)
{
    if (t->quiet) return false;
    if (t->report) return report_failure(t, what), false;
    printf("\n  %s {%s} of %s, %d steps: %s\n", t->c->op, t->c->attrs, t->c->inputs, t->steps, what);
    gr_diag_print(t->diag, stdout);
    return false;
}

bool trial_run(trial *t, gr_eval *e) { return eval_run(e) == 0 || trial_failed(t, eval_fault(e)); }

/* ---- numbers ---- */

static double number(const operand *o, uint64_t i)
{
    double u = (double)((i * 0x9e3779b97f4a7c15u >> 20) % 100003) / 100003;
    switch (o->kind) {
    case 'i': return (double)((i * 7 + 3) % (uint64_t)o->classes);
    case 'b': return (double)(i % 3 == 0);
    case 'p':
    case 'q': return 0.3 + 1.4 * u;
    case 'u': return 0.05 + 0.9 * u;
    case 't': return (double)(i % 3);
    default: return 3 * u - 1.5;
    }
}

/* Numbers of that kind into an Input or a state, if there is one of that name. */
static void fill_one(trial *t, gr_eval *e, const char *name, const operand *o, uint64_t first)
{
    gr_type type;
    if (!eval_memory(e, name, &type)) return;
    double *v = GR_NEW_ARRAY(t->arena, double, gr_numel(&type) + 1);
    for (int64_t k = 0; k < gr_numel(&type); k++) v[k] = number(o, (uint64_t)k + first);
    eval_set(e, name, v);
}

/* Rows' lengths, and NaN for the padding behind them. */
static void fill_lengths(trial *t, gr_eval *e)
{
    gr_type type;
    int32_t *length = eval_memory(e, "lengths", &type);
    int64_t rows = type.dim[0];
    for (int64_t r = 0; r < rows; r++) length[r] = (int32_t)(t->steps - r % t->steps);
    for (int i = 0; i < t->num_in; i++) {
        const char *name = gr_arena_printf(t->arena, "in%d", i);
        if (t->in[i].kind == '-' || trial_whole(t, i) || !eval_memory(e, name, &type) || !gr_is_float(type.dtype)) continue;
        int64_t row = gr_numel(&type) / t->steps / rows;
        double *v = GR_NEW_ARRAY(t->arena, double, gr_numel(&type) + 1);
        for (int64_t k = 0; k < gr_numel(&type); k++)
            v[k] = trial_ended(t, k / row % rows, k / row / rows) ? (double)NAN : number(&t->in[i], (uint64_t)(k + 1 + 500 * i));
        eval_set(e, name, v);
    }
}

void trial_fill(trial *t, gr_eval *e)
{
    static const operand any = {.kind = 'f'};
    for (int i = 0; i < t->graph->num_states; i++) fill_one(t, e, t->graph->states[i]->name, &any, (uint64_t)(300 * i + 5000));
    for (int i = 0; i < MAX_OUT; i++) fill_one(t, e, gr_arena_printf(t->arena, "w%d", i), &any, (uint64_t)(1000 * i + 77));
    for (int i = 0; i < t->num_in; i++) fill_one(t, e, gr_arena_printf(t->arena, "in%d", i), &t->in[i], (uint64_t)(1 + 500 * i));
    if (t->lengths) fill_lengths(t, e);
}

double trial_distance(const gr_tensor *x, const gr_tensor *y)
{
    double worst = x->rank != y->rank || eval_numel(x) != eval_numel(y) ? INFINITY : 0;
    for (int64_t i = 0; worst < INFINITY && i < eval_numel(x); i++) {
        double a = eval_at(x, i), b = eval_at(y, i), d = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b) / (1 + fabs(a));
        worst = isnan(d) ? INFINITY : fmax(worst, d);
    }
    return worst;
}

/* ---- gradients ---- */

/* Whether a gradient toward the input is to be checked. */
static bool wants_gradient(const trial *t, int i)
{
    return strchr("fput", t->in[i].kind) && t->in[i].kind && t->input[i] && t->input[i]->node && gr_numel(&t->input[i]->type) > 0;
}

/* The objective with element k moved by `by`. */
static double moved(gr_eval *e, double *x, int64_t k, double by)
{
    double at = x[k];
    x[k] = at + by;
    const int status = eval_run(e);
    x[k] = at;
    return status < 0 ? (double)NAN : eval_at(eval_result(e, "loss"), 0);
}

static int count_nodes(const gr_graph *g)
{
    int n = g->num_nodes;
    for (int i = 0; i < g->num_nodes; i++) n += g->nodes[i]->scan ? 3 * count_nodes(g->nodes[i]->scan->body) : 0;
    return n;
}

/* Each element takes two runs of the graph: fewer where those are long, and under a sanitizer, to which one
 * run is like another. */
static int64_t elements_to_check(const gr_graph *g, int64_t elements)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    enum { MOST = 3 };
#else
    enum { MOST = 24 };
#endif
    int most = MOST / (1 + count_nodes(g) / 60);
    return elements > 1000 ? 3 : most < 2 ? 2 : most;
}

/* "in2" -> "weight" or, of several on one port, "input (the 2nd)"; a parameter has its name. */
static const char *readable(const trial *t, const char *name)
{
    const gr_port *p = t->op->inputs;
    int i = 0, at = strncmp(name, "in", 2) == 0 && name[2] >= '0' && name[2] <= '9' ? atoi(name + 2) : -1;
    while (at >= 0 && p && p[i].name && i < at && !(p[i].flags & GR_PORT_VARIADIC)) i++;
    if (at < 0 || !p || !p[i].name) return name;
    return i == at ? p[i].name : gr_arena_printf(t->arena, "%s (number %d)", p[i].name, at - i + 1);
}

const char *trial_result(const trial *t, const char *name)
{
    if (strncmp(name, "grad:", 5) == 0) return gr_arena_printf(t->arena, "the gradient toward %s", readable(t, name + 5));
    if (strncmp(name, "out", 3) == 0) return gr_arena_printf(t->arena, "output `%s`", gr_output_name(t->emitter, t->op, atoi(name + 3)));
    return strcmp(name, "loss") == 0 ? "the weighted sum of the outputs" : name;
}

bool trial_check_gradient(trial *t, gr_eval *e, const char *name)
{
    double *x = eval_memory(e, name, NULL), step = 1e-6, worst = 0;
    if (!trial_run(t, e)) return false;
    const gr_tensor *g = eval_result(e, gr_arena_printf(t->arena, "grad:%s", name));
    if (!g) return trial_failed(t, gr_arena_printf(t->arena, "has no gradient toward %s", readable(t, name)));
    if (!isfinite(eval_at(eval_result(e, "loss"), 0))) return true; /* differences say nothing */
    int64_t n = eval_numel(g), most = elements_to_check(t->graph, n), stride = n > most ? n / most : 1;
    double *analytic = gr_arena_copy(t->arena, g->data, sizeof(double) * (size_t)n);
    for (int64_t k = 0; k < n; k += stride) {
        double numeric = (moved(e, x, k, step) - moved(e, x, k, -step)) / (2 * step);
        double off = fabs(numeric - analytic[k]) / (1 + fabs(numeric));
        worst = off > worst ? off : worst;
        if (off <= GRADIENT_NEAR || (isnan(numeric) && isnan(analytic[k]))) continue;
        return trial_failed(t, gr_arena_printf(t->arena, "the gradient toward %s[%lld]: analytic %.10g, numeric %.10g", readable(t, name), (long long)k, analytic[k], numeric));
    }
    trial_compared(t, (n + stride - 1) / stride, worst);
    return true;
}

static void add_result(trial *t, const char *name, gr_value *v)
{
    gr_graph_add_result(t->graph, t->graph->num_results, name, v);
}

static bool differentiate(trial *t, const gr_request *r)
{
    gr_frame frame;
    volatile bool good = false;
    if (gr_try(t->arena, &frame)) {
        good = gr_pass_differentiate(t->graph, r) != NULL;
        gr_end_try(t->arena, &frame);
    } else {
        say_unwound(t);
    }
    return good;
}

bool trial_differentiate(trial *t, gr_value **out, int n)
{
    int count = 0;
    gr_value *loss = objective(t, out, n);
    for (int i = 0; i < n; i++) add_result(t, gr_arena_printf(t->arena, "out%d", i), out[i]);
    if (!loss) return true;
    const char **names = GR_NEW_ARRAY(t->arena, const char *, MAX_IN + t->graph->num_states + 1);
    for (int i = 0; i < t->num_in; i++)
        if (wants_gradient(t, i)) names[count++] = t->input[i]->node->name;
    for (int i = 0; i < t->graph->num_states; i++)
        if (t->graph->states[i]->trainable) names[count++] = t->graph->states[i]->name;
    t->grads = names;
    gr_graph_set_name(t->graph, "loss", loss);
    add_result(t, "loss", loss);
    gr_request r = {.grad = names, .of = "loss", .training = true};
    if (count && !differentiate(t, &r)) return trial_failed(t, "cannot be differentiated");
    return gr_graph_check(t->graph) ? trial_failed(t, gr_graph_check(t->graph)) : true;
}

/* ---- all passes ---- */

gr_graph *trial_optimised(trial *t)
{
    gr_request r = {.training = true};
    gr_graph *g = gr_graph_clone(t->graph, t->arena);
    g = gr_pass_merge(g, &r);
    g = g ? gr_pass_hoist(g, &r) : NULL;
    g = g ? gr_pass_fuse(g, &r) : NULL;
    g = g ? gr_pass_layout(g, &r) : NULL;
    const char *wrong = g ? gr_graph_check(g) : "a pass fails";
    if (wrong) trial_failed(t, wrong);
    return wrong ? NULL : g;
}

/* ---- in a loop ---- */

bool trial_ended(const trial *t, int64_t row, int64_t step) { return step >= t->steps - row % t->steps; }

bool trial_make_ragged(trial *t)
{
    int64_t rows = -1;
    for (int i = 0; t->op && i < t->num_in; i++) {
        if (!t->input[i] || trial_whole(t, i)) continue;
        const gr_type *type = &t->in[i].type;
        if (type->rank < 1 || type->dim[0] < 1 || (rows >= 0 && type->dim[0] != rows)) return false;
        rows = type->dim[0];
    }
    if (rows < 0) return false;
    t->lengths = (gr_value *)(uintptr_t)gr_emit(gr_emitter_ctx(t->emitter), "Input", "lengths", 0, NULL, "shape=[%lld], dtype=int32", (long long)rows);
    gr_graph_set_name(t->graph, "lengths", t->lengths);
    return true;
}

/* Values of the loop are found by position, as a loop has no carries here. */
bool trial_inside(trial *t)
{
    gr_ctx *c = gr_emitter_ctx(t->emitter);
    gr_value *in[MAX_IN] = {NULL};
    if (!t->op || !has_sequence(t)) return false;
    gr_loop *l = gr_loop_begin(c, "loop", false);
    if (t->lengths) gr_loop_lengths(c, l, t->lengths);
    for (int i = 0; i < t->num_in; i++) {
        bool slice = t->input[i] && !trial_whole(t, i);
        in[i] = slice ? (gr_value *)(uintptr_t)gr_loop_slice(c, l, gr_arena_printf(t->arena, "x%d", i), t->input[i]) : t->input[i];
    }
    apply(t, in);
    if (t->unwound) return false;
    for (int i = 0; i < t->num_out; i++) gr_loop_stack(c, l, gr_arena_printf(t->arena, "y%d", i), t->out[i]);
    gr_val first = gr_loop_end(c, l);
    for (int i = 0; i < t->num_out && first; i++) t->out[i] = (gr_value *)(uintptr_t)gr_output(c, first, i);
    return t->num_out > 0 && !gr_diag_count(t->diag);
}
