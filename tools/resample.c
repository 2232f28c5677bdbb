/* resample.c - how often graphrun compare is wrong: draws two groups of seeds from the runs of one model, again and
 * again, and counts how often they are said to differ.
 *
 *     resample POOL.json GROUP TIMES
 *
 * POOL.json is what `graphrun compare A.yaml B.yaml --seeds 40 --json POOL.json` wrote. The groups are disjoint, so
 * what is paired has nothing in common but the model. With a level of 95% they should differ in 5% of cases. */
#include "kernel/kernel.h"
#include "train/compare.h"

#include <stdlib.h>

/* A number in [0, bound) of draw i. */
static int64_t draw(int64_t i, int64_t bound)
{
    float u;
    gr_math_get()->uniform_f32((const uint64_t[2]){1, 0x72657361}, 0, i, &u, 1);
    const int64_t n = (int64_t)((double)u * (double)bound);
    return n < bound ? n : bound - 1;
}

/* The first `wanted` of n places, shuffled. */
static void choose(int *place, int n, int wanted, int64_t *drawn)
{
    for (int i = 0; i < n; i++) place[i] = i;
    for (int i = 0; i < wanted; i++) {
        const int k = i + (int)draw((*drawn)++, n - i), other = place[k];
        place[k] = place[i];
        place[i] = other;
    }
}

/* Two contenders, both of the model k of the pool, with `group` of its seeds each. */
static gr_comparison pair_of(gr_arena *a, const gr_comparison *pool, int k, int group, const int *place)
{
    gr_comparison c = *pool;
    c.num_contenders = 2;
    c.num_seeds = group;
    c.contender = GR_NEW_ARRAY(a, gr_contender, 2);
    for (int side = 0; side < 2; side++) {
        c.contender[side] = pool->contender[k];
        c.contender[side].trial = GR_NEW_ARRAY(a, gr_trial, group);
        for (int i = 0; i < group; i++) c.contender[side].trial[i] = pool->contender[k].trial[place[side * group + i]];
    }
    return c;
}

static int count_verdicts(const gr_comparison *pool, int k, int group, int times)
{
    int place[GR_COMPARE_MAX_SEEDS], wrong = 0;
    int64_t drawn = 0;
    for (int t = 0; t < times; t++) {
        gr_arena *a = gr_arena_create();
        if (!a) exit(EXIT_FAILURE);
        choose(place, pool->num_seeds, 2 * group, &drawn);
        gr_comparison c = pair_of(a, pool, k, group, place);
        gr_compare_judge(&c);
        wrong += c.contender[1].difference.verdict > GR_VERDICT_NO;
        gr_arena_destroy(a);
    }
    return wrong;
}

int main(int argc, char **argv)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *pool;
    gr_error e = {0};
    const int group = argc == 4 ? atoi(argv[2]) : 0, times = argc == 4 ? atoi(argv[3]) : 0;
    if (!a || group < 2 || times < 1) {
        fprintf(stderr, "usage: resample POOL.json GROUP TIMES\n");
        return 2;
    }
    if (gr_comparison_read(a, argv[1], &pool, &e) <= 0 || 2 * group > pool->num_seeds) {
        fprintf(stderr, "resample: %s\n", *e.message ? e.message : "the pool is missing or has too few seeds");
        return EXIT_FAILURE;
    }
    for (int k = 0; k < pool->num_contenders; k++) {
        const int wrong = count_verdicts(pool, k, group, times);
        printf("%s: %d of %d pairs of groups of %d seeds differ significantly, %.1f%%\n", pool->contender[k].name, wrong, times, group,
               100.0 * wrong / times);
    }
    gr_arena_destroy(a);
    return EXIT_SUCCESS;
}
