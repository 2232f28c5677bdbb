/* microkernel.c - the microkernels of BLIS, found at start and held against tiles of our own. The only user of blis.h. */
#include "kernel/microkernel.h"
#include "base/count.h"
#include "base/memory.h"
#include <blis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void (*microkernel)(dim_t m, dim_t n, dim_t k, void *alpha, void *a, void *b, void *beta, void *c,
                            inc_t rs, inc_t cs, auxinfo_t *data, cntx_t *cntx);

static gr_engine engines[2];

const gr_engine *gr_engine_of(gr_dtype dtype) { return &engines[dtype == GR_FLOAT64]; }

void gr_engine_clear(const gr_engine *e, char *c, int64_t rows, int64_t cols, int64_t rs, int64_t cs)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) memset(c + (i * rs + j * cs) * e->size, 0, (size_t)e->size);
}

void gr_engine_run(const gr_engine *e, int64_t k, const char *s, const char *v, char *c, int64_t c_ms, int64_t c_ns, bool first)
{
    static const float one_f32 = 1, zero_f32 = 0;
    static const double one_f64 = 1, zero_f64 = 0;
    void *one = e->is_float ? (void *)(uintptr_t)&one_f32 : (void *)(uintptr_t)&one_f64;
    void *zero = e->is_float ? (void *)(uintptr_t)&zero_f32 : (void *)(uintptr_t)&zero_f64;
    void *ps = (void *)(uintptr_t)s, *pv = (void *)(uintptr_t)v, *beta = first ? zero : one;
    const microkernel run = (microkernel)e->run;
    if (first && e->reads_c) gr_engine_clear(e, c, e->sw, e->vw, c_ms, c_ns);
    auxinfo_t aux;
    memset(&aux, 0, sizeof aux);
    bli_auxinfo_set_next_a(e->v_is_b ? ps : pv, &aux);
    bli_auxinfo_set_next_b(e->v_is_b ? pv : ps, &aux);
    if (e->v_is_b) run(e->sw, e->vw, k, one, ps, pv, beta, c, c_ms, c_ns, &aux, (cntx_t *)e->context);
    else run(e->vw, e->sw, k, one, pv, ps, beta, c, c_ns, c_ms, &aux, (cntx_t *)e->context);
}

/* ---- at start ---- */

static bool has_avx512(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

/* BLIS 0.9 takes a CPU name that it does not know for a haswell; one with AVX-512 gets the skx
 * kernels, unless the user has chosen. It reads BLIS_ARCH_TYPE as a number, so that a name there is
 * taken for 0, skx, which no CPU without AVX-512 survives. */
static arch_t find_architecture(void)
{
    bli_init(); /* what the environment asks for is looked up among contexts that must be there */
    const arch_t id = bli_arch_query_id();
#if defined(__x86_64__)
    const bool needs_avx512 = id == BLIS_ARCH_SKX || id == BLIS_ARCH_KNL;
    const bool haswell = __builtin_cpu_supports("avx2") && bli_gks_lookup_id(BLIS_ARCH_HASWELL);
    if (needs_avx512 && !has_avx512()) return haswell ? BLIS_ARCH_HASWELL : BLIS_ARCH_GENERIC;
    if (!needs_avx512 && has_avx512() && !getenv("BLIS_ARCH_TYPE") && bli_gks_lookup_id(BLIS_ARCH_SKX)) return BLIS_ARCH_SKX;
#endif
    return id;
}

bool gr_engine_plain(void) { return find_architecture() == BLIS_ARCH_GENERIC; }

/* Steps of the trial: our tiles take 8, 4 and 1 at once. */
enum { K = 37 };

/* The product of the trial by tiles of our own; row i of s begins at i s_rs. */
static void run_tiles(const gr_engine *e, const char *s, int64_t s_rs, int64_t s_ks, const char *v, char *c, bool first)
{
    const int64_t most = gr_engine_rows(e, s_rs);
    for (int64_t i = 0; i < e->sw; i += most) {
        const gr_tile t = {.rows = gr_smaller(e->sw - i, most), .cols = e->vw, .k = K, .v = v, .v_ks = e->vw,
                           .v_ps = e->vw * K, .s = s + i * s_rs * e->size, .s_rs = s_rs, .s_ks = s_ks,
                           .c = c + i * e->vw * e->size, .c_rs = e->vw, .c_cs = 1, .first = first};
        gr_engine_run_own(e, &t);
    }
}

/* Both on the same panels, and ours on rows as well: not a bit may differ, stored or added. */
static bool own_agrees(const gr_engine *e)
{
    char s[16 * K * 8 + GR_GEMM_SLACK] __attribute__((aligned(64))), v[64 * K * 8 + GR_GEMM_SLACK] __attribute__((aligned(64)));
    char c[3][64 * 16 * 8] __attribute__((aligned(64))), rows[16 * K * 8] __attribute__((aligned(64)));
    uint32_t x = 12345;
    for (int64_t i = 0; i < (e->sw + e->vw) * K + 2 * e->sw * e->vw; i++) {
        x = x * 1664525u + 1013904223u;
        const double r = (double)(x >> 8) * 0x1p-23 - 1;
        const int64_t ns = e->sw * K, nv = ns + e->vw * K, nc = e->sw * e->vw;
        char *p = i < ns ? s + i * e->size : v + (i - ns) * e->size;
        if (i >= nv) p = c[(i - nv) / nc] + (i - nv) % nc * e->size;
        if (e->is_float) *(float *)(void *)p = (float)r;
        else *(double *)(void *)p = r * 1.000000123;
    }
    const size_t bytes = (size_t)(e->sw * e->vw * e->size);
    memcpy(c[1], c[0], bytes);
    memcpy(c[2], c[0], bytes);
    for (int64_t i = 0; i < e->sw; i++)
        for (int64_t l = 0; l < K; l++) memcpy(rows + (i * K + l) * e->size, s + (l * e->sw + i) * e->size, (size_t)e->size);
    for (int first = 1; first >= 0; first--) {
        gr_engine_run(e, K, s, v, c[0], e->vw, 1, first);
        run_tiles(e, s, 1, e->sw, v, c[1], first);
        run_tiles(e, rows, K, 1, v, c[2], first);
        if (memcmp(c[0], c[1], bytes) != 0 || memcmp(c[0], c[2], bytes) != 0) return false;
    }
    return true;
}

/* A product of zeros over a C of NaN. */
static bool keeps_nan(const gr_engine *e)
{
    char zero[64 * 8 + GR_GEMM_SLACK] __attribute__((aligned(64))) = {0}, c[64 * 16 * 8] __attribute__((aligned(64)));
    memset(c, 0xff, sizeof c);
    gr_engine_run(e, 1, zero, zero, c, e->vw, 1, true);
    for (int64_t i = 0; i < e->sw * e->vw * e->size; i++)
        if (c[i] != 0) return true;
    return false;
}

static void init_engine(gr_engine *e, cntx_t *cntx, num_t dt)
{
    memset(e, 0, sizeof *e);
    e->is_float = dt == BLIS_FLOAT;
    e->size = e->is_float ? 4 : 8;
    e->context = cntx;
    e->run = (void (*)(void))bli_cntx_get_l3_nat_ukr_dt(dt, BLIS_GEMM_UKR, cntx);
    e->v_is_b = bli_cntx_l3_nat_ukr_prefers_rows_dt(dt, BLIS_GEMM_UKR, cntx);
    const int64_t mr = bli_cntx_get_blksz_def_dt(dt, BLIS_MR, cntx), nr = bli_cntx_get_blksz_def_dt(dt, BLIS_NR, cntx);
    e->vw = e->v_is_b ? nr : mr;
    e->sw = e->v_is_b ? mr : nr;
    if (e->sw > 16 || e->vw > 64) abort(); /* no microkernel of BLIS is so large */
    e->reads_c = keeps_nan(e);
    e->mc = GR_S_BYTES / (GR_KC * e->size) / e->sw * e->sw;
    if (e->mc < e->sw) e->mc = e->sw;
    e->nc = GR_NC / e->vw * e->vw;
    e->isa = gr_isa_at(0);
    for (int i = 0; gr_isa_at(i) && !e->own; i++) {
        const gr_isa *isa = gr_isa_at(i);
        if ((e->is_float ? isa->panel_f32 : isa->panel_f64) != e->vw) continue;
        e->isa = isa;
        e->own = own_agrees(e);
    }
}

void gr_engine_init(char *name, size_t size)
{
    const arch_t id = find_architecture();
    const char *arch = bli_arch_string(id);
    cntx_t *cntx = id == bli_arch_query_id() ? bli_gks_query_cntx() : bli_gks_lookup_nat_cntx(id);
    init_engine(&engines[0], cntx, BLIS_FLOAT);
    init_engine(&engines[1], cntx, BLIS_DOUBLE);
    const gr_engine *e = &engines[0];
    snprintf(name, size, "%s %dx%d%s", arch, (int)e->sw, (int)e->vw, e->own ? "" : " alone");
}

double gr_engine_measure(gr_dtype dtype, double seconds)
{
    const gr_engine *e = gr_engine_of(dtype);
    const size_t bytes = (size_t)((e->sw + e->vw) * GR_KC * e->size + 2 * GR_GEMM_SLACK + e->sw * e->vw * e->size);
    char *room = gr_allocate(&gr_system_memory, bytes, 64);
    if (!room) return 0;
    memset(room, 0, bytes);
    char *v = room, *s = v + e->vw * GR_KC * e->size + GR_GEMM_SLACK, *c = s + e->sw * GR_KC * e->size + GR_GEMM_SLACK;
    struct timespec t0, t1;
    double passed = 0, flops = 0;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    do {
        for (int i = 0; i < 100; i++) gr_engine_run(e, GR_KC, s, v, c, e->vw, 1, true);
        flops += 100 * 2.0 * (double)(e->sw * e->vw * GR_KC);
        clock_gettime(CLOCK_MONOTONIC, &t1);
        passed = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-9;
    } while (passed < seconds);
    gr_free(room);
    return flops / passed * 1e-9;
}
