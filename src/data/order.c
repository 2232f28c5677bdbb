/* order.c - random order of an epoch: Philox keyed by the run's seed, a row an epoch. */
#include "data/desc.h"
#include "kernel/kernel.h"

/* A number in [0, 1) of 48 bits; position 0 is the epoch's offset, the rest its shuffle. */
static double uniform(const gr_data *d, int64_t epoch, int64_t position)
{
    const uint64_t key[2] = {d->options.seed, 0x64617461u /* apart from weights and dropout */};
    float u[2];
    gr_math_get()->uniform_f32(key, (uint64_t)epoch, 2 * position, u, 2);
    return (double)u[0] + (double)u[1] * 0x1p-24;
}

static int64_t below(const gr_data *d, int64_t epoch, int64_t position, int64_t bound)
{
    int64_t n = (int64_t)(uniform(d, epoch, position) * (double)bound);
    return n < bound ? n : bound - 1;
}

int64_t gr_order_number(const gr_data *d, int64_t epoch, int64_t bound) { return below(d, epoch, 0, bound); }

void gr_order_shuffle(const gr_data *d, int64_t epoch, int64_t *item, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) { /* Fisher and Yates */
        int64_t k = below(d, epoch, i, i + 1), other = item[k];
        item[k] = item[i];
        item[i] = other;
    }
}
