/* stepwise.h - what an Input reaches, and whether it can be run one step a time.
 *
 * A model that generates is fed its own choices. What the feed does not reach need run but
 * once; and where all mixing of time in the rest is done by forward loops, a step's work is
 * enough: their carries become states. Which it is is found by comparing the typed graph with
 * the same model's at another length of the feed's time axis: an axis of a value stands for
 * time where its length follows. Each node is then asked through its traits whether it keeps
 * the steps apart, and where these do not tell its op says how it steps, if it can: what it needs of
 * the steps before becomes a state. In doubt a node is said to mix them. */
#ifndef GR_PASS_STEPWISE_H
#define GR_PASS_STEPWISE_H

#include "graph/emit.h"
#include "graph/graph.h"

typedef enum gr_reach {
    GR_REACH_NONE,   /* not reached, and the same for every length */
    GR_REACH_LENGTH, /* not reached, but another for another length */
    GR_REACH_STEP,   /* has an axis of time; its slice t depends on nothing fed after t */
    GR_REACH_LAST,   /* what it is after the last step */
    GR_REACH_MIXED,  /* none of these is certain */
} gr_reach;

/* Of a node whose op says how it steps. */
typedef struct gr_step_hook {
    int *axis;    /* of each input that of time, -1: none */
    int64_t most; /* steps that there can be; INT64_MAX: any number */
} gr_step_hook;

typedef struct gr_stepwise {
    gr_graph *graph;
    int64_t length, other_length; /* of the feed's time axis, in graph and in the one compared */
    int *first;        /* by node of the root: the number of its first output */
    gr_reach *reach;   /* by number of an output */
    bool *dynamic;     /* likewise: depends on some Input */
    gr_step_hook **hook; /* by node; NULL: its traits tell */
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
/* The first node that mixes steps of those that v needs; NULL: none does. */
const gr_node *gr_stepwise_fault(const gr_stepwise *s, const gr_value *v);

/* ---- step.c ---- */

/* Where an op gets what it asks for in `step`. of: input v of n with all steps so far on that axis. */
typedef struct gr_step_past {
    gr_value *(*numbers)(void *data, gr_emitter *e);
    gr_value *(*of)(void *data, gr_emitter *e, const gr_node *n, int input, gr_value *v, int axis);
    void *data;
} gr_step_past;
/* Emits into `to` what n is for `length` steps more, of inputs `in`; sets hook->most. false: it cannot. */
bool gr_step_emit(gr_graph *to, const gr_node *n, gr_step_hook *hook, gr_value *const *in, const gr_step_past *past, gr_value **out);
/* Whether it could; NULL: no. axis: by input, kept. */
gr_step_hook *gr_step_try(const gr_node *n, int *axis, int64_t length);

/* ---- cut.c ---- */

/* A value that is computed once and is a state of the graph that runs again and again. */
typedef struct gr_border {
    const char *node; int output; /* of the whole graph's root; NULL: there is none, it starts as zeros */
    const char *state;
    gr_type type;
    const char *what;             /* for a person: "rnn:h", "encoder.0" */
    bool carry;                   /* only its first value is; each step gives it the next */
} gr_border;

/* Leaves in the graph what `results` (values of the root) need of the part that the feed
 * reaches or that its length changes. What it reads of the rest and depends on an Input becomes
 * a state without `next`; where it goes step by step, the carries of its loops become states
 * too, and what ops need of steps before: for *room of them, or fewer where there can be no more. *room becomes 0 where any
 * number will do. Gives the number of states and a list in the arena. */
int gr_cut_rest(const gr_stepwise *s, int n, gr_value *const *results, bool step, int64_t *room, gr_border **borders);
/* Makes them results of another graph of the same model, under their states' names. */
void gr_cut_borders(gr_graph *root, int n, const gr_border *borders);
#endif
