/* test_op_errors.c - nodes that make no sense are refused with a message that says why, once;
 * a parameter that is not trainable is not. */
#include "graph/emit.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

enum { MAX_IN = 6 };

/* An op on Inputs of the given types ("float32 [2, 3]" is "shape=[2, 3]"; "": absent), and what
 * the message must hold. */
static const struct refusal {
    const char *op, *attrs, *in[MAX_IN], *message;
} refusals[] = {
    {"Add", NULL, {"shape=[2, 3]", "shape=[4]"}, "do not broadcast"},
    {"Add", NULL, {"shape=[time]", "shape=[2]"}, "length of axis 'time' is not known"},
    {"Where", NULL, {"shape=[2], dtype=bool", "shape=[3]", "shape=[]"}, "do not broadcast"},
    {"Clamp", NULL, {"shape=[2]"}, "give min, max or both"},
    {"Reshape", "shape=[4, -1]", {"shape=[2, 3]"}, "6 elements"},
    {"Reshape", "shape=[-1, -1]", {"shape=[2, 3]"}, "only one length may be -1"},
    {"Flatten", "start_dim=2", {"shape=[2, 3]"}, "give -2 to 1"},
    {"Expand", "shape=[2, 4]", {"shape=[2, 3]"}, "cannot be repeated"},
    {"Expand", "shape=[3]", {"shape=[2, 3]"}, "cannot be repeated"},
    {"Transpose", "dim0=0, dim1=2", {"shape=[2, 3]"}, "the input has 2 axes"},
    {"Permute", "dims=[0, 0]", {"shape=[2, 3]"}, "each of the 2 axes once"},
    {"Select", "dim=0, index=5", {"shape=[2, 3]"}, "has 2 entries"},
    {"Split", "sections=2, dim=1", {"shape=[2, 3]"}, "do not split into 2 equal parts"},
    {"Split", "sizes=[1, 1], dim=1", {"shape=[2, 3]"}, "add up to 2"},
    {"Split", NULL, {"shape=[2, 3]"}, "either sections or sizes"},
    {"Concat", "dim=0", {"shape=[2, 3]", "shape=[2, 4]"}, "must be alike"},
    {"Concat", "dim=0", {"shape=[2]", "shape=[2], dtype=int32"}, "must be alike"},
    {"Stack", NULL, {"shape=[2]", "shape=[2, 1]"}, "not alike"},
    {"MatMul", NULL, {"shape=[2, 3]", "shape=[2, 3]"}, "summed axes have 3 and 2"},
    {"MatMul", NULL, {"shape=[2, 3]", "shape=[3, 2], dtype=int32"}, "'other' must be float"},
    {"MatMul", NULL, {"shape=[]", "shape=[2, 3]"}, "Mul multiplies by numbers"},
    {"MatMul", NULL, {"shape=[2, 4, 3]", "shape=[3, 3, 2]"}, "leading axes"},
    {"BatchMatMul", NULL, {"shape=[2, 3]", "shape=[2, 3, 3]"}, "must have 3 axes"},
    {"Sum", "dim=3", {"shape=[2, 3]"}, "give -2 to 1"},
    {"Accuracy", NULL, {"shape=[3, 4]", "shape=[3]"}, "a target int32 of the same axes without the last, not float32 [3]"},
    {"Accuracy", NULL, {"shape=[3, 4]", "shape=[3, 1], dtype=int32"}, "without the last, not int32 [3, 1]"},
    {"Sum", "dim=[0, -2]", {"shape=[2, 3]"}, "names axis 0 twice"},
    {"CumSum", "dim=0", {"shape=[]"}, "scalar and has no axes"},
    {"Mean", NULL, {"shape=[2], dtype=int32"}, "Cast converts"},
    {"Max", NULL, {"shape=[0]"}, "no element to choose from"},
    {"ArgMax", "dim=[0, 1]", {"shape=[2, 3, 4]"}, "one axis"},
    {"TopK", "k=4", {"shape=[3]"}, "has 3 entries"},
    {"OneHot", "num_classes=3", {"shape=[2]"}, "must be int32"},
    {"OneHot", "num_classes=0", {"shape=[2], dtype=int32"}, "must be at least 1"},
    {"Embedding", "num_embeddings=3, embedding_dim=2", {"shape=[2]"}, "must be integers"},
    {"Embedding", "num_embeddings=3, embedding_dim=2, padding_idx=3", {"shape=[2], dtype=int32"}, "not one of 3 rows"},
    {"LayerNorm", "normalized_shape=4", {"shape=[2, 3]"}, "normalized_shape=[4] must be the lengths of the input's last axes, but the input is float32 [2, 3]"},
    {"LayerNorm", "normalized_shape=[2, 2, 3]", {"shape=[2, 3]"}, "must be the lengths"},
    {"RMSNorm", "normalized_shape=2", {"shape=[2], dtype=int32"}, "must be float"},
    {"NormalizeRows", NULL, {"shape=[2, 3]", "shape=[2]"}, "it must have the last 1 axes"},
    {"ScaledDotProductAttention", NULL, {"shape=[4]", "shape=[5, 4]", "shape=[5, 4]"}, "'query' must be [..., queries, width]"},
    {"ScaledDotProductAttention", NULL, {"shape=[3, 4]", "shape=[5, 3]", "shape=[5, 4]"}, "must be of one width"},
    {"ScaledDotProductAttention", NULL, {"shape=[3, 4]", "shape=[5, 4]", "shape=[6, 4]"}, "must have as many steps"},
    {"ScaledDotProductAttention", NULL, {"shape=[3, 4]", "shape=[5, 4]", "shape=[5, 4]", "shape=[5, 3]"}, "must broadcast to [..., queries 3, keys 5]"},
    {"ScaledDotProductAttention", NULL, {"shape=[3, 4]", "shape=[5, 4]", "shape=[5, 4]", "shape=[2, 3, 5]"}, "more axes than the scores, which have 2"},
    {"ScaledDotProductAttention", NULL, {"shape=[3, 4]", "shape=[5, 4]", "shape=[5, 4]", "shape=[3, 5], dtype=int32"}, "true: a query may look"},
    {"ScaledDotProductAttention", NULL, {"shape=[2, 3, 4]", "shape=[2, 5, 4]", "shape=[2, 5, 4]", "", "shape=[2, 4], dtype=bool"}, "must be [batch, keys 5]"},
    {"ScaledDotProductAttention", NULL, {"shape=[2, 3, 4]", "shape=[2, 5, 4]", "shape=[2, 5, 4]", "", "", "shape=[3], dtype=int32"}, "must be int32 [2], a length for each row"},
    {"ScaledDotProductAttention", "is_causal=true", {"shape=[3, 4]", "shape=[5, 4]", "shape=[5, 4]", "shape=[3, 5]"}, "give either attn_mask or is_causal"},
    {"DotAttention", NULL, {"shape=[2, 4]", "shape=[5, 2, 3]"}, "BilinearAttention takes others"},
    {"DotAttention", NULL, {"shape=[2, 4]", "shape=[5, 3, 4]"}, "have different batches"},
    {"DotAttention", NULL, {"shape=[3, 4]", "shape=[4]"}, "'memory' must be [time, batch, size] or [time, size]"},
    {"BilinearAttention", "batch_first=true", {"shape=[4]", "shape=[2, 5, 4]"}, "'query' must be [batch, width] or [batch, queries, width]"},
    {"AdditiveAttention", "hidden_size=3", {"shape=[2, 4]", "shape=[5, 2, 4]", "shape=[5], dtype=int32"}, "must be int32 [2], a length for each row"},
    {"AdditiveAttention", "hidden_size=3", {"shape=[2, 4]", "shape=[5, 2, 4]", "shape=[2]"}, "must be int32"},
    {"MultiheadAttention", "num_heads=3", {"shape=[3, 2, 4]"}, "is not a multiple of num_heads = 3; head_dim gives"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 2, 4]", "shape=[5, 3, 4]"}, "they must have the same batch"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 2, 4]", "shape=[5, 4]"}, "they must have the same number of axes"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 4]", "shape=[5, 4]", "shape=[6, 4]"}, "they must have the same number of steps"},
    {"MultiheadAttention", "num_heads=2, kdim=3", {"shape=[3, 2, 4]"}, "kdim = 3, but the key is 4 wide"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 2, 4]", "", "", "shape=[2, 3, 3]"}, "must be [queries 3, keys 3] or [batch * heads 4, 3, 3]"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 2, 4]", "", "", "shape=[3, 3], dtype=int32"}, "true: a query may not look"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 2, 4]", "", "", "", "shape=[3, 2], dtype=bool"}, "must be [batch 2, keys 3]"},
    {"MultiheadAttention", "num_heads=2", {"shape=[3, 2, 4], dtype=int32"}, "'query' must be float"},
    {"TransformerEncoderLayer", "nhead=3", {"shape=[3, 2, 4]"}, "is not a multiple of num_heads = 3"},
    {"TransformerEncoder", "nhead=2, num_layers=1", {"shape=[3, 2, 4]", "shape=[3, 3]", "", "", "shape=[3, 3]"}, "two names of one mask"},
    {"TransformerEncoder", "nhead=2, num_layers=1", {"shape=[3, 2, 4]", "", "", "shape=[3], dtype=int32"}, "must be int32 [2], a length for each row"},
    {"TransformerDecoderLayer", "nhead=2", {"shape=[3, 2, 4]", "shape=[5, 3, 4]"}, "they must have the same batch"},
    {"PositionalEncoding", "max_len=4", {"shape=[5, 2, 4]"}, "the input has 5 steps, but there are positions for max_len = 4; give a larger"},
    {"LearnedPositionalEncoding", "max_len=4, batch_first=true", {"shape=[2, 5, 4]"}, "the input has 5 steps"},
    {"Conv1d", "out_channels=2, kernel_size=3", {"shape=[4]"}, "it must be [batch, channels, time] or [channels, time]"},
    {"Conv1d", "out_channels=2, kernel_size=3, padding=around", {"shape=[4, 5]"}, "padding is 'around'; it must be a number from 0 on, or same"},
    {"Conv1d", "out_channels=2, kernel_size=3, padding=-1", {"shape=[4, 5]"}, "padding is '-1'"},
    {"Conv1d", "out_channels=2, kernel_size=3, padding=same, stride=2", {"shape=[4, 5]"}, "needs stride 1"},
    {"Conv1d", "out_channels=2, kernel_size=3, groups=2", {"shape=[3, 5]"}, "do not fall into 2 equal groups"},
    {"Conv1d", "out_channels=2, kernel_size=3, dilation=3", {"shape=[4, 5]"}, "a window of 7 steps does not fit into the 5"},
    {"SGD", NULL, {"shape=[3]", "shape=[3]", "shape=[]", "shape=[]"}, "output 'momentum_buffer' would have to come from an input that is not given"},
    {"PatchesGradient", "kernel_size=2, length=4", {"shape=[3, 5]"}, "it must be [..., steps, channels * kernel_size]"},
    {"PatchesGradient", "kernel_size=2, length=4", {"shape=[2, 4]"}, "as many steps as windows fit"},
    {"TakeGradient", "shape=[5, 3]", {"shape=[2], dtype=int32", "shape=[2, 4]"}, "a row of a table of shape [5, 3] for each index"},
    {"ProdGradient", "dim=[0]", {"shape=[3, 4]", "shape=[3, 1]"}, "shaped like the input with the axes of dim 1 long"},
    {"Bilinear", "out_features=3", {"shape=[2, 3]", "shape=[3, 3]"}, "but for its last axis it must be like input1"},
    {"BatchNorm1d", NULL, {"shape=[2]"}, "it must be [batch, channels] or [batch, channels, time]"},
    {"Embedding", "num_embeddings=3, embedding_dim=2, sparse=true, scale_grad_by_freq=true", {"shape=[2], dtype=int32"}, "is not scaled by frequency"},
    {"PutRows", NULL, {"shape=[5, 2]", "shape=[3], dtype=int32", "shape=[3, 3]"}, "are not rows of"},
    {"SumRows", NULL, {"shape=[3, 2]", "shape=[3], dtype=int32", "shape=[3], dtype=int32"}, "must be those of the 3 rows"},
    {"CrossEntropyLoss", NULL, {"shape=[2, 3]", "shape=[3], dtype=int32"}, "one class for each row"},
    {"CrossEntropyLoss", NULL, {"shape=[2, 3]", "shape=[2]"}, "must be integers"},
    {"CrossEntropyLoss", NULL, {"shape=[2, 3]", "shape=[2], dtype=int32", "shape=[2]"}, "a number for each class"},
    {"MSELoss", NULL, {"shape=[2, 3]", "shape=[3]"}, "must have one shape"},
    {"Gather", "dim=0", {"shape=[2, 3]", "shape=[1, 4], dtype=int32"}, "no longer than the input"},
    {"IndexSelect", "dim=0", {"shape=[2, 3]", "shape=[1, 2], dtype=int32"}, "with one axis"},
    {"Pad", "pad=[1]", {"shape=[2, 3]"}, "two numbers for each axis"},
    {"Pad", "pad=[-3, 0]", {"shape=[2, 2]"}, "takes away more"},
    {"Roll", "shifts=[1, 2], dims=0", {"shape=[2, 2]"}, "one shift for each"},
    {"Tril", NULL, {"shape=[2]"}, "is no matrix"},
    {"Dropout", "p=1.5", {"shape=[2]"}, "must be from 0 to 1"},
    {"Zeros", "shape=[4294967296, 4294967296]", {NULL}, "too large"},
    {"Parameter", "shape=[4294967296, 4294967296], init=Zeros", {NULL}, "too large"},
    {"Expand", "shape=[3037000500, 3037000500, 3]", {"shape=[3]"}, "too large"},
    {"Mul", NULL, {"shape=[8388608, 1]", "shape=[8388608]"}, "too large"},
    {"Linear", "out_features=9223372036854775807", {"shape=[2, 3]"}, "must be at most 1073741824"},
    {"Eye", "shape=[2]", {NULL}, "[rows, columns]"},
};

/* The messages that the node gives. */
static gr_diag *refuse(gr_arena *a, const struct refusal *r)
{
    gr_diag *d = gr_diag_create(a);
    gr_graph *g = gr_graph_create(a, gr_registry_create(a), d, GR_FLOAT32);
    g->typed = true;
    gr_ctx *c = gr_emitter_ctx(gr_emitter_create(g, GR_FORWARD));
    gr_val in[MAX_IN];
    int n = 0;
    for (; n < MAX_IN && r->in[n]; n++) in[n] = *r->in[n] ? gr_emit(c, "Input", NULL, 0, NULL, "%s", r->in[n]) : NULL;
    gr_emit(c, r->op, "node", n, in, r->attrs ? "%s" : NULL, r->attrs);
    return d;
}

static void nonsense_is_refused(void)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        gr_arena *a = gr_arena_create();
        gr_diag *d = refuse(a, &refusals[i]);
        gr_loc at;
        const char *text = gr_diag_count(d) == 1 ? gr_diag_message(d, 0, &at) : "";
        if (!strstr(text, refusals[i].message)) {
            printf("\n  %s {%s}: %d messages, not one with '%s'\n", refusals[i].op, refusals[i].attrs ? refusals[i].attrs : "",
                   gr_diag_count(d), refusals[i].message);
            gr_diag_print(d, stdout);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(text, refusals[i].message));
        gr_arena_destroy(a);
    }
}

/* Whatever is in a loop may be stacked over its steps, which takes an axis. */
static void a_loop_needs_an_axis(void)
{
    gr_arena *a = gr_arena_create();
    gr_diag *d = gr_diag_create(a);
    gr_graph *g = gr_graph_create(a, gr_registry_create(a), d, GR_FLOAT32);
    g->typed = true;
    gr_ctx *c = gr_emitter_ctx(gr_emitter_create(g, GR_FORWARD));
    gr_val x = gr_emit(c, "Input", NULL, 0, NULL, "shape=[3, 2]");
    gr_loop *l = gr_loop_begin(c, "loop", false);
    gr_val slice = gr_loop_slice(c, l, "x", x);
    gr_emit(c, "Reshape", NULL, 1, &slice, "shape=[1, 1, 1, 1, 1, 1, 2]");
    CU_ASSERT_EQUAL(gr_diag_count(d), 0);
    gr_emit(c, "Reshape", NULL, 1, &slice, "shape=[1, 1, 1, 1, 1, 1, 1, 2]");
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(d), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(d, 0, NULL), "7 at most"));
    gr_arena_destroy(a);
}

/* Each step would renew its running statistics; over the batch's own it may stand anywhere. */
static void running_statistics_stay_out_of_loops(void)
{
    gr_arena *a = gr_arena_create();
    gr_diag *d = gr_diag_create(a);
    gr_graph *g = gr_graph_create(a, gr_registry_create(a), d, GR_FLOAT32);
    g->typed = g->training = true;
    gr_ctx *c = gr_emitter_ctx(gr_emitter_create(g, GR_FORWARD));
    gr_val x = gr_emit(c, "Input", NULL, 0, NULL, "shape=[3, 2, 4]"), one = gr_emit(c, "Input", NULL, 0, NULL, "shape=[1, 4]");
    gr_loop *l = gr_loop_begin(c, "loop", false);
    gr_val slice = gr_loop_slice(c, l, "x", x);
    gr_emit(c, "BatchNorm1d", "own", 1, &slice, "track_running_stats=false");
    CU_ASSERT_EQUAL(gr_diag_count(d), 0);
    gr_emit(c, "BatchNorm1d", "tracked", 1, &slice, NULL);
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(d), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(d, 0, NULL), "put the node before or after the loop"));
    gr_loop_end(c, l);
    gr_emit(c, "BatchNorm1d", "one", 1, &one, NULL);
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(d), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(d, 1, NULL), "one number for each channel"));
    gr_arena_destroy(a);
}

static void a_frozen_parameter_stays(void)
{
    gr_arena *a = gr_arena_create();
    gr_graph *g = gr_graph_create(a, gr_registry_create(a), gr_diag_create(a), GR_FLOAT32);
    g->typed = true;
    gr_ctx *c = gr_emitter_ctx(gr_emitter_create(g, GR_FORWARD));
    gr_emit(c, "Parameter", "free", 0, NULL, "shape=[2], init=Zeros");
    gr_emit(c, "Parameter", "fixed", 0, NULL, "shape=[2], init=Zeros, trainable=false");
    CU_ASSERT_FATAL(gr_graph_find_state(g, "free") && gr_graph_find_state(g, "fixed"));
    CU_ASSERT_TRUE(gr_graph_find_state(g, "free")->trainable);
    CU_ASSERT_FALSE(gr_graph_find_state(g, "fixed")->trainable);
    gr_arena_destroy(a);
}

void test_op_errors(void)
{
    CU_pSuite s = CU_add_suite("op_errors", NULL, NULL);
    CU_add_test(s, "a node that makes no sense is refused", nonsense_is_refused);
    CU_add_test(s, "a value in a loop keeps an axis free", a_loop_needs_an_axis);
    CU_add_test(s, "running statistics stay out of loops", running_statistics_stay_out_of_loops);
    CU_add_test(s, "a parameter that is not trainable stays", a_frozen_parameter_stays);
}
