/* rows.c - some rows of a table: which ones an index names, their sums, and putting them back.
 *
 * What an Embedding with `sparse` gives its table is two values: the rows that were met, and for
 * each the sum of its gradients. How many are met is known when the model runs, and not before,
 * so both have place for as many as the index has entries; what is left over is row -1.
 *
 *     index    7 2 7 5          UniqueRows   rows   2 5 7 -1     ascending
 *                                            order  1 3 0 2      entries of the index by row
 *                                            start  0 1 2 4 4    row i: order[start[i]..start[i + 1]) */
#ifdef REAL

/* Entries are added in the order of the index, as the whole table's gradient adds them. */
static void NAME(sum_rows_run)(const gr_call *call)
{
    const int32_t *order = call->in[1].data, *start = call->in[2].data;
    int64_t n = row_width(&call->out[0]);
    const REAL *grad = call->in[0].data;
    for (int64_t u = call->begin; u < call->end; u++)
        call->math->MATH(row_sums)((REAL *)call->out[0].data + u * n, grad, n, order + start[u], start[u + 1] - start[u], n);
}

#else
#include "util.h"

#include <inttypes.h>
#include <string.h>

static int64_t row_width(const gr_tensor *t)
{
    int64_t n = 1;
    for (int i = 1; i < t->rank; i++) n *= t->dim[i];
    return n;
}

#define GR_KERNELS "rows.c"
#include <graphrun/each_real.h>

/* ---- UniqueRows ---- */

enum { DIGIT = 11, BUCKETS = 1 << DIGIT };

static int unique_infer(gr_ctx *c)
{
    const gr_type *index = gr_in_type(c, 0);
    if (index->dtype != GR_INT32) return gr_fail(c, GR_AT_INPUT, "index", "index must be int32; Cast converts");
    gr_type t = {.dtype = GR_INT32, .rank = 1, .dim = {gr_numel(index)}};
    if (gr_set_output(c, 0, &t) < 0 || gr_set_output(c, 1, &t) < 0) return -1;
    t.dim[0]++;
    return gr_set_output(c, 2, &t);
}

/* One pass of a radix sort of entries by their index: stable, so equal ones stay in order. */
static void sort_digit(const int32_t *index, const int32_t *from, int64_t n, int shift, int32_t *to)
{
    int32_t at[BUCKETS] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) at[index[from[i]] >> shift & (BUCKETS - 1)]++;
    for (int b = 0; b < BUCKETS; b++) {
        int32_t count = at[b];
        at[b] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < n; i++) to[at[index[from[i]] >> shift & (BUCKETS - 1)]++] = from[i];
}

static void unique_run(const gr_call *call)
{
    const int32_t *index = call->in[0].data;
    int64_t n = op_numel(&call->in[0]), table = call->attr[0].i, skip = call->attr[1].present ? call->attr[1].i : -1, used = 0, met = 0;
    int32_t *rows = call->out[0].data, *start = call->out[2].data, *a = call->scratch, *b = a + n;
    for (int64_t i = 0; i < n; i++)
        if (index[i] >= 0 && index[i] < table && index[i] != skip) a[used++] = (int32_t)i;
    for (int shift = 0; shift < 31 && (table - 1) >> shift > 0; shift += DIGIT) {
        int32_t *swap = b;
        sort_digit(index, a, used, shift, b);
        b = a;
        a = swap;
    }
    memcpy(call->out[1].data, a, sizeof *a * (size_t)used);
    for (int64_t i = used; i < n; i++) ((int32_t *)call->out[1].data)[i] = 0;
    for (int64_t i = 0; i < used; i++) {
        if (i > 0 && index[a[i]] == index[a[i - 1]]) continue;
        start[met] = (int32_t)i;
        rows[met++] = index[a[i]];
    }
    for (int64_t i = met; i <= n; i++) start[i] = (int32_t)used;
    for (int64_t i = met; i < n; i++) rows[i] = -1;
}

static size_t unique_scratch(const gr_call *call) { return 2 * sizeof(int32_t) * (size_t)op_numel(&call->in[0]); }
static double unique_flops(const gr_call *call) { return 3.0 * BUCKETS + 12 * (double)op_numel(&call->in[0]); }

static const gr_attr_spec unique_attrs[] = {
    {"rows", GR_ATTR_INT, NULL, 1, 2147483647, NULL, "Rows of the table; an index that is none of them is left out."},
    {"padding_idx", GR_ATTR_INT, "~", 0, 0, NULL, "A row that is left out."}, OP_END};
static const gr_port unique_in[] = {{"index", GR_PORT_INT, "[...]: rows of a table"}, OP_END};
static const gr_port unique_out[] = {
    {"rows", 0, "[n]: each row once, ascending; then -1"}, {"order", 0, "[n]: entries of the index, by row"},
    {"start", 0, "[n + 1]: where each row's entries begin in order"}, OP_END};

extern const gr_op gr_op_unique_rows, gr_op_sum_rows, gr_op_put_rows;
const gr_op gr_op_unique_rows = {GR_OP_HEADER, .name = "UniqueRows",
    .formula = "rows: what index holds, each once", .summary = "Each row that an index names, once.", .role = GR_ROLE_UNIQUE_ROWS,
    .attrs = unique_attrs, .inputs = unique_in, .outputs = unique_out, .traits = GR_ZERO_GRAD, .infer = unique_infer,
    .scratch = unique_scratch, .flops = unique_flops, .kernels = (const gr_kernel[]){{GR_INT32, unique_run}, {0, NULL}},
    .kind = "internal"};

/* ---- SumRows ---- */

static int sum_rows_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0), *order = gr_in_type(c, 1), *start = gr_in_type(c, 2);
    bool fits = t->rank > 0 && order->rank == 1 && start->rank == 1 && t->dim[0] == order->dim[0] && start->dim[0] == order->dim[0] + 1;
    if (op_need_float(c, 0) < 0) return -1;
    return fits ? gr_set_output(c, 0, t) : gr_fail(c, GR_AT_INPUT, "order", "order and start must be those of the %" PRId64 " rows", t->dim[0]);
}

static int64_t rows_units(const gr_call *call) { return call->out[0].dim[0]; }

static const gr_port sum_rows_in[] = {{"input", 0, "[n, ...]: a row for each entry of the index"}, {"order", GR_PORT_INT, "[n]"},
                                      {"start", GR_PORT_INT, "[n + 1]"}, OP_END};
static const gr_port sum_rows_out[] = {{"output", 0, "[n, ...]: the sum for each of the rows; then zeros"}, OP_END};
const gr_op gr_op_sum_rows = {GR_OP_HEADER, .name = "SumRows",
    .formula = "output[r] = sum of input[order[k]] over start[r] <= k < start[r + 1]", .summary = "The sums of what stands for the same row.", .role = GR_ROLE_SUM_ROWS,
    .inputs = sum_rows_in, .outputs = sum_rows_out, .infer = sum_rows_infer, .units = rows_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, sum_rows_run_f32}, {GR_FLOAT64, sum_rows_run_f64}, {0, NULL}},
    .kind = "internal"};

/* ---- PutRows: a unit is a block of the table ---- */

enum { BLOCK = 64 };

static int put_rows_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0), *rows = gr_in_type(c, 1), *v = gr_in_type(c, 2);
    bool fits = t->rank > 0 && v->rank == t->rank && rows->rank == 1 && rows->dtype == GR_INT32 && v->dim[0] == rows->dim[0] && v->dtype == t->dtype;
    for (int i = 1; fits && i < t->rank; i++) fits = v->dim[i] == t->dim[i];
    return fits ? gr_set_output(c, 0, t) : gr_fail(c, GR_AT_INPUT, "input", "%s are not rows of %s", op_type_text(c, v), op_type_text(c, t));
}

static int64_t put_rows_units(const gr_call *call) { return (call->out[0].dim[0] + BLOCK - 1) / BLOCK; }

/* The first of the ascending rows that is not below `row`; -1, at the end, is above all. */
static int64_t first_from(const int32_t *rows, int64_t n, int64_t row)
{
    int64_t low = 0;
    while (low < n) {
        int64_t middle = low + (n - low) / 2;
        if (rows[middle] >= 0 && rows[middle] < row) low = middle + 1;
        else n = middle;
    }
    return low;
}

static void put_rows_run(const gr_call *call)
{
    const gr_tensor *table = &call->in[0], *out = &call->out[0];
    const int32_t *rows = call->in[1].data;
    int64_t n = call->in[1].dim[0];
    size_t bytes = gr_dtype_size(out->dtype) * (size_t)row_width(out);
    char *to = out->data;
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t first = u * BLOCK, last = first + BLOCK < out->dim[0] ? first + BLOCK : out->dim[0];
        if (table->data != out->data)
            memcpy(to + (size_t)first * bytes, (const char *)table->data + (size_t)first * bytes, (size_t)(last - first) * bytes);
        for (int64_t i = first_from(rows, n, first); i < n && rows[i] >= 0 && rows[i] < last; i++)
            memcpy(to + (size_t)rows[i] * bytes, (const char *)call->in[2].data + (size_t)i * bytes, bytes);
    }
}

static double put_rows_flops(const gr_call *call) { return (double)put_rows_units(call) + (double)op_numel(&call->in[2]); }

static const gr_port put_rows_in[] = {{"table", GR_PORT_WHOLE, "[rows, ...]"}, {"rows", GR_PORT_INT, "[n]: ascending; then -1"}, {"input", 0, "[n, ...]"}, OP_END};
static const gr_port put_rows_out[] = {{"output", 0, "[rows, ...]"}, OP_END};
const gr_op gr_op_put_rows = {GR_OP_HEADER, .name = "PutRows", .summary = "A table with some of its rows replaced.", .role = GR_ROLE_PUT_ROWS,
    .formula = "output = table, but output[rows[i]] = input[i]", .inputs = put_rows_in, .outputs = put_rows_out, .traits = GR_INPLACE,
    .infer = put_rows_infer, .units = put_rows_units, .flops = put_rows_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, put_rows_run}, {GR_FLOAT64, put_rows_run}, {GR_INT32, put_rows_run}, {GR_BOOL, put_rows_run}, {0, NULL}},
    .kind = "internal"};
#endif
