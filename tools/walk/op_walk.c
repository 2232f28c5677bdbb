/* op_walk.c - the walk over one case: alone and in loops, before and after the passes. */
#include "op_walk.h"

#include <math.h>
#include <string.h>

/* ---- gradients ---- */

/* What is 0 by definition, or scaled, or has ties: whatever differences say. */
static bool smooth(const trial *t)
{
    static const char *const says[] = {"padding_idx", "scale_grad_by_freq"};
    for (int i = 0; i < 2; i++)
        if (gr_op_attr(t->op, says[i]) >= 0 && strstr(t->c->attrs, says[i])) return false;
    for (int i = 0; i < t->num_in; i++)
        if (t->in[i].kind == 't') return false;
    return !(t->op->traits & GR_ZERO_GRAD);
}

static bool try_gradients(trial *t, gr_eval *e)
{
    bool good = true;
    trial_look(t, OP_GRADIENTS);
    for (int i = 0; good && t->grads && t->grads[i] && smooth(t); i++) good = trial_check_gradient(t, e, t->grads[i]);
    return good;
}

/* ---- steps ---- */

static bool is_random(const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        if ((g->nodes[i]->op->traits & GR_RANDOM) || (g->nodes[i]->scan && is_random(g->nodes[i]->scan->body))) return true;
    return false;
}

/* Zeros for the rows of the leading axis that have ended: what a ragged loop makes of them. */
static void clear_ended(const trial *t, void *data, const gr_type *type, int step)
{
    if (!t->lengths || type->rank < 1 || !type->dim[0]) return;
    size_t row = gr_dtype_size(type->dtype) * (size_t)(gr_numel(type) / type->dim[0]);
    for (int64_t r = 0; r < type->dim[0]; r++)
        if (trial_ended(t, r, step)) memset((char *)data + row * (size_t)r, 0, row);
}

/* Step s of the loop's inputs become those of the node alone. */
static void give_step(trial *t, gr_eval *loop, gr_eval *alone, int s)
{
    for (int i = 0; i < t->num_in; i++) {
        gr_type type;
        const char *name = gr_arena_printf(t->arena, "in%d", i), *from = eval_memory(loop, name, NULL);
        void *to = eval_memory(alone, name, &type);
        size_t bytes = to ? gr_dtype_size(type.dtype) * (size_t)gr_numel(&type) : 0;
        if (to) memcpy(to, from + (trial_whole(t, i) ? 0 : bytes * (size_t)s), bytes);
        if (to && !trial_whole(t, i)) clear_ended(t, to, &type, s);
    }
}

static bool same_step(trial *t, gr_eval *loop, const gr_tensor *want, int output, int s)
{
    gr_type type = {.dtype = want->dtype, .rank = want->rank};
    const char *name = gr_arena_printf(t->arena, "out%d", output);
    gr_tensor step = *eval_result(loop, name);
    memcpy(type.dim, want->dim, sizeof type.dim);
    clear_ended(t, want->data, &type, s);
    step.rank--;
    memmove(step.dim, step.dim + 1, sizeof *step.dim * (size_t)step.rank);
    step.data = (char *)step.data + gr_dtype_size(step.dtype) * (size_t)(eval_numel(want) * s);
    double d = trial_distance(want, &step);
    if (!(d < 1e-11)) return trial_failed(t, gr_arena_printf(t->arena, "step %d of %s is another than alone, by %g", s, trial_result(t, name), d));
    trial_compared(t, 1, d);
    return true;
}

/* Step s of the loop's outputs are those of the node alone on step s of its inputs. */
static bool try_steps(trial *t, gr_eval *e, const op_more *more)
{
    if (is_random(t->graph)) return true; /* each step draws numbers of its own */
    trial_look(t, OP_LOOPS);
    trial one = trial_begin(GR_FLOAT64, t->c, 0, 0, more);
    one.check = t->check;
    bool good = trial_outside(&one) || trial_failed(&one, "is refused");
    gr_eval *alone = eval_create(one.arena, one.graph);
    if (good) trial_fill(&one, alone);
    for (int s = 0; good && s < t->steps; s++) {
        give_step(t, e, alone, s);
        good = trial_run(&one, alone);
        for (int i = 0; good && i < t->num_out; i++) good = same_step(t, e, eval_value(alone, one.out[i]), i, s);
    }
    trial_end(&one);
    return good;
}

/* ---- in place ---- */

static bool writes_in_place(const gr_graph *g)
{
    bool any = false;
    for (int i = 0; i < g->num_nodes; i++) any = any || (g->nodes[i]->op->kernels && (g->nodes[i]->op->traits & GR_INPLACE));
    return any;
}

/* A kernel that may write over its first input makes the same of it there. */
static bool try_in_place(trial *t, gr_eval *plain)
{
    if (t->steps || !writes_in_place(t->graph)) return true;
    trial_look(t, OP_IN_PLACE);
    const gr_tensor **want = GR_NEW_ARRAY(t->arena, const gr_tensor *, t->graph->num_results + 1);
    gr_eval *over = eval_create(t->arena, t->graph);
    eval_in_place(over);
    trial_fill(t, over);
    if (!trial_run(t, plain)) return false;
    for (int i = 0; i < t->graph->num_results; i++) want[i] = eval_result(plain, t->graph->result_names[i]);
    if (!trial_run(t, over)) return false;
    for (int i = 0; i < t->graph->num_results; i++) {
        const char *name = t->graph->result_names[i];
        double d = trial_distance(want[i], eval_result(over, name));
        if (d > 0) return trial_failed(t, gr_arena_printf(t->arena, "%s differs by %g where output 0 lies over input 0", trial_result(t, name), d));
        trial_compared(t, 1, d);
    }
    return true;
}

/* ---- all passes ---- */

static bool same_results(trial *t, gr_eval *x, gr_graph *after)
{
    gr_eval *y = eval_create(t->arena, after);
    trial_fill(t, y);
    if (!trial_run(t, x) || !trial_run(t, y)) return false;
    for (int i = 0; i < t->graph->num_results; i++) {
        const gr_tensor *other = eval_result(y, t->graph->result_names[i]);
        double d = other ? trial_distance(eval_result(x, t->graph->result_names[i]), other) : INFINITY;
        if (d > 1e-11) return trial_failed(t, gr_arena_printf(t->arena, "%s differs by %g after the passes", trial_result(t, t->graph->result_names[i]), d));
        trial_compared(t, 1, d);
    }
    return true;
}

/* A node that may have a leading axis of steps must leave the loop for good. */
static bool claims_batches(const gr_node *n) { return (n->op->traits & (GR_POINTWISE | GR_ROWWISE)) || n->op->batch || n->op->role == GR_ROLE_ARG; }

static bool left_the_loop(trial *t, const gr_graph *after)
{
    if (gr_diag_count(t->diag)) return trial_failed(t, "gives errors in the passes");
    for (int i = 0; i < after->num_nodes; i++) {
        const gr_node *n = after->nodes[i];
        bool all = n->scan && n->phase == GR_FORWARD && strcmp(n->name, "loop") == 0;
        for (int k = 0; all && k < n->scan->body->num_nodes; k++) all = claims_batches(n->scan->body->nodes[k]);
        if (all) return trial_failed(t, "stays in a loop, against its claim");
    }
    return true;
}

/* ---- float ---- */

/* The outputs in float are those in double, but for rounding. */
static bool near_double(trial *t, gr_eval *e, const op_more *more)
{
    trial d = trial_begin(GR_FLOAT64, t->c, t->steps, t->whole, more);
    trial_look(t, OP_FLOAT);
    d.check = t->check;
    bool good = (t->steps ? trial_inside(&d) : trial_outside(&d)) || trial_failed(&d, "is refused");
    gr_eval *exact = eval_create(d.arena, d.graph);
    if (good) trial_fill(&d, exact);
    good = good && trial_run(&d, exact);
    for (int i = 0; good && i < t->num_out; i++) {
        double off = trial_distance(eval_value(exact, d.out[i]), eval_value(e, t->out[i]));
        if (!(off <= FLOAT_NEAR)) good = trial_failed(t, gr_arena_printf(t->arena, "%s in float differs from that in double by %g", trial_result(t, gr_arena_printf(t->arena, "out%d", i)), off));
        else trial_compared(t, 1, off);
    }
    trial_end(&d);
    return good;
}

/* ---- the walk ---- */

static bool try_double(trial *t, op_way w, const op_more *more)
{
    gr_eval *e = eval_create(t->arena, t->graph);
    trial_fill(t, e);
    eval_doubt(e);
    bool good = trial_run(t, e);
    if (good) trial_compared(t, 1, 0);
    good = good && (!w.steps || try_steps(t, e, more)) && try_gradients(t, e) && try_in_place(t, e);
    trial_look(t, OP_PASSES);
    gr_graph *after = good ? trial_optimised(t) : NULL;
    return after && (!w.steps || w.whole || w.ragged || left_the_loop(t, after)) && same_results(t, e, after);
}

static bool try_float(trial *t, op_way w, const op_more *more)
{
    gr_eval *e = eval_create(t->arena, t->graph);
    trial_fill(t, e);
    eval_doubt(e);
    if (!trial_run(t, e)) return false;
    if (!is_random(t->graph) && !(more && more->float_differs) && !near_double(t, e, more)) return false;
    trial_look(t, OP_PASSES);
    gr_graph *after = trial_optimised(t);
    return after && (!w.programs || op_try_programs(t, e, after));
}

int op_try_way(const op_case *c, op_way w, const op_more *more)
{
    trial t = trial_begin(w.real, c, w.steps, w.whole, more);
    op_check first = w.steps ? OP_LOOPS : OP_RUNS;
    if (w.as) trial_settle(&t, w.as);
    else trial_look(&t, first);
    bool made = t.op && (!w.ragged || trial_make_ragged(&t)) && (w.steps ? trial_inside(&t) : trial_outside(&t));
    if (!made && w.optional && !t.unwound && (gr_diag_count(t.diag) || w.ragged)) {
        trial_end(&t);
        return 0;
    }
    bool good = made || trial_failed(&t, t.op ? "is refused" : "is no op");
    trial_look(&t, OP_GRADIENTS);
    good = good && trial_differentiate(&t, t.out, t.num_out);
    trial_look(&t, first);
    good = good && (w.real == GR_FLOAT64 ? try_double(&t, w, more) : try_float(&t, w, more));
    trial_end(&t);
    return good ? 1 : -1;
}

int op_sequences(const op_case *c, const op_more *more, unsigned *all)
{
    trial t = trial_begin(GR_FLOAT64, c, STEPS, 0, more);
    int n = 0;
    *all = 0;
    for (int i = 0; t.op && i < t.num_in; i++)
        if (t.input[i] && !trial_whole(&t, i)) *all |= 1u << i, n++;
    trial_end(&t);
    return n;
}

/* A composite is made of what is walked alone, so that it need not go all ways. */
bool op_is_composite(const op_case *c, const op_more *more)
{
    const gr_op *op = gr_registry_find(op_registry_of(more), c->op);
    return op && op->expand;
}

/* 0: it stands in no loop and says so; -1: wrong. */
static int walk_loops(const op_case *c, int n, unsigned all, const op_more *more)
{
    bool optional = more && more->may_refuse_loops;
    int code = op_try_way(c, (op_way){.real = GR_FLOAT64, .steps = STEPS, .optional = optional}, more);
    if (code <= 0) return code;
    for (int i = 0; code > 0 && n > 1 && i < MAX_IN && !op_is_composite(c, more); i++)
        if (all >> i & 1) code = op_try_way(c, (op_way){.real = GR_FLOAT64, .steps = STEPS, .whole = all & ~(1u << i)}, more);
    if (code > 0 && op_try_way(c, (op_way){.real = GR_FLOAT64, .steps = STEPS, .optional = true, .ragged = true, .as = OP_RAGGED}, more) < 0) code = -1;
    return code;
}

bool op_walk_case(const op_case *c, const op_more *more)
{
    unsigned all;
    int n = op_sequences(c, more, &all), loops = 0;
    bool good = op_try_way(c, (op_way){.real = GR_FLOAT64}, more) > 0;
    if (good && n) loops = walk_loops(c, n, all, more);
    return good && loops >= 0 && op_try_way(c, (op_way){.real = GR_FLOAT32, .steps = loops ? STEPS : 0, .programs = true}, more) > 0;
}
