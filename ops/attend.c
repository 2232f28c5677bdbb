/* attend.c - softmax(scale query key^T, masked) value in tiles, without the scores of all at once.
 *
 * A unit of Attend is a tile of queries of one of the batch. It goes through the keys in tiles; a
 * row keeps the largest score so far and the sum of e^(score - largest), and what has been summed
 * is scaled down when a larger one turns up (Milakov and Gimelshein 2018; Dao et al. 2022):
 *
 *               keys, a tile of columns at a time
 *             +-------+-------+--           S = scale Q K^T + bias, -inf where hidden
 *     queries |   S   |   S   |             m' = max(m, max S)
 *             +-------+-------+--           l' = l e^(m - m') + sum of e^(S - m')
 *                                           O' = O e^(m - m') + e^(S - m') V,  in the end O / l
 *
 * The gradient makes the weights P = e^(S - m) / l again. With dO given and Z the factors of dropout
 * (1 without):
 *
 *     dV = (P Z)^T dO,  dP = (dO V^T) Z,  dS = P (dP - sum of P dP),  dQ = scale dS K,  dK = scale dS^T Q
 *
 * where the sum over the keys is that of O dO over the width. A unit of it is one of the batch, so that
 * dK and dV are added up in the order of the queries whoever computes them.
 *
 * Where all keys fit one tile every step is the one that Softmax, MatMul and their gradients make, in
 * their order: the bits are theirs. */
#ifdef REAL

/* The matrices of one of the batch. */
typedef struct NAME(one) {
    const REAL *query, *key, *value, *bias;
    const bool *hide;
    uint64_t row;     /* of random numbers ... */
    int64_t first;    /* ... and the number of the first weight */
} NAME(one);

static const REAL *NAME(matrix)(const attend *a, const side *s, int64_t b)
{
    return s->data ? (const REAL *)s->data + op_at(b, a->lead, a->dim, s->step) : NULL;
}

static NAME(one) NAME(one_of)(const attend *a, int64_t b)
{
    const gr_random *r = &a->call->random;
    int64_t each = a->batches / (r->rows > 0 ? r->rows : 1);
    NAME(one) o = {.query = NAME(matrix)(a, &a->query, b), .key = NAME(matrix)(a, &a->key, b), .value = NAME(matrix)(a, &a->value, b),
                   .bias = NAME(matrix)(a, &a->bias, b), .row = r->row + (uint64_t)(b / each), .first = b % each * a->queries * a->keys};
    if (a->hide.data) o.hide = (const bool *)a->hide.data + op_at(b, a->lead, a->dim, a->hide.step);
    return o;
}

static void NAME(load)(const REAL *from, int64_t rs, int64_t cs, int64_t rows, int64_t cols, REAL scale, REAL *to)
{
    for (int64_t i = 0; i < rows; i++, from += rs, to += cols)
        for (int64_t j = 0; j < cols; j++) to[j] = from[j * cs] * scale;
}

static void NAME(times)(const attend *a, const gr_gemm *g, int64_t m, int64_t n, int64_t k)
{
    gr_gemm p = *g;
    p.dtype = sizeof(REAL) == sizeof(float) ? GR_FLOAT32 : GR_FLOAT64;
    p.m = m, p.n = n, p.k = k, p.c_cs = 1, p.scratch = a->gemm;
    a->call->math->gemm(&p);
}

/* The scores of a tile as the masks leave them; query: its rows, scaled. */
static void NAME(scores)(const attend *a, const NAME(one) *o, const tile *t, const REAL *query, REAL *s)
{
    NAME(times)(a, &(gr_gemm){.a = query, .a_rs = a->width, .a_cs = 1, .b = o->key + t->col * a->key.rs, .b_rs = a->key.cs,
                              .b_cs = a->key.rs, .c = s, .c_rs = t->cols}, t->rows, t->cols, a->width);
    for (int64_t i = t->row; i < t->row + t->rows; i++, s += t->cols) {
        for (int64_t j = 0; o->bias && j < t->cols; j++) s[j] += o->bias[i * a->bias.rs + (t->col + j) * a->bias.cs];
        for (int64_t j = 0; o->hide && j < t->cols; j++)
            if (o->hide[i * a->hide.rs + (t->col + j) * a->hide.cs]) s[j] = -INFINITY;
        for (int64_t j = i + 1 > t->col ? i + 1 - t->col : 0; a->causal && j < t->cols; j++) s[j] = -INFINITY;
    }
}

/* The factors that dropout multiplies a row of weights by. */
static void NAME(factors)(const attend *a, const NAME(one) *o, int64_t row, const tile *t, REAL *z)
{
    REAL keep = a->dropout < 1 ? (REAL)(1 / (1 - a->dropout)) : 0;
    float p = (float)a->dropout;
    a->call->math->uniform_f32(a->call->random.key, o->row, o->first + row * a->keys + t->col, a->uniform, t->cols);
    for (int64_t j = 0; j < t->cols; j++) z[j] = a->uniform[j] < p ? 0 : keep;
}

/* What is taken from a row's scores; a row that has seen nothing yet has no largest one. */
static REAL NAME(shift)(REAL largest) { return largest == -INFINITY ? 0 : largest; }

/* Takes the scores x of a row in: they become exponentials. Gives the factor of what was summed before. */
static REAL NAME(take)(const attend *a, REAL *x, int64_t n, REAL *largest, REAL *total)
{
    REAL before = *largest, top = a->call->math->MATH(max)(x, n), factor;
    if (!(top > before) && top == top) top = before;
    factor = before - NAME(shift)(top);
    if (before == -INFINITY) factor = 0;
    else a->call->math->MATH(exp)(&factor, &factor, 1);
    *total = *total * factor + a->call->math->MATH(exp_sum)(x, x, NAME(shift)(top), n);
    *largest = top;
    return factor;
}

/* x / total; a row that is masked throughout, whose total is 0, becomes zeros or NaN. */
static void NAME(divide)(const attend *a, const REAL *x, int64_t n, REAL total, REAL *to)
{
    if (total == 0 && a->safe) memset(to, 0, sizeof *to * (size_t)n);
    else a->call->math->MATH(divide)(to, x, total, n);
}

static void NAME(attend_unit)(const attend *a, const rooms *r, int64_t b, int64_t row, int64_t rows)
{
    NAME(one) o = NAME(one_of)(a, b);
    REAL *q = r->query, *s = r->scores, *sum = r->sum, *z = r->factors, *out = (REAL *)(uintptr_t)NAME(matrix)(a, &a->output, b) + row * a->output.rs;
    REAL *largest = (REAL *)a->call->out[1].data + b * a->queries + row, *total = (REAL *)a->call->out[2].data + b * a->queries + row;
    bool all = a->keys <= a->cols; /* one tile */
    NAME(load)(o.query + row * a->query.rs, a->query.rs, a->query.cs, rows, a->width, (REAL)a->scale, q);
    for (int64_t i = 0; i < rows; i++) largest[i] = -INFINITY, total[i] = 0;
    for (int64_t i = 0; i < rows && !a->keys; i++) memset(out + i * a->output.rs, 0, sizeof *out * (size_t)a->size);
    for (int64_t col = 0; col < a->keys && !(a->causal && col >= row + rows); col += a->cols) {
        tile t = {row, rows, col, op_smaller(a->cols, a->keys - col)};
        NAME(scores)(a, &o, &t, q, s);
        for (int64_t i = 0; i < rows; i++) {
            REAL *x = s + i * t.cols, factor = NAME(take)(a, x, t.cols, &largest[i], &total[i]);
            if (all) NAME(divide)(a, x, t.cols, total[i], x);
            if (a->dropout > 0) NAME(factors)(a, &o, row + i, &t, z);
            for (int64_t j = 0; a->dropout > 0 && j < t.cols; j++) x[j] *= z[j];
            for (int64_t j = 0; col > 0 && j < a->size; j++) sum[i * a->size + j] *= factor;
        }
        NAME(times)(a, &(gr_gemm){.a = s, .a_rs = t.cols, .a_cs = 1, .b = o.value + col * a->value.rs, .b_rs = a->value.rs, .b_cs = a->value.cs,
                                  .c = all ? out : sum, .c_rs = all ? a->output.rs : a->size, .accumulate = col > 0}, rows, a->size, t.cols);
    }
    for (int64_t i = 0; i < rows; i++) {
        if (!all) NAME(divide)(a, sum + i * a->size, a->size, total[i], out + i * a->output.rs);
        largest[i] = NAME(shift)(largest[i]);
    }
}

static void NAME(attend_run)(const gr_call *call)
{
    attend a = attend_of(call);
    rooms r = rooms_of(&a, false);
    int64_t tiles = a.rows ? (a.queries + a.rows - 1) / a.rows : 0;
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t row = u % tiles * a.rows;
        NAME(attend_unit)(&a, &r, u / tiles, row, op_smaller(a.rows, a.queries - row));
    }
}

/* ---- the gradient ---- */

/* What a tile adds to: rows of the outputs, each with its distance to the next one. */
typedef struct NAME(grads) {
    REAL *query, *key, *value;
    int64_t query_rs, key_rs, value_rs;
} NAME(grads);

/* Scores s become weights, and those times the factors of dropout (pz: s itself without); dp becomes dS. */
static void NAME(back_rows)(const attend *a, const rooms *r, const NAME(one) *o, int64_t b, const tile *t)
{
    REAL *s = r->scores, *dp = r->grad_scores, *pz = r->dropped, *z = r->factors, *delta = r->delta;
    const REAL *largest = NAME(matrix)(a, &a->largest, b), *total = NAME(matrix)(a, &a->total, b);
    for (int64_t i = 0; i < t->rows; i++, s += t->cols, dp += t->cols, pz += t->cols) {
        int64_t row = t->row + i;
        a->call->math->MATH(exp_sum)(s, s, largest[row * a->largest.rs], t->cols);
        NAME(divide)(a, s, t->cols, total[row * a->total.rs], s);
        if (a->dropout > 0) NAME(factors)(a, o, row, t, z);
        for (int64_t j = 0; a->dropout > 0 && j < t->cols; j++) pz[j] = s[j] * z[j], dp[j] *= z[j];
        REAL sum = a->keys <= a->cols ? a->call->math->MATH(dot)(dp, s, t->cols) : delta[row];
        for (int64_t j = 0; j < t->cols; j++) dp[j] = s[j] * (dp[j] - sum);
    }
}

/* first: the first tile of these keys. */
static void NAME(back_tile)(const attend *a, const rooms *r, const NAME(one) *o, int64_t b, const tile *t, const NAME(grads) *g, bool first)
{
    REAL *q = r->query, *d = r->grad, *dq = r->sum, *to = g->query + t->row * g->query_rs;
    const REAL *from = NAME(matrix)(a, &a->grad, b) + t->row * a->grad.rs;
    NAME(load)(o->query + t->row * a->query.rs, a->query.rs, a->query.cs, t->rows, a->width, (REAL)a->scale, q);
    NAME(load)(from, a->grad.rs, a->grad.cs, t->rows, a->size, 1, d);
    NAME(scores)(a, o, t, q, r->scores);
    NAME(times)(a, &(gr_gemm){.a = d, .a_rs = a->size, .a_cs = 1, .b = o->value + t->col * a->value.rs, .b_rs = a->value.cs, .b_cs = a->value.rs,
                              .c = r->grad_scores, .c_rs = t->cols}, t->rows, t->cols, a->size);
    NAME(back_rows)(a, r, o, b, t);
    NAME(times)(a, &(gr_gemm){.a = r->dropped, .a_rs = 1, .a_cs = t->cols, .b = d, .b_rs = a->size, .b_cs = 1, .c = g->value + t->col * g->value_rs,
                              .c_rs = g->value_rs, .accumulate = !first}, t->cols, a->size, t->rows);
    NAME(times)(a, &(gr_gemm){.a = r->grad_scores, .a_rs = 1, .a_cs = t->cols, .b = q, .b_rs = a->width, .b_cs = 1, .c = g->key + t->col * g->key_rs,
                              .c_rs = g->key_rs, .accumulate = !first}, t->cols, a->width, t->rows);
    NAME(times)(a, &(gr_gemm){.a = r->grad_scores, .a_rs = t->cols, .a_cs = 1, .b = o->key + t->col * a->key.rs, .b_rs = a->key.rs,
                              .b_cs = a->key.cs, .c = dq, .c_rs = a->width}, t->rows, a->width, t->cols);
    for (int64_t i = 0; i < t->rows; i++, to += g->query_rs, dq += a->width)
        for (int64_t j = 0; j < a->width; j++) to[j] = (t->col ? to[j] : 0) + dq[j] * (REAL)a->scale;
}

static void NAME(clear)(REAL *to, int64_t rs, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows; i++) memset(to + i * rs, 0, sizeof *to * (size_t)cols);
}

static void NAME(back_unit)(const attend *a, const rooms *r, int64_t b)
{
    NAME(one) o = NAME(one_of)(a, b);
    NAME(grads) g = {.query_rs = a->grad_query.rs, .key_rs = a->grad_key.rs, .value_rs = a->grad_value.rs};
    g.query = (REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_query, b);
    g.key = (REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_key, b);
    g.value = (REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_value, b);
    const REAL *output = NAME(matrix)(a, &a->output, b), *grad = NAME(matrix)(a, &a->grad, b);
    REAL *delta = r->delta, *x = r->sum;
    for (int64_t i = 0; i < a->queries && a->keys > a->cols; i++) {
        NAME(load)(grad + i * a->grad.rs, 0, a->grad.cs, 1, a->size, 1, x);
        NAME(load)(output + i * a->output.rs, 0, a->output.cs, 1, a->size, 1, x + a->size);
        delta[i] = a->call->math->MATH(dot)(x, x + a->size, a->size);
    }
    if (!a->keys) NAME(clear)(g.query, g.query_rs, a->queries, a->width);
    for (int64_t col = 0; col < a->keys; col += a->cols) {
        int64_t cols = op_smaller(a->cols, a->keys - col), first = a->causal && a->rows ? col / a->rows * a->rows : 0;
        if (first >= a->queries) {
            NAME(clear)(g.key + col * g.key_rs, g.key_rs, cols, a->width);
            NAME(clear)(g.value + col * g.value_rs, g.value_rs, cols, a->size);
        }
        for (int64_t row = first; row < a->queries; row += a->rows) {
            tile t = {row, op_smaller(a->rows, a->queries - row), col, cols};
            NAME(back_tile)(a, r, &o, b, &t, &g, row == first);
        }
    }
}

static void NAME(attend_back_run)(const gr_call *call)
{
    attend a = attend_of(call);
    rooms r = rooms_of(&a, true);
    for (int64_t b = call->begin; b < call->end; b++) NAME(back_unit)(&a, &r, b);
}

#else
#include "attention.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { TILE = 128, WHOLE = 16 }; /* of a tile: the most rows or columns; what they are a multiple of */
enum { QUERY, KEY, VALUE, HIDE, BIAS, LARGEST, TOTAL, OUTPUT, GRAD_OUTPUT };
enum { DIM, SCALE, CAUSAL, SAFE, DROPOUT };

/* ---- places ---- */

/* A tensor as matrices [steps, width], one for each of the batch; strides in elements. */
typedef struct side {
    void *data;                 /* NULL: absent */
    int64_t step[GR_MAX_RANK];  /* of the batch's axes */
    int64_t rs, cs;
} side;

typedef struct attend {
    const gr_call *call;
    int lead;                   /* the batch's axes */
    int64_t dim[GR_MAX_RANK], batches;
    int64_t queries, keys, width, size;
    int64_t rows, cols;         /* of a tile */
    side query, key, value, hide, bias, output;
    side largest, total;        /* as the gradient is given them */
    side grad, grad_query, grad_key, grad_value;
    bool causal, safe;
    double scale, dropout;
    float *uniform;             /* these two are scratch */
    void *gemm;
} attend;

typedef struct tile { int64_t row, rows, col, cols; } tile;

/* Scratch of one worker. */
typedef struct rooms {
    void *query, *scores, *sum, *factors;        /* [rows, width], [rows, cols], [rows, size or width], [cols] */
    void *grad, *grad_scores, *dropped, *delta;  /* [rows, size], [rows, cols], [rows, cols], [queries] */
    size_t bytes;
} rooms;

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* As few tiles as can be, as even as can be. */
static int64_t tile_length(int64_t n)
{
    int64_t tiles = (n + TILE - 1) / TILE;
    return tiles ? ((n + tiles - 1) / tiles + WHOLE - 1) / WHOLE * WHOLE : 0;
}

/* dim: the axis of steps, from the end; the width is the last one. */
static side side_of(const gr_tensor *t, int64_t dim)
{
    side s = {.data = t->data};
    int at = t->rank + (int)dim, n = 0;
    for (int i = 0; i < t->rank - 1; i++)
        if (i != at) s.step[n++] = t->stride[i];
    s.rs = t->stride[at], s.cs = t->stride[t->rank - 1];
    return s;
}

/* A number for each step, the steps on the last axis. */
static side row_of(const gr_tensor *t)
{
    side s = {.data = t->data, .rs = t->stride[t->rank - 1]};
    for (int i = 0; i < t->rank - 1; i++) s.step[i] = t->stride[i];
    return s;
}

/* Steps stand before the last axis; an axis of length 1 repeats. */
static side mask_of(const gr_tensor *t)
{
    gr_tensor r = *t;
    for (int i = 0; i < r.rank; i++)
        if (r.dim[i] == 1) r.stride[i] = 0;
    return t->data ? side_of(&r, -2) : (side){0};
}

static attend attend_of(const gr_call *call)
{
    const gr_tensor *q = &call->in[QUERY], *k = &call->in[KEY], *v = &call->in[VALUE];
    int64_t dim = call->attr[DIM].i;
    attend a = {.call = call, .lead = q->rank - 2, .batches = 1, .queries = q->dim[q->rank + dim], .keys = k->dim[k->rank + dim],
                .width = q->dim[q->rank - 1], .size = v->dim[v->rank - 1], .causal = call->attr[CAUSAL].i, .safe = call->attr[SAFE].i,
                .scale = call->attr[SCALE].f, .dropout = call->attr[DROPOUT].f};
    for (int i = 0, n = 0; i < q->rank - 1; i++)
        if (i != q->rank + dim) a.batches *= a.dim[n++] = q->dim[i];
    a.query = side_of(q, dim), a.key = side_of(k, dim), a.value = side_of(v, dim);
    a.hide = mask_of(&call->in[HIDE]), a.bias = mask_of(&call->in[BIAS]);
    a.rows = tile_length(a.queries), a.cols = tile_length(a.keys);
    if (call->num_in <= LARGEST) {
        a.output = side_of(&call->out[0], dim);
        return a;
    }
    a.largest = row_of(&call->in[LARGEST]), a.total = row_of(&call->in[TOTAL]);
    a.output = side_of(&call->in[OUTPUT], dim), a.grad = side_of(&call->in[GRAD_OUTPUT], dim);
    a.grad_query = side_of(&call->out[0], dim), a.grad_key = side_of(&call->out[1], dim), a.grad_value = side_of(&call->out[2], dim);
    return a;
}

/* Room for so many elements of `size` bytes at the end of what is taken already. */
static void *take_room(const attend *a, size_t *bytes, int64_t elements, size_t size)
{
    char *at = (char *)a->call->scratch + *bytes;
    *bytes += ((size_t)elements * size + 63) / 64 * 64;
    return at;
}

static size_t gemm_room(const attend *a, gr_dtype dtype)
{
    int64_t wide = larger(a->width, a->size), m[3] = {a->rows, a->rows, a->cols}, n[3] = {a->cols, wide, wide}, k[3] = {wide, a->cols, a->rows};
    size_t most = 0;
    for (int i = 0; i < 3; i++) {
        size_t bytes = a->call->math->gemm_scratch(dtype, m[i], n[i], k[i]);
        if (bytes > most) most = bytes;
    }
    return most;
}

static rooms rooms_of(attend *a, bool back)
{
    size_t size = gr_dtype_size(a->call->in[QUERY].dtype), n = 0;
    rooms r = {.query = take_room(a, &n, a->rows * a->width, size), .scores = take_room(a, &n, a->rows * a->cols, size)};
    r.sum = take_room(a, &n, larger(a->rows, 2) * larger(a->width, a->size), size);
    r.factors = take_room(a, &n, a->cols, size);
    a->uniform = take_room(a, &n, a->cols, sizeof *a->uniform);
    r.dropped = back && a->dropout > 0 ? take_room(a, &n, a->rows * a->cols, size) : r.scores;
    if (back) {
        r.grad = take_room(a, &n, a->rows * a->size, size), r.grad_scores = take_room(a, &n, a->rows * a->cols, size);
        r.delta = take_room(a, &n, a->queries, size);
    }
    a->gemm = take_room(a, &n, 0, 1);
    r.bytes = n + gemm_room(a, a->call->in[QUERY].dtype);
    return r;
}

#define GR_KERNELS "attend.c"
#include <graphrun/each_real.h>

static int64_t attend_units(const gr_call *call)
{
    attend a = attend_of(call);
    return a.rows ? a.batches * ((a.queries + a.rows - 1) / a.rows) : 0;
}

static int64_t attend_back_units(const gr_call *call) { return attend_of(call).batches; }

static size_t scratch_of(const gr_call *call, bool back)
{
    attend a = attend_of(call);
    return rooms_of(&a, back).bytes;
}

static size_t attend_scratch(const gr_call *call) { return scratch_of(call, false); }
static size_t attend_back_scratch(const gr_call *call) { return scratch_of(call, true); }

/* As the cost model counts kernels, by simple operations on an element; in small products one takes the time
 * of two multiplications and additions. */
static double cost_of(const gr_call *call, double products_of_width, double products_of_size, double each)
{
    attend a = attend_of(call);
    double scores = (double)a.batches * (double)a.queries * (double)a.keys * (a.causal ? 0.6 : 1);
    return scores * (each + 0.5 * (products_of_width * (double)a.width + products_of_size * (double)a.size));
}

static double attend_flops(const gr_call *call) { return cost_of(call, 1, 1, 10); }
static double attend_back_flops(const gr_call *call) { return cost_of(call, 3, 2, 14); }

/* ---- types ---- */

#define INPUTS                                                                                                                   \
    {"query", 0, "[batch..., queries, width], the steps on axis dim"}, {"key", 0, "[batch..., keys, width]"},                    \
    {"value", 0, "[batch..., keys, size]"},                                                                                      \
    {"hide", GR_PORT_OPTIONAL | GR_PORT_BOOL, "[batch..., queries, keys]: true where a query may not look; axes of length 1 repeat"}, \
    {"bias", GR_PORT_OPTIONAL, "[batch..., queries, keys]: added to the scores; axes of length 1 repeat"}
#define STATISTICS {"largest", 0, "[batch..., queries]: the largest score of each query, 0 of one that sees no key"}, {"total", 0, "[batch..., queries]: sum of e^(score - largest)"}
#define AS_QUERY "[batch..., queries, size], the steps on axis dim"
static const gr_port inputs[] = {INPUTS, OP_END};
static const gr_port outputs[] = {{"output", 0, AS_QUERY}, STATISTICS, OP_END};
static const gr_port back_inputs[] = {INPUTS, STATISTICS, {"output", 0, AS_QUERY}, {"grad_output", 0, AS_QUERY}, OP_END};
static const gr_port back_outputs[] = {{"grad_query", 0, "[...]: as query"}, {"grad_key", 0, "[...]: as key"}, {"grad_value", 0, "[...]: as value"}, OP_END};

/* A mask that broadcasts to scores [batch..., queries, keys] of `want`. */
static int attend_mask_fits(gr_ctx *c, int port, gr_dtype dtype, const gr_type *want)
{
    if (!gr_count(c, port)) return 0;
    const gr_type *t = gr_in_type(c, port);
    bool fits = t->rank == want->rank && t->dtype == dtype;
    for (int i = 0; fits && i < t->rank; i++) fits = t->dim[i] == 1 || t->dim[i] == want->dim[i];
    return fits ? 0 : gr_fail(c, GR_AT_INPUT, inputs[port].name, "'%s' must be of the scores' shape or of length 1 where it repeats: %s, but is %s",
                              inputs[port].name, op_type_text(c, want), op_type_text(c, t));
}

/* out: as the output; row: as the statistics. */
static int attend_types(gr_ctx *c, gr_type *out, gr_type *row)
{
    const gr_type *q = gr_in_type(c, QUERY), *k = gr_in_type(c, KEY), *v = gr_in_type(c, VALUE);
    for (int p = QUERY; p <= VALUE; p++)
        if (op_need_float(c, p) < 0) return -1;
    int at = op_dim(c, "dim", gr_int(c, "dim"), q->rank, 0), n = 0;
    if (at < 0) return -1;
    if (at > q->rank - 2) return gr_fail(c, GR_AT_ATTR, "dim", "the axis of the steps cannot be the last one, which is the width");
    gr_set_attr_int(c, "dim", at - q->rank);
    bool fits = k->rank == q->rank && v->rank == q->rank && k->dim[k->rank - 1] == q->dim[q->rank - 1];
    *row = (gr_type){.dtype = q->dtype, .rank = q->rank - 1};
    *out = *q;
    for (int i = 0; fits && i < q->rank - 1; i++) {
        fits = k->dim[i] == v->dim[i] && (i == at || k->dim[i] == q->dim[i]);
        if (i != at) row->dim[n] = q->dim[i], row->axis[n++] = q->axis[i];
    }
    if (!fits)
        return gr_fail(c, GR_AT_NODE, NULL, "query %s, key %s and value %s must have the same axes but for the steps, and query and key one width",
                       op_type_text(c, q), op_type_text(c, k), op_type_text(c, v));
    row->dim[n] = q->dim[at], row->axis[n] = q->axis[at];
    out->dim[q->rank - 1] = v->dim[v->rank - 1], out->axis[q->rank - 1] = v->axis[v->rank - 1];
    gr_type scores = *row;
    scores.dim[scores.rank++] = k->dim[at];
    return attend_mask_fits(c, HIDE, GR_BOOL, &scores) < 0 ? -1 : attend_mask_fits(c, BIAS, q->dtype, &scores);
}

static int attend_infer(gr_ctx *c)
{
    gr_type out, row;
    if (attend_types(c, &out, &row) < 0) return -1;
    return gr_set_output(c, 0, &out) < 0 || gr_set_output(c, 1, &row) < 0 ? -1 : gr_set_output(c, 2, &row);
}

static bool same_dims(const gr_type *a, const gr_type *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) == 0;
}

static int attend_back_infer(gr_ctx *c)
{
    gr_type out, row;
    if (attend_types(c, &out, &row) < 0) return -1;
    for (int p = LARGEST; p <= GRAD_OUTPUT; p++)
        if (!same_dims(gr_in_type(c, p), p <= TOTAL ? &row : &out))
            return gr_fail(c, GR_AT_INPUT, back_inputs[p].name, "'%s' must be what Attend gives for these inputs, but is %s", back_inputs[p].name,
                           op_type_text(c, gr_in_type(c, p)));
    for (int p = QUERY; p <= VALUE; p++)
        if (gr_set_output(c, p, gr_in_type(c, p)) < 0) return -1;
    return 0;
}

/* ---- gradient ---- */

static gr_val optional(gr_ctx *c, int port) { return gr_count(c, port) ? gr_in(c, port) : NULL; }

static gr_val product(gr_ctx *c, gr_val a, gr_val b, bool ta, bool tb)
{
    gr_val in[2] = {a, b};
    return gr_emit(c, "MatMul", NULL, 2, in, "transpose_a=%s, transpose_b=%s", ta ? "true" : "false", tb ? "true" : "false");
}

/* d(largest) reaches the largest score, ties share it; d(total) all of them, since total = sum of
 * e^(score - largest). */
static gr_val statistics_gradient(gr_ctx *c, gr_val scores, gr_val grad)
{
    gr_val top = op_unsqueeze(c, gr_out(c, 1), -1), total = op_unsqueeze(c, gr_out(c, 2), -1), g[2] = {gr_grad(c, 1), gr_grad(c, 2)};
    gr_val is_top = gr_emit(c, "Cast", NULL, 1, (gr_val[]){gr_emit2(c, "Equal", scores, top)}, "dtype=float32");
    gr_val ties = gr_emit2(c, "Maximum", gr_emit(c, "Sum", NULL, 1, &is_top, "dim=-1, keepdim=true"), op_number(c, 1));
    is_top = gr_emit2(c, "Div", is_top, ties);
    if (g[0]) grad = gr_emit2(c, "Add", grad, gr_emit2(c, "Mul", op_unsqueeze(c, g[0], -1), is_top));
    if (!g[1]) return grad;
    gr_val slope = gr_emit2(c, "Sub", gr_emit1(c, "Exp", gr_emit2(c, "Sub", scores, top)), gr_emit2(c, "Mul", is_top, total));
    return gr_emit2(c, "Add", grad, gr_emit2(c, "Mul", op_unsqueeze(c, g[1], -1), slope));
}

/* Where the gradient toward the scores themselves is needed: by the ops that make it whole. */
static int plain_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, QUERY);
    int dim = (int)gr_int(c, "dim"), at = t->rank + dim;
    op_mask mask = {.hide = optional(c, HIDE), .bias = optional(c, BIAS)};
    double scale = gr_float(c, "scale"), p = gr_float(c, "dropout");
    if (gr_bool(c, "is_causal")) op_mask_causal(&mask, t->dim[at], gr_in_type(c, KEY)->dim[at]);
    gr_val q = op_scale(c, op_steps_last(c, gr_in(c, QUERY), dim), scale), k = op_steps_last(c, gr_in(c, KEY), dim);
    gr_val v = op_steps_last(c, gr_in(c, VALUE), dim), g = gr_grad(c, 0) ? op_steps_last(c, gr_grad(c, 0), dim) : NULL;
    gr_val scores = op_mask_apply(c, &mask, product(c, q, k, false, true)), kept = NULL;
    gr_val weights = gr_emit(c, "Softmax", NULL, 1, &scores, "dim=-1, safe=%s", gr_bool(c, "safe") ? "true" : "false");
    if (p > 0) gr_draw_as(c, kept = gr_emit(c, "DropoutMask", NULL, 1, &weights, "p=%.17g", p), NULL);
    gr_val ds = op_scale(c, weights, 0), dropped = kept ? gr_emit2(c, "Mul", weights, kept) : weights;
    if (g) {
        gr_val dp = product(c, g, v, false, true), in[2] = {weights, kept ? gr_emit2(c, "Mul", dp, kept) : dp};
        ds = gr_emit(c, "SoftmaxGradient", NULL, 2, in, "dim=-1");
        if (gr_set_grad(c, VALUE, 0, op_steps_back(c, product(c, dropped, g, true, false), dim)) < 0) return -1;
    }
    ds = statistics_gradient(c, scores, ds);
    if (mask.bias && gr_set_grad(c, BIAS, 0, op_sum_to(c, ds, gr_in_type(c, BIAS))) < 0) return -1;
    if (gr_set_grad(c, KEY, 0, op_steps_back(c, product(c, ds, q, true, false), dim)) < 0) return -1;
    return gr_set_grad(c, QUERY, 0, op_steps_back(c, op_scale(c, product(c, ds, k, false, false), scale), dim));
}

static int attend_gradient(gr_ctx *c)
{
    if (gr_grad(c, 1) || gr_grad(c, 2) || gr_wants(c, BIAS, 0)) return plain_gradient(c);
    gr_val in[9] = {gr_in(c, QUERY), gr_in(c, KEY), gr_in(c, VALUE), optional(c, HIDE), optional(c, BIAS),
                    gr_out(c, 1), gr_out(c, 2), gr_out(c, 0), gr_grad(c, 0)};
    gr_val d = gr_emit(c, "AttendGradient", NULL, 9, in, "dim=%d, scale=%.17g, is_causal=%s, safe=%s, dropout=%.17g", (int)gr_int(c, "dim"),
                       gr_float(c, "scale"), gr_bool(c, "is_causal") ? "true" : "false", gr_bool(c, "safe") ? "true" : "false", gr_float(c, "dropout"));
    gr_draw_as(c, d, NULL);
    for (int p = QUERY; p <= VALUE; p++)
        if (gr_set_grad(c, p, 0, gr_output(c, d, p)) < 0) return -1;
    return 0;
}

/* ---- descriptors ---- */

static const gr_attr_spec attrs[] = {
    {"dim", GR_ATTR_INT, "-2", 0, 0, NULL, "The axis of the steps; all others but the last one are the batch's."},
    {"scale", GR_ATTR_FLOAT, "1", 0, 0, NULL, "What the query is multiplied by."},
    {"is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "Query i sees the keys 0 to i alone."},
    {"safe", GR_ATTR_BOOL, "false", 0, 0, NULL, "A query that sees no key gets zeros, not NaN."},
    {"dropout", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Probability that a weight becomes 0; the others are scaled up."},
    OP_END};
#define TRAITS .attrs = attrs, .traits = GR_ROWWISE | GR_STRIDED | GR_RANDOM
#define REALS(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}

extern const gr_op gr_op_attend, gr_op_attend_gradient;
const gr_op gr_op_attend = {GR_OP_HEADER, .name = "Attend", .summary = "Values mixed by how well their keys match each query, in tiles.",
    .formula = "softmax(scale query key^T + bias) value, the scores never whole", .reference = "Dao et al. 2022; Milakov and Gimelshein 2018",
    .inputs = inputs, .outputs = outputs, TRAITS, .infer = attend_infer, .gradient = attend_gradient, .units = attend_units,
    .scratch = attend_scratch, .flops = attend_flops, .kernels = REALS(attend_run),
    .kind = "internal"};
const gr_op gr_op_attend_gradient = {GR_OP_HEADER, .name = "AttendGradient", .summary = "The gradients of Attend, which makes the weights again.",
    .reference = "Dao et al. 2022", .inputs = back_inputs, .outputs = back_outputs, TRAITS, .infer = attend_back_infer,
    .units = attend_back_units, .scratch = attend_back_scratch, .flops = attend_back_flops, .kernels = REALS(attend_back_run),
    .kind = "internal"};
#endif
