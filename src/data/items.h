/* items.h - the layer under sources that have items: examples, sentences, series.
 *
 * A source fills in a gr_items (graphrun/source.h) with what there is and ends in gr_items_open.
 * For that it gets batches, splits by parts of all items or by files, shuffling, bucketing, and
 * padding. */
#ifndef GR_DATA_ITEMS_H
#define GR_DATA_ITEMS_H

#include "data/desc.h"

struct gr_batches {
    gr_items in; /* as the source gave it */
    int64_t batch;                 /* rows of a full batch */
    bool batch_named;              /* the model's vars or Inputs say how many */
    int64_t fixed[GR_ITEM_AXES];   /* the length that the Inputs give, -1: the longest's */
    int64_t longest[GR_ITEM_AXES], uncut[GR_ITEM_AXES]; /* of the items that are kept; uncut: as `get` writes them */
    int place[GR_MAX_FIELDS];      /* of the batch axis */
    int64_t *kept, num_kept;       /* items as splits count them */
    int64_t *order, *spare;        /* items of the epoch in hand */
    int64_t *first;                /* of each batch, in order[] */
    void *scratch;
};

/* Drops the field's last axis if its length is 1 and the Input that it feeds has an axis less. */
void gr_items_squeeze(gr_data *d, gr_item_field *f);
/* Cuts items into splits and batches, adds the fields; makes d->batches. 0, or -1 after a diagnostic. */
int gr_items_open(gr_data *d, gr_items *x);
/* As gr_source_items_of(). */
const int64_t *gr_items_of(const gr_data *d, const gr_split *s, int64_t *n);
void gr_items_begin(gr_data *d, const gr_split *s, int64_t epoch);
void gr_items_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field);
#endif
