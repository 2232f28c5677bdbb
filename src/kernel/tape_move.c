/* tape_move.c - converting copies: n elements, strides in elements. */
#include "kernel/tape_move.h"
#include <string.h>

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

void gr_tape_fill(gr_dtype real, void *dst, double value, int64_t n)
{
    float *f = dst;
    double *d = dst;
    if (real == GR_FLOAT32) for (int64_t i = 0; i < n; i++) f[i] = (float)value;
    else for (int64_t i = 0; i < n; i++) d[i] = value;
}

void gr_tape_load(gr_dtype real, void *dst, const void *src, gr_dtype from, int64_t ss, int64_t n)
{
    if (ss == 0 && n > 1) {
        double value;
        load_f64(&value, src, from, 1, 1);
        gr_tape_fill(real, dst, value, n);
    } else if (real == GR_FLOAT32) {
        load_f32(dst, src, from, ss, n);
    } else {
        load_f64(dst, src, from, ss, n);
    }
}

void gr_tape_store(gr_dtype real, void *dst, gr_dtype to, int64_t ds, const void *src, int64_t n)
{
    if (real == GR_FLOAT32) store_f32(dst, to, ds, src, n);
    else store_f64(dst, to, ds, src, n);
}
