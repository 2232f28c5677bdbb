/* vec.h - float vectors of the instruction set in hand, and the elementary functions.
 *
 * Included only by sources that are compiled once per instruction set. Everything is
 * static: an inline function shared by the linker would leak AVX code into the generic
 * build. Each function is one straight line of vector code with selects, so an element's
 * bits depend on its value alone. Polynomials are minimax fits (Lawson's iteration,
 * coefficients rounded to float); the errors stated are the largest over all floats. */
#ifndef GR_KERNEL_VEC_H
#define GR_KERNEL_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define VEC_BYTES 64
#include <immintrin.h>
#elif defined(__AVX2__)
#define VEC_BYTES 32
#include <immintrin.h>
#else
#define VEC_BYTES 16
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

/* A chain of fma in C must round as the vector one: only then may products mix them. */
#if defined(__FMA__) || defined(__aarch64__)
#define VEC_FMA 1
#define FMA_F32(a, b, c) __builtin_fmaf(a, b, c)
#define FMA_F64(a, b, c) __builtin_fma(a, b, c)
#else
#define VEC_FMA 0
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#define FMA_F64(a, b, c) ((a) * (b) + (c))
#endif

enum { VL = VEC_BYTES / 4, VLD = VEC_BYTES / 8 };

typedef float vf __attribute__((vector_size(VEC_BYTES)));
typedef int32_t vi __attribute__((vector_size(VEC_BYTES)));
typedef uint32_t vu __attribute__((vector_size(VEC_BYTES))); /* wraps round, where vi must not */
typedef double vd __attribute__((vector_size(VEC_BYTES)));
typedef int64_t vl __attribute__((vector_size(VEC_BYTES)));

static inline vf vf_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
static inline void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
static inline vd vd_load(const double *p) { vd v; memcpy(&v, p, sizeof v); return v; }
static inline void vd_store(double *p, vd v) { memcpy(p, &v, sizeof v); }
static inline vf vf_set(float x) { return x - (vf){0}; }
static inline vd vd_set(double x) { return x - (vd){0}; }

static inline vf vf_fma(vf a, vf b, vf c)
{
#if defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

static inline vd vd_fma(vd a, vd b, vd c)
{
#if defined(__AVX512F__)
    return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
    return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    return (vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

/* The first n < VL elements; zero beyond. */
static inline vf vf_load_some(const float *p, int64_t n)
{
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return (vf)_mm256_maskload_ps(p, (__m256i)(lane < (int32_t)n));
#else
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
#endif
}

static inline void vf_store_some(float *p, vf v, int64_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    /* by halves: AMD's masked store is ten times slower */
    __m128 rest = _mm256_castps256_ps128((__m256)v);
    if (n & 4) {
        _mm_storeu_ps(p, rest);
        rest = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, rest);
        rest = _mm_movehl_ps(rest, rest);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, rest);
#else
    memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* In double, which no step of training waits for, plainly. */
static inline vd vd_load_some(const double *p, int64_t n)
{
    vd v = {0};
    memcpy(&v, p, (size_t)n * sizeof(double));
    return v;
}
static inline void vd_store_some(double *p, vd v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof(double)); }
static inline vd vd_select(vl mask, vd yes, vd no) { return (vd)((mask & (vl)yes) | (~mask & (vl)no)); }

/* 4 x 4 transposed, rows `width` apart in dst and `ld` in src. */
typedef float quad __attribute__((vector_size(16)));
typedef int32_t index4 __attribute__((vector_size(16)));
static inline void square_f32(float *dst, int64_t width, const float *src, int64_t ld)
{
    quad a, b, c, d;
    memcpy(&a, src, 16);
    memcpy(&b, src + ld, 16);
    memcpy(&c, src + 2 * ld, 16);
    memcpy(&d, src + 3 * ld, 16);
    quad ab0 = __builtin_shuffle(a, b, (index4){0, 4, 1, 5}), ab1 = __builtin_shuffle(a, b, (index4){2, 6, 3, 7});
    quad cd0 = __builtin_shuffle(c, d, (index4){0, 4, 1, 5}), cd1 = __builtin_shuffle(c, d, (index4){2, 6, 3, 7});
    a = __builtin_shuffle(ab0, cd0, (index4){0, 1, 4, 5});
    b = __builtin_shuffle(ab0, cd0, (index4){2, 3, 6, 7});
    c = __builtin_shuffle(ab1, cd1, (index4){0, 1, 4, 5});
    d = __builtin_shuffle(ab1, cd1, (index4){2, 3, 6, 7});
    memcpy(dst, &a, 16);
    memcpy(dst + width, &b, 16);
    memcpy(dst + 2 * width, &c, 16);
    memcpy(dst + 3 * width, &d, 16);
}

/* Each lane of the mask is all ones or all zeros. */
static inline vf vf_select(vi mask, vf yes, vf no)
{
#if VEC_BYTES == 32
    return (vf)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
#else
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
#endif
}
static inline vf vf_abs(vf x) { return (vf)((vi)x & 0x7fffffff); }
static inline vf vf_copysign(vf x, vf sign) { return (vf)(((vi)x & 0x7fffffff) | ((vi)sign & (int32_t)0x80000000)); }
/* x where it is within the bound, or NaN: x86 gives the second operand if one is NaN. */
static inline vf vf_at_most(vf x, float bound)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)vf_set(bound), (__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)vf_set(bound), (__m256)x);
#elif defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)vf_set(bound), (__m128)x);
#else
    return vf_select(x > bound, vf_set(bound), x);
#endif
}
static inline vf vf_at_least(vf x, float bound)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)vf_set(bound), (__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)vf_set(bound), (__m256)x);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)vf_set(bound), (__m128)x);
#else
    return vf_select(x < bound, vf_set(bound), x);
#endif
}
/* 2^n for -126 <= n <= 127. */
static inline vf vf_pow2(vi n) { return (vf)(((vu)n + 127u) << 23); }

/* To the nearest integer, |x| < 2^21: added to 1.5 * 2^23 the fraction has no place. */
#define VF_MAGIC 12582912.0f
static inline vf vf_nearest(vf x, vi *n)
{
    vf t = x + VF_MAGIC;
    *n = (vi)((vu)t - 0x4b400000u);
    return t - VF_MAGIC;
}

/* x - n * ln 2 in [-ln2/2, ln2/2], for |n| < 2^15; ln 2 in two parts, n * high exact. */
static inline vf vf_reduce_ln2(vf x, vi *n)
{
    vf k = vf_nearest(x * 1.44269504f, n);
    return vf_fma(k, vf_set(-1.42860677e-06f), vf_fma(k, vf_set(-0.693145752f), x));
}

/* (exp(r) - 1 - r) / r^2 on [-ln2/2, ln2/2] */
static inline vf vf_exp_tail(vf r)
{
    vf q = vf_fma(vf_set(0.00139517162f), r, vf_set(0.00836959854f));
    q = vf_fma(q, r, vf_set(0.0416661873f));
    q = vf_fma(q, r, vf_set(0.166665122f));
    return vf_fma(q, r, vf_set(0.5f));
}

/* exp(r) on [-ln2/2, ln2/2] */
static inline vf vf_exp_reduced(vf r) { return vf_fma(vf_fma(vf_exp_tail(r), r, vf_set(1.0f)), r, vf_set(1.0f)); }

/* 0.9 ulp. Scaling in two steps lets 2^n overflow and underflow as it should. */
static inline vf vf_exp(vf x)
{
    vi n;
    vf r = vf_reduce_ln2(vf_at_least(vf_at_most(x, 89.0f), -104.0f), &n);
    vi half = n >> 1;
    return vf_exp_reduced(r) * vf_pow2(half) * vf_pow2(n - half);
}

/* The same for x <= 0: -150 <= n <= 0. */
static inline vf vf_exp_negative(vf x)
{
    vi n;
    vf r = vf_reduce_ln2(vf_at_least(x, -104.0f), &n);
    return vf_exp_reduced(r) * vf_pow2(n + 64) * 0x1p-64f;
}

/* exp(x) - 1 without cancellation: 2^n (exp(r) - 1) + (2^n - 1). */
static inline vf vf_expm1(vf x)
{
    vi n;
    vf r = vf_reduce_ln2(vf_at_least(vf_at_most(x, 89.0f), -18.0f), &n);
    vf p = vf_fma(r * r, vf_exp_tail(r), r);
    vf s = vf_pow2(n - 1); /* half of 2^n: 2^128 is no float */
    vf y = 2.0f * vf_fma(s, p, s - 0.5f);
    return vf_select(x == 0.0f, x, y);
}

/* log of a positive, finite x: x = 2^e m, m in [sqrt(1/2), sqrt(2)). */
static inline vf vf_log_finite(vf x)
{
    vi tiny = x < 1.17549435e-38f;
    x = vf_select(tiny, x * 8388608.0f, x);
    vi bits = (vi)((vu)x - 0x3f3504f3u);
    vi e = (bits >> 23) - (tiny & 23);
    vf f = (vf)((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
    vf k = __builtin_convertvector(e, vf);
    vf p = vf_fma(vf_set(0.067466408f), f, vf_set(-0.116756521f));
    p = vf_fma(p, f, vf_set(0.11888162f));
    p = vf_fma(p, f, vf_set(-0.124055892f));
    p = vf_fma(p, f, vf_set(0.142195523f));
    p = vf_fma(p, f, vf_set(-0.166679963f));
    p = vf_fma(p, f, vf_set(0.200021192f));
    p = vf_fma(p, f, vf_set(-0.250000089f));
    p = vf_fma(p, f, vf_set(0.333333135f));
    vf f2 = f * f;
    vf y = vf_fma(f2 * f, p, vf_fma(k, vf_set(1.42860677e-06f), -0.5f * f2));
    return vf_fma(k, vf_set(0.693145752f), f + y);
}

static inline vf vf_log_special(vf x, vf y)
{
    y = vf_select(x == 0.0f, vf_set(-INFINITY), y);
    y = vf_select(x < 0.0f, vf_set(NAN), y);
    return vf_select((x == INFINITY) | (x != x), x, y);
}

static inline vf vf_log(vf x) { return vf_log_special(x, vf_log_finite(x)); }

/* log(u) for u = 1 + x rounded, and the first term of what the rounding lost. */
static inline vf vf_log1p(vf x)
{
    vf u = x + 1.0f;
    vf y = vf_log_finite(u) + (x - (u - 1.0f)) / u;
    y = vf_log_special(u, y);
    return vf_select(x == 0.0f, x, y);
}

/* x P(x^2) / Q(x^2), within 3.4e-7 of tanh relatively, 3.6e-7 without fma (the fit itself: 2.1e-8); from 9.02 on it
 * is 1. */
static inline vf vf_tanh(vf x)
{
    vf c = vf_at_least(vf_at_most(x, 9.02f), -9.02f);
    vf u = c * c;
    vf p = vf_fma(vf_set(1.33190268e-08f), u, vf_set(2.05834476e-05f));
    p = vf_fma(p, u, vf_set(0.00349403243f));
    p = vf_fma(p, u, vf_set(0.133797169f));
    p = vf_fma(p, u, vf_set(1.0f));
    vf q = vf_fma(vf_set(7.76200068e-07f), u, vf_set(0.000328308932f));
    q = vf_fma(q, u, vf_set(0.0258710645f));
    q = vf_fma(q, u, vf_set(0.467130303f));
    q = vf_fma(q, u, vf_set(1.0f));
    return vf_at_least(vf_at_most(c * p / q, 1.0f), -1.0f);
}

/* By exp(-|x|), which cannot overflow. */
static inline vf vf_sigmoid(vf x)
{
    vf e = vf_exp_negative((vf)((vi)x | (int32_t)0x80000000));
    return vf_select(x < 0.0f, e, vf_set(1.0f)) / (1.0f + e);
}

/* Below 0.92: x + x E(x^2). Above: 1 - exp(-t - t P(t)). */
static inline vf vf_erf(vf x)
{
    vf t = vf_abs(x), u = x * x;
    vf e = vf_fma(vf_set(8.31677826e-05f), u, vf_set(-0.000813001359f));
    e = vf_fma(e, u, vf_set(0.00519990688f));
    e = vf_fma(e, u, vf_set(-0.0268589407f));
    e = vf_fma(e, u, vf_set(0.112836875f));
    e = vf_fma(e, u, vf_set(-0.376126319f));
    e = vf_fma(e, u, vf_set(0.128379166f));
    vf small = vf_fma(e, x, x);
    t = vf_at_most(t, 3.93f);
    vf p = vf_fma(vf_set(1.12312691e-05f), t, vf_set(-0.000322803506f));
    p = vf_fma(p, t, vf_set(0.00364245777f));
    p = vf_fma(p, t, vf_set(-0.0237620603f));
    p = vf_fma(p, t, vf_set(0.106236875f));
    p = vf_fma(p, t, vf_set(0.635151327f));
    p = vf_fma(p, t, vf_set(0.12864849f));
    vf large = vf_copysign(1.0f - vf_exp_negative(-vf_fma(p, t, t)), x);
    return vf_select(t < 0.92f, small, large);
}

/* fma even where the instruction is missing: the product of floats is exact in double. */
static inline vf vf_fma_exact(vf a, vf b, vf c)
{
#if VEC_FMA
    return vf_fma(a, b, c);
#else
    vf r;
    for (int i = 0; i < VL; i++) r[i] = (float)((double)a[i] * (double)b[i] + (double)c[i]);
    return r;
#endif
}

/* sin (quarter 0) or cos (quarter 1). pi/2 in three floats serves up to 2^15 quarters;
 * larger arguments, and what is not finite, take libm one by one. */
static inline vf vf_sincos(vf x, int32_t quarter)
{
    enum { GR_SINCOS_LIMIT = 32768 };
    vi n, big = ~(vf_abs(x) < (float)GR_SINCOS_LIMIT);
    vf k = vf_nearest(vf_select(big, vf_set(0.0f), x) * 0.636619772f, &n);
    vf r = vf_fma_exact(k, vf_set(-1.57079637f), x);
    r = vf_fma_exact(k, vf_set(4.37113883e-08f), r);
    r = vf_fma_exact(k, vf_set(1.71512451e-15f), r);
    vf u = r * r;
    vf s = vf_fma(vf_set(2.71756448e-06f), u, vf_set(-0.000198392561f));
    s = vf_fma(vf_fma(s, u, vf_set(0.00833332911f)), u, vf_set(-0.166666672f));
    s = vf_fma(s * u, r, r);
    vf c = vf_fma(vf_set(-2.72033049e-07f), u, vf_set(2.47994358e-05f));
    c = vf_fma(vf_fma(c, u, vf_set(-0.00138888834f)), u, vf_set(0.0416666679f));
    c = vf_fma(u * u, c, vf_fma(u, vf_set(-0.5f), vf_set(1.0f)));
    n += quarter;
    vf y = vf_select((n & 1) != 0, c, s);
    y = (vf)((vu)y ^ (((vu)n & 2u) << 30));
    for (int i = 0; i < VL; i++)
        if (big[i]) y[i] = quarter ? cosf(x[i]) : sinf(x[i]);
    return y;
}
static inline vf vf_sin(vf x) { return vf_select(x == 0.0f, x, vf_sincos(x, 0)); }
static inline vf vf_cos(vf x) { return vf_sincos(x, 1); }
#endif
