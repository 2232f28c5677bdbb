/* items.h - the layer under sources that have items: examples, sentences, series.
 *
 * A source reads its files in `open`, fills a gr_items with what there is and ends in
 * gr_items_open; its `begin` and `fill` are gr_items_begin and gr_items_fill. For that it gets
 * batches, splits by parts of all items or by files, shuffling, bucketing, and padding:
 *
 *     item      fixed   [dim ...]          a label, an image, a window of a series
 *               ragged  [length, dim ...]  a sentence, a series
 *     field     the same with the batch axis where the Input that it feeds has the axis that is
 *               called "batch" (or as the Inputs of one axis call it); where no Input says so:
 *               first, after the time axis of a ragged field. The time axis is as long as the
 *               longest item of the batch, or as long as the Input says it is (vars: {time: 20});
 *               items are then cut.
 *     lengths   int32 [batch] of a ragged axis
 *
 * An item has at most GR_ITEM_AXES lengths (source and target of a translation). */
#ifndef GR_DATA_ITEMS_H
#define GR_DATA_ITEMS_H

#include "data/desc.h"

enum { GR_ITEM_AXES = 2 };

typedef enum gr_item_kind { GR_ITEM_FIXED, GR_ITEM_RAGGED, GR_ITEM_LENGTHS } gr_item_kind;

typedef struct gr_item_field {
    const char *name;
    gr_item_kind kind;
    int axis;       /* ragged, lengths: which of the item's lengths */
    gr_dtype dtype;
    int rank; int64_t dim[GR_MAX_RANK]; /* of an item, without the ragged axis */
    double pad;     /* what stands past the end of an item */
    int batch_axis; /* where the batch axis is, from 1; 0: as Inputs say */
} gr_item_field;

struct gr_items {
    /* ---- what the source fills in; all stays the source's ---- */
    int64_t count;
    gr_part *parts; int num_parts; /* of gr_data_paths, with `end` set; none: `split` cuts */
    gr_item_field field[GR_MAX_FIELDS]; int num_fields;
    int32_t *length[GR_ITEM_AXES]; int num_axes; /* by item; shortened where items are cut */
    bool cut;    /* the parts are splits already, for the source has cut them */
    int64_t gap; /* the last so many of each part are no items */
    /* The values of an item in a field that holds no lengths: dense and of the field's dtype,
     * length x dims of them (at least so many as `length` says after cutting). In the source's
     * memory, or written to scratch, which has room for the longest item. */
    const void *(*get)(gr_data *d, int64_t item, int field, void *scratch);
    /* ---- the layer's own ---- */
    int64_t batch;                 /* rows of a full batch */
    bool batch_named;              /* the model's vars or Inputs say how many */
    int64_t fixed[GR_ITEM_AXES];   /* the length that the Inputs give, -1: the longest's */
    int64_t longest[GR_ITEM_AXES];
    int place[GR_MAX_FIELDS];      /* of the batch axis */
    int64_t *kept, num_kept;       /* items as splits count them */
    int64_t *order, *spare;        /* items of the epoch in hand */
    int64_t *first;                /* of each batch, in order[] */
    void *scratch;
};

/* Attributes of all such sources, the first lines of their tables. */
#define GR_ITEM_ATTRS(shuffle, random_split)                                                                           \
    {"batch_size", GR_ATTR_INT, "~", 1, 1e12, NULL, "items of a batch; absent: as the batch axis of the Inputs says"},  \
    {"shuffle", GR_ATTR_BOOL, shuffle, 0, 0, NULL, "the split train in another order each epoch"},                      \
    {"drop_last", GR_ATTR_BOOL, "false", 0, 0, NULL, "leave out a last batch of train that is not full"},               \
    {"max_items", GR_ATTR_INT, "~", 1, 1e15, NULL, "how many items are used, from the start of each file"},             \
    {"random_split", GR_ATTR_BOOL, random_split, 0, 0, NULL,                                                            \
     "`split` deals items out by chance (always the same), not in the order of the file"}
/* Of sources with ragged fields, besides. */
#define GR_RAGGED_ATTRS                                                                                                 \
    {"bucket", GR_ATTR_INT, "0", 0, 1e9, NULL, "batches of items of like lengths: sorts the items of so many batches"}, \
    {"pad_multiple", GR_ATTR_INT, "1", 1, 1e9, NULL, "a batch's length is the next multiple of this"},                  \
    {"max_length", GR_ATTR_INT, "~", 1, 1e9, NULL, "items that are longer are left out"},                               \
    {"steps", GR_ATTR_INT, "~", 1, 1e9, NULL, "the time axes have so many steps: shorter items are padded, longer ones cut"}, \
    {"truncate", GR_ATTR_BOOL, "false", 0, 0, NULL, "items longer than max_length are cut instead"}

/* Adds a field and gives it, of rank 0 (a scalar an item, or a step). */
gr_item_field *gr_items_field(gr_items *x, const char *name, gr_item_kind kind, int axis, gr_dtype dtype);
/* Drops the field's last axis if its length is 1 and the Input that it feeds has an axis less. */
void gr_items_squeeze(gr_data *d, gr_item_field *f);
/* Cuts items into splits and batches, adds the fields; d->items is x. 0, or -1 after a diagnostic. */
int gr_items_open(gr_data *d, gr_items *x);
void gr_items_begin(gr_data *d, const gr_split *s, int64_t epoch);
void gr_items_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field);
#endif
