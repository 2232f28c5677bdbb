/* attend.h - what the op of attention in tiles (attend.c) and its kernels (attend_tiles.c) share. */
#ifndef GRAPHRUN_OPS_ATTEND_H
#define GRAPHRUN_OPS_ATTEND_H

#include <graphrun/op.h>

/* Inputs of the op, its gradient and its step, and their attributes, by position. */
enum attend_input { QUERY, KEY, VALUE, HIDE, BIAS, LARGEST, TOTAL, OUTPUT, GRAD_OUTPUT, NUMBERS = LARGEST };
enum attend_attr { DIM, SCALE, CAUSAL, SAFE, DROPOUT };

int64_t attend_units(const gr_call *call);
int64_t attend_back_units(const gr_call *call);
size_t attend_scratch(const gr_call *call);
size_t attend_back_scratch(const gr_call *call);
double attend_flops(const gr_call *call);
double attend_back_flops(const gr_call *call);
void attend_run_f32(const gr_call *call);
void attend_run_f64(const gr_call *call);
void attend_past_run_f32(const gr_call *call);
void attend_past_run_f64(const gr_call *call);
void attend_back_run_f32(const gr_call *call);
void attend_back_run_f64(const gr_call *call);

#endif
