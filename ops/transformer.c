/* transformer.c - TransformerEncoderLayer, TransformerDecoderLayer and stacks of them, as PyTorch
 * has them.
 *
 *     norm_first = false:  x = norm(x + part(x))      (Vaswani et al. 2017)
 *     norm_first = true:   x = x + part(norm(x))
 *
 * the parts being self-attention, in a decoder attention to the memory, and linear2(dropout(
 * activation(linear1 x))); a dropout of its own follows each. Where lengths are given, padding
 * is replaced by zeros before and after. */
#include "attention.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SRC, SRC_MASK, SRC_PADDING, LENGTHS, STACK_MASK };
enum { TGT, MEMORY, TGT_MASK, MEMORY_MASK, TGT_PADDING, MEMORY_PADDING, TGT_LENGTHS, MEMORY_LENGTHS };

typedef struct block {
    gr_ctx *c;
    bool norm_first;
    int64_t width;
    double dropout;
    int parts;      /* so far */
    gr_val x;
} block;

static gr_val optional(gr_ctx *c, int port) { return gr_count(c, port) ? gr_in(c, port) : NULL; }
static const char *truth(gr_ctx *c, const char *attr) { return gr_bool(c, attr) ? "true" : "false"; }

/* ---- padding ---- */

/* What stands on three ports: a sequence, its padding mask and its lengths. */
typedef struct padded {
    gr_val v, mask;
    gr_val real; /* bool [time, batch], as v has its axes; NULL: no lengths */
} padded;

/* Lengths become zeros in v and part of the mask. */
static int padded_get(gr_ctx *c, int port, int mask_port, int lengths_port, padded *p)
{
    const gr_type *t = gr_in_type(c, port);
    bool first = gr_bool(c, "batch_first");
    *p = (padded){gr_in(c, port), optional(c, mask_port), NULL};
    if (op_need_rank(c, port, 2, 3, first ? "[batch, time, width] or, without a batch, [time, width]"
                                          : "[time, batch, width] or, without a batch, [time, width]") < 0) return -1;
    if (!gr_count(c, lengths_port)) return 0;
    bool swap = t->rank == 3 && !first;
    gr_val real = op_real_keys(c, gr_self(c)->inputs[lengths_port].name, gr_in(c, lengths_port), t->rank - 2, t, swap,
                               t->dim[swap ? 0 : t->rank - 2]);
    if (!real) return -1;
    p->real = swap ? op_swap(c, real, 0, 1) : real;
    p->v = op_only_real(c, p->real, p->v, NULL);
    if (p->mask && gr_is_float(gr_type_of(c, p->mask)->dtype))
        p->mask = gr_emit3(c, "Where", real, p->mask, op_number(c, -INFINITY));
    else p->mask = p->mask ? gr_emit2(c, "LogicalOr", p->mask, gr_emit1(c, "LogicalNot", real)) : gr_emit1(c, "LogicalNot", real);
    return 0;
}

static int padded_set(gr_ctx *c, const padded *p, gr_val v) { return gr_set_result(c, 0, op_only_real(c, p->real, v, NULL)); }

/* ---- pieces of a layer ---- */

static gr_val block_dropped(block *b, const char *name, gr_val v)
{
    return gr_emit(b->c, "Dropout", name, 1, &v, "p=%.17g", b->dropout);
}

static gr_val block_norm(block *b, const char *name, gr_val v)
{
    return gr_emit(b->c, "LayerNorm", name, 1, &v, "normalized_shape=%" PRId64 ", eps=%.17g, bias=%s", b->width,
                   gr_float(b->c, "layer_norm_eps"), truth(b->c, "bias"));
}

/* What a part sees; block_leave puts its result back. */
static gr_val block_enter(block *b)
{
    char name[16];
    snprintf(name, sizeof name, "norm%d", ++b->parts);
    return b->norm_first ? block_norm(b, name, b->x) : b->x;
}

static void block_leave(block *b, gr_val part)
{
    char name[16];
    snprintf(name, sizeof name, "dropout%d", b->parts);
    b->x = gr_emit2(b->c, "Add", b->x, block_dropped(b, name, part));
    snprintf(name, sizeof name, "norm%d", b->parts);
    if (!b->norm_first) b->x = block_norm(b, name, b->x);
}

/* memory NULL: of the block to itself. */
static void block_attention(block *b, const char *name, gr_val memory, gr_val mask, gr_val padding, bool causal)
{
    gr_ctx *c = b->c;
    gr_val x = block_enter(b);
    gr_val in[5] = {x, memory, NULL, mask, padding};
    block_leave(b, gr_emit(c, "MultiheadAttention", name, 5, in, "num_heads=%" PRId64 ", dropout=%.17g, batch_first=%s, bias=%s, "
                           "is_causal=%s, need_weights=false", gr_int(c, "nhead"), b->dropout, truth(c, "batch_first"), truth(c, "bias"),
                           causal ? "true" : "false"));
}

static void block_feed_forward(block *b)
{
    gr_ctx *c = b->c;
    gr_val v = block_enter(b);
    v = gr_emit(c, "Linear", "linear1", 1, &v, "out_features=%" PRId64 ", bias=%s", gr_int(c, "dim_feedforward"), truth(c, "bias"));
    v = gr_emit(c, strcmp(gr_string(c, "activation"), "gelu") == 0 ? "GELU" : "ReLU", "activation", 1, &v, NULL);
    v = block_dropped(b, "dropout", v);
    v = gr_emit(c, "Linear", "linear2", 1, &v, "out_features=%" PRId64 ", bias=%s", b->width, truth(c, "bias"));
    block_leave(b, v);
}

static block block_of(gr_ctx *c, gr_val x)
{
    const gr_type *t = gr_in_type(c, 0);
    return (block){.c = c, .norm_first = gr_bool(c, "norm_first"), .width = t->dim[t->rank - 1], .dropout = gr_float(c, "dropout"), .x = x};
}

/* ---- layers ---- */

static int encoder_layer_expand(gr_ctx *c)
{
    padded src;
    if (padded_get(c, SRC, SRC_PADDING, LENGTHS, &src) < 0) return -1;
    block b = block_of(c, src.v);
    block_attention(&b, "self_attn", NULL, optional(c, SRC_MASK), src.mask, gr_bool(c, "is_causal"));
    block_feed_forward(&b);
    return padded_set(c, &src, b.x);
}

static bool causal_target(gr_ctx *c) { return gr_bool(c, "is_causal") || gr_bool(c, "tgt_is_causal"); }

static int decoder_layer_expand(gr_ctx *c)
{
    padded tgt, memory;
    if (padded_get(c, TGT, TGT_PADDING, TGT_LENGTHS, &tgt) < 0 || padded_get(c, MEMORY, MEMORY_PADDING, MEMORY_LENGTHS, &memory) < 0) return -1;
    block b = block_of(c, tgt.v);
    block_attention(&b, "self_attn", NULL, optional(c, TGT_MASK), tgt.mask, causal_target(c));
    block_attention(&b, "multihead_attn", memory.v, optional(c, MEMORY_MASK), memory.mask, gr_bool(c, "memory_is_causal"));
    block_feed_forward(&b);
    return padded_set(c, &tgt, b.x);
}

/* ---- stacks ---- */

/* The attributes that a stack hands to its layers. */
static const char *layer_attrs(gr_ctx *c)
{
    return op_text(c, "nhead=%" PRId64 ", dim_feedforward=%" PRId64 ", dropout=%.17g, activation=%s, norm_first=%s, batch_first=%s, "
                   "layer_norm_eps=%.17g, bias=%s, is_causal=%s", gr_int(c, "nhead"), gr_int(c, "dim_feedforward"), gr_float(c, "dropout"),
                   gr_string(c, "activation"), truth(c, "norm_first"), truth(c, "batch_first"), gr_float(c, "layer_norm_eps"), truth(c, "bias"),
                   truth(c, "is_causal"));
}

/* The layers one after another on in[0]; `layer` is their op. */
static gr_val stack_layers(gr_ctx *c, const char *layer, int n, gr_val *in, const char *attrs)
{
    for (int64_t i = 0; i < gr_int(c, "num_layers"); i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%" PRId64, i);
        in[0] = gr_emit(c, layer, name, n, in, "%s", attrs);
    }
    block b = block_of(c, in[0]);
    return gr_bool(c, "norm") ? block_norm(&b, "norm", in[0]) : in[0];
}

static int encoder_expand(gr_ctx *c)
{
    padded src;
    if (gr_count(c, SRC_MASK) && gr_count(c, STACK_MASK))
        return gr_fail(c, GR_AT_INPUT, "src_mask", "'mask' and 'src_mask' are two names of one mask; give one");
    if (padded_get(c, SRC, SRC_PADDING, LENGTHS, &src) < 0) return -1;
    gr_val in[3] = {src.v, optional(c, gr_count(c, SRC_MASK) ? SRC_MASK : STACK_MASK), src.mask};
    return padded_set(c, &src, stack_layers(c, "TransformerEncoderLayer", 3, in, layer_attrs(c)));
}

static int decoder_expand(gr_ctx *c)
{
    padded tgt, memory;
    if (padded_get(c, TGT, TGT_PADDING, TGT_LENGTHS, &tgt) < 0 || padded_get(c, MEMORY, MEMORY_PADDING, MEMORY_LENGTHS, &memory) < 0) return -1;
    gr_val in[6] = {tgt.v, memory.v, optional(c, TGT_MASK), optional(c, MEMORY_MASK), tgt.mask, memory.mask};
    const char *attrs = op_text(c, "%s, tgt_is_causal=%s, memory_is_causal=%s", layer_attrs(c), truth(c, "tgt_is_causal"), truth(c, "memory_is_causal"));
    return padded_set(c, &tgt, stack_layers(c, "TransformerDecoderLayer", 6, in, attrs));
}

/* ---- descriptors ---- */

#define LAYER_ATTRS                                                                                                               \
    {"nhead", GR_ATTR_INT, NULL, 1, 1 << 20, NULL, "How many heads of attention."},                                               \
    {"dim_feedforward", GR_ATTR_INT, "2048", 1, 1 << 30, NULL, "Width between linear1 and linear2."},                             \
    {"dropout", GR_ATTR_FLOAT, "0.1", 0, 1, NULL, "Probability that an element becomes 0 while training."},                       \
    {"activation", GR_ATTR_CHOICE, "relu", 0, 0, "relu|gelu", "Between linear1 and linear2."},                                    \
    {"norm_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Normalise what a part gets, rather than the sum with what it gives."},     \
    {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Inputs and output are [batch, time, width]."},                            \
    {"layer_norm_eps", GR_ATTR_FLOAT, "1e-5", 0, 1e30, NULL, "Added to the variance by LayerNorm."},                              \
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether Linear, attention and LayerNorm have biases."},                           \
    {"is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "A step sees no later one, on top of the masks."}
#define DECODER_ATTRS                                                                                                             \
    {"tgt_is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "PyTorch's name of is_causal."},                                         \
    {"memory_is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "Step i sees the steps 0 to i of the memory alone."}
#define STACK_ATTRS                                                                                                               \
    {"num_layers", GR_ATTR_INT, NULL, 1, 1 << 20, NULL, "How many layers, each with weights of its own."},                        \
    {"norm", GR_ATTR_BOOL, "false", 0, 0, NULL, "A LayerNorm follows the last layer, as in torch.nn.Transformer."}

static const gr_attr_spec encoder_layer_attrs[] = {LAYER_ATTRS, OP_END};
static const gr_attr_spec encoder_attrs[] = {STACK_ATTRS, LAYER_ATTRS, OP_END};
static const gr_attr_spec decoder_layer_attrs[] = {LAYER_ATTRS, DECODER_ATTRS, OP_END};
static const gr_attr_spec decoder_attrs[] = {STACK_ATTRS, LAYER_ATTRS, DECODER_ATTRS, OP_END};

#define ATTN "bool, true where a step may not look; or float, added to the scores"
#define PADDING "bool, true where a step is padding; or float, added to the scores"
#define REAL_STEPS "[batch]: int32, how many steps of each row are real; what stands behind may be NaN, and its output is 0"
#define SRC_PORTS                                                                                          \
    {"src", 0, "[time, batch, width], or [time, width]"},                                                  \
    {"src_mask", GR_PORT_OPTIONAL, "[time, time] or [batch * nhead, time, time]: " ATTN},                  \
    {"src_key_padding_mask", GR_PORT_OPTIONAL, "[batch, time]: " PADDING},                                 \
    {"lengths", GR_PORT_OPTIONAL | GR_PORT_INT, REAL_STEPS}
static const gr_port encoder_layer_in[] = {SRC_PORTS, OP_END};
static const gr_port encoder_in[] = {SRC_PORTS, {"mask", GR_PORT_OPTIONAL, "[time, time] or [batch * nhead, time, time]: as src_mask, TransformerEncoder's own name of it"}, OP_END};
static const gr_port decoder_in[] = {
    {"tgt", 0, "[time, batch, width], or [time, width]"},
    {"memory", 0, "[steps, batch, memory width], or [steps, memory width]: what the encoder gave"},
    {"tgt_mask", GR_PORT_OPTIONAL, "[time, time] or [batch * nhead, time, time]: " ATTN},
    {"memory_mask", GR_PORT_OPTIONAL, "[time, steps] or [batch * nhead, time, steps]: " ATTN},
    {"tgt_key_padding_mask", GR_PORT_OPTIONAL, "[batch, time]: " PADDING},
    {"memory_key_padding_mask", GR_PORT_OPTIONAL, "[batch, steps]: " PADDING},
    {"tgt_lengths", GR_PORT_OPTIONAL | GR_PORT_INT, REAL_STEPS},
    {"memory_lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many steps of the memory are real; what stands behind may be NaN"},
    OP_END};
static const gr_port outputs[] = {{"output", 0, "[..., width]: as the first input"}, OP_END};

#define WIDE(name, steps) "  " name ": {op: Full, shape: [" steps ", 2, 8], value: 0.5}   # [time, batch, width]\n"
#define EXAMPLE_encoder_layer WIDE("x", "5") "  y: {op: TransformerEncoderLayer, in: x, nhead: 2, dim_feedforward: 16}\n"
#define EXAMPLE_encoder WIDE("x", "5") "  y: {op: TransformerEncoder, in: x, num_layers: 2, nhead: 2, dim_feedforward: 16, norm_first: true}\n"
#define DECODER_EXAMPLE(name, more) WIDE("memory", "5") WIDE("x", "4")                                                           \
    "  y: {op: " name ", in: {tgt: x, memory: memory}, nhead: 2, dim_feedforward: 16, is_causal: true" more "}\n"
#define EXAMPLE_decoder_layer DECODER_EXAMPLE("TransformerDecoderLayer", "")
#define EXAMPLE_decoder DECODER_EXAMPLE("TransformerDecoder", ", num_layers: 2")

#define TRANSFORMER(NAME, symbol, ports, text, math)                                                                              \
    extern const gr_op gr_op_transformer_##symbol;                                                                        \
    const gr_op gr_op_transformer_##symbol = {GR_OP_HEADER, .name = "Transformer" #NAME, .summary = text, .formula = math, \
        .reference = "torch.nn.Transformer" #NAME "; Vaswani et al. 2017", .attrs = symbol##_attrs, .inputs = ports, \
        .outputs = outputs, .expand = symbol##_expand, .kind = "attention", .example = "graph:\n" EXAMPLE_##symbol};

TRANSFORMER(EncoderLayer, encoder_layer, encoder_layer_in, "Self-attention and two Linears, each with a residual connection and LayerNorm.",
            "x = norm1(src + attention(src, src)); output = norm2(x + linear2(activation(linear1(x)))); "
            "norm_first: x = src + attention(norm1(src), norm1(src)); output = x + linear2(activation(linear1(norm2(x))))")
TRANSFORMER(DecoderLayer, decoder_layer, decoder_in, "As TransformerEncoderLayer, with attention to a memory between the two.",
            "x = norm1(tgt + attention(tgt, tgt)); y = norm2(x + attention(x, memory)); output = norm3(y + linear2(activation(linear1(y)))); "
            "norm_first: each norm is of what its part gets")
TRANSFORMER(Encoder, encoder, encoder_in, "TransformerEncoderLayers one after another.",
            "output = layer_n(.. layer_1(src)), of it a LayerNorm where norm is true")
TRANSFORMER(Decoder, decoder, decoder_in, "TransformerDecoderLayers one after another.",
            "output = layer_n(.. layer_1(tgt, memory), memory), of it a LayerNorm where norm is true")
