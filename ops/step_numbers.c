/* step_numbers.c - which steps they are that a model is fed now. */
#include "util.h"

#include <inttypes.h>

static int step_numbers_infer(gr_ctx *c)
{
    const gr_type *start = gr_in_type(c, 0);
    gr_type t = {.dtype = GR_INT32, .rank = 1, .dim = {gr_int(c, "n")}};
    if (start->rank != 0 || start->dtype != GR_INT32)
        return gr_fail(c, GR_AT_INPUT, "start", "'start' must be one int32, but is %s", op_type_text(c, start));
    return gr_set_output(c, 0, &t) < 0 ? -1 : gr_set_output(c, 1, start);
}

/* Steps that there is no room for are -1, as PutRows leaves them out. */
static void step_numbers_run(const gr_call *call)
{
    int32_t *number = call->out[0].data, start = *(const int32_t *)call->in[0].data;
    int64_t n = call->attr[0].i, room = call->attr[1].i;
    bool fits = start >= 0 && start <= room - n;
    if (!fits)
        gr_call_fail(call, 0, "it has been fed %d steps and is fed %" PRId64 " more, but there is room for %" PRId64
                     ", of which it keeps keys, values or positions: begin again, or ask for more room", (int)start, n, room);
    for (int64_t i = 0; i < n; i++) number[i] = start >= 0 && start < room - i ? start + (int32_t)i : -1;
    *(int32_t *)call->out[1].data = fits ? start + (int32_t)n : start;
}

static const gr_attr_spec attrs[] = {
    {"n", GR_ATTR_INT, NULL, 0, 2147483647, NULL, "How many."},
    {"room", GR_ATTR_INT, NULL, 0, 2147483647, NULL, "No number is that large."}, OP_END};
static const gr_port inputs[] = {{"start", GR_PORT_INT, "[]: the first one"}, OP_END};
static const gr_port outputs[] = {{"numbers", 0, "[n]"}, {"next", 0, "[]: the one after them"}, OP_END};

extern const gr_op gr_op_step_numbers;
const gr_op gr_op_step_numbers = {GR_OP_HEADER, .name = "StepNumbers", .summary = "The numbers of the steps that are fed now.",
    .formula = "numbers[i] = start + i, next = start + n", .attrs = attrs, .inputs = inputs, .outputs = outputs,
    .traits = GR_ZERO_GRAD, .role = GR_ROLE_STEP_NUMBERS, .infer = step_numbers_infer,
    .kernels = (const gr_kernel[]){{GR_INT32, step_numbers_run}, {0, NULL}},
    .kind = "internal"};
