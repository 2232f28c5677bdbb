/* decoder.h - a model that is fed items and asked for what comes next.
 *
 *     begin   the source, if the model has one: what the feed does not reach runs once
 *     feed    some items; the logits after the last of them
 *     keep, go_back    where the decoder stands, for beam search
 *
 * Where only forward loops mix time, an item costs one step, however many came before, and where
 * attention looks back and positions are counted, one step with a memory of the steps before, for as many
 * as there is room for (pass/stepwise.h). Else, and then, the whole prefix runs again, and from the model's
 * own time length on its last part. */
#ifndef GR_TRAIN_DECODER_H
#define GR_TRAIN_DECODER_H

#include "train/session.h"

typedef struct gr_decoder gr_decoder;

/* For the section `generate` of the model. All memory is the session's. NULL with e filled.
 * prefix: run the prefix again even where steps would do. */
gr_decoder *gr_decoder_create(gr_session *s, bool prefix, gr_error *e);
bool gr_decoder_steps(const gr_decoder *d);
/* Why not: "'mean' (Mean) mixes the steps of 'time'"; NULL where it does. */
const char *gr_decoder_fault(const gr_decoder *d);
/* Before the first item after a beginning: so many will be fed at most. */
void gr_decoder_reserve(gr_decoder *d, int64_t items);
/* Once an item has been fed: how many of them are steps; 0: all. */
int64_t gr_decoder_room(const gr_decoder *d);
int64_t gr_decoder_classes(const gr_decoder *d);
const gr_model_input *gr_decoder_feed_input(const gr_decoder *d);
const gr_model_input *gr_decoder_source_input(const gr_decoder *d); /* NULL: none */

/* At the beginning, before any item. */
int gr_decoder_begin(gr_decoder *d, const int32_t *source, int64_t n, gr_error *e);
/* n > 0 items more. */
int gr_decoder_feed(gr_decoder *d, const int32_t *item, int64_t n, gr_error *e);
/* The program that runs for what is fed; NULL before the first item. */
gr_exec *gr_decoder_exec(const gr_decoder *d);
int64_t gr_decoder_count(const gr_decoder *d); /* of items fed since the beginning */
const double *gr_decoder_logits(const gr_decoder *d); /* [classes]; until the next call */
/* What `show` names at the last item, and how many numbers it is; NULL: the section does not say. */
const double *gr_decoder_shown(const gr_decoder *d, int64_t *n);

/* A place to go back to. It holds until the next begin. */
typedef struct gr_decoder_mark gr_decoder_mark;
gr_decoder_mark *gr_decoder_mark_create(gr_decoder *d);
void gr_decoder_keep(gr_decoder *d, gr_decoder_mark *m);
void gr_decoder_go_back(gr_decoder *d, const gr_decoder_mark *m);
#endif
