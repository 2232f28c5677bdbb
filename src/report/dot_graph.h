/* dot_graph.h - a graph on the way to its picture; private to dot_graph.c, dot_tree.c, dot_update.c, dot_boxes.c, dot_arrows.c.
 *
 * Branches form a tree. A node "rnn.l0.i" stands in the branch rnn / l0; the nodes of a Scan's body stand
 * in a branch of the Scan's own, within the one where the Scan would stand. What derives from "x" is called
 * "x'...": it stands in branches of its own phase, so that the halves stay apart. A branch deeper than is
 * asked for is closed: a box stands for all that is in it. */
#ifndef GR_REPORT_DOT_GRAPH_H
#define GR_REPORT_DOT_GRAPH_H

#include "base/map.h"
#include "report/dot.h"
#include "report/dot_picture.h"

enum { GR_NUM_PHASES = 3 };

/* Where a node stands to the loop that it was written in. */
typedef enum gr_dot_stage { GR_STAGE_NONE, GR_STAGE_BEFORE, GR_STAGE_LOOP, GR_STAGE_AFTER, GR_NUM_STAGES } gr_dot_stage;

#define GR_DOT_UPDATE "train." /* begins the names of what the training step adds */

/* Parameters that are updated alike: the nodes of the first one are drawn for all. */
typedef struct gr_dot_alike {
    const gr_state **param; int num_params, cap_params;
    const gr_applied *optimiser;  /* NULL: none that is known */
    struct gr_branch *branch;
} gr_dot_alike;

typedef struct gr_branch {
    struct gr_branch *parent, *first, *last, *next;
    const char *name, *path;      /* last part and all of its nodes' names */
    gr_phase phase;
    const gr_node *scan;          /* of which it is the body, or NULL */
    gr_dot_stage stage;           /* of what is in it, if it was made for that */
    bool derived;                 /* what derives from one node: its gradient */
    const gr_dot_alike *alike;    /* whose update it is */
    int id, level;
    gr_node **node; int num_nodes, cap_nodes;
    gr_pic_group *group;
    gr_pic_box *closed[GR_NUM_STAGES]; /* what stands for the nodes of each stage */
} gr_branch;

/* What is known of a node: its mark. */
typedef struct gr_dot_place {
    gr_branch *branch;              /* NULL: it is left out */
    bool read;                      /* by a node, a result or a state */
    const gr_state *owner;          /* of an update's node: the parameter that it is for */
    gr_dot_alike *alike;            /* and those that are updated like that one; of a state, too */
    const gr_node *like;            /* whose box stands for its own; NULL: none does */
    const gr_node **with; int num_with, cap_with; /* those that its box stands for, it among them */
    bool sums;                      /* what a loop makes at each step, over a carry from zeros */
    gr_pic_box *box[GR_NUM_PHASES]; /* once drawn; of a state one a phase */
    struct gr_dot_readers { gr_pic_box **box; int count, cap; bool packed; } readers[GR_NUM_PHASES]; /* of a state: the boxes that read it */
} gr_dot_place;

typedef struct gr_dot {
    gr_arena *a;
    gr_graph *g;
    gr_picture *p;
    const gr_dot_options *options;
    gr_map *parts, *branches, *in_loop, *owners, *pairs, *lengths;
    gr_dot_alike **alike; int num_alike, cap_alike;
    gr_branch top, *update;          /* update: NULL where there is none */
    gr_pic_box *gradients;           /* what the update reads; NULL: it is closed, or not drawn yet */
    int num_branches;
} gr_dot;

static inline gr_dot_place *gr_dot_place_of(const gr_node *n) { return n->mark; }

/* ---- dot_tree.c ---- */
void gr_dot_plant(gr_dot *d);
bool gr_dot_is_opened(const gr_dot *d, const gr_dot_alike *k);
/* The outermost branch around b that is not opened, or NULL. */
gr_branch *gr_dot_closed(const gr_dot *d, gr_branch *b);
gr_branch *gr_dot_descend(gr_dot *d, gr_branch *b, const char *name, gr_phase phase);
const gr_applied *gr_dot_part(const gr_dot *d, const char *path);
/* The node's name behind the branches that it stands in. */
const char *gr_dot_local_name(const gr_dot *d, const gr_node *n);
gr_dot_stage gr_dot_stage_of(const gr_dot *d, const gr_node *n);
/* A parameter as a pass has laid it out for its readers. */
bool gr_dot_is_laid_out(const gr_node *n);
/* What a body sees whole is read from where it is made. */
bool gr_dot_is_invariant(const gr_node *n);
/* Left out of the picture, because it has no name of its own and computes nothing: a view, a constant,
 * weights in another order. */
static inline bool gr_dot_is_hidden(const gr_node *n) { return !gr_dot_place_of(n)->branch; }

/* ---- dot_update.c ---- */
void gr_dot_find_updates(gr_dot *d);
/* "exp_avg" of a moment; "parameter", "state". */
const char *gr_dot_updated_as(const gr_dot *d, const gr_state *s);

/* ---- dot_boxes.c ---- */
void gr_dot_draw_boxes(gr_dot *d);
/* "[time 35, batch 32]"; what is no float says so. Between passes, where there is less room, "[time, batch]": the
 * title says the lengths of axes. */
const char *gr_dot_type(const gr_dot *d, const gr_type *t);
/* "weight" of "fc.weight" in the box or a group called fc. */
const char *gr_dot_name_in_box(const gr_state *s, const gr_pic_box *box);

/* ---- dot_arrows.c ---- */
void gr_dot_draw_arrows(gr_dot *d);
/* The node whose output is drawn for v: through Scans down, through invariants and what is hidden up; NULL: none.
 * *type is the one to show: a view that is not drawn may have lost names of axes. */
gr_node *gr_dot_origin(const gr_value *v, const gr_type **type);

/* ---- dot_order.c ---- */
void gr_dot_put_in_order(gr_dot *d);
#endif
