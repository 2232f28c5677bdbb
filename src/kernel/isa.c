/* isa.c - the loops of the tape's instructions, and the table of one instruction set.
 *
 * In float an instruction is a function of vec.h or a line of vector arithmetic, on whole vectors;
 * the end of a row is padded with zeros, so that its elements see the same code as the others.
 * In double LOOP is plain C that the compiler vectorises where it can: what is rounded exactly
 * (+ - * / sqrt fma, comparisons); everything else is libm, one element at a time. */
#include "kernel/isa_private.h"

/* ---- float ---- */

/* `side` vectors at a time where the row has them: what is but one instruction would wait for the
 * loop otherwise. */
#define VECTORS(name, expr, side)                                                                   \
    static void name##_f32(const gr_tape_step *s, char *const *at, int64_t rows, int64_t cols)      \
    {                                                                                               \
        float *d = (float *)(void *)at[s->dst];                                                     \
        const float *px = (const float *)(const void *)at[s->x];                                    \
        const float *py = (const float *)(const void *)at[s->y];                                    \
        const float *pz = (const float *)(const void *)at[s->z];                                    \
        for (; rows > 0; rows--, d += s->ld_dst, px += s->ld_x, py += s->ld_y, pz += s->ld_z) {     \
            int64_t i = 0;                                                                          \
            for (; side > 1 && i + side * VL <= cols; i += side * VL) {                             \
                _Pragma("GCC unroll 4") for (int64_t k = i; k < i + side * VL; k += VL)             \
                {                                                                                   \
                    const vf x = vf_load(px + k), y = vf_load(py + k), z = vf_load(pz + k);         \
                    (void)y, (void)z;                                                               \
                    vf_store(d + k, expr);                                                          \
                }                                                                                   \
            }                                                                                       \
            for (; i + VL <= cols; i += VL) {                                                       \
                const vf x = vf_load(px + i), y = vf_load(py + i), z = vf_load(pz + i);             \
                (void)y, (void)z;                                                                   \
                vf_store(d + i, expr);                                                              \
            }                                                                                       \
            if (i == cols) continue;                                                                \
            const int64_t n = cols - i;                                                             \
            const vf x = vf_load_some(px + i, n), y = vf_load_some(py + i, n), z = vf_load_some(pz + i, n); \
            (void)y, (void)z;                                                                       \
            vf_store_some(d + i, expr, n);                                                          \
        }                                                                                           \
    }
#define VECTOR(name, expr) VECTORS(name, expr, 1)
#define SHORT(name, expr) VECTORS(name, expr, 4)

/* Lane by lane, which the compiler makes one instruction where there is one. */
#define LANES(name, expr)                                                   \
    static inline vf lanes_##name(vf x, vf y, vf z)                         \
    {                                                                       \
        vf r;                                                               \
        (void)y, (void)z;                                                   \
        for (int i = 0; i < VL; i++) r[i] = expr;                           \
        return r;                                                           \
    }
LANES(fma, __builtin_fmaf(x[i], y[i], z[i]))
LANES(pow, powf(x[i], y[i]))
LANES(sqrt, __builtin_sqrtf(x[i]))
LANES(floor, __builtin_floorf(x[i]))
LANES(ceil, __builtin_ceilf(x[i]))
LANES(round, __builtin_rintf(x[i]))

static inline vf vf_truth(vi mask) { return (vf)(mask & (vi)vf_set(1.0f)); }

SHORT(copy, x)
SHORT(add, x + y)
SHORT(sub, x - y)
SHORT(mul, x * y)
VECTOR(div, x / y)
SHORT(fma, lanes_fma(x, y, z))
VECTOR(pow, lanes_pow(x, y, z))
SHORT(maximum, vf_select((x > y) | (x != x), x, y))
SHORT(minimum, vf_select((x < y) | (x != x), x, y))
SHORT(neg, -x)
SHORT(abs, vf_abs(x))
SHORT(sign, vf_select(x > 0.0f, vf_set(1.0f), vf_select(x < 0.0f, vf_set(-1.0f), x)))
VECTOR(exp, vf_exp(x))
VECTOR(log, vf_log(x))
VECTOR(log1p, vf_log1p(x))
VECTOR(expm1, vf_expm1(x))
VECTOR(sqrt, lanes_sqrt(x, y, z))
VECTOR(rsqrt, 1.0f / lanes_sqrt(x, y, z))
VECTOR(reciprocal, 1.0f / x)
VECTOR(sin, vf_sin(x))
VECTOR(cos, vf_cos(x))
VECTOR(erf, vf_erf(x))
VECTOR(tanh, vf_tanh(x))
VECTOR(sigmoid, vf_sigmoid(x))
SHORT(floor, lanes_floor(x, y, z))
SHORT(ceil, lanes_ceil(x, y, z))
SHORT(round, lanes_round(x, y, z))
SHORT(equal, vf_truth(x == y))
SHORT(not_equal, vf_truth(x != y))
SHORT(less, vf_truth(x < y))
SHORT(less_equal, vf_truth(x <= y))
SHORT(logical_and, vf_truth((x != 0.0f) & (y != 0.0f)))
SHORT(logical_or, vf_truth((x != 0.0f) | (y != 0.0f)))
SHORT(logical_not, vf_truth(x == 0.0f))
SHORT(where, vf_select(x != 0.0f, y, z))

/* ---- double ---- */

#define LOOP(name, expr)                                                                            \
    static void name##_f64(const gr_tape_step *s, char *const *at, int64_t rows, int64_t cols)      \
    {                                                                                               \
        double *d = (double *)(void *)at[s->dst];                                                   \
        const double *px = (const double *)(const void *)at[s->x];                                  \
        const double *py = (const double *)(const void *)at[s->y];                                  \
        const double *pz = (const double *)(const void *)at[s->z];                                  \
        for (; rows > 0; rows--, d += s->ld_dst, px += s->ld_x, py += s->ld_y, pz += s->ld_z)       \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < cols; i++)                                 \
            {                                                                                       \
                const double x = px[i], y = py[i], z = pz[i];                                       \
                (void)y, (void)z;                                                                   \
                d[i] = expr;                                                                        \
            }                                                                                       \
    }
LOOP(copy, x)
LOOP(add, x + y)
LOOP(sub, x - y)
LOOP(mul, x * y)
LOOP(div, x / y)
LOOP(fma, __builtin_fma(x, y, z))
LOOP(pow, pow(x, y))
LOOP(maximum, (x > y || x != x) ? x : y)
LOOP(minimum, (x < y || x != x) ? x : y)
LOOP(neg, -x)
LOOP(abs, __builtin_fabs(x))
LOOP(sign, x > 0 ? 1.0 : x < 0 ? -1.0 : x)
LOOP(exp, exp(x))
LOOP(log, log(x))
LOOP(log1p, log1p(x))
LOOP(expm1, expm1(x))
LOOP(sqrt, __builtin_sqrt(x))
LOOP(rsqrt, 1.0 / __builtin_sqrt(x))
LOOP(reciprocal, 1.0 / x)
LOOP(sin, sin(x))
LOOP(cos, cos(x))
LOOP(erf, erf(x))
LOOP(tanh, tanh(x))
LOOP(sigmoid, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)))
LOOP(floor, __builtin_floor(x))
LOOP(ceil, __builtin_ceil(x))
LOOP(round, __builtin_rint(x))
LOOP(equal, x == y ? 1.0 : 0.0)
LOOP(not_equal, x != y ? 1.0 : 0.0)
LOOP(less, x < y ? 1.0 : 0.0)
LOOP(less_equal, x <= y ? 1.0 : 0.0)
LOOP(logical_and, (x != 0) & (y != 0) ? 1.0 : 0.0)
LOOP(logical_or, (x != 0) | (y != 0) ? 1.0 : 0.0)
LOOP(logical_not, x == 0 ? 1.0 : 0.0)
LOOP(where, x != 0 ? y : z)

/* ---- pairs that begin with a simple one (tape_pair.c): _x is (x first y) second z, _y is z second (x first y) ---- */

#define PAIR(first, a, second, b)                   \
    SHORT(first##_##second##_x, (x a y) b z)        \
    SHORT(first##_##second##_y, z b (x a y))        \
    LOOP(first##_##second##_x, (x a y) b z)         \
    LOOP(first##_##second##_y, z b (x a y))
#define PAIRS(first, a)                                                         \
    PAIR(first, a, add, +) PAIR(first, a, sub, -) PAIR(first, a, mul, *)        \
    VECTOR(first##_tanh, vf_tanh(x a y)) VECTOR(first##_sigmoid, vf_sigmoid(x a y)) \
    LOOP(first##_tanh, tanh(x a y))                                             \
    LOOP(first##_sigmoid, x a y < 0 ? exp(x a y) / (1 + exp(x a y)) : 1 / (1 + exp(-(x a y))))
PAIRS(add, +)
PAIRS(sub, -)
PAIRS(mul, *)

#define PAIR_TABLE(first, sfx)                                                                              \
    {                                                                                                       \
        {first##_add_x_##sfx, first##_add_y_##sfx}, {first##_sub_x_##sfx, first##_sub_y_##sfx},             \
        {first##_mul_x_##sfx, first##_mul_y_##sfx}, {first##_tanh_##sfx}, {first##_sigmoid_##sfx},          \
    }
#define TABLE(sfx)                                                                                  \
    {                                                                                               \
        [GR_TAPE_COPY] = copy_##sfx, [GR_TAPE_ADD] = add_##sfx, [GR_TAPE_SUB] = sub_##sfx,          \
        [GR_TAPE_MUL] = mul_##sfx, [GR_TAPE_DIV] = div_##sfx, [GR_TAPE_FMA] = fma_##sfx,            \
        [GR_TAPE_POW] = pow_##sfx, [GR_TAPE_MAXIMUM] = maximum_##sfx,                               \
        [GR_TAPE_MINIMUM] = minimum_##sfx, [GR_TAPE_NEG] = neg_##sfx, [GR_TAPE_ABS] = abs_##sfx,    \
        [GR_TAPE_SIGN] = sign_##sfx, [GR_TAPE_EXP] = exp_##sfx, [GR_TAPE_LOG] = log_##sfx,          \
        [GR_TAPE_LOG1P] = log1p_##sfx, [GR_TAPE_EXPM1] = expm1_##sfx, [GR_TAPE_SQRT] = sqrt_##sfx,  \
        [GR_TAPE_RSQRT] = rsqrt_##sfx, [GR_TAPE_RECIPROCAL] = reciprocal_##sfx,                     \
        [GR_TAPE_SIN] = sin_##sfx, [GR_TAPE_COS] = cos_##sfx, [GR_TAPE_ERF] = erf_##sfx,            \
        [GR_TAPE_TANH] = tanh_##sfx, [GR_TAPE_SIGMOID] = sigmoid_##sfx,                             \
        [GR_TAPE_FLOOR] = floor_##sfx, [GR_TAPE_CEIL] = ceil_##sfx, [GR_TAPE_ROUND] = round_##sfx,  \
        [GR_TAPE_EQUAL] = equal_##sfx, [GR_TAPE_NOT_EQUAL] = not_equal_##sfx,                       \
        [GR_TAPE_LESS] = less_##sfx, [GR_TAPE_LESS_EQUAL] = less_equal_##sfx,                       \
        [GR_TAPE_LOGICAL_AND] = logical_and_##sfx, [GR_TAPE_LOGICAL_OR] = logical_or_##sfx,         \
        [GR_TAPE_LOGICAL_NOT] = logical_not_##sfx, [GR_TAPE_WHERE] = where_##sfx,                   \
    }

const gr_isa ISA(gr_isa) = {
    .name = GR_STR(GR_ISA),
    .fma = VEC_FMA,
    .panel_f32 = 2 * VL,
    .panel_f64 = 2 * VLD,
    .max_rows = GR_TILE_ROWS,
    .max_streams = GR_TILE_STREAMS,
    .tape_f32 = TABLE(f32),
    .tape_f64 = TABLE(f64),
    .pair_f32 = {PAIR_TABLE(add, f32), PAIR_TABLE(sub, f32), PAIR_TABLE(mul, f32)},
    .pair_f64 = {PAIR_TABLE(add, f64), PAIR_TABLE(sub, f64), PAIR_TABLE(mul, f64)},
    .math = {
        .sum_f32 = ISA(gr_sum_f32),
        .sum_f64 = ISA(gr_sum_f64),
        .max_f32 = ISA(gr_max_f32),
        .max_f64 = ISA(gr_max_f64),
        .dot_f32 = ISA(gr_dot_f32),
        .dot_f64 = ISA(gr_dot_f64),
        .exp_sum_f32 = ISA(gr_exp_sum_f32),
        .exp_sum_f64 = ISA(gr_exp_sum_f64),
        .square_sum_f32 = ISA(gr_square_sum_f32),
        .square_sum_f64 = ISA(gr_square_sum_f64),
        .divide_f32 = ISA(gr_divide_f32),
        .divide_f64 = ISA(gr_divide_f64),
        .normalize_f32 = ISA(gr_normalize_f32),
        .normalize_f64 = ISA(gr_normalize_f64),
        .normalize_back_f32 = ISA(gr_normalize_back_f32),
        .normalize_back_f64 = ISA(gr_normalize_back_f64),
        .column_sums_f32 = ISA(gr_column_sums_f32),
        .column_sums_f64 = ISA(gr_column_sums_f64),
        .normalize_weight_back_f32 = ISA(gr_normalize_weight_back_f32),
        .normalize_weight_back_f64 = ISA(gr_normalize_weight_back_f64),
        .row_sums_f32 = ISA(gr_row_sums_f32),
        .row_sums_f64 = ISA(gr_row_sums_f64),
        .uniform_f32 = ISA(gr_uniform_f32),
    },
    .tile_f32 = ISA(gr_tile_f32),
    .tile_f64 = ISA(gr_tile_f64),
    .tile_bf16 = ISA(gr_tile_bf16),
    .tile_f16 = ISA(gr_tile_f16),
    .widen_bf16 = ISA(gr_widen_bf16),
    .widen_f16 = ISA(gr_widen_f16),
    .tiny_f32 = ISA(gr_tiny_f32),
    .tiny_f64 = ISA(gr_tiny_f64),
    .pack_f32 = ISA(gr_pack_f32),
    .pack_f64 = ISA(gr_pack_f64),
};
