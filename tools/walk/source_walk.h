/* source_walk.h - the walk over a data source's batches, for built-in sources (tests/test_source.c) and
 * for those of plugins (graphrun test-plugin): whether it keeps what graphrun/source.h says of sources.
 *
 * The model's section `data` is opened twice with one seed and once with another, with the same splits. Of each split, two
 * epochs are read in order, again with the later epoch first, and again from the middle; the two that
 * were opened alike have to give the same bytes. Then batches are made one by one, from the last to
 * the first and twice, into memory that held other bytes before. */
#ifndef GR_WALK_SOURCE_WALK_H
#define GR_WALK_SOURCE_WALK_H

#include "data/desc.h"

typedef enum source_check {
    SOURCE_OPENS,  /* without a message */
    SOURCE_FIELDS, /* as declared and announced; numbers within their vocabulary */
    SOURCE_SPLITS, /* have batches, names of their own, and nothing in common */
    SOURCE_ORDER,  /* an epoch is a function of the seed and its number, wherever it is begun */
    SOURCE_FILL,   /* a batch is one of its number, and all of it is written */
    SOURCE_MEMORY, /* begin and fill allocate nothing */
    SOURCE_NUM_CHECKS
} source_check;

typedef struct source_finding {
    int64_t count;       /* comparisons that were made */
    int failures;
    char failure[600]; /* the first one; "": none */
} source_finding;

typedef struct source_report {
    gr_arena *arena;  /* what the walk needs; the caller's */
    source_check at;  /* what was looked at last */
    source_finding of[SOURCE_NUM_CHECKS];
} source_report;

extern const char *const source_check_names[SOURCE_NUM_CHECKS];

/* Whether all is well; at most `most` batches of an epoch are looked at. */
bool source_walk(const char *model_path, const gr_model_options *o, int64_t most, source_report *r);
/* The same on the source's example. */
bool source_walk_example(const gr_source *s, const gr_model_options *o, source_report *r);
#endif
