/* interpret.c - see interpret.h. gr_value.mark is the value's memory while a graph runs. */
#include "interpret.h"
#include "graph/emit.h"
#include "kernel/kernel.h"
#include "kernel/tape.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gr_eval {
    int count;
    const char **name;
    const void **data;
    gr_type *type;
};

typedef struct run {
    gr_arena *arena;
    gr_eval_fill fill;
    void *data;
    int64_t step; /* of the innermost loop */
} run;

static size_t bytes_of(const gr_type *t) { return (size_t)gr_numel(t) * gr_dtype_size(t->dtype); }

/* 64-byte aligned and zeroed. */
static void *memory(run *r, size_t bytes)
{
    char *p = gr_arena_alloc(r->arena, bytes + 64);
    return p + (64 - (uintptr_t)p % 64) % 64;
}

static gr_tensor dense(const gr_type *t, void *data)
{
    gr_tensor x = {.data = data, .dtype = t->dtype, .rank = t->rank};
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        x.dim[i] = t->dim[i];
        x.stride[i] = stride;
        stride *= t->dim[i];
    }
    return x;
}

/* x with the rank and dims of `space`, repeated where it is shorter. */
static gr_tensor stretched(gr_tensor x, const gr_type *space)
{
    gr_tensor s = {.data = x.data, .dtype = x.dtype, .rank = space->rank};
    for (int i = 0; i < space->rank; i++) {
        int k = i - (space->rank - x.rank);
        s.dim[i] = space->dim[i];
        s.stride[i] = k < 0 || x.dim[k] == 1 ? 0 : x.stride[k];
    }
    return s;
}

static void set_element(void *data, gr_dtype t, int64_t i, double x)
{
    switch (t) {
    case GR_FLOAT32: ((float *)data)[i] = (float)x; break;
    case GR_FLOAT64: ((double *)data)[i] = x; break;
    case GR_INT32: ((int32_t *)data)[i] = (int32_t)x; break;
    default: ((uint8_t *)data)[i] = x != 0; break;
    }
}

/* Position of flat index i of x's dims in its memory. */
static int64_t offset(const gr_tensor *x, int64_t i)
{
    int64_t at = 0;
    for (int k = x->rank - 1; k >= 0; k--) {
        at += i % x->dim[k] * x->stride[k];
        i /= x->dim[k];
    }
    return at;
}

/* ---- pointwise ---- */

static void run_tape(run *r, gr_dtype real, const gr_tape *tape, const gr_type *space, const gr_tensor *in, const gr_tensor *out)
{
    gr_tensor *wide = GR_NEW_ARRAY(r->arena, gr_tensor, tape->num_in + 1);
    for (int i = 0; i < tape->num_in; i++) wide[i] = stretched(in[i], space);
    gr_tape_run t = {.tape = tape, .real = real, .rank = space->rank, .dim = space->dim, .in = wide, .out = out,
                     .scratch = memory(r, gr_tape_scratch(tape, real))};
    gr_tape_exec_plain(&t, 0, gr_numel(space));
}

/* One instruction; a variadic op folds its inputs from the left. */
static void run_pointwise(run *r, const gr_node *n, const gr_tensor *in, const gr_tensor *out)
{
    uint8_t regs[GR_TAPE_MAX_REGS] = {0}, result = 0;
    gr_tape_ins ins[GR_TAPE_MAX_REGS];
    int count = 0;
    for (int i = 0; i < n->num_in; i++) regs[i] = (uint8_t)i;
    ins[count++] = (gr_tape_ins){(uint8_t)n->op->tape, 0, 0, 1, 2};
    if (n->num_in == 1) ins[0] = (gr_tape_ins){(uint8_t)n->op->tape, 0, 0, 0, 0};
    if (n->num_in == 2) ins[0].z = 0;
    bool ternary = gr_tape_op_arity(n->op->tape) == 3;
    for (int i = 2; i < n->num_in && !ternary; i++) ins[count++] = (gr_tape_ins){(uint8_t)n->op->tape, 0, 0, (uint8_t)i, 0};
    bool alone = n->num_in == 1 && gr_tape_op_arity(n->op->tape) == 2; /* the sum of one */
    if (alone) ins[0].op = GR_TAPE_COPY;
    gr_tape tape = {.num_regs = n->num_in, .num_in = n->num_in, .in_reg = regs, .num_ins = count, .ins = ins,
                    .num_out = 1, .out_reg = &result};
    run_tape(r, n->graph->real, &tape, &n->out[0]->type, in, out);
}

/* ---- kernels ---- */

static gr_kernel_fn kernel_of(const gr_node *n, const gr_tensor *in, const gr_tensor *out)
{
    gr_dtype t = n->num_out ? out[0].dtype : GR_UNKNOWN;
    bool found = false;
    for (int i = 0; i < n->num_out && !found; i++)
        if (gr_is_float(out[i].dtype)) t = out[i].dtype, found = true;
    for (int i = 0; i < n->num_in && !found; i++)
        if (in[i].data && gr_is_float(in[i].dtype)) t = in[i].dtype, found = true;
    for (const gr_kernel *k = n->op->kernels; k && k->run; k++)
        if (k->dtype == t) return k->run;
    fprintf(stderr, "eval: %s (%s) has no kernel\n", n->name, n->op->name);
    abort();
}

static void run_kernel(run *r, const gr_node *n, const gr_tensor *in, int num_in, const gr_tensor *out)
{
    gr_call c = {.size = sizeof c, .attr = n->attr, .in = in, .port = n->port, .out = out, .num_in = num_in,
                 .num_out = n->epilogue ? 1 : n->num_out, .math = gr_math_get()};
    c.random = (gr_random){.key = {7, n->path}, .row = (uint64_t)r->step, .rows = 1};
    for (int i = 0; i < n->outer_axes; i++) c.random.rows *= out[0].dim[i];
    c.end = n->op->units ? n->op->units(&c) : 1;
    c.scratch = memory(r, n->op->scratch ? n->op->scratch(&c) : 0);
    kernel_of(n, in, out)(&c);
}

static void run_epilogue(run *r, const gr_node *n, const gr_tensor *in, const gr_tensor *out)
{
    const gr_epilogue *e = n->epilogue;
    gr_tensor product = dense(&e->product, memory(r, bytes_of(&e->product)));
    run_kernel(r, n, in, n->product_inputs, &product);
    gr_tensor *all = GR_NEW_ARRAY(r->arena, gr_tensor, n->tape->num_in + 1);
    for (int i = 0; i < e->num_slices; i++) {
        all[i] = product;
        all[i].dim[product.rank - 1] = e->width;
        all[i].data = (char *)product.data + (size_t)e->column[i] * gr_dtype_size(product.dtype);
    }
    for (int i = e->num_slices; i < n->tape->num_in; i++) all[i] = in[n->product_inputs + i - e->num_slices];
    run_tape(r, n->graph->real, n->tape, &n->out[0]->type, all, out);
}

static void run_view(const gr_node *n, const gr_tensor *in, const gr_tensor *out)
{
    gr_layout from = {0}, to = {0};
    memcpy(from.stride, in[0].stride, sizeof from.stride);
    if (gr_view_node(n, &from, &to) != 0) {
        fprintf(stderr, "eval: %s (%s) has no view of a dense input\n", n->name, n->op->name);
        abort();
    }
    gr_tensor seen = out[0];
    size_t size = gr_dtype_size(seen.dtype);
    memcpy(seen.stride, to.stride, sizeof seen.stride);
    for (int64_t i = 0, count = gr_numel(&n->out[0]->type); i < count; i++)
        memcpy((char *)out[0].data + (size_t)i * size,
               (const char *)in[0].data + (size_t)(to.offset + offset(&seen, i)) * size, size);
}

static void run_leaf(run *r, const gr_node *n, const gr_tensor *out)
{
    if (n->op->role == GR_ROLE_INPUT || n->op->role == GR_ROLE_STATE) {
        r->fill(r->data, n->name, &n->out[0]->type, out->data);
        return;
    }
    const gr_attr *value = gr_node_attr(n, "value");
    for (int64_t i = 0; i < gr_numel(&n->out[0]->type); i++)
        set_element(out->data, out->dtype, i, n->op->role == GR_ROLE_FILL ? value->f : value->floats[value->n == 1 ? 0 : i]);
}

/* ---- loops ---- */

static void run_graph(run *r, gr_graph *g);

static char *entry(const gr_value *whole, const gr_type *step, int64_t t)
{
    return (char *)whole->mark + (size_t)t * bytes_of(step);
}

static void run_step(run *r, gr_node *n, int64_t t, char **carry)
{
    const gr_scan *s = n->scan;
    gr_graph *b = s->body;
    for (int i = 0; i < n->num_in; i++) {
        bool sequence = i >= s->carries && i < s->carries + s->sequences;
        b->args[i]->mark = i < s->carries ? carry[i] : sequence ? entry(n->in[i], &b->args[i]->type, t) : n->in[i]->mark;
    }
    r->step = t;
    run_graph(r, b);
    for (int i = 0; i < s->carries; i++) {
        const gr_type *type = &b->args[i]->type;
        char *made = entry(gr_scan_history(n, i), type, s->reverse ? t : t + 1);
        memcpy(made, b->results[i]->mark, bytes_of(type));
    }
    for (int j = 0; j < s->stacked; j++) {
        const gr_value *v = b->results[s->carries + j];
        memcpy(entry(gr_scan_stacked(n, j), &v->type, t), v->mark, bytes_of(&v->type));
    }
    for (int i = 0; i < s->carries; i++)
        carry[i] = entry(gr_scan_history(n, i), &b->args[i]->type, s->reverse ? t : t + 1);
}

static void run_scan(run *r, gr_node *n)
{
    const gr_scan *s = n->scan;
    int64_t outer = r->step;
    char **carry = GR_NEW_ARRAY(r->arena, char *, s->carries + 1);
    for (int i = 0; i < s->carries; i++) {
        const gr_type *type = &s->body->args[i]->type;
        carry[i] = entry(gr_scan_history(n, i), type, s->reverse ? s->steps : 0);
        memcpy(carry[i], n->in[i]->mark, bytes_of(type));
    }
    for (int64_t k = 0; k < s->steps; k++) run_step(r, n, s->reverse ? s->steps - 1 - k : k, carry);
    for (int i = 0; i < s->carries; i++) memcpy(gr_scan_last(n, i)->mark, carry[i], bytes_of(&s->body->args[i]->type));
    r->step = outer;
}

static void run_node(run *r, gr_node *n)
{
    gr_tensor *in = GR_NEW_ARRAY(r->arena, gr_tensor, n->num_in + 1), *out = GR_NEW_ARRAY(r->arena, gr_tensor, n->num_out + 1);
    for (int o = 0; o < n->num_out; o++) {
        n->out[o]->mark = memory(r, bytes_of(&n->out[o]->type));
        out[o] = dense(&n->out[o]->type, n->out[o]->mark);
    }
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i]) in[i] = dense(&n->in[i]->type, n->in[i]->mark);
    bool leaf = n->op->role == GR_ROLE_INPUT || n->op->role == GR_ROLE_STATE || n->op->role == GR_ROLE_FILL ||
                n->op->role == GR_ROLE_CONSTANT;
    if (n->scan) run_scan(r, n);
    else if (leaf) run_leaf(r, n, out);
    else if (n->epilogue) run_epilogue(r, n, in, out);
    else if (n->tape) run_tape(r, n->graph->real, n->tape, &n->out[0]->type, in, out);
    else if (n->op->tape) run_pointwise(r, n, in, out);
    else if (n->op->view) run_view(n, in, out);
    else run_kernel(r, n, in, n->num_in, out);
}

static void run_graph(run *r, gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->op->role != GR_ROLE_ARG) run_node(r, g->nodes[i]);
}

gr_eval *gr_eval_run(gr_arena *a, gr_graph *g, gr_eval_fill fill, void *data)
{
    run r = {.arena = a, .fill = fill, .data = data};
    run_graph(&r, g);
    gr_eval *e = GR_NEW(a, gr_eval);
    e->count = g->num_results;
    e->name = GR_NEW_ARRAY(a, const char *, g->num_results + 1);
    e->data = GR_NEW_ARRAY(a, const void *, g->num_results + 1);
    e->type = GR_NEW_ARRAY(a, gr_type, g->num_results + 1);
    for (int i = 0; i < g->num_results; i++) {
        e->name[i] = g->result_names[i];
        e->data[i] = g->results[i]->mark;
        e->type[i] = g->results[i]->type;
    }
    return e;
}

const void *gr_eval_result(const gr_eval *e, const char *name, gr_type *t)
{
    for (int i = 0; i < e->count; i++)
        if (strcmp(e->name[i], name) == 0) {
            if (t) *t = e->type[i];
            return e->data[i];
        }
    return NULL;
}
