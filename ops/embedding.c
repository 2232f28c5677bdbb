/* embedding.c - rows of a table, by number.
 *
 * Take(table, index) is table[index]. Its gradient adds each row of the gradient to the row
 * of the table it came from. A unit there is a strip of columns of the whole table, and adds
 * in the order of the indices, so that no two units write one element and the order of a sum
 * never changes. */
#ifdef REAL

/* (sum of |x|^p)^(1/p) */
static REAL NAME(row_norm)(const gr_call *call, const REAL *x, int64_t n, double p)
{
    double sum = 0;
    if (p == 2) return (REAL)sqrt((double)call->math->MATH(dot)(x, x, n));
    for (int64_t j = 0; j < n; j++) {
        double size = fabs((double)x[j]);
        if (isinf(p)) sum = size > sum || isnan(size) ? size : sum;
        else sum += p == 1 ? size : pow(size, p);
    }
    return (REAL)(isinf(p) || p == 1 ? sum : pow(sum, 1 / p));
}

/* A row longer than max_norm is shortened to it. */
static void NAME(shorten)(const gr_call *call, REAL *x, int64_t n)
{
    REAL limit = (REAL)call->attr[2].f, norm = NAME(row_norm)(call, x, n, call->attr[3].f);
    if (!(norm > limit)) return;
    REAL scale = limit / (norm + (REAL)1e-7);
    for (int64_t j = 0; j < n; j++) x[j] *= scale;
}

static void NAME(take_run)(const gr_call *call)
{
    const gr_tensor *table = &call->in[0];
    int64_t rows = table->dim[0], width = row_width(table);
    const int32_t *index = call->in[1].data;
    REAL missing = call->attr[4].i ? 0 : (REAL)NAN;
    for (int64_t u = call->begin; u < call->end; u++) {
        REAL *to = (REAL *)call->out[0].data + u * width;
        int32_t i = index[u];
        if (i >= 0 && i < rows) memcpy(to, (const REAL *)table->data + i * width, sizeof *to * (size_t)width);
        else for (int64_t j = 0; j < width; j++) to[j] = missing;
        if (missing != 0 && (i < 0 || i >= rows)) op_explain_index(call, u, "index", i, rows, "rows");
        if (call->attr[2].present) NAME(shorten)(call, to, width);
    }
}

/* The sum of `met` rows, each divided by how many they are. */
static void NAME(add_shares)(REAL *to, const REAL *grad, int64_t step, const int32_t *row, int64_t met, int64_t n)
{
    for (int64_t j = 0; j < n; j++) to[j] = 0;
    for (int64_t k = 0; k < met; k++)
        for (int64_t j = 0; j < n; j++) to[j] += grad[row[k] * step + j] / (REAL)met;
}

/* A row of the table's gradient is written once: the entries of the index that name it are added in their order. */
static void NAME(take_back_run)(const gr_call *call)
{
    const gr_tensor *out = &call->out[0];
    const int64_t rows = out->dim[0], width = row_width(out), n = op_numel(&call->in[0]), skip = call->attr[1].present ? call->attr[1].i : -1;
    const int64_t col = call->begin * STRIP, m = op_smaller(call->end * STRIP, width) - col;
    const REAL *grad = (const REAL *)call->in[1].data + col;
    int32_t *start = call->scratch, *order = start + rows + 1;
    if (m <= 0) return;
    sort_entries(call->in[0].data, n, rows, skip, start, order);
    for (int64_t r = 0; r < rows; r++) {
        REAL *to = (REAL *)out->data + r * width + col;
        const int64_t met = start[r + 1] - start[r];
        if (call->attr[2].i && met) NAME(add_shares)(to, grad, width, order + start[r], met, m);
        else call->math->MATH(row_sums)(to, grad, width, order + start[r], met, m);
    }
}

#else
#include "util.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { STRIP = 64 }; /* columns */

static int64_t row_width(const gr_tensor *table)
{
    int64_t n = 1;
    for (int i = 1; i < table->rank; i++) n *= table->dim[i];
    return n;
}

/* order[start[r] .. start[r + 1]): the entries of the index that are r, ascending. Those that are no row, or `skip`, are left out. */
static void sort_entries(const int32_t *index, int64_t n, int64_t rows, int64_t skip, int32_t *start, int32_t *order)
{
    memset(start, 0, sizeof *start * (size_t)(rows + 1));
    for (int64_t i = 0; i < n; i++)
        if (index[i] >= 0 && index[i] < rows && index[i] != skip) start[index[i] + 1]++;
    for (int64_t r = 0; r < rows; r++) start[r + 1] += start[r];
    const int32_t used = start[rows];
    for (int64_t i = n - 1; i >= 0; i--) /* start[r + 1], where row r ends, becomes where it begins */
        if (index[i] >= 0 && index[i] < rows && index[i] != skip) order[--start[index[i] + 1]] = (int32_t)i;
    memmove(start, start + 1, sizeof *start * (size_t)rows);
    start[rows] = used;
}

#define GR_KERNELS "embedding.c"
#include <graphrun/each_real.h>

#define REALS(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}

/* ---- Take ---- */

static int take_infer(gr_ctx *c)
{
    const gr_type *table = gr_in_type(c, 0), *index = gr_in_type(c, 1);
    gr_type t = *index;
    if (op_need_float(c, 0) < 0 || op_need_int(c, 1) < 0) return -1;
    if (index->dtype != GR_INT32) return gr_fail(c, GR_AT_INPUT, "index", "index must be int32; Cast converts");
    if (table->rank < 1 || table->rank - 1 + index->rank > GR_MAX_RANK)
        return gr_fail(c, GR_AT_NODE, NULL, "cannot take %s from %s", op_type_text(c, index), op_type_text(c, table));
    t.dtype = table->dtype;
    for (int i = 1; i < table->rank; i++) {
        t.axis[t.rank] = table->axis[i];
        t.dim[t.rank++] = table->dim[i];
    }
    return gr_set_output(c, 0, &t);
}

static int take_gradient(gr_ctx *c)
{
    const gr_type *table = gr_in_type(c, 0);
    const gr_attr *padding = gr_get(c, "padding_idx");
    gr_val in[2] = {gr_in(c, 1), gr_grad(c, 0)};
    const char *skip = padding->present ? op_text(c, "padding_idx=%" PRId64 ", ", padding->i) : "";
    return gr_set_grad(c, 0, 0, gr_emit(c, "TakeGradient", NULL, 2, in, "%sshape=%s, scale_grad_by_freq=%s", skip,
                                        op_ints(c, table->rank, table->dim), gr_bool(c, "scale_grad_by_freq") ? "true" : "false"));
}

static int64_t take_units(const gr_call *call) { return op_numel(&call->in[1]); }

static const gr_attr_spec take_attrs[] = {
    {"padding_idx", GR_ATTR_INT, "~", 0, 0, NULL, "An index whose row gets no gradient."},
    {"scale_grad_by_freq", GR_ATTR_BOOL, "false", 0, 0, NULL, "Divide a row's gradient by how often the batch has it."},
    {"max_norm", GR_ATTR_FLOAT, "~", 0, 1e30, NULL, "A longer row is shortened to this."},
    {"norm_type", GR_ATTR_FLOAT, "2", 0, 0, NULL, "The p of the norm that max_norm bounds."},
    {"missing", GR_ATTR_BOOL, "false", 0, 0, NULL, "An index that is no row gives zeros, not NaN."},
    OP_END};
static const gr_port take_in[] = {{"table", GR_PORT_WHOLE, "[rows, ...]"}, {"index", GR_PORT_INT, "[...]: rows of the table"}, OP_END};
static const gr_port take_out[] = {{"output", 0, "[index..., ...]; NaN where an index is no row"}, OP_END};

extern const gr_op gr_op_take;
const gr_op gr_op_take = {GR_OP_HEADER, .name = "Take", .summary = "Rows of a table, by number.", .formula = "table[index]", .role = GR_ROLE_TAKE,
    .attrs = take_attrs, .inputs = take_in, .outputs = take_out, .traits = GR_ROWWISE, .infer = take_infer,
    .gradient = take_gradient, .units = take_units, .kernels = REALS(take_run),
    .kind = "internal"};

/* ---- TakeGradient ---- */

static int take_back_infer(gr_ctx *c)
{
    const gr_attr *shape = gr_get(c, "shape");
    gr_type t = {.dtype = gr_in_type(c, 1)->dtype, .rank = (int)shape->n};
    int64_t width = 1;
    memcpy(t.dim, shape->ints, sizeof *shape->ints * (size_t)shape->n);
    for (int i = 1; i < t.rank; i++) width *= t.dim[i];
    if (t.rank < 1 || gr_numel(gr_in_type(c, 1)) != gr_numel(gr_in_type(c, 0)) * width)
        return gr_fail(c, GR_AT_INPUT, "grad_output", "grad_output is %s; it must have a row of a table of shape %s for each index",
                       op_type_text(c, gr_in_type(c, 1)), op_ints(c, shape->n, shape->ints));
    return gr_set_output(c, 0, &t);
}

static int64_t take_back_units(const gr_call *call) { return (row_width(&call->out[0]) + STRIP - 1) / STRIP; }

static size_t take_back_scratch(const gr_call *call)
{
    return sizeof(int32_t) * (size_t)(call->out[0].dim[0] + 1 + op_numel(&call->in[0]));
}

static double take_back_flops(const gr_call *call) { return (double)op_numel(&call->in[1]) + (double)op_numel(&call->out[0]); }

/* The kernel adds over all axes of the index, an axis of steps among them. */
static int take_back_accumulate(gr_ctx *c)
{
    const gr_attr *padding = gr_get(c, "padding_idx"), *shape = gr_get(c, "shape");
    gr_val in[2] = {gr_in(c, 0), gr_in(c, 1)};
    if (!gr_is_stacked(c, 0, 0) || !gr_is_stacked(c, 1, 0) || gr_bool(c, "scale_grad_by_freq")) return 1;
    const char *skip = padding->present ? op_text(c, "padding_idx=%" PRId64 ", ", padding->i) : "";
    return gr_set_result(c, 0, gr_emit(c, "TakeGradient", NULL, 2, in, "%sshape=%s", skip, op_ints(c, shape->n, shape->ints)));
}

static const gr_attr_spec take_back_attrs[] = {
    {"shape", GR_ATTR_INTS, NULL, 0, 0, NULL, "Of the table."},
    {"padding_idx", GR_ATTR_INT, "~", 0, 0, NULL, "An index whose row gets no gradient."},
    {"scale_grad_by_freq", GR_ATTR_BOOL, "false", 0, 0, NULL, "Divide a row's gradient by how often the batch has it."},
    OP_END};
static const gr_port take_back_in[] = {{"index", GR_PORT_INT, "[...]"}, {"grad_output", 0, "[index..., ...]"}, OP_END};
static const gr_port take_back_out[] = {{"grad_table", 0, "[rows, ...]"}, OP_END};

extern const gr_op gr_op_take_gradient;
const gr_op gr_op_take_gradient = {GR_OP_HEADER, .name = "TakeGradient",
    .formula = "grad_table[r] = sum of grad_output[i] over index[i] = r", .summary = "The gradient of Take toward its table.",
    .attrs = take_back_attrs, .inputs = take_back_in, .outputs = take_back_out, .infer = take_back_infer,
    .accumulate = take_back_accumulate, .units = take_back_units, .scratch = take_back_scratch, .flops = take_back_flops,
    .kernels = REALS(take_back_run),
    .kind = "internal"};

/* ---- Embedding ---- */

typedef struct renewal { int64_t rows; const char *shortened; } renewal;

/* The rows about to be looked up are shortened in the table itself, as embedding_renorm_ does; what
 * this run looks up Take has shortened already. values: the table, the index. */
static int embedding_renew(gr_ctx *c, void *data, int n, const gr_val *values)
{
    const renewal *r = data;
    (void)n;
    gr_val rows = gr_emit(c, "UniqueRows", NULL, 1, &values[1], "rows=%" PRId64, r->rows), take[2] = {gr_next(c, values[0]), rows};
    gr_val put[3] = {take[0], rows, gr_emit(c, "Take", NULL, 2, take, "%smissing=true", r->shortened)};
    return gr_set_next(c, values[0], gr_emit(c, "PutRows", NULL, 3, put, NULL));
}

/* The attributes of Take for padding_idx, whose row also starts at zeros. -1 after a message. */
static int embedding_padding(gr_ctx *c, const char **skip, const char **init)
{
    const gr_attr *padding = gr_get(c, "padding_idx");
    int64_t rows = gr_int(c, "num_embeddings");
    *skip = "", *init = "Normal mean=0 std=1";
    if (!padding->present) return 0;
    int64_t row = padding->i < 0 ? padding->i + rows : padding->i;
    if (row < 0 || row >= rows)
        return gr_fail(c, GR_AT_ATTR, "padding_idx", "padding_idx=%" PRId64 " is not one of %" PRId64 " rows", padding->i, rows);
    *skip = op_text(c, "padding_idx=%" PRId64 ", ", row);
    *init = op_text(c, "Normal mean=0 std=1 zero_row=%" PRId64, row);
    return 0;
}

static int embedding_expand(gr_ctx *c)
{
    gr_type t = {.dtype = gr_real(c), .rank = 2, .dim = {gr_int(c, "num_embeddings"), gr_int(c, "embedding_dim")}};
    bool by_frequency = gr_bool(c, "scale_grad_by_freq"), sparse = gr_bool(c, "sparse"), bounded = gr_get(c, "max_norm")->present;
    const char *skip, *init, *shortened = "";
    if (op_need_int(c, 0) < 0 || embedding_padding(c, &skip, &init) < 0) return -1;
    if (by_frequency && sparse) return gr_fail(c, GR_AT_ATTR, "scale_grad_by_freq", "a sparse gradient is not scaled by frequency; leave one of both out");
    if (bounded) shortened = op_text(c, "max_norm=%.17g, norm_type=%.17g, ", gr_float(c, "max_norm"), gr_float(c, "norm_type"));
    gr_val in[2] = {gr_parameter(c, "weight", &t, "%s", init), gr_in(c, 0)};
    if (sparse) gr_sparse(c, in[0], "sparse");
    if (bounded) {
        renewal *r = gr_alloc(c, sizeof *r);
        *r = (renewal){t.dim[0], shortened};
        gr_later(c, embedding_renew, r, 2, in);
    }
    return gr_set_result(c, 0, gr_emit(c, "Take", "", 2, in, "%s%sscale_grad_by_freq=%s", skip, shortened, by_frequency ? "true" : "false"));
}

static const gr_attr_spec embedding_attrs[] = {
    {"num_embeddings", GR_ATTR_INT, NULL, 1, 2147483647, NULL, "Rows of the table."},
    {"embedding_dim", GR_ATTR_INT, NULL, 1, 2147483647, NULL, "Length of a row."},
    {"padding_idx", GR_ATTR_INT, "~", 0, 0, NULL, "A row that starts at 0 and gets no gradient."},
    {"max_norm", GR_ATTR_FLOAT, "~", 0, 1e30, NULL, "Rows longer than this are shortened to it, in the table, before they are looked up; what is tied to the table reads them so from the next run on."},
    {"norm_type", GR_ATTR_FLOAT, "2", 0, 0, NULL, "The p of the norm that max_norm bounds."},
    {"scale_grad_by_freq", GR_ATTR_BOOL, "false", 0, 0, NULL, "Divide a row's gradient by how often the batch has it."},
    {"sparse", GR_ATTR_BOOL, "false", 0, 0, NULL, "Only the rows met are updated, at a cost that does not depend on num_embeddings."},
    OP_END};
static const gr_port embedding_in[] = {{"input", GR_PORT_INT, "[...]: rows of the table"}, OP_END};
static const gr_port embedding_out[] = {{"output", 0, "[..., embedding_dim]"}, OP_END};

extern const gr_op gr_op_embedding;
const gr_op gr_op_embedding = {GR_OP_HEADER, .name = "Embedding", .summary = "A learned vector for each number.",
    .formula = "weight[input]", .reference = "torch.nn.Embedding", .attrs = embedding_attrs, .inputs = embedding_in,
    .outputs = embedding_out, .expand = embedding_expand,
    .kind = "layers",
    .example = "graph:\n"
               "  letters: {op: Constant, value: [[0, 2], [1, 4]]}\n"
               "  y: {op: Embedding, in: letters, num_embeddings: 5, embedding_dim: 3}   # [2, 2, 3]\n"};
#endif
