/* stepwise.h - what an Input reaches, and whether it can be run one step a time.
 *
 * A model that generates is fed its own choices. What the feed does not reach need run but
 * once; and where all mixing of time in the rest is done by forward loops, a step's work is
 * enough: their carries become states. Which it is is found by comparing the typed graph with
 * the same model's at another length of the feed's time axis: an axis of a value stands for
 * time where its length follows. Each node is then asked through its traits whether it keeps
 * the steps apart. In doubt it is said to mix them. */
#ifndef GR_PASS_STEPWISE_H
#define GR_PASS_STEPWISE_H

#include "graph/graph.h"

typedef enum gr_reach {
    GR_REACH_NONE,   /* not reached, and the same for every length */
    GR_REACH_LENGTH, /* not reached, but another for another length */
    GR_REACH_STEP,   /* has an axis of time; its slice t depends on nothing fed after t */
    GR_REACH_LAST,   /* what it is after the last step */
    GR_REACH_MIXED,  /* none of these is certain */
} gr_reach;

typedef struct gr_stepwise {
    gr_graph *graph;
    int64_t length, other_length; /* of the feed's time axis, in graph and in the one compared */
    int *first;        /* by node of the root: the number of its first output */
    gr_reach *reach;   /* by number of an output */
    bool *dynamic;     /* likewise: depends on some Input */
} gr_stepwise;

/* root, at length `length`, against the graph of the same model at another one; NULL if these
 * are not alike node by node. feed: the Input that is fed; NULL: every one whose length follows. lengths: the Input that says how many of the items fed are real, which
 * all are; or NULL. Marks every node of root with its number. */
gr_stepwise *gr_stepwise_create(gr_graph *root, int64_t length, const gr_graph *other, int64_t other_length, const char *feed,
                                const char *lengths);
gr_reach gr_reach_of(const gr_stepwise *s, const gr_value *v);
bool gr_is_dynamic(const gr_stepwise *s, const gr_value *v);
/* Which axis of v stands for time; -1: none, or more than one. */
int gr_time_axis(const gr_stepwise *s, const gr_value *v, const gr_value *other);
/* Whether a loop that the feed reaches runs over the axis. */
bool gr_stepwise_loops(const gr_stepwise *s);

/* ---- cut.c ---- */

/* A value that is computed once and is a state of the graph that runs again and again. */
typedef struct gr_border {
    const char *node; int output; /* of the whole graph's root */
    const char *state;
    const char *what;             /* for a person: "rnn:h", "encoder.0" */
    bool carry;                   /* only its first value is; each step gives it the next */
} gr_border;

/* Leaves in the graph what `results` (values of the root) need of the part that the feed
 * reaches or that its length changes. What it reads of the rest and depends on an Input becomes
 * a state without `next`; where it goes step by step, the carries of its loops become states
 * too. Gives their number and a list in the arena. */
int gr_cut_rest(const gr_stepwise *s, int n, gr_value *const *results, bool step, gr_border **borders);
/* Makes them results of another graph of the same model, under their states' names. */
void gr_cut_borders(gr_graph *root, int n, const gr_border *borders);
#endif
