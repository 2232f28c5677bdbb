/* count.h - counts: arithmetic, and words for them. */
#ifndef GR_BASE_COUNT_H
#define GR_BASE_COUNT_H

#include <stdint.h>

static inline int64_t gr_smaller(int64_t a, int64_t b) { return a < b ? a : b; }
/* The multiple of `to`, at least 1, that is not less than x, at least 0. */
static inline int64_t gr_round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }
/* The ending of what is counted: "%d step%s", n, gr_s(n). */
static inline const char *gr_s(int64_t n) { return n == 1 ? "" : "s"; }

#endif
