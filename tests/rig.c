/* rig.c - see rig.h. */
#include "rig.h"
#include "check_schedule.h"
#include "pass/pass.h"
#include <stdlib.h>
#include <string.h>

rig rig_create(gr_dtype real)
{
    rig r = {.a = gr_arena_create()};
    r.d = gr_diag_create(r.a);
    r.g = gr_graph_create(r.a, gr_registry_create(r.a), r.d, real);
    r.g->typed = true;
    r.e = gr_emitter_create(r.g, GR_FORWARD);
    r.c = gr_emitter_ctx(r.e);
    return r;
}

void rig_destroy(rig *r) { gr_arena_destroy(r->a); }

gr_val rig_input(rig *r, const char *name, const char *shape)
{
    return gr_emit(r->c, "Input", name, 0, NULL, "shape=[%s]", shape);
}

gr_val rig_state(rig *r, const char *name, int rank, const int64_t *dim)
{
    gr_type t = {.dtype = r->g->real, .rank = rank};
    memcpy(t.dim, dim, sizeof *dim * (size_t)rank);
    return gr_graph_add_state(r->g, gr_arena_strdup(r->a, name), &t, "Zeros")->value;
}

static gr_value *value(gr_val v) { return (gr_value *)(uintptr_t)v; }

void rig_next(rig *r, const char *state, gr_val next) { gr_graph_find_state(r->g, state)->next = value(next); }
void rig_result(rig *r, const char *name, gr_val v)
{
    gr_graph_add_result(r->g, r->g->num_results, gr_arena_strdup(r->a, name), value(v));
}

void rig_optimise(rig *r)
{
    static const gr_request request = {.train = false};
    static gr_graph *(*const pass[])(gr_graph *, const gr_request *) = {
        gr_pass_infer, gr_pass_merge, gr_pass_hoist, gr_pass_fuse, gr_pass_layout};
    gr_graph *g = r->g;
    for (int i = 0; i < 5; i++) {
        g = pass[i](g, &request);
        const char *wrong = g ? gr_graph_check(g) : "no graph";
        if (!wrong) continue;
        gr_diag_print(r->d, stderr);
        fprintf(stderr, "after pass %d: %s\n", i, wrong);
        abort();
    }
    r->g = g;
}

/* ---- random graphs --------------------------------------------------------- */

#define ROWS 3
#define COLS 4
#define POOL 64

typedef struct drawer {
    rig *r;
    uint64_t seed;
    gr_val pool[POOL];
    int count, loops, nodes;
} drawer;

static int draw(drawer *d, int n)
{
    d->seed = d->seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((d->seed >> 33) % (uint64_t)n);
}

static gr_val any(drawer *d)
{
    /* later ones more often: graphs become deep */
    int i = draw(d, d->count), j = draw(d, d->count);
    return d->pool[i > j ? i : j];
}

static void keep(drawer *d, gr_val v)
{
    if (!v) {
        gr_diag_print(d->r->d, stderr);
        abort();
    }
    d->pool[d->count < POOL ? d->count++ : draw(d, POOL)] = v;
}

/* All kept values are [ROWS, COLS]. */
static gr_val draw_node(drawer *d)
{
    gr_ctx *c = d->r->c;
    gr_val a = any(d), b = any(d), t, in[2];
    switch (draw(d, 15)) {
    case 0: return gr_emit2(c, "Add", a, b);
    case 1: return gr_emit1(c, "Tanh", gr_emit2(c, "Mul", a, b));
    case 2: return gr_emit2(c, "Maximum", a, b);
    case 3: return gr_emit(c, "Softmax", NULL, 1, &a, "dim=-1");
    case 4: /* a (b^T b) */
        t = gr_emit(c, "Transpose", NULL, 1, &b, "dim0=0, dim1=1");
        return gr_emit1(c, "Tanh", gr_emit2(c, "MatMul", a, gr_emit2(c, "MatMul", t, b)));
    case 5: /* a view that needs a dense copy */
        t = gr_emit(c, "Transpose", NULL, 1, &a, "dim0=0, dim1=1");
        return gr_emit(c, "Reshape", NULL, 1, &t, "shape=[%d, %d]", ROWS, COLS);
    case 6: /* columns swapped */
        in[0] = gr_emit(c, "Slice", NULL, 1, &a, "dim=-1, start=2, stop=4");
        in[1] = gr_emit(c, "Slice", NULL, 1, &b, "dim=-1, start=0, stop=2");
        return gr_emit(c, "Concat", NULL, 2, in, "dim=-1");
    case 7: /* broadcast of a sum over rows */
        t = gr_emit(c, "Sum", NULL, 1, &a, "dim=[0], keepdim=true");
        return gr_emit1(c, "Tanh", gr_emit2(c, "Sub", b, t));
    case 8: return gr_emit1(c, "Sigmoid", a);
    case 9: /* a column, broadcast */
        t = gr_emit(c, "Select", NULL, 1, &a, "dim=1, index=1");
        t = gr_emit(c, "Reshape", NULL, 1, &t, "shape=[%d, 1]", ROWS);
        return gr_emit2(c, "Mul", b, t);
    case 11: /* parts that a concatenation alone reads */
        in[0] = gr_emit1(c, "Tanh", gr_emit(c, "Slice", NULL, 1, &a, "dim=-1, start=1, stop=4"));
        in[1] = gr_emit1(c, "Sigmoid", gr_emit(c, "Slice", NULL, 1, &b, "dim=-1, start=0, stop=1"));
        return gr_emit(c, "Concat", NULL, 2, in, "dim=-1");
    case 12: /* rows, one of them twice */
        in[0] = gr_emit1(c, "Tanh", gr_emit(c, "Slice", NULL, 1, &a, "dim=0, start=0, stop=2"));
        in[1] = gr_emit(c, "Slice", NULL, 1, &in[0], "dim=0, start=1, stop=2");
        return gr_emit(c, "Concat", NULL, 2, in, "dim=0");
    case 13: return gr_emit2(c, "Mul", a, gr_emit(c, "DropoutMask", NULL, 1, &b, "p=0.4"));
    case 10: return gr_emit(c, "LogSoftmax", NULL, 1, &a, "dim=-1");
    default: return gr_emit2(c, "Sub", a, b);
    }
}

static void draw_body(drawer *d, int depth, int nodes);

/* Stacked values come back to [ROWS, COLS] by a step of their own or a sum. */
static gr_val unstack(drawer *d, gr_val stacked, int steps)
{
    gr_ctx *c = d->r->c;
    if (draw(d, 2)) return gr_emit(c, "Select", NULL, 1, &stacked, "dim=0, index=%d", draw(d, steps));
    return gr_emit1(c, "Tanh", gr_emit(c, "Sum", NULL, 1, &stacked, "dim=[0]"));
}

static gr_val stack_two(drawer *d, int steps)
{
    gr_val in[8];
    for (int i = 0; i < steps; i++) in[i] = any(d);
    return gr_emit(d->r->c, "Stack", NULL, steps, in, "dim=0");
}

static void draw_loop(drawer *d, int depth)
{
    gr_ctx *c = d->r->c;
    int steps = 1 + draw(d, 4), carries = draw(d, 3), stacks = 1 + draw(d, 3);
    drawer inner = {.r = d->r, .seed = d->seed + 77, .loops = d->loops - 1};
    gr_val sequence = stack_two(d, steps), init[2] = {any(d), any(d)}, carry[2];
    gr_loop *l = gr_loop_begin(c, NULL, draw(d, 2));
    keep(&inner, gr_loop_slice(c, l, "x", sequence));
    for (int i = 0; i < carries; i++) keep(&inner, carry[i] = gr_loop_carry(c, l, i ? "c" : "h", init[i]));
    if (draw(d, 2)) keep(&inner, any(d)); /* captured */
    draw_body(&inner, depth + 1, 1 + draw(d, 5));
    for (int i = 0; i < carries; i++) gr_loop_next(c, l, carry[i], any(&inner));
    for (int i = 0; i < stacks; i++) gr_loop_stack(c, l, i == 0 ? "a" : i == 1 ? "b" : "d", any(&inner));
    gr_val out = gr_loop_end(c, l);
    int made = value(out)->node->num_out;
    for (int i = 0; i < carries; i++)
        if (draw(d, 2)) keep(d, gr_output(c, out, i));
    for (int i = 2 * carries; i < made; i++) keep(d, unstack(d, gr_output(c, out, i), steps));
    for (int i = carries; i < 2 * carries; i++)
        if (draw(d, 3) == 0) keep(d, unstack(d, gr_output(c, out, i), steps + 1));
    d->seed ^= inner.seed;
}

static void draw_body(drawer *d, int depth, int nodes)
{
    for (int i = 0; i < nodes; i++) {
        if (depth < 3 && d->loops > 0 && draw(d, 4) == 0) {
            d->loops--;
            draw_loop(d, depth);
        } else {
            keep(d, draw_node(d));
        }
    }
}

void rig_random(rig *r, uint64_t seed)
{
    drawer d = {.r = r, .seed = seed * 1000003 + 17, .loops = 3};
    static const int64_t dim[] = {ROWS, COLS};
    int states = draw(&d, 3);
    keep(&d, rig_input(r, "x0", "3, 4"));
    keep(&d, rig_input(r, "x1", "3, 4"));
    for (int i = 0; i < states; i++) keep(&d, rig_state(r, i ? "s1" : "s0", 2, dim));
    draw_body(&d, 0, 4 + draw(&d, 10));
    for (int i = 0; i < states; i++)
        if (draw(&d, 4)) rig_next(r, i ? "s1" : "s0", any(&d));
    rig_result(r, "r0", d.pool[d.count - 1]);
    rig_result(r, "r1", any(&d));
    rig_result(r, "r2", any(&d));
}

/* ---- random stacks --------------------------------------------------------- */

/* What stands between two layers, [steps, ROWS, COLS] both. */
static gr_val draw_between(drawer *d, gr_val v)
{
    gr_ctx *c = d->r->c;
    gr_val w = rig_input(d->r, gr_arena_printf(d->r->a, "w%d", d->nodes++), "4, 4");
    switch (draw(d, 6)) {
    case 0: return gr_emit1(c, "Tanh", gr_emit2(c, "MatMul", v, w));
    case 1: return gr_emit2(c, "Add", v, gr_emit2(c, "MatMul", v, w));
    case 2: return gr_emit(c, "Softmax", NULL, 1, (gr_val[]){gr_emit2(c, "MatMul", v, w)}, "dim=-1");
    case 3: return gr_emit1(c, "Sigmoid", v);
    case 4: return gr_emit(c, "Softmax", NULL, 1, &v, "dim=%d", draw(d, 3)); /* 0: no step can do without the others */
    default: return v;
    }
}

/* h = tanh(h w + x), with what else a cell may have. Its steps, [steps, ROWS, COLS]. */
static gr_val draw_layer(drawer *d, gr_val sequence, gr_val init, int steps, bool reverse, gr_val *last)
{
    gr_ctx *c = d->r->c;
    gr_val w = rig_input(d->r, gr_arena_printf(d->r->a, "w%d", d->nodes++), "4, 4"), captured = any(d);
    gr_loop *l = gr_loop_begin(c, NULL, reverse);
    gr_val x = gr_loop_slice(c, l, "x", sequence), h = gr_loop_carry(c, l, "h", init);
    gr_val next = gr_emit1(c, "Tanh", gr_emit2(c, "Add", gr_emit2(c, "MatMul", h, w), x));
    if (draw(d, 3) == 0) next = gr_emit2(c, "Mul", next, gr_emit1(c, "Sigmoid", captured));
    if (draw(d, 4) == 0) { /* steps within the step */
        gr_val parts[] = {next, h, x}, rows = gr_emit(c, "Stack", NULL, 3, parts, "dim=0");
        gr_loop *inner = gr_loop_begin(c, NULL, draw(d, 2));
        gr_val row = gr_loop_slice(c, inner, "row", rows);
        gr_val sum = gr_loop_carry(c, inner, "sum", next);
        gr_loop_next(c, inner, sum, gr_emit1(c, "Tanh", gr_emit2(c, "Add", gr_emit2(c, "MatMul", sum, w), row)));
        next = gr_loop_end(c, inner);
    }
    gr_loop_next(c, l, h, next);
    gr_loop_stack(c, l, "out", draw(d, 4) ? next : gr_emit2(c, "Sub", next, x));
    *last = gr_loop_end(c, l);
    return draw(d, 5) ? gr_output(c, *last, 2)
                      : gr_emit(c, "Slice", NULL, 1, (gr_val[]){gr_output(c, *last, 1)}, "dim=0, start=%d, stop=%d", !reverse, steps + !reverse);
}

void rig_random_stack(rig *r, uint64_t seed)
{
    drawer d = {.r = r, .seed = seed * 1000003 + 29};
    static const int64_t dim[] = {ROWS, COLS};
    int steps = 10 + draw(&d, 40), layers = 2 + draw(&d, 3);
    bool reverse = draw(&d, 2), both = draw(&d, 3) == 0;
    keep(&d, rig_input(r, "x0", "3, 4"));
    keep(&d, rig_state(r, "s0", 2, dim));
    gr_val v = rig_input(r, "x", gr_arena_printf(r->a, "%d, 3, 4", steps)), last;
    for (int i = 0; i < layers; i++) {
        gr_val below = v;
        v = draw_layer(&d, draw_between(&d, below), any(&d), steps, reverse, &last);
        keep(&d, last);
        if (both) v = gr_emit2(r->c, "Add", v, draw_layer(&d, draw_between(&d, below), any(&d), steps, !reverse, &last));
        if (draw(&d, 4) == 0) v = gr_emit2(r->c, "Add", v, below);
    }
    rig_next(r, "s0", any(&d));
    rig_result(r, "r0", v);
    rig_result(r, "r1", any(&d));
    rig_result(r, "r2", gr_emit(r->c, "Sum", NULL, 1, &v, "dim=[0]"));
}

/* ---- sessions --------------------------------------------------------------- */

void rig_numbers(const char *name, gr_dtype t, int64_t n, void *to)
{
    uint64_t x = 88172645463325252u;
    for (const char *s = name; *s; s++) x = x * 131 + (uint8_t)*s;
    for (int64_t i = 0; i < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v = (double)(int64_t)(x >> 11) / (double)(1ll << 52) - 1;
        if (t == GR_FLOAT32) ((float *)to)[i] = (float)v;
        else if (t == GR_FLOAT64) ((double *)to)[i] = v;
        else if (t == GR_INT32) ((int32_t *)to)[i] = (int32_t)(x % 3);
        else ((uint8_t *)to)[i] = x & 1;
    }
}

static void must(bool good, const gr_error *e)
{
    if (good) return;
    fprintf(stderr, "%s\n", e->message);
    abort();
}

static void fill(session *s)
{
    for (int i = 0; i < s->p->num_buffers; i++) {
        const gr_buffer *b = &s->p->buffers[i];
        gr_error e;
        void *to = NULL;
        if (b->kind == GR_BUFFER_FEED) to = gr_run_feed(s->run, b->name, NULL);
        if (b->kind == GR_BUFFER_STATE) to = gr_store_get(s->store, b->name, &b->type, NULL, &e);
        if (to) rig_numbers(b->name, b->type.dtype, gr_numel(&b->type), to);
    }
}

session session_create(gr_graph *g, int threads) { return session_create_waiting(g, threads, 0); }

session session_create_waiting(gr_graph *g, int threads, double wait_ns)
{
    session s = {.a = gr_arena_create()};
    gr_error e = {.message = ""};
    s.p = gr_program_create(s.a, g, &e);
    must(s.p, &e);
    gr_topology *t = gr_topology_get(s.a, NULL, &e);
    must(t, &e);
    t->wait_ns = wait_ns;
    s.s = gr_schedule_ladder(s.a, s.p, t, threads, threads, &e);
    must(s.s, &e);
    for (const gr_schedule *x = s.s; x; x = x->fewer) {
        const char *wrong = check_schedule(s.p, x);
        if (!wrong) continue;
        fprintf(stderr, "%d threads: %s\n", x->threads, wrong);
        gr_program_print(s.p, stderr);
        abort();
    }
    s.pool = gr_pool_create(&gr_system_memory, t, threads, &e);
    must(s.pool, &e);
    s.store = gr_store_create(&gr_system_memory);
    s.run = gr_run_create(s.p, s.s, s.pool, s.store, 1, &e);
    must(s.run, &e);
    fill(&s);
    return s;
}

void session_destroy(session *s)
{
    gr_run_destroy(s->run);
    gr_store_destroy(s->store);
    gr_pool_destroy(s->pool);
    gr_arena_destroy(s->a);
}

char *session_outcome(session *s, int steps, size_t *size)
{
    for (int i = 0; i < steps; i++) gr_run_step(s->run, i);
    char *text = NULL;
    FILE *f = open_memstream(&text, size);
    gr_type t;
    for (int i = 0; i < s->p->num_results; i++) {
        if (i == s->p->commit) continue;
        const void *data = gr_run_result(s->run, s->p->results[i].name, &t);
        fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), f);
    }
    for (int i = 0; i < gr_store_count(s->store); i++) {
        const void *data = gr_store_data(s->store, i, &t);
        fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), f);
    }
    fclose(f);
    return text;
}
