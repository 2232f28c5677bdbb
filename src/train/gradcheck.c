/* gradcheck.c - (f(x + h) - f(x - h)) / 2h against what differentiation gives. */
#include "train/gradcheck.h"
#include "base/column.h"
#include "base/map.h"
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define STEP 1e-5       /* h; f is smooth to about h^2, and double has 1e-16 / h to spare */
#define TOLERANCE 1e-6  /* relative, to the larger of both and to the gradient's own scale */
#define ROUNDING (32 * DBL_EPSILON) /* what a value of f may be off, relative */
#define ALL_ELEMENTS 200

typedef struct checker {
    gr_session *session;
    const char *of;
    gr_exec *grads, *value;  /* a program with all gradients, one with the value alone */
    FILE *out;
    int width;               /* of the column of names */
} checker;

typedef struct target {
    const char *name;
    double *data;         /* what `value` reads; moved to and fro */
    const double *grad;
    int64_t n;
    double scale;         /* largest absolute gradient */
    double worst;
    int64_t at;             /* the worst element; -1: the random direction */
    double found, analytic; /* there: by differences, and as differentiation gives it */
} target;

static double evaluate(checker *c)
{
    gr_type t;
    gr_run_step(c->value->run, 0);
    const void *data = gr_run_result(c->value->run, c->of, &t);
    double sum = 0;
    for (int64_t i = 0, n = gr_numel(&t); i < n; i++) sum += gr_element(data, t.dtype, i);
    return sum;
}

/* ---- targets ---- */

/* Parameters, and Inputs of floats; NULL-ended. */
static const char **target_names(gr_session *s, const gr_graph *g)
{
    const char **names = GR_NEW_ARRAY(s->arena, const char *, g->num_states + s->num_inputs + 1);
    int n = 0;
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->trainable) names[n++] = g->states[i]->name;
    for (int i = 0; i < s->num_inputs; i++)
        if (gr_is_float(s->inputs[i].dtype)) names[n++] = s->inputs[i].name;
    return names;
}

static double *memory_of(checker *c, const char *name, int64_t *n)
{
    gr_type t;
    void *data = gr_session_state(c->session, name, &t);
    if (!data) data = gr_run_feed(c->value->run, name, &t);
    *n = data ? gr_numel(&t) : 0;
    return data;
}

/* up, down: f at h above and below, of element `at` or along the direction. The scale of an error is such that what rounding of f
 * may explain stays below TOLERANCE. */
static void judge(target *t, int64_t at, double up, double down, double h, double grad)
{
    double found = (up - down) / (2 * h), rounding = ROUNDING * fmax(fabs(up), fabs(down)) / h;
    double size = fmax(fabs(found), fabs(grad)), floor = fmax(1e-3 * t->scale, rounding / TOLERANCE);
    double error = fabs(found - grad) / fmax(size, floor);
    if (error <= t->worst) return;
    t->worst = error;
    t->at = at;
    t->found = found;
    t->analytic = grad;
}

static void check_element(checker *c, target *t, int64_t i)
{
    double x = t->data[i], h = STEP * fmax(1, fabs(x));
    t->data[i] = x + h;
    double up = evaluate(c);
    t->data[i] = x - h;
    double down = evaluate(c);
    t->data[i] = x;
    judge(t, i, up, down, h, t->grad[i]);
}

/* Along a random direction of length 1. */
static void check_direction(checker *c, target *t, const uint64_t key[2])
{
    gr_arena *a = c->session->arena;
    double *x = gr_arena_copy(a, t->data, (size_t)t->n * sizeof *x), *d = GR_NEW_ARRAY(a, double, t->n);
    float *u = GR_NEW_ARRAY(a, float, t->n);
    gr_math_get()->uniform_f32(key, 1, 0, u, t->n);
    double length = 0, slope = 0;
    for (int64_t i = 0; i < t->n; i++) {
        d[i] = (double)u[i] - 0.5;
        length += d[i] * d[i];
    }
    for (int64_t i = 0; i < t->n; i++) {
        d[i] /= sqrt(length);
        slope += d[i] * t->grad[i];
    }
    double h = STEP;
    for (int64_t i = 0; i < t->n; i++) t->data[i] = x[i] + h * d[i];
    double up = evaluate(c);
    for (int64_t i = 0; i < t->n; i++) t->data[i] = x[i] - h * d[i];
    double down = evaluate(c);
    memcpy(t->data, x, (size_t)t->n * sizeof *x);
    judge(t, -1, up, down, h, slope);
}

static void check_target(checker *c, target *t)
{
    const uint64_t key[2] = {c->session->options.seed, gr_hash(t->name)};
    if (t->n <= ALL_ELEMENTS) {
        for (int64_t i = 0; i < t->n; i++) check_element(c, t, i);
        return;
    }
    float u[ALL_ELEMENTS];
    gr_math_get()->uniform_f32(key, 0, 0, u, ALL_ELEMENTS);
    for (int k = 0; k < ALL_ELEMENTS; k++) check_element(c, t, (int64_t)((double)u[k] * (double)t->n));
    check_direction(c, t, key);
}

/* As test-plugin does. */
static void print_worst(const checker *c, const target *t, const gr_type *type)
{
    int64_t index[GR_MAX_RANK], rest = t->at;
    for (int k = type->rank - 1; k >= 0; k--) {
        index[k] = rest % type->dim[k];
        rest /= type->dim[k];
    }
    fprintf(c->out, t->at < 0 ? "    along a random direction" : "    element [");
    for (int k = 0; t->at >= 0 && k < type->rank; k++) fprintf(c->out, "%s%lld", k ? ", " : "", (long long)index[k]);
    fprintf(c->out, "%s: the gradient is %.9g, finite differences give %.9g\n", t->at < 0 ? "" : "]", t->analytic, t->found);
}

static void check_name(checker *c, const char *name, gr_gradcheck_result *r)
{
    gr_type type;
    target t = {.name = name};
    t.grad = gr_run_result(c->grads->run, gr_arena_printf(c->session->arena, "grad:%s", name), &type);
    t.data = memory_of(c, name, &t.n);
    if (!t.grad || !t.data) return; /* the value does not depend on it */
    for (int64_t i = 0; i < t.n; i++) t.scale = fmax(t.scale, fabs(t.grad[i]));
    check_target(c, &t);
    bool wrong = !(t.worst <= TOLERANCE);
    r->checked++;
    r->wrong += wrong;
    r->worst = fmax(r->worst, t.worst);
    if (!c->out) return;
    gr_put_left(c->out, name, c->width);
    fprintf(c->out, " %8lld elements  worst relative error %.1e  %s\n", (long long)t.n, t.worst, wrong ? "WRONG" : "ok");
    if (wrong) print_worst(c, &t, &type);
    fflush(c->out); /* a large model takes long, and the lines are its progress */
}

/* ---- values to stand at ---- */

/* How long the rows of which an Input holds the lengths may be; 0: it holds something else. */
static int64_t longest(const gr_graph *g, const char *input)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        if (n->op->role == GR_ROLE_LENGTH_MASK && strcmp(n->in[0]->node->name, input) == 0) return n->out[0]->type.dim[0];
    }
    return 0;
}

/* Inputs that no source feeds get numbers in (-1, 1), or zeros where integers; lengths differ. */
static void feed_by_hand(gr_exec *x, const gr_model_input *in)
{
    gr_type t;
    void *data = gr_run_feed(x->run, in->name, &t);
    int64_t most = data ? longest(x->graph, in->name) : 0;
    for (int64_t i = 0; most && i < gr_numel(&t); i++) ((int32_t *)data)[i] = (int32_t)(most - i % most);
    if (!data || t.dtype != GR_FLOAT64) return;
    const uint64_t key[2] = {x->session->options.seed, gr_hash(in->name)};
    for (int64_t i = 0, n = gr_numel(&t); i < n; i++) {
        float u;
        gr_math_get()->uniform_f32(key, 0, i, &u, 1);
        ((double *)data)[i] = 2 * (double)u - 1;
    }
}

static int feed_all(checker *c, gr_error *e)
{
    gr_session *s = c->session;
    const gr_tensor *field = NULL;
    if (s->data && (gr_data_begin(s->data, "train", 0, 0, e) || gr_data_next(s->data, &field, e) < 0)) return e->status;
    if (field && (!(c->grads = gr_exec_for_batch(c->grads, field, e)) || !(c->value = gr_exec_for_batch(c->value, field, e))))
        return e->status;
    gr_exec *const both[] = {c->grads, c->value};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < s->num_inputs; i++)
            if (both[k]->field[i] < 0) feed_by_hand(both[k], &s->inputs[i]);
        if (field && gr_exec_feed_batch(both[k], field, e)) return e->status;
    }
    return 0;
}

/* The step before has shortened the rows that max_norm bounds; from there differences go where
 * the gradient does, which takes no part in the bound. */
static void lift_bounds(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->op->role == GR_ROLE_TAKE) gr_node_attr(n, "max_norm")->present = false;
        if (n->scan) lift_bounds(n->scan->body);
    }
}

/* Axes that nothing but feeding gives a length get short ones, all different; how many. */
static int choose_lengths(const checker *c, gr_axis_size *axes)
{
    static const int64_t lengths[GR_MAX_ASSUMED] = {3, 2, 4, 5, 6, 7, 8, 9};
    const gr_session *s = c->session;
    for (int i = 0; i < s->num_assumed; i++) {
        axes[i] = (gr_axis_size){s->assumed[i], lengths[i]};
        if (c->out) fprintf(c->out, "checked with %lld as the length of '%s', which nothing gives\n", (long long)lengths[i], s->assumed[i]);
    }
    return s->num_assumed;
}

static int check_all(checker *c, gr_gradcheck_result *r, gr_error *e)
{
    gr_session *s = c->session;
    gr_axis_size axes[GR_MAX_ASSUMED];
    const gr_want graph = {.assume_axes = true};
    gr_graph *g = gr_session_graph(s, &graph, "expand");
    if (!g) return gr_session_tell(s, e);
    const char **names = target_names(s, g), *fetch[] = {c->of, NULL};
    const int n = choose_lengths(c, axes);
    const gr_want grads = {.grad = names, .of = c->of, .axes = axes, .num_axes = n}, value = {.fetch = fetch, .axes = axes, .num_axes = n};
    if (!(c->grads = gr_session_compile(s, &grads, e)) || !(c->value = gr_session_compile(s, &value, e))) return e->status;
    if (gr_session_check_weights(s, c->grads, e) || feed_all(c, e)) return e->status;
    if (gr_exec_step(c->grads, 0, e)) return e->status;
    lift_bounds(c->value->graph);
    for (int i = 0; names[i]; i++) c->width = gr_wider(c->width, names[i]);
    for (int i = 0; names[i]; i++) check_name(c, names[i], r);
    return 0;
}

static int check_guarded(checker *c, gr_gradcheck_result *r, gr_error *e)
{
    gr_frame frame;
    if (gr_try(c->session->arena, &frame)) {
        int status = check_all(c, r, e);
        gr_end_try(c->session->arena, &frame);
        return status;
    }
    return gr_caught(c->session->arena, e);
}

int gr_gradcheck(gr_session *s, const char *of, FILE *out, gr_gradcheck_result *result, gr_error *e)
{
    checker c = {.session = s, .of = of ? of : s->recipe->minimize, .out = out, .width = 24};
    *e = (gr_error){0};
    *result = (gr_gradcheck_result){0};
    if (c.of) return check_guarded(&c, result, e);
    return gr_set_error(e, GR_EINVAL, "what is to be differentiated? the model has no `train: {minimize: ...}`; use --of");
}
