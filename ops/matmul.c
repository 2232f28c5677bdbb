/* matmul.c - matrix products of any ranks.
 *
 * With A [..., m, k] and B [..., k, n] (as they are after transpose_a and transpose_b) the
 * result is [..., m, n], leading axes broadcast. A vector A is a row and a vector B a
 * column, and that axis is missing from the result.
 *
 * A kernel sees a product in one form: `batch` products [m, n]. Where B is the same for
 * all and A's rows lie evenly, they are one product of batch * m rows. A product with a
 * vector B is then turned around, C' = B A', so that the result's last axis holds the columns, or
 * all of the result's axes do.
 * Tiles are units, in lines along the shorter side of the product, so that what threads pack of
 * the operands overlaps least; since the bits of an element do not depend on the block it is
 * computed in, a run of units is computed in as few blocks as it makes. */
#include "packed_operand.h"
#include "util.h"

#include <string.h>

enum { TILE_ROWS = 32, TILE_COLS = 32 };

typedef struct product {
    int64_t batch, m, n, k;
    int lead;                      /* batch axes */
    int64_t dim[GR_MAX_RANK];      /* their lengths */
    int64_t a_step[GR_MAX_RANK], b_step[GR_MAX_RANK];
    int64_t a_rs, a_cs, b_rs, b_cs;
    const char *a, *b;
    int64_t rows, cols;            /* tiles of one product */
    size_t size;                   /* bytes of an element */
    const void *packed;            /* b, packed ahead; or NULL */
    gr_dtype packed_dtype;
    gr_dtype dtype;
} product;

/* One operand as batch axes and a matrix: the strides of rows and columns, and of the
 * batch axes of the result, 0 where the operand repeats. */
static void place_operand(const gr_tensor *t, bool transpose, bool column, const product *p, int64_t *rs, int64_t *cs, int64_t *step)
{
    if (t->rank == 1) {
        *rs = column ? t->stride[0] : 0;
        *cs = column ? 0 : t->stride[0];
        memset(step, 0, sizeof *step * (size_t)p->lead);
        return;
    }
    int64_t row = t->stride[t->rank - 2], col = t->stride[t->rank - 1];
    *rs = transpose ? col : row;
    *cs = transpose ? row : col;
    int extra = p->lead - (t->rank - 2);
    for (int i = 0; i < p->lead; i++) step[i] = i < extra || t->dim[i - extra] == 1 ? 0 : t->stride[i - extra];
}

static void swap_operands(product *p)
{
    product q = *p;
    p->m = q.n, p->n = q.m;
    p->a = q.b, p->a_rs = q.b_cs, p->a_cs = q.b_rs;
    p->b = q.a, p->b_rs = q.a_cs, p->b_cs = q.a_rs;
    memcpy(p->a_step, q.b_step, sizeof p->a_step);
    memcpy(p->b_step, q.a_step, sizeof p->b_step);
}

/* Takes the innermost batch axis into the rows while that is possible. */
static void fold_rows(product *p)
{
    while (p->lead) {
        int i = p->lead - 1;
        bool one_row = p->m == 1;
        if (p->dim[i] != 1 && (p->b_step[i] != 0 || (!one_row && p->a_step[i] != p->m * p->a_rs))) break;
        if (p->dim[i] != 1 && one_row) p->a_rs = p->a_step[i];
        p->m *= p->dim[i];
        p->batch /= p->dim[i] ? p->dim[i] : 1;
        p->lead--;
    }
}

/* Length of batch axis i of `lead`; the shorter operand and length 1 repeat. */
static int64_t batch_dim(const gr_tensor *a, const gr_tensor *b, int i, int lead)
{
    int from_a = i - (lead - (a->rank - 2)), from_b = i - (lead - (b->rank - 2));
    int64_t n = a->rank > 2 && from_a >= 0 ? a->dim[from_a] : 1;
    return n == 1 && b->rank > 2 && from_b >= 0 ? b->dim[from_b] : n;
}

/* From the operands alone: a product with an epilogue has no output of its own. */
static product product_of(const gr_call *call)
{
    const gr_tensor *a = &call->in[0], *b = &call->in[1];
    bool ta = call->attr[0].i && a->rank > 1, tb = call->attr[1].i && b->rank > 1;
    product p = {.batch = 1, .a = a->data, .b = b->data, .dtype = a->dtype, .size = gr_dtype_size(a->dtype)};
    p.m = a->rank == 1 ? 1 : a->dim[a->rank - (ta ? 1 : 2)];
    p.k = a->dim[a->rank - (ta ? 2 : 1)];
    p.n = b->rank == 1 ? 1 : b->dim[b->rank - (tb ? 2 : 1)];
    p.lead = (a->rank > b->rank ? a->rank : b->rank) - 2;
    if (p.lead < 0) p.lead = 0;
    for (int i = 0; i < p.lead; i++) p.batch *= p.dim[i] = batch_dim(a, b, i, p.lead);
    place_operand(a, ta, false, &p, &p.a_rs, &p.a_cs, p.a_step);
    place_operand(b, tb, true, &p, &p.b_rs, &p.b_cs, p.b_step);
    fold_rows(&p);
    if (b->rank == 1 && a->rank > 1) swap_operands(&p);
    const gr_tensor *packed = call->num_in > 2 ? &call->in[2] : NULL;
    if (packed && packed->data && packed_operand_fits(call->math, packed, p.k, p.n)) p.packed = packed->data, p.packed_dtype = packed->dtype;
    p.rows = (p.m + TILE_ROWS - 1) / TILE_ROWS;
    p.cols = (p.n + TILE_COLS - 1) / TILE_COLS;
    return p;
}

static int64_t matmul_units(const gr_call *call)
{
    product p = product_of(call);
    return p.batch * p.rows * p.cols;
}

static size_t matmul_scratch(const gr_call *call)
{
    product p = product_of(call);
    return call->math->gemm_scratch(p.dtype, p.m, p.n, p.k);
}

static double matmul_flops(const gr_call *call)
{
    product p = product_of(call);
    return 2.0 * (double)p.batch * (double)p.m * (double)p.n * (double)p.k;
}

/* Rows and columns of products [which, which + count) into dst, ld elements between rows, c_step between products. */
static void multiply(const gr_call *call, const product *p, int64_t which, int64_t count, int64_t row, int64_t rows, int64_t col,
                     int64_t cols, void *dst, int64_t ld, int64_t c_step)
{
    const int64_t size = (int64_t)p->size, last = p->lead - 1, line = p->lead ? p->dim[last] : 1;
    gr_gemm g = {.dtype = p->dtype, .m = rows, .n = cols, .k = p->k, .a_rs = p->a_rs, .a_cs = p->a_cs, .b_rs = p->b_rs, .b_cs = p->b_cs,
                 .c = dst, .c_rs = ld, .c_cs = 1, .scratch = call->scratch};
    if (p->packed) g.packed = p->packed, g.packed_n = p->n, g.packed_col = col, g.packed_dtype = p->packed_dtype;
    for (int64_t n; count > 0 && rows > 0 && cols > 0; which += n, count -= n) {
        n = p->lead ? op_smaller(count, line - which % line) : count;
        g.a = p->a + (op_at(which, p->lead, p->dim, p->a_step) + row * p->a_rs) * size;
        g.b = p->b + (op_at(which, p->lead, p->dim, p->b_step) + col * p->b_cs) * size;
        if (n == 1) call->math->gemm(&g);
        else call->math->gemm_stack(&g, n, p->a_step[last], p->b_step[last], c_step);
        g.c = (char *)g.c + n * c_step * size;
    }
}

/* Tiles [first, last) of rows and all of columns [from, to) of tiles, of `count` products. */
static void multiply_tiles(const gr_call *call, const product *p, int64_t which, int64_t count, int64_t first, int64_t last, int64_t from,
                           int64_t to)
{
    int64_t row = first * TILE_ROWS, rows = op_smaller(last * TILE_ROWS, p->m) - row;
    int64_t col = from * TILE_COLS, cols = op_smaller(to * TILE_COLS, p->n) - col;
    char *c = (char *)call->out[0].data + (which * p->m * p->n + row * p->n + col) * (int64_t)p->size;
    multiply(call, p, which, count, row, rows, col, cols, c, p->n, p->m * p->n);
}

static void matmul_run(const gr_call *call)
{
    product p = product_of(call);
    bool tall = p.rows > p.cols;
    int64_t tiles = p.rows * p.cols, line = tall ? p.cols : p.rows, u = call->begin;
    while (u < call->end) {
        int64_t which = u / tiles, at = u % tiles, left = op_smaller(call->end - u, tiles - at), count = 1;
        int64_t first = at / line, last = first + 1, from = at % line, to = op_smaller(from + left, line);
        if (from == 0 && left >= line) last = first + left / line;
        if (at == 0 && call->end - u >= tiles) last = tiles / line, to = line, count = (call->end - u) / tiles;
        if (tall) multiply_tiles(call, &p, which, count, first, last, from, to);
        else multiply_tiles(call, &p, which, count, from, to, first, last);
        u += (last - first) * (to - from) * count;
    }
}

/* Rows of the result, each `width` columns of a product that is one long row. */
static void multiply_parts(const gr_call *call, const product *p, int64_t width, int64_t row, int64_t rows, int64_t col, int64_t cols,
                           char *to, int64_t ld)
{
    const int64_t per = p->n / width;
    for (int64_t n; rows > 0; row += n, rows -= n, to += n * ld * (int64_t)p->size) {
        n = cols == width && ld == width ? op_smaller(rows, per - row % per) : 1;
        multiply(call, p, row / per, 1, 0, 1, row % per * width + col, n > 1 ? n * width : cols, to, ld, 0);
    }
}

/* Rows of the result as a matrix run through all products; a block may span several. */
static void matmul_block(const gr_call *call, int64_t row, int64_t rows, int64_t col, int64_t cols, void *dst, int64_t ld)
{
    product p = product_of(call);
    const gr_tensor *out = &call->out[0];
    char *to = dst;
    if (out->rank > 0 && p.n != out->dim[out->rank - 1]) {
        multiply_parts(call, &p, out->dim[out->rank - 1], row, rows, col, cols, to, ld);
        return;
    }
    while (rows > 0) {
        int64_t first = p.batch > 1 ? row % p.m : row, n = op_smaller(rows, p.m - first), count = 1;
        if (p.batch > 1 && first == 0 && n == p.m) count = rows / p.m;
        multiply(call, &p, p.batch > 1 ? row / p.m : 0, count, first, n, col, cols, to, ld, p.m * ld);
        row += n * count;
        rows -= n * count;
        to += n * count * ld * (int64_t)p.size;
    }
}

/* ---- types ---- */

static int matmul_infer(gr_ctx *c)
{
    const gr_type *a = gr_in_type(c, 0), *b = gr_in_type(c, 1);
    if (op_need_float(c, 0) < 0 || op_need_float(c, 1) < 0) return -1;
    if (a->rank < 1 || b->rank < 1) return gr_fail(c, GR_AT_NODE, NULL, "a scalar cannot be multiplied as a matrix; Mul multiplies by numbers");
    bool ta = gr_bool(c, "transpose_a") && a->rank > 1, tb = gr_bool(c, "transpose_b") && b->rank > 1;
    int64_t k = a->dim[a->rank - (ta ? 2 : 1)], other = b->rank == 1 ? b->dim[0] : b->dim[b->rank - (tb ? 1 : 2)];
    if (k != other)
        return gr_fail(c, GR_AT_NODE, NULL, "%s%s times %s%s: the summed axes have %lld and %lld entries", op_type_text(c, a),
                       ta ? " transposed" : "", op_type_text(c, b), tb ? " transposed" : "", (long long)k, (long long)other);
    int64_t n = b->rank == 1 ? 1 : b->dim[b->rank - (tb ? 2 : 1)];
    if (gr_count(c, 2) && (b->rank != 2 || gr_in_type(c, 2)->rank != 1 || gr_in_type(c, 2)->dim[0] != packed_operand_room(k, n)))
        return gr_fail(c, GR_AT_INPUT, "packed", "takes two inputs; 'packed' is for the passes alone");
    gr_type left = *a, right = *b, t;
    left.rank = a->rank > 2 ? a->rank - 2 : 0;
    right.rank = b->rank > 2 ? b->rank - 2 : 0;
    if (op_broadcast(&left, &right, &t) < 0)
        return gr_fail(c, GR_AT_NODE, NULL, "the leading axes of %s and %s do not broadcast", op_type_text(c, a), op_type_text(c, b));
    if (a->rank > 1) {
        t.axis[t.rank] = a->axis[a->rank - (ta ? 1 : 2)];
        t.dim[t.rank++] = a->dim[a->rank - (ta ? 1 : 2)];
    }
    if (b->rank > 1) {
        t.axis[t.rank] = b->axis[b->rank - (tb ? 2 : 1)];
        t.dim[t.rank++] = b->dim[b->rank - (tb ? 2 : 1)];
    }
    return gr_set_output(c, 0, &t);
}

/* ---- gradient ---- */

static gr_val times(gr_ctx *c, gr_val a, bool ta, gr_val b, bool tb)
{
    gr_val in[2] = {a, b};
    return gr_emit(c, "MatMul", NULL, 2, in, "transpose_a=%s, transpose_b=%s", ta ? "true" : "false", tb ? "true" : "false");
}

/* v [..., m, k] as one matrix [all rows, k]. */
static gr_val as_matrix(gr_ctx *c, gr_val v)
{
    const gr_type *t = gr_type_of(c, v);
    int64_t dim[2] = {1, t->dim[t->rank - 1]};
    for (int i = 0; i < t->rank - 1; i++) dim[0] *= t->dim[i];
    return op_reshape(c, v, 2, dim);
}

static gr_val with_axis(gr_ctx *c, gr_val v, int dim)
{
    return gr_emit(c, "Unsqueeze", NULL, 1, &v, "dim=%d", dim);
}

/* Toward A: g B', or its transpose. */
static gr_val gradient_a(gr_ctx *c, gr_val b, gr_val g, bool ta, bool tb)
{
    return ta ? times(c, b, tb, g, true) : times(c, g, false, b, !tb);
}

/* Toward B: A' g, or its transpose. A sum over the leading axes of a B that has none is
 * part of the product. */
static gr_val gradient_b(gr_ctx *c, gr_val a, gr_val b, gr_val g, bool ta, bool tb)
{
    if (gr_type_of(c, b)->rank == 2 && gr_type_of(c, g)->rank > 2 && gr_type_of(c, a)->rank == gr_type_of(c, g)->rank && !ta) {
        a = as_matrix(c, a);
        g = as_matrix(c, g);
    }
    return tb ? times(c, g, true, a, ta) : times(c, a, !ta, g, false);
}

static int matmul_gradient(gr_ctx *c)
{
    const gr_type *ta = gr_in_type(c, 0), *tb = gr_in_type(c, 1);
    gr_val a = gr_in(c, 0), b = gr_in(c, 1), g = gr_grad(c, 0);
    bool flip_a = gr_bool(c, "transpose_a") && ta->rank > 1, flip_b = gr_bool(c, "transpose_b") && tb->rank > 1;
    if (tb->rank == 1) b = with_axis(c, b, -1), g = with_axis(c, g, -1);
    if (ta->rank == 1) a = with_axis(c, a, 0), g = with_axis(c, g, -2);
    for (int p = 0; p < 2; p++) {
        if (!gr_wants(c, p, 0)) continue;
        const gr_type *t = p ? tb : ta;
        bool outer = p == 0 && tb->rank == 1 && !flip_a; /* of g and a vector: pointwise, so that it can be fused */
        gr_val v = p ? gradient_b(c, a, b, g, flip_a, flip_b) : outer ? gr_emit2(c, "Mul", g, gr_in(c, 1)) : gradient_a(c, b, g, flip_a, flip_b);
        v = op_sum_to(c, v, t->rank == 1 ? gr_type_of(c, p ? b : a) : t);
        if (gr_set_grad(c, p, 0, op_reshape(c, v, t->rank, t->dim)) < 0) return -1;
    }
    return 0;
}

/* ---- many at once ---- */

/* An input as matrices with `rank` axes after the one of T steps, if it has that. */
static gr_val lifted(gr_ctx *c, int port, int rank, bool column)
{
    gr_val v = gr_in(c, port);
    const gr_type *t = gr_type_of(c, v);
    bool stacked = gr_is_stacked(c, port, 0);
    int own = t->rank - stacked, n = 0;
    int64_t dim[GR_MAX_RANK];
    if (!stacked && own == 2) return v;
    if (stacked) dim[n++] = t->dim[0];
    for (int i = own < 2 ? 2 : own; stacked && i < rank; i++) dim[n++] = 1;
    if (own == 1 && !column) dim[n++] = 1;
    for (int i = stacked; i < t->rank; i++) dim[n++] = t->dim[i];
    if (own == 1 && column) dim[n++] = 1;
    return op_reshape(c, v, n, dim);
}

static int matmul_batch(gr_ctx *c)
{
    const gr_type *ta = gr_in_type(c, 0), *tb = gr_in_type(c, 1);
    int own_a = ta->rank - gr_is_stacked(c, 0, 0), own_b = tb->rank - gr_is_stacked(c, 1, 0);
    int rank = own_a > own_b ? own_a : own_b;
    if (rank < 2) rank = 2;
    if (rank >= GR_MAX_RANK) return 1;
    bool flip_a = gr_bool(c, "transpose_a") && own_a > 1, flip_b = gr_bool(c, "transpose_b") && own_b > 1;
    gr_val v = times(c, lifted(c, 0, rank, false), flip_a, lifted(c, 1, rank, true), flip_b);
    const gr_type *t = gr_type_of(c, v);
    int64_t dim[GR_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t->rank; i++)
        if (!(i == t->rank - 2 && own_a == 1) && !(i == t->rank - 1 && own_b == 1)) dim[n++] = t->dim[i];
    return gr_set_result(c, 0, op_reshape(c, v, n, dim));
}

/* v [T, batch..., k, n] as [batch..., T * k, n]. */
static gr_val rows_of_steps(gr_ctx *c, gr_val v)
{
    const gr_type *t = gr_type_of(c, v);
    int64_t dim[GR_MAX_RANK], dims[GR_MAX_RANK];
    int lead = t->rank - 3;
    for (int i = 0; i < lead; i++) dim[i] = t->dim[i + 1], dims[i] = i + 1;
    dims[lead] = 0, dims[lead + 1] = t->rank - 2, dims[lead + 2] = t->rank - 1;
    dim[lead] = t->dim[0] * t->dim[t->rank - 2], dim[lead + 1] = t->dim[t->rank - 1];
    if (lead) v = gr_emit(c, "Permute", NULL, 1, &v, "dims=%s", op_ints(c, t->rank, dims));
    return op_reshape(c, v, lead + 2, dim);
}

/* The sum over t of a_t' b_t is one product over the rows of all steps, for each of the batch. */
static int matmul_accumulate(gr_ctx *c)
{
    const gr_type *a = gr_in_type(c, 0), *b = gr_in_type(c, 1);
    if (!gr_is_stacked(c, 0, 0) || !gr_is_stacked(c, 1, 0) || a->rank < 3 || a->rank != b->rank) return 1;
    if (!gr_bool(c, "transpose_a") || gr_bool(c, "transpose_b") || memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)(a->rank - 1)) != 0) return 1;
    return gr_set_result(c, 0, times(c, rows_of_steps(c, gr_in(c, 0)), true, rows_of_steps(c, gr_in(c, 1)), false));
}

/* A matrix that stays the same while the products run is packed once; a very small one is
 * faster read as it is. A single product must have rows enough that several tiles and threads
 * would each pack it. */
static int matmul_prepack(gr_ctx *c)
{
    enum { MANY_ROWS = 256, ELEMENTS = 1024, COLUMNS = 64 };
    gr_val a = gr_in(c, 0), b = gr_in(c, 1);
    if (!b || gr_type_of(c, b)->rank != 2) return 1;
    bool flip = gr_bool(c, "transpose_b");
    int64_t k = gr_type_of(c, b)->dim[flip], n = gr_type_of(c, b)->dim[!flip];
    if (k * n < ELEMENTS) return 1;
    if (a && (n < COLUMNS || k < 1 || gr_numel(gr_type_of(c, a)) / k < MANY_ROWS)) return 1;
    gr_dtype kept = gr_packed_dtype(c);
    return gr_set_result(c, 0, gr_emit(c, "PackedOperand", "packed", 1, &b, "transpose=%s, dtype=%s", flip ? "true" : "false",
                                       kept == GR_BFLOAT16 ? "bfloat16" : kept == GR_FLOAT16 ? "float16" : "same"));
}

/* ---- descriptors ---- */

static const gr_attr_spec matmul_attrs[] = {
    {"transpose_a", GR_ATTR_BOOL, "false", 0, 0, NULL, "Swap the last two axes of input first."},
    {"transpose_b", GR_ATTR_BOOL, "false", 0, 0, NULL, "Swap the last two axes of other first."},
    OP_END};
static const gr_port inputs[] = {{"input", 0, "[..., m, k] or [k]"}, {"other", 0, "[..., k, n] or [k]"}, OP_END};
static const gr_port matmul_inputs[] = {{"input", 0, "[..., m, k] or [k]"}, {"other", 0, "[..., k, n] or [k]"},
    {"packed", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[elements]: other as PackedOperand gives it, put there by the passes"}, OP_END};
static const gr_port output[] = {{"output", 0, "[..., m, n]"}, OP_END};

extern const gr_op gr_op_matmul, gr_op_batch_matmul;
const gr_op gr_op_matmul = {GR_OP_HEADER, .name = "MatMul", .summary = "The product of matrices, vectors, or stacks of matrices.",
    .formula = "output[..., i, j] = sum over k of input[..., i, k] * other[..., k, j]", .reference = "torch.matmul",
    .attrs = matmul_attrs, .inputs = matmul_inputs, .outputs = output, .traits = GR_CONTRACTION | GR_STRIDED, .infer = matmul_infer,
    .gradient = matmul_gradient, .batch = matmul_batch, .accumulate = matmul_accumulate, .units = matmul_units,
    .scratch = matmul_scratch, .flops = matmul_flops, .block = matmul_block, .prepack = matmul_prepack,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, matmul_run}, {GR_FLOAT64, matmul_run}, {0, NULL}},
    .kind = "products",
    .example = OP_X
               "  y: {op: MatMul, in: [x, x], transpose_b: true}   # [2, 2]\n"};

static int batch_matmul_expand(gr_ctx *c)
{
    for (int p = 0; p < 2; p++)
        if (gr_in_type(c, p)->rank != 3)
            return gr_fail(c, GR_AT_INPUT, inputs[p].name, "'%s' must have 3 axes, but is %s; MatMul takes any", inputs[p].name,
                           op_type_text(c, gr_in_type(c, p)));
    return gr_set_result(c, 0, gr_emit2(c, "MatMul", gr_in(c, 0), gr_in(c, 1)));
}

const gr_op gr_op_batch_matmul = {GR_OP_HEADER, .name = "BatchMatMul",
    .formula = "output[n, i, j] = sum over k of input[n, i, k] * other[n, k, j]", .summary = "The products of two stacks of matrices.",
    .reference = "torch.bmm", .inputs = inputs, .outputs = output, .expand = batch_matmul_expand,
    .kind = "products",
    .example = "graph:\n"
               "  a: {op: Ones, shape: [2, 3, 4]}\n"
               "  b: {op: Full, shape: [2, 4, 5], value: 0.5}\n"
               "  y: {op: BatchMatMul, in: [a, b]}   # [2, 3, 5]\n"};
