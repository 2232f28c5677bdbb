/* html_sample.h - a comparison that nobody trained, for tests of its page. */
#ifndef GR_TESTS_HTML_SAMPLE_H
#define GR_TESTS_HTML_SAMPLE_H

#include "base/arena.h"
#include "train/compare.h"

/* Four models of a text, `seeds` runs each: the third is best, the second near it; the last looks at its source. */
gr_comparison *test_comparison(gr_arena *a, int seeds);
#endif
