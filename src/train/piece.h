/* piece.h - programs for a model that is fed along an axis, piece by piece.
 *
 *     before   what the fed Inputs do not reach: runs once, its results become states
 *     piece    the rest, for so many steps: again and again; loops go on where they were
 *
 * Both are cut out of the expanded graph (pass/stepwise.h); the states between them are the `borders`. */
#ifndef GR_TRAIN_PIECE_H
#define GR_TRAIN_PIECE_H

#include "pass/stepwise.h"
#include "train/session.h"

enum { GR_MAX_PIECE_AXES = 32, GR_USUAL_ROOM = 1024 }; /* steps that there is room for where nothing says how many */

typedef struct gr_piece_spec {
    const char *axis;     /* of the steps; its length is among the want's axes */
    const char *feed;     /* the Input that is fed; NULL: every one that has the axis */
    const char *lengths;  /* the Input that says how many items are real, which all are; or NULL */
    bool step;            /* loops start from states; else a piece is a whole prefix */
    int64_t room;         /* step: for how many steps what ops look back to is kept; fewer where there can be no more */
    bool strict;          /* refuse results that need more than the piece, in a diagnostic */
} gr_piece_spec;

typedef struct gr_piece {
    gr_exec *exec;
    int num_borders; gr_border *borders;
    int64_t room;         /* steps that there is room for; 0: any number */
    bool begins;          /* something runs before it */
} gr_piece;

/* The program of w, which fetches values by name, for a piece. */
int gr_piece_compile(gr_session *s, const gr_want *w, const gr_piece_spec *spec, gr_piece *to, gr_error *e);
/* The program of what runs before it. NULL with e filled. */
gr_exec *gr_before_compile(gr_session *s, const gr_want *w, const gr_piece *piece, gr_error *e);
/* The length to compare with `length`: one that the model can have, too. */
int64_t gr_length_beside(int64_t length);
#endif
