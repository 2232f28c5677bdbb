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

float ISA(gr_sum_f32)(const float *src, int64_t n);
double ISA(gr_sum_f64)(const double *src, int64_t n);
float ISA(gr_max_f32)(const float *src, int64_t n);
double ISA(gr_max_f64)(const double *src, int64_t n);
float ISA(gr_dot_f32)(const float *a, const float *b, int64_t n);
double ISA(gr_dot_f64)(const double *a, const double *b, int64_t n);
void ISA(gr_tile_f32)(const gr_tile *t);
void ISA(gr_tile_f64)(const gr_tile *t);
void ISA(gr_tiny_f32)(const gr_tile *t);
void ISA(gr_tiny_f64)(const gr_tile *t);
void ISA(gr_pack_f32)(float *dst, int64_t width, const float *src, int64_t cs, int64_t ks, int64_t cols,
                      int64_t k);
void ISA(gr_pack_f64)(double *dst, int64_t width, const double *src, int64_t cs, int64_t ks, int64_t cols,
                      int64_t k);
#endif
