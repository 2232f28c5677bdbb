/* memory_attention.c - AdditiveAttention, DotAttention, BilinearAttention: a query looks at a
 * memory, as decoders of recurrent networks do.
 *
 *     memory [time, batch, size]   query [batch, width]            -> weights [batch, time]
 *                                  query [queries, batch, width]   -> weights [batch, queries, time]
 *
 * (batch_first: [batch, time, size], [batch, queries, width]; without a batch: [time, size],
 * [width] or [queries, width].) All is brought to [batch, queries, ...] by views. What the
 * memory is multiplied by does not depend on the query, so that in a Scan it is computed once,
 * before the loop. */
#include "attention.h"

#include <inttypes.h>
#include <math.h>

enum { QUERY, MEMORY, LENGTHS };

typedef struct look {
    gr_ctx *c;
    gr_val query, memory;          /* as given, the memory's padding zero */
    const gr_type *query_type, *memory_type;
    bool one;                      /* query, without an axis of queries */
    bool swap;                     /* time and batch stand the other way round */
    int64_t time, size, width;     /* width: the query's */
    op_mask mask;
} look;

static int look_check(look *l)
{
    gr_ctx *c = l->c;
    const char *first = gr_bool(c, "batch_first") ? "[batch, time, size] or [time, size]" : "[time, batch, size] or [time, size]";
    if (op_need_rank(c, MEMORY, 2, 3, first) < 0) return -1;
    const gr_type *m = l->memory_type = gr_in_type(c, MEMORY), *q = l->query_type = gr_in_type(c, QUERY);
    if (op_need_rank(c, QUERY, m->rank - 1, m->rank, m->rank == 3 ? gr_bool(c, "batch_first") ? "[batch, width] or [batch, queries, width]"
                     : "[batch, width] or [queries, batch, width]" : "[width] or [queries, width], as the memory has no batch") < 0) return -1;
    l->one = q->rank < m->rank;
    l->swap = m->rank == 3 && !gr_bool(c, "batch_first");
    l->time = m->dim[l->swap ? 0 : m->rank - 2], l->size = m->dim[m->rank - 1], l->width = q->dim[q->rank - 1];
    int64_t batch = m->dim[l->swap], queries = q->dim[l->swap && !l->one];
    if (m->rank == 3 && batch != queries)
        return gr_fail(c, GR_AT_INPUT, "query", "query %s and memory %s have different batches", op_type_text(c, q), op_type_text(c, m));
    return 0;
}

/* [batch, queries, ...] of what stands as the queries do; the other way round for `back`. */
static gr_val look_turn(look *l, gr_val v, bool back)
{
    if (l->one) return back ? gr_emit(l->c, "Squeeze", NULL, 1, &v, "dim=-2") : op_unsqueeze(l->c, v, -2);
    return l->swap ? op_swap(l->c, v, 0, 1) : v;
}

/* [batch, time, ...] of what stands as the memory does. */
static gr_val look_steps(look *l, gr_val v) { return l->swap ? op_swap(l->c, v, 0, 1) : v; }

static int look_begin(look *l)
{
    gr_ctx *c = l->c;
    if (look_check(l) < 0) return -1;
    l->query = gr_in(c, QUERY), l->memory = gr_in(c, MEMORY);
    if (!gr_count(c, LENGTHS)) return 0;
    int rows = l->memory_type->rank - 2;
    gr_val real = op_real_keys(c, "lengths", gr_in(c, LENGTHS), rows, l->memory_type, l->swap, l->time);
    if (!real) return -1;
    l->memory = op_only_real(c, look_steps(l, real), l->memory, NULL);
    return op_mask_add(c, &l->mask, "lengths", rows ? op_unsqueeze(c, real, -2) : real, true);
}

static int look_end(look *l, gr_val scores)
{
    op_attention a = {.scores = scores, .value = look_steps(l, l->memory), .mask = l->mask};
    op_attend(l->c, &a);
    gr_val weights = l->one ? look_turn(l, a.weights, true) : a.weights;
    return gr_set_result(l->c, 0, look_turn(l, a.output, true)) < 0 ? -1 : gr_set_result(l->c, 1, weights);
}

/* By products of query and keys, which stand as query and memory do. */
static int look_by_products(look *l, gr_val query, gr_val keys)
{
    bool one = l->one;
    op_attention a = {.query = one ? look_turn(l, query, false) : query, .key = one ? look_steps(l, keys) : keys,
                      .value = one ? look_steps(l, l->memory) : l->memory, .dim = l->swap && !one ? -3 : -2, .scale = 1, .mask = l->mask};
    op_attend(l->c, &a);
    if (gr_set_result(l->c, 0, one ? look_turn(l, a.output, true) : a.output) < 0) return -1;
    return gr_set_result(l->c, 1, one ? look_turn(l, a.weights, true) : a.weights);
}

static gr_val look_times(look *l, const char *name, gr_val v, gr_val weight, bool transpose)
{
    gr_val in[2] = {v, weight};
    return gr_emit(l->c, "MatMul", name, 2, in, "transpose_b=%s", transpose ? "true" : "false");
}

static int dot_expand(gr_ctx *c)
{
    look l = {.c = c};
    if (look_begin(&l) < 0) return -1;
    if (l.width != l.size)
        return gr_fail(c, GR_AT_INPUT, "query", "query %s and memory %s must be of one width; BilinearAttention takes others",
                       op_type_text(c, l.query_type), op_type_text(c, l.memory_type));
    return look_by_products(&l, l.query, l.memory);
}

/* q W m: of one query, which is most often a loop's, the memory is multiplied by W, before the
 * loop; of many the shorter side is. */
static int bilinear_expand(gr_ctx *c)
{
    look l = {.c = c};
    if (look_begin(&l) < 0) return -1;
    gr_type t = {.dtype = gr_real(c), .rank = 2, .dim = {l.width, l.size}};
    double bound = l.size ? 1 / sqrt((double)l.size) : 0;
    gr_val weight = gr_parameter(c, "weight", &t, "Uniform low=%.17g high=%.17g", -bound, bound);
    int64_t queries = l.one ? 1 : l.query_type->dim[l.swap ? 0 : l.query_type->rank - 2];
    if (!l.one && queries <= l.time) return look_by_products(&l, look_times(&l, "projected", l.query, weight, false), l.memory);
    return look_by_products(&l, l.query, look_times(&l, "projected", l.memory, weight, true));
}

static gr_val additive_weight(gr_ctx *c, const char *name, int64_t rows, int64_t columns)
{
    gr_type t = {.dtype = gr_real(c), .rank = 2, .dim = {rows, columns}};
    double bound = columns ? 1 / sqrt((double)columns) : 0;
    return gr_parameter(c, name, &t, "Uniform low=%.17g high=%.17g", -bound, bound);
}

/* w tanh(Q q + M m), the sum over [batch, queries, time, hidden]. */
static int additive_expand(gr_ctx *c)
{
    look l = {.c = c};
    if (look_begin(&l) < 0) return -1;
    int64_t hidden = gr_int(c, "hidden_size");
    gr_val from_query = look_times(&l, "query", l.query, additive_weight(c, "query.weight", hidden, l.width), true);
    gr_val from_memory = look_times(&l, "memory", l.memory, additive_weight(c, "memory.weight", hidden, l.size), true);
    gr_val score = additive_weight(c, "score.weight", 1, hidden);
    gr_val sum = gr_emit2(c, "Add", op_unsqueeze(c, look_turn(&l, from_query, false), -2), op_unsqueeze(c, look_steps(&l, from_memory), -3));
    gr_val tanh = gr_emit(c, "Tanh", "tanh", 1, &sum, NULL);
    gr_val in[2] = {tanh, gr_emit(c, "Reshape", NULL, 1, &score, "shape=[%" PRId64 "]", hidden)};
    return look_end(&l, gr_emit(c, "MatMul", "scores", 2, in, NULL));
}

/* ---- descriptors ---- */

#define BATCH_FIRST {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Memory is [batch, time, size], several queries [batch, queries, width]."}
static const gr_attr_spec attrs[] = {BATCH_FIRST, OP_END};
static const gr_attr_spec additive_attrs[] = {
    {"hidden_size", GR_ATTR_INT, NULL, 1, 1 << 30, NULL, "Width in which query and memory are added."}, BATCH_FIRST, OP_END};
static const gr_port inputs[] = {
    {"query", 0, "[batch, width], or [queries, batch, width]: what looks"},
    {"memory", 0, "[time, batch, size]: what is looked at"},
    {"lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many steps of the memory are real; what stands behind may be NaN"},
    OP_END};
static const gr_port outputs[] = {
    {"context", 0, "[batch, size] or [queries, batch, size]: the memory's steps, mixed by the weights"},
    {"weights", 0, "[batch, time] or [batch, queries, time]: they add up to 1 over time"}, OP_END};

#define EXAMPLE_attrs ""
#define EXAMPLE_additive_attrs ", hidden_size: 8"
#define EXAMPLE(NAME, options)                                                                                           \
    "graph:\n"                                                                                                          \
    "  memory: {op: Full, shape: [5, 2, 3], value: 0.5}   # [time, batch, size]\n"                                      \
    "  query: {op: Ones, shape: [2, 3]}                   # [batch, width]\n"                                           \
    "  look: {op: " NAME "Attention, in: {query: query, memory: memory}" options "}\n"                                  \
    "  y: {op: Concat, in: [look.context, query], dim: -1}\n"
#define LOOK(NAME, symbol, list, text, math, paper)                                                                     \
    extern const gr_op gr_op_##symbol##_attention;                                                                      \
    const gr_op gr_op_##symbol##_attention = {GR_OP_HEADER, .name = #NAME "Attention", .summary = text, .formula = math, \
        .reference = paper, .attrs = list, .inputs = inputs, .outputs = outputs, .expand = symbol##_expand,                \
        .kind = "attention", .example = EXAMPLE(#NAME, EXAMPLE_##list)};

LOOK(Additive, additive, additive_attrs, "A query looks at a memory through a small network.",
     "context = softmax(score . tanh(Q query + M memory)) memory", "Bahdanau et al. 2015")
LOOK(Dot, dot, attrs, "A query looks at a memory by plain products.", "context = softmax(query memory^T) memory", "Luong et al. 2015, dot")
LOOK(Bilinear, bilinear, attrs, "A query looks at a memory by products through a matrix.",
     "context = softmax(query weight memory^T) memory", "Luong et al. 2015, general")
