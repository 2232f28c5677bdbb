/* isa_private.h - shared by the sources of one instruction set: names with its suffix. */
#ifndef GR_KERNEL_ISA_PRIVATE_H
#define GR_KERNEL_ISA_PRIVATE_H

#include "kernel/isa.h"
#include "kernel/vec.h"

#define GR_CAT2(a, b) a##_##b
#define GR_CAT(a, b) GR_CAT2(a, b)
#define ISA(name) GR_CAT(name, GR_ISA)
#define GR_STR2(x) #x
#define GR_STR(x) GR_STR2(x)

/* Two accumulators a row must fit the registers beside two loads and a broadcast. */
#define GR_TILE_ROWS (VEC_BYTES == 64 ? 14 : 6)
/* Of these, rows that do not lie side by side: each is a stream of its own to the caches, and multipliers wait for more than 8. */
#define GR_TILE_STREAMS (VEC_BYTES == 64 ? 8 : 6)

float ISA(gr_sum_f32)(const float *src, int64_t n);
double ISA(gr_sum_f64)(const double *src, int64_t n);
float ISA(gr_max_f32)(const float *src, int64_t n);
double ISA(gr_max_f64)(const double *src, int64_t n);
float ISA(gr_dot_f32)(const float *a, const float *b, int64_t n);
double ISA(gr_dot_f64)(const double *a, const double *b, int64_t n);
/* Sums that normalize_back needs: of u = grad w, and of u (src - mean) rstd. */
float ISA(gr_level_f32)(const float *grad, const float *w, int64_t n);
double ISA(gr_level_f64)(const double *grad, const double *w, int64_t n);
float ISA(gr_along_f32)(const float *grad, const float *w, const float *src, float mean, float rstd, int64_t n);
double ISA(gr_along_f64)(const double *grad, const double *w, const double *src, double mean, double rstd, int64_t n);
float ISA(gr_square_sum_f32)(const float *src, float shift, int64_t n);
double ISA(gr_square_sum_f64)(const double *src, double shift, int64_t n);
float ISA(gr_exp_sum_f32)(float *dst, const float *src, float shift, int64_t n);
double ISA(gr_exp_sum_f64)(double *dst, const double *src, double shift, int64_t n);
#define GR_ROW_FUNCTIONS(REAL, sfx)                                                                                \
    void ISA(gr_divide_##sfx)(REAL *dst, const REAL *src, REAL by, int64_t n);                                     \
    void ISA(gr_normalize_##sfx)(REAL *dst, const REAL *src, REAL mean, REAL rstd, const REAL *w, const REAL *b,   \
                                 int64_t n);                                                                       \
    void ISA(gr_normalize_back_##sfx)(REAL *dst, const REAL *src, const REAL *grad, const REAL *w, REAL mean,      \
                                      REAL rstd, bool centred, int64_t n);                                         \
    void ISA(gr_column_sums_##sfx)(REAL *dst, const REAL *src, int64_t step, int64_t rows, int64_t n);             \
    void ISA(gr_row_sums_##sfx)(REAL *dst, const REAL *src, int64_t step, const int32_t *row, int64_t count, int64_t n); \
    void ISA(gr_normalize_weight_back_##sfx)(REAL *dst, const REAL *src, const REAL *grad, const REAL *mean,       \
                                             const REAL *rstd, int64_t step, int64_t rows, int64_t n)
GR_ROW_FUNCTIONS(float, f32);
GR_ROW_FUNCTIONS(double, f64);
void ISA(gr_uniform_f32)(const uint64_t key[2], uint64_t row, int64_t first, float *out, int64_t n);
void ISA(gr_tile_f32)(const gr_tile *t);
void ISA(gr_tile_f64)(const gr_tile *t);
void ISA(gr_tile_bf16)(const gr_tile *t);
void ISA(gr_tile_f16)(const gr_tile *t);
void ISA(gr_widen_bf16)(float *dst, const uint16_t *src, int64_t rows);
void ISA(gr_widen_f16)(float *dst, const uint16_t *src, int64_t rows);
void ISA(gr_tiny_f32)(const gr_tile *t);
void ISA(gr_tiny_f64)(const gr_tile *t);
void ISA(gr_pack_f32)(float *dst, int64_t width, const float *src, int64_t cs, int64_t ks, int64_t cols,
                      int64_t k);
void ISA(gr_pack_f64)(double *dst, int64_t width, const double *src, int64_t cs, int64_t ks, int64_t cols,
                      int64_t k);
#endif
