/* tape.c - runs tapes: tile by tile, one vector loop an instruction.
 *
 *     inputs --(in place where dense, else copied)--> registers --> outputs
 *
 * `at[r]` is where the value of register r stands at the moment: in its own tile of scratch, or
 * in the memory of an input that lies dense, or in that of an output. Before the tiles, axes
 * that lie alike in all operands are merged. If the last axis is then long, tiles keep within
 * its rows, so that most operands are dense or constant in a tile; if it is short, tiles span
 * rows, and what is not dense as a whole is gathered.
 *
 * Invariant: nothing is written to an output that lies on an input's memory while a later
 * instruction of the tile reads that input there. */
#include "kernel/tape.h"
#include "kernel/isa.h"
#include <assert.h>
#include <string.h>

static const int arity_of[GR_TAPE_NUM_OPS] = {
#define X(name, arity) [GR_TAPE_##name] = arity,
    GR_TAPE_OPS(X)
#undef X
};

int gr_tape_op_arity(gr_tape_op op) { return arity_of[op]; }

#define MAX_OPERANDS (2 * GR_TAPE_MAX_REGS)
#define LONG_ROW 64

/* One input or output over the merged axes. */
typedef struct operand {
    char *data;
    gr_dtype dtype;
    uint8_t reg;
    bool constant, dense; /* over the whole space */
    bool passed_on;       /* input: stored as an output as it is */
    int last_use;         /* input: the last instruction that reads it where it was loaded */
    int final_def;        /* output: the last instruction that writes its register; -1: none */
    int64_t stride[GR_MAX_RANK];
} operand;

typedef struct state {
    const gr_tape *tape;
    const gr_isa *isa;
    gr_dtype real;
    size_t size; /* of a real */
    int rank;
    int64_t dim[GR_MAX_RANK];
    int64_t tile;
    uint64_t written; /* registers that some instruction writes */
    operand op[MAX_OPERANDS]; /* inputs, then outputs */
    char *own[GR_TAPE_MAX_REGS];
    char *at[GR_TAPE_MAX_REGS];
} state;

/* Elements a register holds: so few that all registers fit in half of a 32 KB L1. */
static int64_t tile_length(const gr_tape *t, gr_dtype real)
{
    int64_t n = 16384 / ((int64_t)gr_dtype_size(real) * (t->num_regs > 0 ? t->num_regs : 1));
    n = n / 64 * 64;
    return n > GR_TAPE_TILE ? GR_TAPE_TILE : n < 64 ? 64 : n;
}

size_t gr_tape_scratch(const gr_tape *t, gr_dtype real)
{
    return (size_t)t->num_regs * (size_t)tile_length(t, real) * gr_dtype_size(real) + 64;
}

/* ---- converting copies: n elements, strides in elements ---- */

#define COPY_LOOP(TO, FROM, expr)                                                           \
    do {                                                                                    \
        TO *d = dst;                                                                        \
        const FROM *s = src;                                                                \
        for (int64_t i = 0; i < n; i++) {                                                   \
            const FROM x = s[i * ss];                                                       \
            d[i * ds] = expr;                                                               \
        }                                                                                   \
    } while (0)

/* To int32 as a cast cuts it off; out of range: the nearest; NaN: 0. */
static int32_t to_int(double x)
{
    if (!(x > -2147483649.0)) return x != x ? 0 : INT32_MIN;
    return x < 2147483648.0 ? (int32_t)x : INT32_MAX;
}

static void load_f32(float *dst, const void *src, gr_dtype from, int64_t ss, int64_t n)
{
    enum { ds = 1 };
    if (from == GR_FLOAT32 && ss == 1) memcpy(dst, src, (size_t)n * sizeof *dst);
    else if (from == GR_FLOAT32) COPY_LOOP(float, float, x);
    else if (from == GR_FLOAT64) COPY_LOOP(float, double, (float)x);
    else if (from == GR_INT32) COPY_LOOP(float, int32_t, (float)x);
    else COPY_LOOP(float, uint8_t, (float)(x != 0));
}

static void load_f64(double *dst, const void *src, gr_dtype from, int64_t ss, int64_t n)
{
    enum { ds = 1 };
    if (from == GR_FLOAT64 && ss == 1) memcpy(dst, src, (size_t)n * sizeof *dst);
    else if (from == GR_FLOAT64) COPY_LOOP(double, double, x);
    else if (from == GR_FLOAT32) COPY_LOOP(double, float, x);
    else if (from == GR_INT32) COPY_LOOP(double, int32_t, x);
    else COPY_LOOP(double, uint8_t, x != 0);
}

static void load(gr_dtype real, void *dst, const void *src, gr_dtype from, int64_t ss, int64_t n)
{
    if (real == GR_FLOAT32) load_f32(dst, src, from, ss, n);
    else load_f64(dst, src, from, ss, n);
}

static void store_f32(void *dst, gr_dtype to, int64_t ds, const float *src, int64_t n)
{
    enum { ss = 1 };
    if (to == GR_FLOAT32 && ds == 1) memcpy(dst, src, (size_t)n * sizeof *src);
    else if (to == GR_FLOAT32) COPY_LOOP(float, float, x);
    else if (to == GR_FLOAT64) COPY_LOOP(double, float, x);
    else if (to == GR_INT32) COPY_LOOP(int32_t, float, to_int(x));
    else COPY_LOOP(uint8_t, float, x != 0);
}

static void store_f64(void *dst, gr_dtype to, int64_t ds, const double *src, int64_t n)
{
    enum { ss = 1 };
    if (to == GR_FLOAT64 && ds == 1) memcpy(dst, src, (size_t)n * sizeof *src);
    else if (to == GR_FLOAT64) COPY_LOOP(double, double, x);
    else if (to == GR_FLOAT32) COPY_LOOP(float, double, (float)x);
    else if (to == GR_INT32) COPY_LOOP(int32_t, double, to_int(x));
    else COPY_LOOP(uint8_t, double, x != 0);
}

static void store(gr_dtype real, void *dst, gr_dtype to, int64_t ds, const void *src, int64_t n)
{
    if (real == GR_FLOAT32) store_f32(dst, to, ds, src, n);
    else store_f64(dst, to, ds, src, n);
}

/* ---- preparing ---- */

static bool merges(const gr_tape_run *r, int outer, int inner)
{
    for (int i = 0; i < r->tape->num_in; i++)
        if (r->in[i].stride[outer] != r->in[i].stride[inner] * r->dim[inner]) return false;
    for (int i = 0; i < r->tape->num_out; i++)
        if (r->out[i].stride[outer] != r->out[i].stride[inner] * r->dim[inner]) return false;
    return true;
}

/* Axes of length 1 go; an axis joins the one inside it where all operands allow. Axes are
 * found from the innermost on, and then turned round. */
static void merge_axes(state *s, const gr_tape_run *r)
{
    const int n = r->tape->num_in, all = n + r->tape->num_out;
    int axis[GR_MAX_RANK], k = 0, last = -1;
    int64_t dim[GR_MAX_RANK];
    for (int d = r->rank - 1; d >= 0; d--) {
        if (r->dim[d] == 1) continue;
        if (last >= 0 && merges(r, d, last)) {
            dim[k - 1] *= r->dim[d];
        } else {
            axis[k] = d;
            dim[k++] = r->dim[d];
        }
        last = d;
    }
    s->rank = k > 0 ? k : 1;
    s->dim[0] = 1;
    for (int i = 0; i < k; i++) s->dim[k - 1 - i] = dim[i];
    for (int j = 0; j < all; j++) {
        const gr_tensor *t = j < n ? &r->in[j] : &r->out[j - n];
        s->op[j].stride[0] = 1;
        for (int i = 0; i < k; i++) s->op[j].stride[k - 1 - i] = t->stride[axis[i]];
    }
}

static void describe(state *s, operand *o, const gr_tensor *t, uint8_t reg)
{
    o->data = t->data;
    o->dtype = t->dtype;
    o->reg = reg;
    o->constant = o->dense = true;
    int64_t expected = 1;
    for (int d = s->rank - 1; d >= 0; d--) {
        o->constant &= o->stride[d] == 0;
        o->dense &= o->stride[d] == expected;
        expected *= s->dim[d];
    }
}

/* Who reads an input for the last time, and who writes an output for the last time. */
static void trace_uses(state *s)
{
    const gr_tape *t = s->tape;
    for (int i = 0; i < t->num_in; i++) {
        operand *o = &s->op[i];
        o->last_use = -1;
        for (int k = 0; k < t->num_ins; k++) {
            const gr_tape_ins *c = &t->ins[k];
            const int arity = arity_of[c->op];
            if (c->x == o->reg || (arity > 1 && c->y == o->reg) || (arity > 2 && c->z == o->reg)) o->last_use = k;
            if (c->dst == o->reg) break;
        }
    }
    for (int i = 0; i < t->num_out; i++) {
        operand *o = &s->op[t->num_in + i];
        o->final_def = -1;
        for (int k = 0; k < t->num_ins; k++)
            if (t->ins[k].dst == o->reg) o->final_def = k;
    }
}

/* Such an input is copied first: an output stored before it may lie on its memory. */
static void trace_passing(state *s)
{
    const gr_tape *t = s->tape;
    for (int i = 0; i < t->num_in; i++) {
        s->op[i].passed_on = false;
        for (int j = 0; j < t->num_out; j++) {
            const operand *o = &s->op[t->num_in + j];
            s->op[i].passed_on |= o->reg == s->op[i].reg && o->final_def < 0;
        }
    }
}

static void fill(state *s, uint8_t reg, double value, int64_t n)
{
    float *f = (float *)s->own[reg];
    double *d = (double *)s->own[reg];
    if (s->real == GR_FLOAT32) for (int64_t i = 0; i < n; i++) f[i] = (float)value;
    else for (int64_t i = 0; i < n; i++) d[i] = value;
}

static void fill_from(state *s, const operand *o, const char *src, int64_t n)
{
    double value;
    load_f64(&value, src, o->dtype, 1, 1);
    fill(s, o->reg, value, n);
}

static void fill_constants(state *s, int64_t n, uint64_t which)
{
    const gr_tape *t = s->tape;
    for (int i = 0; i < t->num_const; i++)
        if (which >> t->const_reg[i] & 1) fill(s, t->const_reg[i], t->value[i], n);
    for (int i = 0; i < t->num_in; i++)
        if (s->op[i].constant && which >> s->op[i].reg & 1) fill_from(s, &s->op[i], s->op[i].data, n);
}

static void prepare(state *s, const gr_tape_run *r, int64_t count)
{
    const gr_tape *t = r->tape;
    assert(t->num_regs <= GR_TAPE_MAX_REGS && t->num_in + t->num_out <= MAX_OPERANDS);
    s->tape = t;
    s->isa = gr_isa_get();
    s->real = r->real;
    s->size = gr_dtype_size(r->real);
    s->tile = tile_length(t, r->real);
    s->written = 0;
    for (int k = 0; k < t->num_ins; k++) s->written |= UINT64_C(1) << t->ins[k].dst;
    char *p = (char *)(((uintptr_t)r->scratch + 63) & ~(uintptr_t)63);
    for (int i = 0; i < t->num_regs; i++) s->own[i] = p + (size_t)i * (size_t)s->tile * s->size;
    merge_axes(s, r);
    for (int i = 0; i < t->num_in; i++) describe(s, &s->op[i], &r->in[i], t->in_reg[i]);
    for (int i = 0; i < t->num_out; i++) describe(s, &s->op[t->num_in + i], &r->out[i], t->out_reg[i]);
    trace_uses(s);
    trace_passing(s);
    fill_constants(s, count < s->tile ? count : s->tile, ~s->written);
}

/* ---- a tile ---- */

/* The element of an operand at flat index `pos`, whose coordinates are c. */
static char *address(const operand *o, const state *s, int64_t pos, const int64_t *c)
{
    int64_t offset = 0;
    if (o->dense) offset = pos;
    else for (int d = 0; d < s->rank; d++) offset += c[d] * o->stride[d];
    return o->data + offset * (int64_t)gr_dtype_size(o->dtype);
}

/* Copies n elements between an operand and its register, row by row of the space. */
static void move_rows(const state *s, const operand *o, int64_t pos, const int64_t *start, int64_t n, bool loading,
                      char *reg)
{
    int64_t c[GR_MAX_RANK];
    memcpy(c, start, sizeof(int64_t) * (size_t)s->rank);
    const int last = s->rank - 1;
    for (int64_t done = 0; done < n;) {
        int64_t len = s->dim[last] - c[last];
        if (len > n - done) len = n - done;
        char *p = address(o, s, pos + done, c), *q = reg + (size_t)done * s->size;
        if (loading) load(s->real, q, p, o->dtype, o->stride[last], len);
        else store(s->real, p, o->dtype, o->stride[last], q, len);
        done += len;
        c[last] = 0;
        for (int d = last - 1; d >= 0 && ++c[d] == s->dim[d]; d--) c[d] = 0;
    }
}

/* Where the tile lies in the operand's own memory as it would in a register; else NULL. */
static char *in_place(const state *s, const operand *o, int64_t pos, const int64_t *c, bool one_row)
{
    if (o->dtype != s->real) return NULL;
    if (!o->dense && !(one_row && o->stride[s->rank - 1] == 1)) return NULL;
    return address(o, s, pos, c);
}

static void load_input(state *s, const operand *o, int64_t pos, const int64_t *c, int64_t n, bool one_row)
{
    s->at[o->reg] = s->own[o->reg];
    if (o->constant) return;
    char *p = o->passed_on ? NULL : in_place(s, o, pos, c, one_row);
    if (p) s->at[o->reg] = p;
    else if (one_row && o->stride[s->rank - 1] == 0) fill_from(s, o, address(o, s, pos, c), n);
    else move_rows(s, o, pos, c, n, true, s->own[o->reg]);
}

/* Whether instruction final_def may write at p, n reals: no later one reads an input there. */
static bool may_write(const state *s, const operand *out, const char *p, int64_t n)
{
    const char *end = p + (size_t)n * s->size;
    for (int i = 0; i < s->tape->num_in; i++) {
        const operand *o = &s->op[i];
        const char *q = s->at[o->reg];
        if (q == s->own[o->reg] || q >= end || p >= q + (size_t)n * s->size) continue;
        if (q != p || o->last_use > out->final_def) return false;
    }
    return true;
}

static void interpret(state *s, char *const *direct, int64_t n)
{
    const gr_tape *t = s->tape;
    for (int k = 0; k < t->num_ins; k++) {
        const gr_tape_ins *c = &t->ins[k];
        char *dst = s->own[c->dst];
        for (int i = 0; i < t->num_out; i++)
            if (direct[i] && s->op[t->num_in + i].final_def == k) dst = direct[i];
        const int arity = arity_of[c->op];
        const void *x = s->at[c->x], *y = arity > 1 ? s->at[c->y] : x, *z = arity > 2 ? s->at[c->z] : x;
        if (s->real == GR_FLOAT32) s->isa->tape_f32[c->op](n, (float *)dst, x, y, z);
        else s->isa->tape_f64[c->op](n, (double *)dst, x, y, z);
        s->at[c->dst] = dst;
    }
}

static void run_tile(state *s, int64_t pos, int64_t n, bool one_row)
{
    const gr_tape *t = s->tape;
    char *direct[GR_TAPE_MAX_REGS];
    int64_t c[GR_MAX_RANK], rest = pos;
    for (int d = s->rank - 1; d >= 0; d--) {
        c[d] = rest % s->dim[d];
        rest /= s->dim[d];
    }
    for (int i = 0; i < t->num_const; i++) s->at[t->const_reg[i]] = s->own[t->const_reg[i]];
    for (int i = 0; i < t->num_in; i++) load_input(s, &s->op[i], pos, c, n, one_row);
    for (int i = 0; i < t->num_out; i++) {
        const operand *o = &s->op[t->num_in + i];
        direct[i] = o->final_def < 0 ? NULL : in_place(s, o, pos, c, one_row);
        if (direct[i] && !may_write(s, o, direct[i], n)) direct[i] = NULL;
    }
    interpret(s, direct, n);
    for (int i = 0; i < t->num_out; i++) {
        const operand *o = &s->op[t->num_in + i];
        if (!direct[i] || direct[i] != s->at[o->reg]) move_rows(s, o, pos, c, n, false, s->at[o->reg]);
    }
}

void gr_tape_exec(const gr_tape_run *r, int64_t begin, int64_t end)
{
    if (begin >= end) return;
    state s;
    prepare(&s, r, end - begin);
    const int64_t row = s.dim[s.rank - 1];
    const bool by_row = row >= LONG_ROW || s.rank == 1;
    for (int64_t pos = begin; pos < end;) {
        int64_t n = end - pos < s.tile ? end - pos : s.tile;
        if (by_row && row - pos % row < n) n = row - pos % row;
        fill_constants(&s, n, s.written);
        run_tile(&s, pos, n, by_row);
        pos += n;
    }
}
