/* attend_tiles.c - softmax(scale query key^T, masked) value in tiles, without the scores of all at once.
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
 * What products read of the keys and values is packed once for all tiles of queries that a call computes, and what
 * they add to for several tiles lies dense: steps of a tensor [time, batch, width] are so far apart that few of
 * them share a cache.
 *
 * AttendPast is the same for the last few queries of a sequence, whose keys and values, those before included, stand at the
 * beginning of something longer.
 *
 * Where all keys fit one tile every step is the one that Softmax, MatMul and their gradients make, in
 * their order: the bits are theirs. */
#ifdef REAL

static const gr_dtype NAME(dtype) = sizeof(REAL) == sizeof(float) ? GR_FLOAT32 : GR_FLOAT64;

/* The matrices of one of the batch. */
typedef struct NAME(one) {
    const REAL *query, *key, *value, *bias;
    const bool *hide;
    bool packed;      /* keys and values, tile by tile */
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

/* The way back: to rows rs apart. */
static void NAME(spread)(const REAL *from, int64_t rows, int64_t cols, REAL scale, REAL *to, int64_t rs)
{
    for (int64_t i = 0; i < rows; i++, from += cols, to += rs)
        for (int64_t j = 0; j < cols; j++) to[j] = from[j] * scale;
}

static void NAME(times)(const attend *a, const gr_gemm *g, int64_t m, int64_t n, int64_t k)
{
    gr_gemm p = *g;
    p.dtype = NAME(dtype);
    p.m = m, p.n = n, p.k = k, p.c_cs = 1, p.scratch = a->gemm;
    a->call->math->gemm(&p);
}

/* Rows of `left`, rs apart, times b [., n]; packed: b as it is packed, or NULL. */
static gr_gemm NAME(product)(const REAL *left, int64_t rs, const REAL *b, int64_t b_rs, int64_t b_cs, const void *packed, int64_t n)
{
    return (gr_gemm){.a = left, .a_rs = rs, .a_cs = 1, .b = b, .b_rs = b_rs, .b_cs = b_cs, .packed = packed, .packed_n = n};
}

static void NAME(pack)(const attend *a, int64_t k, int64_t n, const REAL *b, int64_t rs, int64_t cs, void *to)
{
    a->call->math->gemm_pack(NAME(dtype), k, n, b, rs, cs, 0, n, to);
}

/* The keys and values of a tile as its products read them: K^T, V or for the gradient V^T, and K. */
static void NAME(pack_tiles)(const attend *a, const rooms *r, NAME(one) *o, int64_t seen)
{
    o->packed = true;
    for (int64_t col = 0; col < seen; col += a->cols) {
        const REAL *key = o->key + col * a->key.rs, *value = o->value + col * a->value.rs;
        int64_t cols = op_smaller(a->cols, a->keys - col);
        NAME(pack)(a, a->width, cols, key, a->key.cs, a->key.rs, packed_at(a, &r->keys_across, col));
        if (r->back) NAME(pack)(a, cols, a->width, key, a->key.rs, a->key.cs, packed_at(a, &r->keys, col));
        if (r->back) NAME(pack)(a, a->size, cols, value, a->value.cs, a->value.rs, packed_at(a, &r->values, col));
        else NAME(pack)(a, cols, a->size, value, a->value.rs, a->value.cs, packed_at(a, &r->values, col));
    }
}

/* The scores of a tile as the masks leave them; query: its rows, scaled. */
static void NAME(scores)(const attend *a, const rooms *r, const NAME(one) *o, const tile *t)
{
    REAL *s = r->scores;
    gr_gemm g = NAME(product)(r->query, a->width, o->key + t->col * a->key.rs, a->key.cs, a->key.rs,
                              o->packed ? packed_at(a, &r->keys_across, t->col) : NULL, t->cols);
    g.c = s, g.c_rs = t->cols;
    NAME(times)(a, &g, t->rows, t->cols, a->width);
    for (int64_t i = t->row; i < t->row + t->rows; i++, s += t->cols) {
        for (int64_t j = 0; o->bias && j < t->cols; j++) s[j] += o->bias[i * a->bias.rs + (t->col + j) * a->bias.cs];
        for (int64_t j = 0; o->hide && j < t->cols; j++)
            if (o->hide[i * a->hide.rs + (t->col + j) * a->hide.cs]) s[j] = -INFINITY;
        int64_t last = a->before + i; /* key that it sees */
        for (int64_t j = last < t->col ? 0 : last + 1 - t->col; a->causal && j < t->cols; j++) s[j] = -INFINITY;
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

/* A tile of scores becomes weights, and the rows' sums so far are scaled. */
static void NAME(weigh_tile)(const attend *a, const rooms *r, const NAME(one) *o, const tile *t, REAL *largest, REAL *total)
{
    REAL *s = r->scores, *sum = r->sum, *z = r->factors;
    for (int64_t i = 0; i < t->rows; i++) {
        REAL *x = s + i * t->cols, factor = NAME(take)(a, x, t->cols, &largest[i], &total[i]);
        if (a->keys <= a->cols) NAME(divide)(a, x, t->cols, total[i], x);
        if (a->dropout > 0) NAME(factors)(a, o, t->row + i, t, z);
        for (int64_t j = 0; a->dropout > 0 && j < t->cols; j++) x[j] *= z[j];
        for (int64_t j = 0; t->col > 0 && j < a->size; j++) sum[i * a->size + j] *= factor;
    }
}

static void NAME(attend_tile)(const attend *a, const rooms *r, const NAME(one) *o, int64_t b, int64_t row, int64_t rows)
{
    REAL *sum = r->sum, *out = (REAL *)(uintptr_t)NAME(matrix)(a, &a->output, b) + row * a->output.rs;
    REAL *largest = (REAL *)a->call->out[1].data + b * a->queries + row, *total = (REAL *)a->call->out[2].data + b * a->queries + row;
    bool all = a->keys <= a->cols; /* one tile */
    NAME(load)(o->query + row * a->query.rs, a->query.rs, a->query.cs, rows, a->width, (REAL)a->scale, r->query);
    for (int64_t i = 0; i < rows; i++) largest[i] = -INFINITY, total[i] = 0;
    for (int64_t i = 0; i < rows && !a->keys; i++) memset(out + i * a->output.rs, 0, sizeof *out * (size_t)a->size);
    for (int64_t col = 0; col < a->keys && !(a->causal && col >= a->before + row + rows); col += a->cols) {
        tile t = {row, rows, col, op_smaller(a->cols, a->keys - col)};
        NAME(scores)(a, r, o, &t);
        NAME(weigh_tile)(a, r, o, &t, largest, total);
        gr_gemm g = NAME(product)(r->scores, t.cols, o->value + col * a->value.rs, a->value.rs, a->value.cs,
                                  o->packed ? packed_at(a, &r->values, col) : NULL, a->size);
        g.c = all ? out : sum, g.c_rs = all ? a->output.rs : a->size, g.accumulate = col > 0;
        NAME(times)(a, &g, rows, a->size, t.cols);
    }
    for (int64_t i = 0; i < rows; i++) {
        if (!all) NAME(divide)(a, sum + i * a->size, a->size, total[i], out + i * a->output.rs);
        largest[i] = NAME(shift)(largest[i]);
    }
}

static void NAME(attend_tiles)(const attend *a, const rooms *r, const gr_call *call)
{
    int64_t tiles = tiles_of(a->queries, a->rows);
    for (int64_t u = call->begin, n; u < call->end; u += n) {
        int64_t row = u % tiles * a->rows, end = a->queries;
        NAME(one) o = NAME(one_of)(a, u / tiles);
        n = op_smaller(tiles - u % tiles, call->end - u);
        if (row + n * a->rows < end) end = row + n * a->rows;
        if (n > 1) NAME(pack_tiles)(a, r, &o, seen_keys(a, end));
        for (; row < end; row += a->rows) NAME(attend_tile)(a, r, &o, u / tiles, row, op_smaller(a->rows, end - row));
    }
}

void NAME(attend_run)(const gr_call *call)
{
    attend a = attend_of(call);
    rooms r = rooms_of(&a, false);
    NAME(attend_tiles)(&a, &r, call);
}

/* Scratch and tiles are those of all keys; what is computed is that of the keys that are there. */
void NAME(attend_past_run)(const gr_call *call)
{
    attend a = attend_of(call);
    rooms r = rooms_of(&a, false);
    int32_t first = a.queries ? *(const int32_t *)call->in[NUMBERS].data : 0;
    a.before = first > 0 ? op_smaller(first, larger(a.keys - a.queries, 0)) : 0;
    a.keys = op_smaller(a.keys, a.before + a.queries);
    NAME(attend_tiles)(&a, &r, call);
}

/* ---- the gradient ---- */

/* What tiles of keys add to, each with the distance of its rows: the outputs, or where several tiles of queries do,
 * rooms of their own. */
typedef struct NAME(grads) {
    REAL *key, *value;
    int64_t key_rs, value_rs;
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
    const REAL *q = r->query, *d = r->grad;
    const void *packed[4] = {NULL};
    if (o->packed) packed[0] = packed_at(a, &r->values, t->col), packed[1] = packed_at(a, &r->keys, t->col);
    if (a->keys > a->cols) packed[2] = r->grad_packed, packed[3] = r->query_packed;
    gr_gemm dp = NAME(product)(d, a->size, o->value + t->col * a->value.rs, a->value.cs, a->value.rs, packed[0], t->cols);
    gr_gemm dq = NAME(product)(r->grad_scores, t->cols, o->key + t->col * a->key.rs, a->key.rs, a->key.cs, packed[1], a->width);
    gr_gemm dv = NAME(product)(r->dropped, 1, d, a->size, 1, packed[2], a->size), dk = NAME(product)(r->grad_scores, 1, q, a->width, 1, packed[3], a->width);
    NAME(scores)(a, r, o, t);
    dp.c = r->grad_scores, dp.c_rs = t->cols;
    NAME(times)(a, &dp, t->rows, t->cols, a->size);
    NAME(back_rows)(a, r, o, b, t);
    dv.a_cs = dk.a_cs = t->cols, dv.accumulate = dk.accumulate = !first;
    dv.c = g->value + t->col * g->value_rs, dv.c_rs = g->value_rs;
    NAME(times)(a, &dv, t->cols, a->size, t->rows);
    dk.c = g->key + t->col * g->key_rs, dk.c_rs = g->key_rs;
    NAME(times)(a, &dk, t->cols, a->width, t->rows);
    dq.c = r->sum, dq.c_rs = a->width, dq.accumulate = t->col > 0;
    NAME(times)(a, &dq, t->rows, a->width, t->cols);
}

/* A tile of queries with all keys that it sees. */
static void NAME(back_queries)(const attend *a, const rooms *r, const NAME(one) *o, int64_t b, int64_t row, int64_t rows, const NAME(grads) *g)
{
    const REAL *grad = NAME(matrix)(a, &a->grad, b) + row * a->grad.rs;
    REAL *dq = r->sum, *to = (REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_query, b) + row * a->grad_query.rs;
    NAME(load)(o->query + row * a->query.rs, a->query.rs, a->query.cs, rows, a->width, (REAL)a->scale, r->query);
    NAME(load)(grad, a->grad.rs, a->grad.cs, rows, a->size, 1, r->grad);
    if (a->keys > a->cols) {
        NAME(pack)(a, rows, a->width, r->query, a->width, 1, r->query_packed);
        NAME(pack)(a, rows, a->size, r->grad, a->size, 1, r->grad_packed);
    }
    for (int64_t col = 0; col < a->keys && !(a->causal && col >= row + rows); col += a->cols) {
        tile t = {row, rows, col, op_smaller(a->cols, a->keys - col)};
        NAME(back_tile)(a, r, o, b, &t, g, a->causal ? row == col / a->rows * a->rows : row == 0);
    }
    NAME(spread)(dq, rows, a->width, (REAL)a->scale, to, a->grad_query.rs);
}

/* What has no key or no query has no gradient. */
static void NAME(clear)(REAL *to, int64_t rs, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows; i++) memset(to + i * rs, 0, sizeof *to * (size_t)cols);
}

/* For each query the sum of O dO. */
static void NAME(find_delta)(const attend *a, const rooms *r, int64_t b)
{
    const REAL *output = NAME(matrix)(a, &a->output, b), *grad = NAME(matrix)(a, &a->grad, b);
    REAL *delta = r->delta, *x = r->sum;
    for (int64_t i = 0; i < a->queries; i++) {
        NAME(load)(grad + i * a->grad.rs, 0, a->grad.cs, 1, a->size, 1, x);
        NAME(load)(output + i * a->output.rs, 0, a->output.cs, 1, a->size, 1, x + a->size);
        delta[i] = a->call->math->MATH(dot)(x, x + a->size, a->size);
    }
}

static void NAME(back_unit)(const attend *a, const rooms *r, int64_t b)
{
    NAME(one) o = NAME(one_of)(a, b);
    REAL *key = (REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_key, b), *value = (REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_value, b);
    NAME(grads) g = {key, value, a->grad_key.rs, a->grad_value.rs};
    bool several = a->queries > a->rows;
    int64_t seen = seen_keys(a, a->queries), rest = a->keys - seen;
    if (a->keys > a->cols) NAME(find_delta)(a, r, b);
    if (several) NAME(pack_tiles)(a, r, &o, seen);
    if (several) g = (NAME(grads)){r->key_sums, r->value_sums, a->width, a->size};
    if (!a->keys) NAME(clear)((REAL *)(uintptr_t)NAME(matrix)(a, &a->grad_query, b), a->grad_query.rs, a->queries, a->width);
    for (int64_t row = 0; row < a->queries && a->keys; row += a->rows)
        NAME(back_queries)(a, r, &o, b, row, op_smaller(a->rows, a->queries - row), &g);
    if (several) NAME(spread)(r->key_sums, seen, a->width, 1, key, a->grad_key.rs);
    if (several) NAME(spread)(r->value_sums, seen, a->size, 1, value, a->grad_value.rs);
    NAME(clear)(key + seen * a->grad_key.rs, a->grad_key.rs, rest, a->width);
    NAME(clear)(value + seen * a->grad_value.rs, a->grad_value.rs, rest, a->size);
}

void NAME(attend_back_run)(const gr_call *call)
{
    attend a = attend_of(call);
    rooms r = rooms_of(&a, true);
    for (int64_t b = call->begin; b < call->end; b++) NAME(back_unit)(&a, &r, b);
}

#else
#include "attend.h"
#include "util.h"

#include <math.h>
#include <string.h>

enum { TILE = 128, WHOLE = 16 }; /* of a tile: the most rows or columns; what they are a multiple of */

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
    int64_t before;             /* keys before that of query 0 */
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

/* Packed operands of products, one for each tile of keys. */
typedef struct packs { char *at; size_t each; } packs;

/* Scratch of one worker. */
typedef struct rooms {
    bool back;                                   /* for the gradient */
    void *query, *scores, *sum, *factors;        /* [rows, width], [rows, cols], [rows, size or width], [cols] */
    void *grad, *grad_scores, *dropped, *delta;  /* [rows, size], [rows, cols], [rows, cols], [queries] */
    packs keys_across, keys, values;
    void *query_packed, *grad_packed;            /* for several tiles of keys */
    void *key_sums, *value_sums;                 /* [keys, width], [keys, size], of several tiles of queries */
    size_t bytes;
} rooms;

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* As few tiles as can be, as even as can be. */
static int64_t tile_length(int64_t n)
{
    int64_t tiles = (n + TILE - 1) / TILE;
    return tiles ? ((n + tiles - 1) / tiles + WHOLE - 1) / WHOLE * WHOLE : 0;
}

static int64_t tiles_of(int64_t n, int64_t each) { return each ? (n + each - 1) / each : 0; }

/* Keys of the tiles that the first `queries` queries see some of. */
static int64_t seen_keys(const attend *a, int64_t queries)
{
    int64_t last = a->before + queries;
    if (!queries) return 0;
    return a->causal && last < a->keys ? op_smaller(tiles_of(last, a->cols) * a->cols, a->keys) : a->keys;
}

static void *packed_at(const attend *a, const packs *p, int64_t col) { return p->at + (size_t)(col / a->cols) * p->each; }

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
                .scale = call->attr[SCALE].f, .dropout = call->num_in == NUMBERS + 1 ? 0 : call->attr[DROPOUT].f};
    for (int i = 0, n = 0; i < q->rank - 1; i++)
        if (i != q->rank + dim) a.batches *= a.dim[n++] = q->dim[i];
    a.query = side_of(q, dim), a.key = side_of(k, dim), a.value = side_of(v, dim);
    a.hide = mask_of(&call->in[HIDE]), a.bias = mask_of(&call->in[BIAS]);
    a.rows = tile_length(a.queries), a.cols = tile_length(a.keys);
    if (call->num_in <= NUMBERS + 1) {
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

/* Room for `count` packed operands [k, n]. */
static packs take_packs(const attend *a, size_t *bytes, int64_t count, int64_t k, int64_t n)
{
    packs p = {.each = (a->call->math->gemm_packed_bytes(a->call->in[QUERY].dtype, k, n) + 63) / 64 * 64};
    p.at = take_room(a, bytes, count, p.each);
    return p;
}

/* What the gradient needs beside. */
static void add_back_rooms(const attend *a, rooms *r, size_t *bytes, size_t size)
{
    bool several = a->queries > a->rows;
    int64_t across = a->keys > a->cols;
    r->back = true;
    r->grad = take_room(a, bytes, a->rows * a->size, size), r->grad_scores = take_room(a, bytes, a->rows * a->cols, size);
    r->dropped = a->dropout > 0 ? take_room(a, bytes, a->rows * a->cols, size) : r->scores;
    r->delta = take_room(a, bytes, a->queries, size);
    r->keys = take_packs(a, bytes, several ? tiles_of(a->keys, a->cols) : 0, a->cols, a->width);
    r->query_packed = take_packs(a, bytes, across, a->rows, a->width).at, r->grad_packed = take_packs(a, bytes, across, a->rows, a->size).at;
    r->key_sums = take_room(a, bytes, several ? a->keys * a->width : 0, size);
    r->value_sums = take_room(a, bytes, several ? a->keys * a->size : 0, size);
}

static rooms rooms_of(attend *a, bool back)
{
    size_t size = gr_dtype_size(a->call->in[QUERY].dtype), n = 0;
    int64_t tiles = a->queries > a->rows ? tiles_of(a->keys, a->cols) : 0; /* whose operands are packed */
    rooms r = {.query = take_room(a, &n, a->rows * a->width, size), .scores = take_room(a, &n, a->rows * a->cols, size)};
    r.sum = take_room(a, &n, larger(a->rows, 2) * larger(a->width, a->size), size);
    r.factors = take_room(a, &n, a->cols, size);
    a->uniform = take_room(a, &n, a->cols, sizeof *a->uniform);
    r.keys_across = take_packs(a, &n, tiles, a->width, a->cols);
    r.values = back ? take_packs(a, &n, tiles, a->size, a->cols) : take_packs(a, &n, tiles, a->cols, a->size);
    if (back) add_back_rooms(a, &r, &n, size);
    a->gemm = take_room(a, &n, 0, 1);
    r.bytes = n + gemm_room(a, a->call->in[QUERY].dtype);
    return r;
}

#define GR_KERNELS "attend_tiles.c"
#include <graphrun/each_real.h>

int64_t attend_units(const gr_call *call)
{
    attend a = attend_of(call);
    return a.batches * tiles_of(a.queries, a.rows);
}

int64_t attend_back_units(const gr_call *call) { return attend_of(call).batches; }

static size_t scratch_of(const gr_call *call, bool back)
{
    attend a = attend_of(call);
    return rooms_of(&a, back).bytes;
}

size_t attend_scratch(const gr_call *call) { return scratch_of(call, false); }
size_t attend_back_scratch(const gr_call *call) { return scratch_of(call, true); }

/* As the cost model counts kernels, by simple operations on an element; in small products one takes the time
 * of two multiplications and additions. */
static double cost_of(const gr_call *call, double products_of_width, double products_of_size, double each)
{
    attend a = attend_of(call);
    double scores = (double)a.batches * (double)a.queries * (double)a.keys * (a.causal ? 0.6 : 1);
    return scores * (each + 0.5 * (products_of_width * (double)a.width + products_of_size * (double)a.size));
}

double attend_flops(const gr_call *call) { return cost_of(call, 1, 1, 10); }
double attend_back_flops(const gr_call *call) { return cost_of(call, 3, 2, 14); }
#endif
