/* math.c - chooses the instruction set, and makes the table that ops are handed. */
#include "kernel/gemm.h"
#include "kernel/kernel.h"
#include "kernel/microkernel.h"
#include <pthread.h>
#include <stdio.h>

const gr_isa *gr_isa_at(int i)
{
    const gr_isa *usable[4] = {0};
    int n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (gr_engine_plain()) return i == 0 ? &gr_isa_generic : NULL;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        usable[n++] = &gr_isa_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) usable[n++] = &gr_isa_avx2;
#endif
    usable[n++] = &gr_isa_generic;
    return i < n ? usable[i] : NULL;
}

static const gr_isa *chosen;
static gr_math table;
static char kernel_name[64];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void run_row(gr_tape_fn run, void *dst, const void *src, int64_t n)
{
    char *const at[] = {dst, (char *)(uintptr_t)src};
    run(&(gr_tape_step){.x = 1, .y = 1, .z = 1}, at, 1, n);
}

static void exp_f32(float *dst, const float *src, int64_t n) { run_row(chosen->tape_f32[GR_TAPE_EXP], dst, src, n); }
static void exp_f64(double *dst, const double *src, int64_t n) { run_row(chosen->tape_f64[GR_TAPE_EXP], dst, src, n); }
static void log_f32(float *dst, const float *src, int64_t n) { run_row(chosen->tape_f32[GR_TAPE_LOG], dst, src, n); }
static void log_f64(double *dst, const double *src, int64_t n) { run_row(chosen->tape_f64[GR_TAPE_LOG], dst, src, n); }

static void choose(void)
{
    chosen = gr_isa_at(0);
    char product[32];
    gr_engine_init(product, sizeof product);
    snprintf(kernel_name, sizeof kernel_name, "%s, %s", product, chosen->name);
    table = chosen->math;
    table.size = sizeof table;
    table.exp_f32 = exp_f32;
    table.exp_f64 = exp_f64;
    table.log_f32 = log_f32;
    table.log_f64 = log_f64;
    table.gemm = gr_gemm_run;
    table.gemm_scratch = gr_gemm_scratch;
    table.gemm_panel = gr_gemm_panel;
    table.gemm_packed_bytes = gr_gemm_packed_bytes;
    table.gemm_pack = gr_gemm_pack;
    table.gemm_stack = gr_gemm_run_stack;
}

const gr_math *gr_math_get(void)
{
    pthread_once(&once, choose);
    return &table;
}

const gr_isa *gr_isa_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const char *gr_kernel_name(void)
{
    pthread_once(&once, choose);
    return kernel_name;
}

double gr_gemm_peak(gr_dtype dtype, double seconds)
{
    pthread_once(&once, choose);
    return gr_engine_measure(dtype, seconds);
}
