/* test_ops.c - every op, by walking the registry.
 *
 * A node of a case of op_cases.h is put into graphs: alone; in a loop over three steps, with all its
 * inputs as sequences, and with one of them as a sequence and the others the same at every step. Of
 * each graph gradients toward inputs and parameters are held against central differences in double,
 * values after all passes against those before, a loop against as many nodes alone (which proves
 * what an op claims of leading axes, `batch` and `accumulate`), and what a program computes against
 * that, on one thread and on three, in both kinds of float. Then each length of the case becomes 1
 * and 0, and dims are counted from the other end. A plugin's ops go the same way.
 * What cases an op must have is said in test_op_cases.c. */
#include "eval.h"
#include "op_trial.h"
#include "op_walk.h"
#include "run/run.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ways to put a node into a graph ---- */

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

static bool is_random(const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        if ((g->nodes[i]->op->traits & GR_RANDOM) || (g->nodes[i]->scan && is_random(g->nodes[i]->scan->body))) return true;
    return false;
}

static bool try_gradients(trial *t, gr_eval *e)
{
    bool good = true;
    for (int i = 0; good && t->grads && t->grads[i] && smooth(t); i++) good = trial_check_gradient(t, e, t->grads[i]);
    return good;
}

/* Step s of the loop's outputs are those of the node alone on step s of its inputs. */
static bool try_steps(trial *t, gr_eval *e, const op_more *more)
{
    if (is_random(t->graph)) return true; /* each step draws numbers of its own */
    trial one = trial_begin(GR_FLOAT64, t->c, 0, 0, more);
    bool good = trial_outside(&one) || trial_failed(&one, "is refused");
    gr_eval *alone = eval_create(one.arena, one.graph);
    if (good) trial_fill(&one, alone);
    for (int s = 0; good && s < t->steps; s++) {
        for (int i = 0; i < t->num_in; i++) {
            gr_type type;
            const char *name = gr_arena_printf(t->arena, "in%d", i), *from = eval_memory(e, name, NULL);
            void *to = eval_memory(alone, name, &type);
            size_t bytes = to ? gr_dtype_size(type.dtype) * (size_t)gr_numel(&type) : 0;
            if (to) memcpy(to, from + (trial_whole(t, i) ? 0 : bytes * (size_t)s), bytes);
        }
        good = eval_run(alone) == 0 || trial_failed(&one, "does not run");
        for (int i = 0; good && i < t->num_out; i++) {
            gr_tensor step = *eval_result(e, gr_arena_printf(t->arena, "out%d", i));
            const gr_tensor *want = eval_value(alone, one.out[i]);
            step.rank--;
            memmove(step.dim, step.dim + 1, sizeof *step.dim * (size_t)step.rank);
            step.data = (char *)step.data + gr_dtype_size(step.dtype) * (size_t)(eval_numel(want) * s);
            good = trial_distance(want, &step) < 1e-11 || trial_failed(t, gr_arena_printf(t->arena, "step %d of output %d is another than alone", s, i));
        }
    }
    trial_end(&one);
    return good;
}

/* ---- programs ---- */

/* Results and states of a program after a step, one after another; freed by the caller. */
static char *outcome(const gr_program *p, gr_run *run, gr_store *store, size_t *size)
{
    char *text = NULL;
    gr_type t;
    FILE *f = open_memstream(&text, size);
    int code = gr_run_step(run, 0);
    fwrite(&code, sizeof code, 1, f);
    for (int i = 0; i < p->num_results; i++) {
        const void *data = gr_run_result(run, p->results[i].name, &t);
        if (i != p->commit) fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), f);
    }
    for (int i = 0; i < gr_store_count(store); i++) {
        const void *data = gr_store_data(store, i, &t);
        fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), f);
    }
    fclose(f);
    return text;
}

/* All that can be split between threads is. */
static char *run_on(int threads, trial *t, gr_graph *g, gr_eval *filled, size_t *size)
{
    static gr_pool *pools[4];
    gr_error e = {0};
    gr_topology *machine = gr_topology_get(t->arena, NULL, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(machine);
    machine->wait_ns = 0;
    if (!pools[threads]) pools[threads] = gr_pool_create(machine, threads, &e);
    gr_program *p = gr_program_create(t->arena, g, &e);
    gr_schedule *s = p ? gr_schedule_create(t->arena, p, machine, threads, &e) : NULL;
    gr_store *store = gr_store_create();
    gr_run *run = s ? gr_run_create(p, s, pools[threads], store, 0, &e) : NULL;
    char *text = NULL;
    if (!run) trial_failed(t, e.message);
    for (int i = 0; run && i < p->num_buffers; i++) {
        const gr_buffer *b = &p->buffers[i];
        void *to = b->kind == GR_BUFFER_FEED ? gr_run_feed(run, b->name, NULL)
                 : b->kind == GR_BUFFER_STATE ? gr_store_get(store, b->name, &b->type, NULL, &e) : NULL;
        const void *from = to ? eval_memory(filled, b->name, NULL) : NULL;
        if (from) memcpy(to, from, gr_dtype_size(b->type.dtype) * (size_t)gr_numel(&b->type));
    }
    if (run) text = outcome(p, run, store, size);
    gr_run_destroy(run);
    gr_store_destroy(store);
    return text;
}

static bool same_bits(trial *t, gr_graph *after)
{
    size_t n1 = 0, n3 = 0;
    gr_eval *e = eval_create(t->arena, t->graph);
    trial_fill(t, e);
    char *one = run_on(1, t, after, e, &n1), *three = run_on(3, t, after, e, &n3);
    bool good = one && three && n1 == n3 && memcmp(one, three, n1) == 0;
    free(one);
    free(three);
    return good || trial_failed(t, "has other bits on three threads than on one");
}

/* ---- all passes ---- */

static bool same_results(trial *t, gr_eval *x, gr_graph *after)
{
    gr_eval *y = eval_create(t->arena, after);
    trial_fill(t, y);
    if (eval_run(x) < 0 || eval_run(y) < 0) return trial_failed(t, "does not run");
    for (int i = 0; i < t->graph->num_results; i++) {
        const gr_tensor *other = eval_result(y, t->graph->result_names[i]);
        double d = other ? trial_distance(eval_result(x, t->graph->result_names[i]), other) : INFINITY;
        if (d > 1e-11) return trial_failed(t, gr_arena_printf(t->arena, "%s differs by %g after the passes", t->graph->result_names[i], d));
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

/* ---- the walk ---- */

typedef struct way {
    gr_dtype real;
    int steps;
    unsigned whole;
    bool optional; /* a refusal with a message is fine, too */
    bool threads;  /* on 1 and on 3 */
} way;

/* 1: as it should; 0: refused, as it may be; -1: wrong, and said. */
static int try_way(const op_case *c, way w, const op_more *more)
{
    trial t = trial_begin(w.real, c, w.steps, w.whole, more);
    bool made = t.op && (w.steps ? trial_inside(&t) : trial_outside(&t));
    if (!made && w.optional && gr_diag_count(t.diag)) {
        trial_end(&t);
        return 0;
    }
    bool good = made || trial_failed(&t, t.op ? "is refused" : "is no op");
    good = good && trial_differentiate(&t, t.out, t.num_out);
    if (good && w.real == GR_FLOAT64) {
        gr_eval *e = eval_create(t.arena, t.graph);
        trial_fill(&t, e);
        good = eval_run(e) == 0 || trial_failed(&t, "does not run");
        good = good && (!w.steps || try_steps(&t, e, more)) && try_gradients(&t, e);
        gr_graph *after = good ? trial_optimised(&t) : NULL;
        good = after && (!w.steps || w.whole || left_the_loop(&t, after)) && same_results(&t, e, after) && (!w.threads || same_bits(&t, after));
    } else if (good) {
        gr_graph *after = trial_optimised(&t);
        good = after && (!w.threads || same_bits(&t, after));
    }
    trial_end(&t);
    return good ? 1 : -1;
}

/* Of the inputs that can be sequences. */
static int sequences(const op_case *c, const op_more *more, unsigned *all)
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
static bool is_composite(const op_case *c, const op_more *more)
{
    gr_arena *a = gr_arena_create();
    const gr_op *op = gr_registry_find(trial_registry(a, more), c->op);
    bool composite = op && op->expand;
    gr_arena_destroy(a);
    return composite;
}

bool op_walk_case(const op_case *c, const op_more *more)
{
    unsigned all;
    int n = op_refused_in_loops(c) ? 0 : sequences(c, more, &all);
    bool good = try_way(c, (way){GR_FLOAT64, 0, 0, false, false}, more) > 0;
    good = good && try_way(c, (way){GR_FLOAT32, n ? STEPS : 0, 0, false, true}, more) > 0;
    if (good && n) good = try_way(c, (way){GR_FLOAT64, STEPS, 0, false, false}, more) > 0;
    for (int i = 0; good && n > 1 && i < MAX_IN && !is_composite(c, more); i++)
        if (all >> i & 1) good = try_way(c, (way){GR_FLOAT64, STEPS, all & ~(1u << i), false, false}, more) > 0;
    return good;
}

static void every_case(void)
{
    int bad = 0;
    for (int i = 0; i < op_num_cases; i++) bad += !op_walk_case(&op_cases[i], NULL);
    CU_ASSERT_EQUAL(bad, 0);
}

/* ---- other lengths ---- */

/* Numbers `from` in the text, as words of their own, become `to`. */
static const char *with_number(gr_arena *a, const char *text, int64_t from, int64_t to)
{
    const char *made = "";
    while (*text) {
        char *end;
        bool digit = *text >= '0' && *text <= '9';
        long long v = digit ? strtoll(text, &end, 10) : 0;
        if (digit && (*end == '.' || *end == 'e')) v = -1; /* no length */
        made = !digit ? gr_arena_printf(a, "%s%c", made, *text) : gr_arena_printf(a, "%s%.*s", made, v == from ? 0 : (int)(end - text), text);
        if (digit && v == from) made = gr_arena_printf(a, "%s%lld", made, (long long)to);
        text = digit ? end : text + 1;
    }
    return made;
}

/* The case's inputs with axes of length `from` made `to` long; NULL: makes no sense, as integers
 * below 0. */
static const char *with_length(gr_arena *a, const op_case *c, int64_t from, int64_t to)
{
    operand in[MAX_IN];
    int n = trial_operands(c->inputs, in);
    const char *text = "";
    for (int i = 0; i < n; i++) {
        operand *o = &in[i];
        text = gr_arena_printf(a, "%s%s%c", text, i ? "; " : "", o->kind);
        if (o->kind == 'i') text = gr_arena_printf(a, "%s%lld", text, o->classes == from && to > 0 ? (long long)to : (long long)o->classes);
        for (int k = 0; k < o->type.rank; k++) {
            if (o->type.dim[k] == from) o->type.dim[k] = to;
            text = gr_arena_printf(a, "%s %lld", text, (long long)o->type.dim[k]);
        }
        if (o->kind == 'i' && o->classes == from && to == 0 && gr_numel(&o->type) > 0) return NULL;
    }
    return text;
}

/* 1: with the length so the node is as it should; 0: refused with a message; -1: wrong. */
static int try_length(const op_case *c, int64_t from, int64_t to, const op_more *more)
{
    gr_arena *a = gr_arena_create();
    op_case other = {c->op, c->attrs, with_length(a, c, from, to)};
    int result = other.inputs ? try_way(&other, (way){GR_FLOAT64, 0, 0, true, false}, more) : 0;
    if (result == 0 && other.inputs) {
        other.attrs = with_number(a, c->attrs, from, to);
        result = strcmp(other.attrs, c->attrs) ? try_way(&other, (way){GR_FLOAT64, 0, 0, true, false}, more) : 0;
    }
    if (result > 0 && !op_refused_in_loops(&other) && !is_composite(&other, more)) {
        unsigned all;
        int inside = sequences(&other, more, &all) ? try_way(&other, (way){GR_FLOAT64, STEPS, 0, true, false}, more) : 1;
        result = inside < 0 ? -1 : result;
    }
    gr_arena_destroy(a);
    return result;
}

bool op_walk_lengths(const op_case *c, const op_more *more, bool met[2])
{
    operand in[MAX_IN];
    int n = trial_operands(c->inputs, in);
    int64_t tried[64];
    int count = 0;
    bool good = true;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < in[i].type.rank; k++) {
            int64_t length = in[i].type.dim[k];
            bool seen = length > 60;
            if (length < 2) met[length] = true;
            for (int j = 0; j < count; j++) seen |= tried[j] == length;
            if (seen) continue;
            tried[count++] = length;
            for (int to = 0; to < 2; to++) {
                int result = length == to ? 0 : try_length(c, length, to, more);
                met[to] |= result > 0;
                good &= result >= 0;
            }
        }
    return good;
}

static void other_lengths(void)
{
    int bad = 0;
    gr_arena *a = gr_arena_create();
    gr_registry *r = trial_registry(a, NULL);
    for (int i = 0; i < gr_registry_count(r); i++) {
        const gr_op *op = gr_registry_at(r, i);
        bool met[2] = {false, false}, any = false;
        for (int k = 0; k < op_num_cases; k++) {
            if (strcmp(op_cases[k].op, op->name)) continue;
            any = any || *op_cases[k].inputs;
            bad += !op_walk_lengths(&op_cases[k], NULL, met);
        }
        for (int to = 0; to < 2; to++) {
            if (!any || met[to] || op_without_length(op->name, to)) continue;
            printf("\n  no case of %s works with an axis of length %d\n", op->name, to);
            bad++;
        }
    }
    gr_arena_destroy(a);
    CU_ASSERT_EQUAL(bad, 0);
}

/* ---- dims from the other end ---- */

static bool is_dim(const gr_attr_spec *s)
{
    static const char *const name[] = {"dim", "dims", "dim0", "dim1", "start_dim", "end_dim"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strcmp(s->name, name[i]) == 0) return true;
    return false;
}

/* The attributes' text with dims that are counted from the end counted from the start, and the other
 * way; NULL: there are none. */
static const char *turned(trial *t)
{
    gr_attr *attr = gr_attr_defaults(t->arena, t->op);
    const char *why = "", *text = "";
    bool any = false;
    int rank = t->in[0].type.rank > t->out[0]->type.rank ? t->in[0].type.rank : t->out[0]->type.rank;
    gr_attrs_parse(t->arena, t->op, t->c->attrs + strspn(t->c->attrs, ", "), attr, &why);
    for (int i = 0; i < gr_op_num_attrs(t->op); i++) {
        const gr_attr_spec *s = &t->op->attrs[i];
        if (!attr[i].given) continue;
        if (is_dim(s) && s->kind == GR_ATTR_INT && rank) attr[i].i += attr[i].i < 0 ? rank : -rank, any = true;
        if (is_dim(s) && s->kind == GR_ATTR_INTS && rank && attr[i].n) {
            int64_t *d = GR_NEW_ARRAY(t->arena, int64_t, attr[i].n);
            for (int k = 0; k < attr[i].n; k++) d[k] = attr[i].ints[k] + (attr[i].ints[k] < 0 ? rank : -rank);
            attr[i].ints = d;
            any = true;
        }
        text = gr_arena_printf(t->arena, "%s%s%s=%s", text, *text ? ", " : "", s->name, gr_attr_text(t->arena, s, &attr[i]));
    }
    return any ? text : NULL;
}

static bool try_turned(const op_case *c, const op_more *more)
{
    trial t = trial_begin(GR_FLOAT64, c, 0, 0, more);
    bool good = trial_outside(&t) || trial_failed(&t, "is refused");
    const char *attrs = good && t.num_in && t.input[0] ? turned(&t) : NULL;
    op_case other = {c->op, attrs, c->inputs};
    if (attrs) {
        trial u = trial_begin(GR_FLOAT64, &other, 0, 0, more);
        gr_eval *x = eval_create(t.arena, t.graph);
        trial_fill(&t, x);
        good = eval_run(x) == 0 && (trial_outside(&u) || trial_failed(&u, "is refused"));
        gr_eval *y = eval_create(u.arena, u.graph);
        if (good) trial_fill(&u, y);
        good = good && eval_run(y) == 0;
        for (int i = 0; good && i < t.num_out; i++)
            good = trial_distance(eval_value(x, t.out[i]), eval_value(y, u.out[i])) == 0 || trial_failed(&u, "is another node than with dims from the other end");
        trial_end(&u);
    }
    trial_end(&t);
    return good;
}

static void dims_from_both_ends(void)
{
    int bad = 0;
    for (int i = 0; i < op_num_cases; i++) bad += !try_turned(&op_cases[i], NULL);
    CU_ASSERT_EQUAL(bad, 0);
}

/* ---- plugins, and broken ops ---- */

static void a_plugin_is_walked(void)
{
    static const op_more plugin = {.plugin = GR_BUILD_DIR "/graphs/plugins/minimal_gated.so"};
    static const op_case of_plugin[] = {
        {"MinimalGated", "hidden_size=4", "f 2 3; f 2 4"}, {"SoftCap", "", "f 3 4"}, {"SoftCap", "cap=0.5", "f 3 4"}, {"SoftCap", "cap=2", "f"}};
    bool met[2] = {false, false};
    int n = sizeof of_plugin / sizeof *of_plugin;
    for (int i = 0; i < n; i++) {
        CU_ASSERT(op_walk_case(&of_plugin[i], &plugin));
        CU_ASSERT(op_walk_lengths(&of_plugin[i], &plugin, met));
        CU_ASSERT(try_turned(&of_plugin[i], &plugin));
    }
    CU_ASSERT(met[0] && met[1]);
    CU_ASSERT_EQUAL(op_walk_gaps(of_plugin, n, &plugin), 0);
}

static int wrong_gradient(gr_ctx *c)
{
    return gr_set_grad(c, 0, 0, gr_emit2(c, "Mul", gr_grad(c, 0), gr_out(c, 0))); /* of exp, not tanh */
}

static int reversed_batch(gr_ctx *c)
{
    return gr_set_result(c, 0, gr_emit(c, "Flip", NULL, 1, (gr_val[]){gr_in(c, 0)}, "dims=[0]"));
}

static void broken_ops_are_caught(void)
{
    static const gr_port in[] = {{"input", 0, "[...]"}, {.name = NULL}}, out[] = {{"output", 0, "[...]"}, {.name = NULL}};
    static const gr_attr_spec attrs[] = {{.name = "k", .kind = GR_ATTR_INT, .fallback = "1", .doc = "A number."}, {.name = NULL}};
    static const gr_op broken = {GR_OP_HEADER, .name = "Broken", .summary = "A tanh with a wrong gradient.", .inputs = in, .outputs = out,
                                 .attrs = attrs, .tape = GR_TAPE_TANH, .traits = GR_POINTWISE | GR_ROWWISE, .gradient = wrong_gradient};
    static const op_more more = {.op = &broken}, plugin = {.plugin = GR_BUILD_DIR "/tests/wrong_gradient.so"};
    printf("\n  (messages about Broken, HalvedSquare and Turned follow)");
    CU_ASSERT_FALSE(op_walk_case(&(op_case){"Broken", "", "f 3"}, &more));
    CU_ASSERT_FALSE(op_walk_case(&(op_case){"HalvedSquare", "", "f 3"}, &plugin));
    gr_arena *a = gr_arena_create();
    gr_op turned_op = *gr_registry_find(trial_registry(a, NULL), "CumSum"); /* a kernel */
    turned_op.name = "Turned";
    turned_op.traits &= ~(uint32_t)GR_ROWWISE;
    turned_op.batch = reversed_batch;
    turned_op.gradient = NULL;
    turned_op.traits |= GR_ZERO_GRAD;
    CU_ASSERT_FALSE(op_walk_case(&(op_case){"Turned", "dim=0", "f 3"}, &(op_more){.op = &turned_op}));
    CU_ASSERT_NOT_EQUAL(op_walk_gaps(&(op_case){"Broken", "", "f 3"}, 1, &more), 0); /* k is never another */
    gr_arena_destroy(a);
}

void test_ops(void)
{
    CU_pSuite s = CU_add_suite("ops", NULL, NULL);
    CU_add_test(s, "alone and in loops, before and after the passes, on 1 and 3 threads", every_case);
    if (GR_TEST_NUMBERS) CU_add_test(s, "with axes of length 1 and 0", other_lengths);
    if (GR_TEST_NUMBERS) CU_add_test(s, "dims count from both ends", dims_from_both_ends);
    CU_add_test(s, "a plugin's ops are walked", a_plugin_is_walked);
    CU_add_test(s, "broken ops are caught", broken_ops_are_caught);
}
