/* eval.c - a plain interpreter of graphs, to hold passes and programs against. */
#include "eval_own.h"
#include "base/tensor.h"
#include "graph/emit.h"
#include "graph/tape.h"
#include "kernel/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors ---- */

int64_t eval_numel(const gr_tensor *t) { return gr_tensor_numel(t); }
double eval_at(const gr_tensor *t, int64_t i) { return gr_element(t->data, t->dtype, i); }

/* What is not finite becomes the integer 0. */
static void set_at(const gr_tensor *t, int64_t i, double x)
{
    gr_put_element(t->data, t->dtype, i, t->dtype == GR_INT32 && !isfinite(x) ? 0 : x);
}

/* Goes through the elements of a tensor in their order; `at` is where the next one lies. */
typedef struct cursor {
    const gr_tensor *t;
    int64_t at, index[GR_MAX_RANK];
} cursor;

static void advance(cursor *c)
{
    const gr_tensor *t = c->t;
    for (int i = t->rank - 1; i >= 0; i--) {
        c->at += t->stride[i];
        if (++c->index[i] < t->dim[i]) return;
        c->at -= t->stride[i] * t->dim[i];
        c->index[i] = 0;
    }
}

static double take(cursor *c)
{
    const double x = eval_at(c->t, c->at);
    advance(c);
    return x;
}

static cursor *cursors(gr_eval *e, const gr_tensor *t, int n)
{
    cursor *c = GR_NEW_ARRAY(e->run, cursor, n + 1);
    for (int i = 0; i < n; i++) c[i].t = &t[i];
    return c;
}

/* t seen with the dims of `space`: stride 0 where it repeats. */
static gr_tensor broadcast(const gr_tensor *t, const gr_tensor *space)
{
    gr_tensor r = *space;
    int extra = space->rank - t->rank;
    r.data = t->data;
    r.dtype = t->dtype;
    for (int i = 0; i < space->rank; i++)
        r.stride[i] = i < extra || t->dim[i - extra] == 1 ? 0 : t->stride[i - extra];
    return r;
}

/* ---- pointwise ---- */

static double rounded(const gr_eval *e, double x) { return e->graph->real == GR_FLOAT32 ? (double)(float)x : x; }

static void run_pointwise(gr_eval *e, gr_node *n)
{
    const gr_tensor *out = eval_held(n->out[0]);
    gr_tape_op op = n->op->tape;
    bool chain = n->op->inputs[0].flags & GR_PORT_VARIADIC;
    gr_tensor *in = GR_NEW_ARRAY(e->run, gr_tensor, n->num_in);
    for (int i = 0; i < n->num_in; i++) in[i] = broadcast(eval_held(n->in[i]), out);
    cursor *c = cursors(e, in, n->num_in);
    for (int64_t k = 0, numel = eval_numel(out); k < numel; k++) {
        double x[3] = {0};
        for (int i = 0; i < n->num_in; i++) {
            double v = take(&c[i]);
            if (!chain) x[i] = v;
            else x[0] = i ? rounded(e, gr_tape_plain(op, x[0], v, 0)) : v;
        }
        set_at(out, k, chain ? x[0] : rounded(e, gr_tape_plain(op, x[0], x[1], x[2])));
    }
}

/* in: one tensor an input of the tape, dims of the space. */
static void run_tape(gr_eval *e, const gr_tape *t, const gr_tensor *in, gr_node *n)
{
    double reg[GR_TAPE_MAX_REGS] = {0};
    cursor *c = cursors(e, in, t->num_in);
    for (int64_t k = 0, numel = eval_numel(eval_held(n->out[0])); k < numel; k++) {
        for (int i = 0; i < t->num_const; i++) reg[t->const_reg[i]] = rounded(e, t->value[i]);
        for (int i = 0; i < t->num_in; i++) reg[t->in_reg[i]] = take(&c[i]);
        for (int i = 0; i < t->num_ins; i++) {
            const gr_tape_ins *s = &t->ins[i];
            reg[s->dst] = rounded(e, gr_tape_plain((gr_tape_op)s->op, reg[s->x], reg[s->y], reg[s->z]));
        }
        for (int i = 0; i < t->num_out; i++) set_at(eval_held(n->out[i]), k, reg[t->out_reg[i]]);
    }
}

static void run_fused(gr_eval *e, gr_node *n)
{
    gr_tensor *in = GR_NEW_ARRAY(e->run, gr_tensor, n->num_in + 1);
    for (int i = 0; i < n->num_in; i++) in[i] = broadcast(eval_held(n->in[i]), eval_held(n->out[0]));
    run_tape(e, n->tape, in, n);
}

/* ---- products with an epilogue, views ---- */

/* The product as a whole, in blocks of an odd size, then the tape over its slices. */
static void run_epilogue(gr_eval *e, gr_node *n)
{
    const gr_epilogue *p = n->epilogue;
    gr_tensor product = *eval_tensor(e->run, &p->product, 0xff), out = product;
    gr_call c = eval_call(e, n, n->product_inputs);
    c.out = &out;
    c.num_out = 1;
    eval_give_scratch(e, n, &c);
    int64_t cols = p->product.rank ? p->product.dim[p->product.rank - 1] : 1, rows = cols ? gr_numel(&p->product) / cols : 0;
    int64_t size = (int64_t)gr_dtype_size(product.dtype);
    for (int64_t row = 0; row < rows; row += 7)
        for (int64_t col = 0; col < cols; col += 13)
            n->op->block(&c, row, rows - row < 7 ? rows - row : 7, col, cols - col < 13 ? cols - col : 13,
                         (char *)product.data + (row * cols + col) * size, cols);
    int others = n->num_in - n->product_inputs;
    gr_tensor *in = GR_NEW_ARRAY(e->run, gr_tensor, p->num_slices + others + 1);
    for (int i = 0; i < p->num_slices; i++) {
        in[i] = product;
        in[i].dim[product.rank - 1] = p->width;
        in[i].data = (char *)product.data + p->column[i] * size;
    }
    for (int i = 0; i < others; i++) in[p->num_slices + i] = broadcast(eval_held(n->in[n->product_inputs + i]), eval_held(n->out[0]));
    run_tape(e, n->tape, in, n);
}

static int run_view(gr_eval *e, gr_node *n)
{
    const gr_tensor *in = eval_held(n->in[0]);
    gr_layout from = {0}, *to = GR_NEW_ARRAY(e->run, gr_layout, n->num_out);
    memcpy(from.stride, in->stride, sizeof from.stride);
    if (gr_view_node(n, &from, to) != 0) return -1;
    for (int o = 0; o < n->num_out; o++) {
        const gr_tensor *out = eval_held(n->out[o]);
        gr_tensor seen = *out;
        memcpy(seen.stride, to[o].stride, sizeof seen.stride);
        seen.data = in->data;
        cursor c = {.t = &seen, .at = to[o].offset};
        for (int64_t k = 0, numel = eval_numel(out), most = eval_numel(in); k < numel; k++, advance(&c)) {
            if (c.at < 0 || c.at >= most) return -1;
            set_at(out, k, eval_at(in, c.at));
        }
    }
    return 0;
}

/* ---- leaves ---- */

static gr_tensor *memory_of(gr_eval *e, const char *name, const gr_type *t)
{
    gr_tensor *m = gr_map_get(e->memory, name);
    if (!m) gr_map_set(e->memory, name, m = eval_tensor(e->arena, t, 0));
    return m;
}

static const char *state_name(const gr_eval *e, const gr_value *v)
{
    for (int i = 0; i < e->graph->num_states; i++)
        if (e->graph->states[i]->value == v) return e->graph->states[i]->name;
    return v->node->name;
}

static void run_constant(gr_node *n)
{
    const gr_attr *value = gr_node_attr(n, "value");
    const gr_tensor *out = eval_held(n->out[0]);
    for (int64_t i = 0; i < eval_numel(out); i++)
        set_at(out, i, n->op->role == GR_ROLE_FILL ? value->f : value->floats[i]);
}

/* ---- loops ---- */

static int run_graph(gr_eval *e, gr_graph *g);

static gr_tensor *step_of(gr_eval *e, const gr_tensor *sequence, int64_t t)
{
    gr_tensor *r = GR_NEW(e->run, gr_tensor);
    *r = (gr_tensor){.dtype = sequence->dtype, .rank = sequence->rank - 1};
    for (int i = 0; i < r->rank; i++) r->dim[i] = sequence->dim[i + 1];
    gr_tensor_set_dense(r);
    r->data = (char *)sequence->data + (size_t)t * eval_bytes(r);
    return r;
}

static void put_step(gr_eval *e, const gr_value *sequence, int64_t t, const gr_tensor *v)
{
    memcpy(step_of(e, eval_held(sequence), t)->data, v->data, eval_bytes(v));
}

static void give_args(gr_eval *e, gr_node *n, int64_t t)
{
    gr_scan *s = n->scan;
    for (int i = 0; i < s->body->num_args; i++) {
        gr_value *arg = s->body->args[i];
        if (i < s->carries) continue;
        gr_tensor *outer = eval_held(n->in[i]);
        arg->mark = i < s->carries + s->sequences ? step_of(e, outer, t) : outer;
    }
}

static int run_scan(gr_eval *e, gr_node *n)
{
    gr_scan *s = n->scan;
    int c = s->carries;
    int64_t row = e->row;
    gr_tensor **carry = GR_NEW_ARRAY(e->run, gr_tensor *, c + 1);
    for (int i = 0; i < c; i++) {
        carry[i] = eval_held(n->in[i]);
        put_step(e, n->out[c + i], s->reverse ? s->steps : 0, carry[i]);
    }
    for (int64_t k = 0; k < s->steps; k++) {
        int64_t t = s->reverse ? s->steps - 1 - k : k;
        e->row = row * s->steps + t;
        give_args(e, n, t);
        for (int i = 0; i < c; i++) s->body->args[i]->mark = carry[i];
        if (run_graph(e, s->body) < 0) return -1;
        for (int i = 0; i < c; i++) {
            carry[i] = eval_held(s->body->results[i]);
            put_step(e, n->out[c + i], s->reverse ? t : t + 1, carry[i]);
        }
        for (int j = 0; j < s->stacked; j++) put_step(e, n->out[2 * c + j], t, eval_held(s->body->results[c + j]));
    }
    for (int i = 0; i < c; i++) memcpy(eval_held(n->out[i])->data, carry[i]->data, eval_bytes(carry[i]));
    e->row = row;
    return 0;
}

/* ---- the graph ---- */

static int run_node(gr_eval *e, gr_node *n)
{
    gr_role role = n->op->role;
    if (role == GR_ROLE_ARG) return 0;
    if (role == GR_ROLE_INPUT || role == GR_ROLE_STATE) {
        n->out[0]->mark = memory_of(e, role == GR_ROLE_STATE ? state_name(e, n->out[0]) : n->name, &n->out[0]->type);
        return 0;
    }
    for (int i = 0; i < n->num_out; i++) n->out[i]->mark = eval_tensor(e->run, &n->out[i]->type, 0xff);
    if (n->scan) return run_scan(e, n);
    if (role == GR_ROLE_CONSTANT || role == GR_ROLE_FILL) run_constant(n);
    else if (n->epilogue) run_epilogue(e, n);
    else if (n->tape) run_fused(e, n);
    else if (n->op->tape) run_pointwise(e, n);
    else if (n->op->view) return run_view(e, n);
    else return eval_kernel(e, n);
    return 0;
}

static int run_graph(gr_eval *e, gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        for (int k = 0; k < n->num_in; k++)
            if (n->in[k] && !n->in[k]->mark) return eval_refuse(e, "%s reads %s before it is made", n->name, n->in[k]->node->name);
        if (run_node(e, n) < 0) return e->fault ? -1 : eval_refuse(e, "cannot run %s (%s)", n->name, n->op->name);
    }
    return 0;
}

static void forget(gr_graph *g)
{
    for (int i = 0; i < g->num_args; i++) g->args[i]->mark = NULL;
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        for (int k = 0; k < n->num_out; k++) n->out[k]->mark = NULL;
        if (n->scan) forget(n->scan->body);
    }
}

static void end_run(void *eval) { gr_arena_destroy(((gr_eval *)eval)->run); }

gr_eval *eval_create(gr_arena *a, gr_graph *g)
{
    gr_eval *e = GR_NEW(a, gr_eval);
    e->arena = a;
    e->graph = g;
    e->memory = gr_map_create(a);
    gr_arena_defer(a, end_run, e);
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->op->role == GR_ROLE_INPUT) memory_of(e, g->nodes[i]->name, &g->nodes[i]->out[0]->type);
    for (int i = 0; i < g->num_states; i++) memory_of(e, g->states[i]->name, &g->states[i]->value->type);
    return e;
}

void eval_seed(gr_eval *e, uint64_t seed, int64_t step)
{
    e->seed = seed;
    e->step = step;
}

void eval_in_place(gr_eval *e) { e->in_place = true; }

void eval_doubt(gr_eval *e) { e->doubting = true; }

int eval_refuse(gr_eval *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    e->fault = gr_arena_vprintf(e->run, fmt, args);
    va_end(args);
    return -1;
}

const char *eval_fault(const gr_eval *e) { return e->fault; }

int eval_run(gr_eval *e)
{
    forget(e->graph);
    end_run(e);
    e->run = gr_arena_create();
    e->fault = e->run ? NULL : "out of memory";
    e->row = 0;
    if (e->fault) return -1;
    const int status = run_graph(e, e->graph);
    e->doubting = false;
    return status;
}

/* ---- filling and reading ---- */

void *eval_memory(gr_eval *e, const char *name, gr_type *t)
{
    gr_tensor *m = gr_map_get(e->memory, name);
    if (m && t) {
        *t = (gr_type){.dtype = m->dtype, .rank = m->rank};
        memcpy(t->dim, m->dim, sizeof t->dim);
    }
    return m ? m->data : NULL;
}

bool eval_set(gr_eval *e, const char *name, const double *values)
{
    gr_tensor *m = gr_map_get(e->memory, name);
    for (int64_t i = 0; m && i < eval_numel(m); i++) set_at(m, i, values[i]);
    return m != NULL;
}

static void fill_one(gr_eval *e, const char *name)
{
    const gr_tensor *m = gr_map_get(e->memory, name);
    uint64_t from = 0;
    for (const char *s = name; *s; s++) from = eval_mix(from * 31 + (uint64_t)*s + 1);
    for (int64_t i = 0; i < eval_numel(m); i++) {
        double x = (double)(int64_t)(eval_mix(from + (uint64_t)i) >> 11) / 4503599627370496.0 - 1;
        set_at(m, i, gr_is_float(m->dtype) ? (double)(float)x : m->dtype == GR_BOOL ? (double)(i % 2) : (double)(i % 3));
    }
}

void eval_fill(gr_eval *e)
{
    for (int i = 0; i < e->graph->num_nodes; i++)
        if (e->graph->nodes[i]->op->role == GR_ROLE_INPUT) fill_one(e, e->graph->nodes[i]->name);
    for (int i = 0; i < e->graph->num_states; i++) fill_one(e, e->graph->states[i]->name);
}

const gr_tensor *eval_value(gr_eval *e, const gr_value *v)
{
    (void)e;
    return eval_held(v);
}

const gr_tensor *eval_result(gr_eval *e, const char *name)
{
    for (int i = 0; i < e->graph->num_results; i++)
        if (e->graph->result_names[i] && strcmp(e->graph->result_names[i], name) == 0) return eval_held(e->graph->results[i]);
    return NULL;
}

const gr_tensor *eval_next(gr_eval *e, const char *name)
{
    const gr_state *s = gr_graph_find_state(e->graph, name);
    return s ? eval_held(s->next ? s->next : s->value) : NULL;
}

/* ---- comparing ---- */

static double distance(const gr_tensor *x, const gr_tensor *y)
{
    double worst = 0;
    if (x->rank != y->rank || memcmp(x->dim, y->dim, sizeof *x->dim * (size_t)x->rank) != 0) return (double)INFINITY;
    for (int64_t i = 0; i < eval_numel(x); i++) {
        double a = eval_at(x, i), b = eval_at(y, i);
        double d = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b) / (1 + fabs(a));
        worst = isnan(d) ? (double)INFINITY : d > worst ? d : worst;
    }
    return worst;
}

double eval_compare(gr_arena *a, gr_graph *x, gr_graph *y)
{
    gr_eval *ex = eval_create(a, x), *ey = eval_create(a, y);
    double worst = -1;
    eval_fill(ex);
    eval_fill(ey);
    if (eval_run(ex) < 0 || eval_run(ey) < 0) {
        fprintf(stderr, "eval: %s\n", eval_fault(ex) ? eval_fault(ex) : eval_fault(ey));
        return -1;
    }
    for (int i = 0; i < x->num_results; i++) {
        const gr_tensor *other = x->result_names[i] ? eval_result(ey, x->result_names[i]) : NULL;
        if (other) worst = fmax(worst, distance(eval_held(x->results[i]), other));
    }
    for (int i = 0; i < x->num_states; i++) {
        const gr_tensor *other = eval_next(ey, x->states[i]->name);
        if (other) worst = fmax(worst, distance(eval_next(ex, x->states[i]->name), other));
    }
    return worst;
}
