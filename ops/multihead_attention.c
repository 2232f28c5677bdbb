/* multihead_attention.c - heads of attention side by side, as torch.nn.MultiheadAttention.
 *
 *     query [queries, batch, width] -> W_q -> [queries, batch, heads * head_dim]
 *                                          -> view [queries, batch, heads, head_dim]
 *
 * Query, key and value that are one value (or key and value that are) share one product with
 * the rows of in_proj_weight that they need. */
#include "attention.h"

#include <inttypes.h>
#include <math.h>

enum { QUERY, KEY, VALUE, ATTN_MASK, KEY_PADDING_MASK, LENGTHS };

typedef struct mha {
    gr_ctx *c;
    int from[3];                /* the port that query, key, value come from */
    gr_val in[3];               /* as given, but for padding */
    int64_t width[3];
    int64_t queries, keys, batch, heads, head_dim;
    int64_t all;                /* heads * head_dim */
    int lead;                   /* axes before heads: 1, or 0 without a batch */
    bool batch_first, packed;   /* packed: one weight for all, in_proj_weight */
    op_mask mask;
} mha;

/* ---- what is given ---- */

static const char *mha_name(const mha *m, int port) { return gr_self(m->c)->inputs[port].name; }

static int mha_alike(mha *m, int port, int other, int axis, const char *what)
{
    const gr_type *a = gr_in_type(m->c, port), *b = gr_in_type(m->c, other);
    if (a->rank == b->rank && a->dim[axis] == b->dim[axis]) return 0;
    return gr_fail(m->c, GR_AT_INPUT, mha_name(m, port), "%s is %s and %s is %s: they must have the same %s", mha_name(m, other),
                   op_type_text(m->c, b), mha_name(m, port), op_type_text(m->c, a), a->rank == b->rank ? what : "number of axes");
}

static int mha_inputs(mha *m)
{
    gr_ctx *c = m->c;
    bool first = gr_bool(c, "batch_first");
    m->from[KEY] = gr_count(c, KEY) ? KEY : QUERY;
    m->from[VALUE] = gr_count(c, VALUE) ? VALUE : m->from[KEY];
    const gr_type *q = gr_in_type(c, QUERY);
    m->lead = q->rank == 3;
    m->batch_first = m->lead && first;
    int batch = m->batch_first ? 0 : 1, time = m->batch_first ? 1 : 0;
    for (int p = QUERY; p <= VALUE; p++) {
        if (op_need_rank(c, m->from[p], 2, 3, first ? "[batch, time, width] or, without a batch, [time, width]"
                                                    : "[time, batch, width] or, without a batch, [time, width]") < 0) return -1;
        int compared = m->lead || gr_in_type(c, m->from[p])->rank != q->rank ? QUERY : m->from[p];
        if (mha_alike(m, m->from[p], compared, batch, "batch") < 0) return -1;
        const gr_type *t = gr_in_type(c, m->from[p]);
        m->in[p] = gr_in(c, m->from[p]);
        m->width[p] = t->dim[t->rank - 1];
    }
    m->queries = q->dim[time], m->keys = gr_in_type(c, m->from[KEY])->dim[time], m->batch = m->lead ? q->dim[batch] : 1;
    return mha_alike(m, m->from[VALUE], m->from[KEY], time, "number of steps");
}

/* Checks a given width of keys or values; absent: what comes. */
static int mha_given_width(mha *m, const char *attr, int port)
{
    const gr_attr *a = gr_get(m->c, attr);
    if (!a->present || a->i == m->width[port]) return 0;
    return gr_fail(m->c, GR_AT_ATTR, attr, "%s = %" PRId64 ", but the %s is %" PRId64 " wide", attr, a->i, mha_name(m, port), m->width[port]);
}

static int mha_heads(mha *m)
{
    gr_ctx *c = m->c;
    const gr_attr *own = gr_get(c, "head_dim");
    m->heads = gr_int(c, "num_heads");
    if (!own->present && m->width[QUERY] % m->heads)
        return gr_fail(c, GR_AT_ATTR, "num_heads", "the query's width %" PRId64 " is not a multiple of num_heads = %" PRId64
                       "; head_dim gives the heads another width", m->width[QUERY], m->heads);
    m->head_dim = own->present ? own->i : m->width[QUERY] / m->heads;
    m->all = m->heads * m->head_dim;
    m->packed = m->width[KEY] == m->width[QUERY] && m->width[VALUE] == m->width[QUERY];
    return mha_given_width(m, "kdim", KEY) < 0 ? -1 : mha_given_width(m, "vdim", VALUE);
}

/* ---- masks ---- */

static int mha_misfit(mha *m, int port, const char *want)
{
    return gr_fail(m->c, GR_AT_INPUT, mha_name(m, port), "'%s' must be %s, but is %s", mha_name(m, port), want, op_type_text(m->c, gr_in_type(m->c, port)));
}

/* [queries, keys] for all, or [batch * heads, queries, keys]. */
static int mha_attn_mask(mha *m)
{
    gr_ctx *c = m->c;
    if (!gr_count(c, ATTN_MASK)) return 0;
    const gr_type *t = gr_in_type(c, ATTN_MASK);
    int64_t rows = m->batch * m->heads, dim[4] = {m->batch, m->heads, m->queries, m->keys};
    bool fits = (t->rank == 2 || (t->rank == 3 && t->dim[0] == rows)) && t->dim[t->rank - 2] == m->queries && t->dim[t->rank - 1] == m->keys;
    if (!fits)
        return mha_misfit(m, ATTN_MASK, op_text(c, "[queries %" PRId64 ", keys %" PRId64 "] or [batch * heads %" PRId64 ", %" PRId64 ", %" PRId64 "]",
                                                m->queries, m->keys, rows, m->queries, m->keys));
    gr_val mask = gr_in(c, ATTN_MASK);
    if (t->rank == 3) mask = op_reshape(c, mask, 3 + m->lead, dim + 1 - m->lead);
    return op_mask_add(c, &m->mask, "attn_mask", mask, false);
}

static int mha_padding_mask(mha *m)
{
    gr_ctx *c = m->c;
    if (!gr_count(c, KEY_PADDING_MASK)) return 0;
    const gr_type *t = gr_in_type(c, KEY_PADDING_MASK);
    if (t->rank != 1 + m->lead || t->dim[t->rank - 1] != m->keys || (m->lead && t->dim[0] != m->batch))
        return mha_misfit(m, KEY_PADDING_MASK, m->lead ? op_text(c, "[batch %" PRId64 ", keys %" PRId64 "]", m->batch, m->keys)
                                                       : op_text(c, "[keys %" PRId64 "], as there is no batch", m->keys));
    return op_mask_add(c, &m->mask, "key_padding_mask", op_align(c, gr_in(c, KEY_PADDING_MASK), 3 + m->lead), false);
}

static int mha_lengths(mha *m)
{
    gr_ctx *c = m->c;
    if (!gr_count(c, LENGTHS)) return 0;
    gr_val real = op_real_keys(c, "lengths", gr_in(c, LENGTHS), m->lead, gr_in_type(c, m->from[KEY]), m->lead && !m->batch_first, m->keys);
    if (!real) return -1;
    gr_val steps = m->lead && !m->batch_first ? op_swap(c, real, 0, 1) : real;
    gr_val given[3] = {m->in[QUERY], m->in[KEY], m->in[VALUE]};
    m->in[KEY] = op_only_real(c, steps, given[KEY], NULL);
    m->in[VALUE] = given[VALUE] == given[KEY] ? m->in[KEY] : op_only_real(c, steps, given[VALUE], NULL);
    if (given[QUERY] == given[KEY]) m->in[QUERY] = m->in[KEY];
    return op_mask_add(c, &m->mask, "lengths", op_align(c, real, 3 + m->lead), true);
}

/* ---- projections ---- */

static gr_val mha_rows(gr_ctx *c, gr_val v, int64_t start, int64_t stop)
{
    return gr_type_of(c, v)->dim[0] == stop - start ? v
        : gr_emit(c, "Slice", NULL, 1, &v, "dim=0, start=%" PRId64 ", stop=%" PRId64, start, stop);
}

static gr_val mha_weight(mha *m, const char *name, int64_t rows, int64_t columns)
{
    gr_type t = {.dtype = gr_real(m->c), .rank = 2, .dim = {rows, columns}};
    return gr_parameter(m->c, name, &t, "XavierUniform");
}

/* Parts [first, first + count) of query, key and value, all of which input `first` makes. */
static gr_val mha_project(mha *m, int first, int count, gr_val weight, gr_val bias)
{
    static const char *const name[3][3] = {{"q", "qk", "qkv"}, {"k", "kv", ""}, {"v", "", ""}};
    gr_ctx *c = m->c;
    int64_t start = m->packed ? first * m->all : 0;
    gr_val in[2] = {m->in[first], mha_rows(c, weight, start, start + count * m->all)};
    gr_val v = gr_emit(c, "MatMul", name[first][count - 1], 2, in, "transpose_b=true");
    return bias ? gr_emit2(c, "Add", v, mha_rows(c, bias, first * m->all, (first + count) * m->all)) : v;
}

/* [..., heads * head_dim] as [..., heads, head_dim]. */
static gr_val mha_split_heads(mha *m, gr_val v)
{
    const gr_type *t = gr_type_of(m->c, v);
    int64_t dim[4] = {t->dim[0], t->dim[1]};
    dim[1 + m->lead] = m->heads, dim[2 + m->lead] = m->head_dim;
    return op_reshape(m->c, v, 3 + m->lead, dim);
}

static gr_val mha_join_heads(mha *m, gr_val v)
{
    const gr_type *t = gr_type_of(m->c, v);
    int64_t dim[3] = {t->dim[0], t->dim[1]};
    dim[1 + m->lead] = m->all;
    return op_reshape(m->c, v, 2 + m->lead, dim);
}

static void mha_projections(mha *m, gr_val out[3])
{
    static const char *const name[3] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    gr_ctx *c = m->c;
    gr_type wide = {.dtype = gr_real(c), .rank = 1, .dim = {3 * m->all}};
    gr_val weight = m->packed ? mha_weight(m, "in_proj_weight", 3 * m->all, m->width[QUERY]) : NULL;
    gr_val own[3] = {weight, weight, weight};
    for (int p = QUERY; p <= VALUE && !m->packed; p++) own[p] = mha_weight(m, name[p], m->all, m->width[p]);
    gr_val bias = gr_bool(c, "bias") ? gr_parameter(c, "in_proj_bias", &wide, "Zeros") : NULL;
    for (int p = QUERY; p <= VALUE;) {
        int count = 1;
        while (m->packed && p + count <= VALUE && m->in[p + count] == m->in[p]) count++;
        gr_val v = mha_project(m, p, count, own[p], bias);
        gr_val parts = count > 1 ? gr_emit(c, "Split", NULL, 1, &v, "sections=%d, dim=-1", count) : v;
        for (int i = 0; i < count; i++)
            out[p + i] = mha_split_heads(m, count > 1 ? gr_output(c, parts, i) : v);
        p += count;
    }
}

/* ---- the whole ---- */

static int mha_results(mha *m, op_attention *a)
{
    gr_ctx *c = m->c;
    gr_type t = {.dtype = gr_real(c), .rank = 2, .dim = {m->width[QUERY], m->all}}, row = {.dtype = gr_real(c), .rank = 1, .dim = {m->width[QUERY]}};
    double bound = 1 / sqrt((double)m->all);
    gr_val in[2] = {mha_join_heads(m, a->output), gr_parameter(c, "out_proj.weight", &t, "Uniform low=%.17g high=%.17g", -bound, bound)};
    gr_val out = gr_emit(c, "MatMul", "out_proj", 2, in, "transpose_b=true");
    if (gr_bool(c, "bias")) out = gr_emit2(c, "Add", out, gr_parameter(c, "out_proj.bias", &row, "Zeros"));
    gr_val weights = gr_bool(c, "average_attn_weights") ? gr_emit(c, "Mean", NULL, 1, &a->weights, "dim=-3") : a->weights;
    return gr_set_result(c, 0, out) < 0 ? -1 : gr_set_result(c, 1, weights);
}

static int mha_expand(gr_ctx *c)
{
    mha m = {.c = c};
    gr_val in[3];
    if (mha_inputs(&m) < 0 || mha_heads(&m) < 0 || mha_attn_mask(&m) < 0 || mha_padding_mask(&m) < 0 || mha_lengths(&m) < 0) return -1;
    if (gr_bool(c, "is_causal")) op_mask_causal(&m.mask, m.queries, m.keys);
    mha_projections(&m, in);
    op_attention a = {.query = in[QUERY], .key = in[KEY], .value = in[VALUE], .dim = m.lead && !m.batch_first ? -4 : -3,
                      .scale = 1 / sqrt((double)m.head_dim), .mask = m.mask, .dropout = gr_float(c, "dropout"), .safe = !gr_bool(c, "need_weights")};
    op_attend(c, &a);
    return mha_results(&m, &a);
}

static const gr_attr_spec attrs[] = {
    {"num_heads", GR_ATTR_INT, NULL, 1, 1 << 20, NULL, "How many heads look side by side."},
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether the projections have biases."},
    {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Inputs and output are [batch, time, width]."},
    {"dropout", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Probability that a weight becomes 0 while training."},
    {"kdim", GR_ATTR_INT, "~", 1, 1 << 30, NULL, "Width of the keys; absent: what comes."},
    {"vdim", GR_ATTR_INT, "~", 1, 1 << 30, NULL, "Width of the values; absent: what comes."},
    {"head_dim", GR_ATTR_INT, "~", 1, 1 << 30, NULL, "Width of a head; absent: the query's width / num_heads."},
    {"is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "Query i sees the keys 0 to i alone, on top of the masks."},
    {"need_weights", GR_ATTR_BOOL, "true", 0, 0, NULL, "false: as PyTorch without weights, a query whose keys are all masked gets zeros, not NaN."},
    {"average_attn_weights", GR_ATTR_BOOL, "true", 0, 0, NULL, "false: attn_output_weights are those of each head."},
    OP_END};
static const gr_port inputs[] = {
    {"query", 0, "[queries, batch, width], or [queries, width]"},
    {"key", GR_PORT_OPTIONAL, "[keys, batch, kdim]; absent: the query, so that it looks at itself"},
    {"value", GR_PORT_OPTIONAL, "[keys, batch, vdim]; absent: the key"},
    {"attn_mask", GR_PORT_OPTIONAL, "[queries, keys] or [batch * heads, queries, keys]: bool, true where a query may not look; or float, added to the scores"},
    {"key_padding_mask", GR_PORT_OPTIONAL, "[batch, keys]: bool, true where a key is padding; or float, added to the scores"},
    {"lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many keys of each row are real; what stands behind may be NaN"},
    OP_END};
static const gr_port outputs[] = {
    {"attn_output", 0, "[queries, batch, width]"}, {"attn_output_weights", 0, "[batch, queries, keys]: averaged over the heads"}, OP_END};

extern const gr_op gr_op_multihead_attention;
const gr_op gr_op_multihead_attention = {GR_OP_HEADER, .name = "MultiheadAttention",
    .summary = "Heads of scaled dot-product attention side by side, each with projections of its own.",
    .formula = "attn_output = W_o [head_1 ... head_n] + b_o, head_i = softmax(q_i k_i^T / sqrt(head_dim) + mask) v_i",
    .reference = "torch.nn.MultiheadAttention; Vaswani et al. 2017", .attrs = attrs, .inputs = inputs, .outputs = outputs,
    .expand = mha_expand,
    .kind = "attention",
    .example = "graph:\n"
               "  x: {op: Full, shape: [5, 2, 8], value: 0.5}   # [time, batch, width]\n"
               "  look: {op: MultiheadAttention, in: x, num_heads: 2, is_causal: true}\n"
               "  y: {op: Add, in: [x, look.attn_output]}\n"};
