/* order.c - random order of an epoch: Philox keyed by the run's seed, a row an epoch. */
#include "data/desc.h"
#include "kernel/kernel.h"

typedef uint64_t order_key[2]; /* the second apart from that of weights and dropout */
enum { OF_EPOCHS = 0x64617461, OF_SPLITS = 0x73706c74, OF_ITEMS = 0x6974656d };

/* A number in [0, bound) from 48 bits. */
static int64_t below(const order_key key, int64_t row, int64_t position, int64_t bound)
{
    float u[2];
    gr_math_get()->uniform_f32(key, (uint64_t)row, 2 * position, u, 2);
    int64_t n = (int64_t)(((double)u[0] + (double)u[1] * 0x1p-24) * (double)bound);
    return n < bound ? n : bound - 1;
}

static void shuffle(const order_key key, int64_t row, int64_t first, int64_t *item, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) { /* Fisher and Yates */
        int64_t k = below(key, row, first + i, i + 1), other = item[k];
        item[k] = item[i];
        item[i] = other;
    }
}

int64_t gr_order_number(const gr_data *d, int64_t epoch, int64_t bound)
{
    return below((order_key){d->options.seed, OF_EPOCHS}, epoch, 0, bound);
}

void gr_order_shuffle(const gr_data *d, int64_t epoch, int64_t first, int64_t *item, int64_t n)
{
    shuffle((order_key){d->options.seed, OF_EPOCHS}, epoch, first, item, n);
}

void gr_order_deal(int64_t *item, int64_t n) { shuffle((order_key){0, OF_SPLITS}, 0, 0, item, n); }

int64_t gr_order_draw(int64_t item, int64_t position, int64_t bound)
{
    return below((order_key){0, OF_ITEMS}, item, position, bound);
}
