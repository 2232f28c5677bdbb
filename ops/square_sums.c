/* square_sums.c - the squares of many tensors added up in one pass, which also finds what is not finite.
 *
 * Clipping needs the joint length of all gradients, and committing whether all are finite. A sum of
 * squares that is finite says both; only where it is not are the elements themselves looked at, for a
 * finite number may have a square that is not. A unit is a piece of up to PIECE elements of one input,
 * so that many small inputs are one task and a large one can be shared. */
#ifdef REAL

/* x - x is 0 for every finite x, and NaN for infinity and NaN. */
static bool NAME(all_finite)(const REAL *x, int64_t n)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++) finite &= x[i] - x[i] == 0;
    return finite;
}

static void NAME(square_sums_run)(const gr_call *call)
{
    REAL *squares = call->out[0].data, *check = call->out[1].data;
    int64_t at = 0;
    for (int i = 0; i < call->num_in; i++) {
        int64_t n = op_numel(&call->in[i]), first = at;
        at += pieces_of(n);
        for (int64_t u = first > call->begin ? first : call->begin; u < at && u < call->end; u++) {
            const REAL *x = (const REAL *)call->in[i].data + (u - first) * PIECE;
            int64_t left = n - (u - first) * PIECE, m = left < PIECE ? left : PIECE;
            squares[u] = call->math->MATH(square_sum)(x, 0, m);
            check[u] = squares[u] - squares[u] == 0 || NAME(all_finite)(x, m) ? 0 : (REAL)NAN;
        }
    }
}

#else
#include "util.h"

#include <math.h>

enum { PIECE = 65536 };

static int64_t pieces_of(int64_t n) { return n > PIECE ? (n + PIECE - 1) / PIECE : 1; }

#define GR_KERNELS "square_sums.c"
#include <graphrun/each_real.h>

static int64_t square_sums_units(const gr_call *call) { return call->out[0].dim[0]; }

static double square_sums_flops(const gr_call *call)
{
    double n = 0;
    for (int i = 0; i < call->num_in; i++) n += (double)op_numel(&call->in[i]);
    return n;
}

static int square_sums_infer(gr_ctx *c)
{
    gr_type t = {.dtype = gr_in_type(c, 0)->dtype, .rank = 1};
    if (op_need_float(c, 0) < 0) return -1;
    for (int i = 0; i < gr_count(c, 0); i++) {
        const gr_type *in = gr_type_of(c, gr_in_at(c, 0, i));
        if (in->dtype != t.dtype)
            return gr_fail(c, GR_AT_INPUT, "input", "one is %s, another %s; Cast converts", op_type_text(c, gr_in_type(c, 0)), op_type_text(c, in));
        t.dim[0] += pieces_of(gr_numel(in));
    }
    return gr_set_output(c, 0, &t) < 0 ? -1 : gr_set_output(c, 1, &t);
}

/* 2 x g of its piece; `check` has no derivative. */
static int square_sums_gradient(gr_ctx *c)
{
    gr_val g = gr_grad(c, 0);
    for (int64_t i = 0, first = 0, k; g && i < gr_count(c, 0); i++, first += k) {
        gr_val x = gr_in_at(c, 0, (int)i);
        const gr_type *t = gr_type_of(c, x);
        int64_t n = gr_numel(t), pair[2] = {k = pieces_of(n), 1}, flat = k * PIECE;
        if (!gr_wants(c, 0, (int)i)) continue;
        gr_val own = gr_emit(c, "Slice", NULL, 1, &g, "dim=0, start=%lld, stop=%lld", (long long)first, (long long)(first + k));
        if (k == 1) {
            own = op_reshape(c, own, 0, NULL);
        } else {
            own = op_reshape(c, own, 2, pair);
            own = gr_emit(c, "Expand", NULL, 1, &own, "shape=[%lld, %d]", (long long)k, PIECE);
            own = op_reshape(c, own, 1, &flat);
            own = gr_emit(c, "Slice", NULL, 1, &own, "dim=0, start=0, stop=%lld", (long long)n);
            own = op_reshape(c, own, t->rank, t->dim);
        }
        if (gr_set_grad(c, 0, (int)i, gr_emit3(c, "Mul", x, own, op_number(c, 2))) < 0) return -1;
    }
    return 0;
}

static const gr_port inputs[] = {{"input", GR_PORT_VARIADIC, "[...] each"}, OP_END};
static const gr_port outputs[] = {{"squares", 0, "[pieces]: the sum over each piece, up to 65536 elements of an input"},
                                  {"check", 0, "[pieces]: 0, or NaN where an element of the piece is infinite or NaN"}, OP_END};

extern const gr_op gr_op_square_sums;
const gr_op gr_op_square_sums = {GR_OP_HEADER, .name = "SquareSums",
    .summary = "Sums of squares of many inputs, by pieces, and whether all are finite.", .formula = "sum of input^2 over each piece",
    .inputs = inputs, .outputs = outputs, .role = GR_ROLE_SQUARE_SUMS, .infer = square_sums_infer, .gradient = square_sums_gradient,
    .units = square_sums_units, .flops = square_sums_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, square_sums_run_f32}, {GR_FLOAT64, square_sums_run_f64}, {0, NULL}},
    .kind = "internal"};
#endif
