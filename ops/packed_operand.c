/* packed_operand.c - the right operand of a product, in the panels that its kernel reads.
 *
 * Made by the passes, once for all steps of a loop whose weights do not change. The size
 * has room for any kernel's panels, which infer does not know; a kernel whose panels need
 * more leaves it alone, and so does the product (packed_operand_fits). Kept with 16 bits an
 * element, it is rounded: where weights stay as they are, and somebody asked for it. */
#include "packed_operand.h"
#include "util.h"

#include <math.h>
#include <string.h>

enum { UNIT_PANELS = 4 };

int64_t packed_operand_room(int64_t k, int64_t n) { return k * (n + 63) + 512; }

bool packed_operand_fits(const gr_math *math, const gr_tensor *packed, int64_t k, int64_t n)
{
    size_t room = (size_t)packed_operand_room(k, n) * gr_dtype_size(packed->dtype);
    return math->gemm_packed_bytes(packed->dtype, k, n) <= room;
}

static int packed_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    if (op_need_float(c, 0) < 0) return -1;
    if (t->rank != 2) return gr_fail(c, GR_AT_INPUT, "other", "'other' must be a matrix, but is %s", op_type_text(c, t));
    bool flip = gr_bool(c, "transpose");
    int64_t kept = t->dtype == GR_FLOAT32 ? gr_get(c, "dtype")->i : 0;
    gr_type out = {.dtype = kept == 1 ? GR_BFLOAT16 : kept == 2 ? GR_FLOAT16 : t->dtype, .rank = 1, .dim = {packed_operand_room(t->dim[flip], t->dim[!flip])}};
    return gr_set_output(c, 0, &out);
}

static int64_t unit_columns(const gr_call *call) { return UNIT_PANELS * call->math->gemm_panel(call->in[0].dtype); }

static int64_t packed_units(const gr_call *call)
{
    int64_t n = call->in[0].dim[!call->attr[0].i];
    return n ? (n + unit_columns(call) - 1) / unit_columns(call) : 1;
}

/* What no panel fills is zero, so that the value is the same in every run. */
static void clear_rest(const gr_call *call, int64_t k, int64_t n)
{
    int64_t panel = call->math->gemm_panel(call->in[0].dtype), used = (n + panel - 1) / panel * panel * k;
    size_t size = gr_dtype_size(call->out[0].dtype);
    memset((char *)call->out[0].data + (size_t)used * size, 0, (size_t)(call->out[0].dim[0] - used) * size);
}

/* What float16 cannot hold would be infinite. */
static void check_range(const gr_call *call, int64_t k, int64_t first, int64_t end)
{
    const gr_tensor *b = &call->in[0];
    int64_t flip = call->attr[0].i;
    for (int64_t l = 0; l < k; l++)
        for (int64_t j = first; j < end; j++) {
            float x = ((const float *)b->data)[l * b->stride[flip] + j * b->stride[!flip]];
            if (!(fabsf(x) >= 65520) || isinf(x)) continue;
            gr_call_fail(call, l * b->dim[!flip] + j, "float16 holds numbers up to 65504, not %g; bfloat16 has room for it", (double)x);
            return;
        }
}

static void packed_run(const gr_call *call)
{
    const gr_tensor *b = &call->in[0];
    int64_t flip = call->attr[0].i, k = b->dim[flip], n = b->dim[!flip], width = unit_columns(call);
    if (!packed_operand_fits(call->math, &call->out[0], k, n)) return;
    int64_t first = call->begin * width, end = call->end * width < n ? call->end * width : n;
    if (end == n) clear_rest(call, k, n);
    if (call->out[0].dtype == GR_FLOAT16) check_range(call, k, first, end);
    if (first < end)
        call->math->gemm_pack(call->out[0].dtype, k, n, b->data, b->stride[flip], b->stride[!flip], first, end - first,
                              call->out[0].data);
}

static const gr_attr_spec attrs[] = {{"transpose", GR_ATTR_BOOL, "false", 0, 0, NULL, "Whether other is [n, k]."},
    {"dtype", GR_ATTR_CHOICE, "same", 0, 0, "same|bfloat16|float16", "What elements of float32 are kept as."}, OP_END};
static const gr_port inputs[] = {{"other", 0, "[k, n]: a right operand"}, OP_END};
static const gr_port output[] = {{"packed", 0, "[elements]: for the input `packed` of a product"}, OP_END};

extern const gr_op gr_op_packed_operand;
const gr_op gr_op_packed_operand = {GR_OP_HEADER, .name = "PackedOperand",
    .formula = "the elements of input, transposed or not, in panels of columns", .summary = "A right operand as a product's kernel reads it.",
    .attrs = attrs, .inputs = inputs, .outputs = output, .traits = GR_STRIDED | GR_ZERO_GRAD, .infer = packed_infer,
    .units = packed_units, .kernels = (const gr_kernel[]){{GR_FLOAT32, packed_run}, {GR_FLOAT64, packed_run}, {0, NULL}},
    .kind = "internal"};
