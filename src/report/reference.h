/* reference.h - the reference of ops, data sources and schedules, written from their descriptors. */
#ifndef GR_REPORT_REFERENCE_H
#define GR_REPORT_REFERENCE_H

#include "graph/graph.h"

typedef struct gr_reference {
    gr_arena *arena;
    const gr_registry *registry;
    const char *const *plugins; /* NULL-ended or NULL: where more ops come from */
    bool markdown;              /* else text for a terminal */
    FILE *to;
} gr_reference;

/* Under which heading an op stands: "layers"; "internal" for what passes alone emit. */
const char *gr_op_kind(const gr_op *op);
/* Names and summaries by kind; internal: those ops too. */
void gr_reference_list(const gr_reference *r, bool internal);
/* All about what has that name; false: nothing has. */
bool gr_reference_page(const gr_reference *r, const char *name);
/* Every page, internal ops left out. */
void gr_reference_all(const gr_reference *r);
/* The names of all pages but those of internal ops, NULL-ended. */
const char *const *gr_reference_names(const gr_reference *r);
/* Names that were perhaps meant by `name`: "'LSTM' or 'LSTMCell'"; NULL: none is near. */
const char *gr_reference_suggest(const gr_reference *r, const char *name);
/* The model file of an example: its first line is put before it. NULL where there is none. */
const char *gr_example_model(gr_arena *a, const char *example);
#endif
