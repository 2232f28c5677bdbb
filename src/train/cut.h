/* cut.h - a batch in pieces along time: `train: {bptt: 35}`.
 *
 * Every Input that has the axis which loops run over is fed 35 steps at a time, the last piece
 * what is left; the program is that of 35 steps, one update each. Loops start a piece from
 * where they ended the one before. */
#ifndef GR_TRAIN_CUT_H
#define GR_TRAIN_CUT_H

#include "train/session.h"

/* The axis to cut: the one that the loops named by `carry` run over, or, without `carry`, all
 * loops. NULL after a diagnostic. */
const char *gr_cut_axis(const gr_graph *root, const gr_recipe *r);

/* How many pieces a batch has, 1 if it is not cut. */
int64_t gr_cut_pieces(const gr_session *s, const gr_tensor *field);
/* The fields of piece i in `piece` (as many as the data source has), which look into those of
 * the batch; `field` itself where it is not cut. */
const gr_tensor *gr_cut_piece(const gr_session *s, const gr_tensor *field, int64_t i, gr_tensor *piece);
/* The same for what the data source calls a full batch. */
int64_t gr_cut_full_pieces(const gr_session *s);
#endif
