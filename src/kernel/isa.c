/* isa.c - the loops of the tape's instructions, and the table of one instruction set.
 *
 * Two kinds of loops. LOOP is plain C that the compiler vectorises: the operations in it are
 * rounded exactly (+ - * / sqrt fma, comparisons), so it does not matter which of them fell
 * into a vector. VECTOR calls a function of vec.h on whole vectors, the last one padded with
 * zeros, so that the last elements see the same code as the others. */
#include "kernel/isa_private.h"

#define LOOP(name, T, sfx, expr)                                                                    \
    static void name##_##sfx(int64_t n, T *dst, const T *px, const T *py, const T *pz)              \
    {                                                                                               \
        (void)py;                                                                                   \
        (void)pz;                                                                                   \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                           \
            const T x = px[i];                                                                      \
            dst[i] = expr;                                                                          \
        }                                                                                           \
    }
#define y (py[i])
#define z (pz[i])

#define EACH(X, T, sfx, M)                                            \
    X(copy, T, sfx, x)                                                \
    X(add, T, sfx, x + y)                                             \
    X(sub, T, sfx, x - y)                                             \
    X(mul, T, sfx, x * y)                                             \
    X(div, T, sfx, x / y)                                             \
    X(pow, T, sfx, M(pow)(x, y))                                      \
    X(maximum, T, sfx, (x > y || x != x) ? x : y)                     \
    X(minimum, T, sfx, (x < y || x != x) ? x : y)                     \
    X(neg, T, sfx, -x)                                                \
    X(abs, T, sfx, M(__builtin_fabs)(x))                              \
    X(sign, T, sfx, x > 0 ? (T)1 : x < 0 ? (T)-1 : x)                 \
    X(sqrt, T, sfx, M(__builtin_sqrt)(x))                             \
    X(rsqrt, T, sfx, (T)1 / M(__builtin_sqrt)(x))                     \
    X(reciprocal, T, sfx, (T)1 / x)                                   \
    X(floor, T, sfx, M(__builtin_floor)(x))                           \
    X(ceil, T, sfx, M(__builtin_ceil)(x))                             \
    X(round, T, sfx, M(__builtin_rint)(x))                            \
    X(equal, T, sfx, x == y ? (T)1 : (T)0)                            \
    X(not_equal, T, sfx, x != y ? (T)1 : (T)0)                        \
    X(less, T, sfx, x < y ? (T)1 : (T)0)                              \
    X(less_equal, T, sfx, x <= y ? (T)1 : (T)0)                       \
    X(logical_and, T, sfx, (x != 0) & (y != 0) ? (T)1 : (T)0)         \
    X(logical_or, T, sfx, (x != 0) | (y != 0) ? (T)1 : (T)0)          \
    X(logical_not, T, sfx, x == 0 ? (T)1 : (T)0)                      \
    X(where, T, sfx, x != 0 ? y : z)

#define FLOAT_NAME(n) n##f
#define DOUBLE_NAME(n) n
EACH(LOOP, float, f32, FLOAT_NAME)
EACH(LOOP, double, f64, DOUBLE_NAME)

/* In double everything else is libm, one element at a time. */
LOOP(exp, double, f64, exp(x))
LOOP(log, double, f64, log(x))
LOOP(log1p, double, f64, log1p(x))
LOOP(expm1, double, f64, expm1(x))
LOOP(sin, double, f64, sin(x))
LOOP(cos, double, f64, cos(x))
LOOP(erf, double, f64, erf(x))
LOOP(tanh, double, f64, tanh(x))
LOOP(sigmoid, double, f64, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)))
LOOP(fma, double, f64, __builtin_fma(x, y, z))
#undef y
#undef z

#define VECTOR(name)                                                                                \
    static void name##_f32(int64_t n, float *dst, const float *x, const float *y, const float *z)   \
    {                                                                                               \
        (void)y;                                                                                    \
        (void)z;                                                                                    \
        int64_t i = 0;                                                                              \
        for (; i + VL <= n; i += VL) vf_store(dst + i, vf_##name(vf_load(x + i)));                  \
        if (i < n) vf_store_some(dst + i, vf_##name(vf_load_some(x + i, n - i)), n - i);            \
    }
VECTOR(exp)
VECTOR(log)
VECTOR(log1p)
VECTOR(expm1)
VECTOR(sin)
VECTOR(cos)
VECTOR(erf)
VECTOR(tanh)
VECTOR(sigmoid)

static void fma_f32(int64_t n, float *dst, const float *x, const float *y, const float *z)
{
    for (int64_t i = 0; i < n; i++) dst[i] = __builtin_fmaf(x[i], y[i], z[i]);
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
    .tape_f32 = TABLE(f32),
    .tape_f64 = TABLE(f64),
    .sum_f32 = ISA(gr_sum_f32),
    .sum_f64 = ISA(gr_sum_f64),
    .max_f32 = ISA(gr_max_f32),
    .max_f64 = ISA(gr_max_f64),
    .dot_f32 = ISA(gr_dot_f32),
    .dot_f64 = ISA(gr_dot_f64),
    .tile_f32 = ISA(gr_tile_f32),
    .tile_f64 = ISA(gr_tile_f64),
    .tiny_f32 = ISA(gr_tiny_f32),
    .tiny_f64 = ISA(gr_tiny_f64),
    .pack_f32 = ISA(gr_pack_f32),
    .pack_f64 = ISA(gr_pack_f64),
};
