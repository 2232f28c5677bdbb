/* scaled_dot_product_attention.c - softmax(scale q k^T, masked) v over any leading axes. */
#include "attention.h"

#include <inttypes.h>
#include <math.h>

enum { QUERY, KEY, VALUE, ATTN_MASK, KEY_PADDING_MASK, LENGTHS };

typedef struct sdpa {
    gr_ctx *c;
    gr_val in[3];             /* query, key, value */
    int rank;                 /* of the scores */
    int64_t queries, keys, width;
    op_mask mask;
} sdpa;

static int sdpa_check(sdpa *s)
{
    for (int p = 0; p < 3; p++) {
        const gr_type *t = gr_in_type(s->c, p);
        const char *name = gr_self(s->c)->inputs[p].name;
        s->in[p] = gr_in(s->c, p);
        if (op_need_float(s->c, p) < 0) return -1;
        if (t->rank < 2)
            return gr_fail(s->c, GR_AT_INPUT, name, "'%s' must be [..., %s, width], but is %s", name, p ? "keys" : "queries", op_type_text(s->c, t));
        if (t->rank > s->rank) s->rank = t->rank;
    }
    const gr_type *q = gr_in_type(s->c, QUERY), *k = gr_in_type(s->c, KEY), *v = gr_in_type(s->c, VALUE);
    s->queries = q->dim[q->rank - 2], s->width = q->dim[q->rank - 1], s->keys = k->dim[k->rank - 2];
    if (k->dim[k->rank - 1] != s->width)
        return gr_fail(s->c, GR_AT_INPUT, "key", "query %s and key %s must be of one width (last axis)", op_type_text(s->c, q), op_type_text(s->c, k));
    if (v->dim[v->rank - 2] != s->keys)
        return gr_fail(s->c, GR_AT_INPUT, "value", "key %s and value %s must have as many steps (the axis before the last)",
                       op_type_text(s->c, k), op_type_text(s->c, v));
    return 0;
}

/* A mask's last axes must be those of the scores, or 1. */
static int sdpa_fits(sdpa *s, int port, gr_val mask)
{
    const gr_type *t = gr_type_of(s->c, mask);
    const char *name = gr_self(s->c)->inputs[port].name;
    int64_t want[2] = {s->queries, s->keys};
    for (int i = 1; i <= 2 && i <= t->rank; i++)
        if (t->dim[t->rank - i] != 1 && t->dim[t->rank - i] != want[2 - i])
            return gr_fail(s->c, GR_AT_INPUT, name, "'%s' must broadcast to [..., queries %" PRId64 ", keys %" PRId64 "], but is %s", name,
                           s->queries, s->keys, op_type_text(s->c, t));
    return t->rank <= s->rank ? 0 : gr_fail(s->c, GR_AT_INPUT, name, "'%s' has more axes than the scores, which have %d", name, s->rank);
}

static int sdpa_masks(sdpa *s)
{
    gr_ctx *c = s->c;
    bool causal = gr_bool(c, "is_causal");
    if (gr_count(c, ATTN_MASK)) {
        gr_val mask = gr_in(c, ATTN_MASK);
        if (causal)
            return gr_fail(c, GR_AT_ATTR, "is_causal", "give either attn_mask or is_causal, not both: put what is_causal hides into the mask");
        if (sdpa_fits(s, ATTN_MASK, mask) < 0 || op_mask_add(c, &s->mask, "attn_mask", mask, true) < 0) return -1;
    }
    if (causal) op_mask_causal(&s->mask, s->queries, s->keys);
    if (gr_count(c, KEY_PADDING_MASK)) {
        gr_val mask = gr_in(c, KEY_PADDING_MASK);
        const gr_type *t = gr_type_of(c, mask);
        if (t->rank < 1 || t->dim[t->rank - 1] != s->keys || t->rank >= s->rank)
            return gr_fail(c, GR_AT_INPUT, "key_padding_mask", "'key_padding_mask' must be [batch, keys %" PRId64 "], but is %s", s->keys, op_type_text(c, t));
        if (op_mask_add(c, &s->mask, "key_padding_mask", op_align(c, mask, s->rank), false) < 0) return -1;
    }
    return 0;
}

/* Lengths [a..] are those of the leading axes a.. of key and value. */
static int sdpa_lengths(sdpa *s)
{
    if (!gr_count(s->c, LENGTHS)) return 0;
    const gr_type *t = gr_in_type(s->c, LENGTHS);
    for (int p = KEY; p <= VALUE; p++) {
        const gr_type *in = gr_in_type(s->c, p);
        int rows = t->rank <= in->rank - 2 ? t->rank : in->rank - 2;
        gr_val real = op_real_keys(s->c, "lengths", gr_in(s->c, LENGTHS), rows, in, 0, s->keys);
        if (!real) return -1;
        s->in[p] = op_only_real(s->c, op_align(s->c, real, in->rank - 1), s->in[p], NULL);
        if (p == KEY && op_mask_add(s->c, &s->mask, "lengths", op_align(s->c, real, s->rank), true) < 0) return -1;
    }
    return 0;
}

static int sdpa_expand(gr_ctx *c)
{
    sdpa s = {.c = c};
    if (sdpa_check(&s) < 0 || sdpa_masks(&s) < 0 || sdpa_lengths(&s) < 0) return -1;
    const gr_attr *scale = gr_get(c, "scale");
    double factor = scale->present ? scale->f : s.width ? 1 / sqrt((double)s.width) : 1;
    op_attention a = {.query = s.in[QUERY], .key = s.in[KEY], .value = s.in[VALUE], .scale = factor, .mask = s.mask,
                      .dropout = gr_float(c, "dropout_p"), .safe = true};
    op_attend(c, &a);
    return gr_set_result(c, 0, a.output) < 0 ? -1 : gr_set_result(c, 1, a.weights);
}

static const gr_attr_spec attrs[] = {
    {"is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "Query i sees the keys 0 to i alone."},
    {"scale", GR_ATTR_FLOAT, "~", 0, 0, NULL, "What the products are multiplied by; absent: 1 / sqrt(width)."},
    {"dropout_p", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Probability that a weight becomes 0 while training."},
    OP_END};
static const gr_port inputs[] = {
    {"query", 0, "[..., queries, width]"}, {"key", 0, "[..., keys, width]"}, {"value", 0, "[..., keys, size]"},
    {"attn_mask", GR_PORT_OPTIONAL, "[..., queries, keys]: bool, true where a query may look; or float, added to the scores"},
    {"key_padding_mask", GR_PORT_OPTIONAL, "[batch, keys]: bool, true where a key is padding; or float, added to the scores"},
    {"lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many keys of each row are real; what stands behind may be NaN"},
    OP_END};
static const gr_port outputs[] = {
    {"output", 0, "[..., queries, size]"}, {"weights", 0, "[..., queries, keys]: how much each query takes of each value"}, OP_END};

extern const gr_op gr_op_scaled_dot_product_attention;
const gr_op gr_op_scaled_dot_product_attention = {GR_OP_HEADER, .name = "ScaledDotProductAttention",
    .summary = "Values mixed by how well their keys match each query.", .formula = "softmax(scale query key^T + mask) value",
    .reference = "torch.nn.functional.scaled_dot_product_attention; Vaswani et al. 2017", .attrs = attrs, .inputs = inputs,
    .outputs = outputs, .expand = sdpa_expand,
    .kind = "attention",
    .example = "graph:\n"
               "  x: {op: Full, shape: [2, 5, 8], value: 0.5}   # [batch, time, width]\n"
               "  look: {op: ScaledDotProductAttention, in: [x, x, x], is_causal: true}\n"
               "  y: {op: Add, in: [x, look.output]}\n"};
