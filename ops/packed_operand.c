/* packed_operand.c - the right operand of a product, in the panels that its kernel reads.
 *
 * Made by the passes, once for all steps of a loop whose weights do not change. The size
 * has room for any kernel's panels, which infer does not know; a kernel whose panels need
 * more leaves it alone, and so does the product (packed_operand_fits). */
#include "packed_operand.h"
#include "util.h"

#include <string.h>

enum { UNIT_PANELS = 4 };

int64_t packed_operand_room(int64_t k, int64_t n) { return k * (n + 63) + 256; }

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
    gr_type out = {.dtype = t->dtype, .rank = 1, .dim = {packed_operand_room(t->dim[flip], t->dim[!flip])}};
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
    size_t size = gr_dtype_size(call->in[0].dtype);
    memset((char *)call->out[0].data + (size_t)used * size, 0, (size_t)(call->out[0].dim[0] - used) * size);
}

static void packed_run(const gr_call *call)
{
    const gr_tensor *b = &call->in[0];
    int64_t flip = call->attr[0].i, k = b->dim[flip], n = b->dim[!flip], width = unit_columns(call);
    if (!packed_operand_fits(call->math, &call->out[0], k, n)) return;
    int64_t first = call->begin * width, end = call->end * width < n ? call->end * width : n;
    if (end == n) clear_rest(call, k, n);
    if (first < end)
        call->math->gemm_pack(b->dtype, k, n, b->data, b->stride[flip], b->stride[!flip], first, end - first,
                              call->out[0].data);
}

static const gr_attr_spec attrs[] = {{"transpose", GR_ATTR_BOOL, "false", 0, 0, NULL, "Whether other is [n, k]."}, OP_END};
static const gr_port inputs[] = {{"other", 0, "[k, n]: a right operand"}, OP_END};
static const gr_port output[] = {{"packed", 0, "[elements]: for the input `packed` of a product"}, OP_END};

extern const gr_op gr_op_packed_operand;
const gr_op gr_op_packed_operand = {GR_OP_HEADER, .name = "PackedOperand",
    .formula = "the elements of input, transposed or not, in panels of columns", .summary = "A right operand as a product's kernel reads it.",
    .attrs = attrs, .inputs = inputs, .outputs = output, .traits = GR_STRIDED | GR_ZERO_GRAD, .infer = packed_infer,
    .units = packed_units, .kernels = (const gr_kernel[]){{GR_FLOAT32, packed_run}, {GR_FLOAT64, packed_run}, {0, NULL}}};
