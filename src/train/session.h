/* session.h - a model at work: what every command of graphrun and a host program use.
 *
 *     gr_session_open       model file, its data source, the recipe of its training
 *     gr_session_compile    a program for one purpose: the passes, unrolled, scheduled
 *     gr_session_load       weights or a checkpoint, checked against a program's states
 *     gr_exec_*             feed it, run it, read results
 *
 * All programs of a session share one store of states, so that evaluating in the middle
 * of training sees the weights as they are. A session is used by one thread at a time. */
#ifndef GR_TRAIN_SESSION_H
#define GR_TRAIN_SESSION_H

#include "base/tensor.h"
#include "data/source.h"
#include "io/safetensors.h"
#include "pass/pass.h"
#include "program/cost.h"
#include "program/schedule.h"
#include "run/run.h"
#include "train/recipe.h"

typedef struct gr_session_options {
    gr_model_options model;
    int threads;          /* 0: as many as pay */
    uint64_t seed;
    const char *weights;  /* file to start from: weights or a checkpoint; NULL: initialise */
    bool partial;         /* load what fits of it */
    bool inference;       /* nothing trains: what is made of the weights alone is made once */
    gr_dtype weights_dtype; /* GR_BFLOAT16, GR_FLOAT16: products keep weights so, and nothing trains; GR_UNKNOWN: as they are */
    bool facts_only;      /* the data source is asked for facts alone, not for batches */
    bool unbound;         /* no thread is bound to a core, the caller's neither */
    bool quiet;           /* no notes, errors apart */
    gr_sink say;          /* where errors of the model and notes go; {0}: nowhere */
    const gr_memory *memory; /* where all memory is from, outliving the session; NULL: malloc */
    const char *costs;    /* the file where measured costs of work are kept; NULL: built-in ones are used */
    bool measure;         /* them, once, when a large program is met, though they are known: it changes their mean (machine.h) */
} gr_session_options;

typedef struct gr_reset { const char *state, *init, *when; } gr_reset; /* as in gr_state */

/* Of the weights that products keep with 16 bits (rounding.h). */
typedef struct gr_rounding {
    gr_dtype dtype;
    const char **parameter; int num_parameters, cap_parameters;
    double change, size;        /* sums of squares: of what rounding changed, of the weights */
    const char *worst;          /* the parameter with the largest share of change */
    double worst_share;
} gr_rounding;

enum { GR_MAX_ASSUMED = 8 };
extern const int64_t gr_assumed_lengths[GR_MAX_ASSUMED]; /* primes, each the length of one unknown axis */

typedef struct gr_session {
    gr_arena *arena;
    gr_session_options options;
    gr_diag *diag;
    gr_model *model;
    gr_recipe *recipe;
    gr_data *data;        /* NULL: the model has no `data` section */
    const gr_model_input *inputs; int num_inputs;
    gr_topology *topology;
    gr_pool *pool, *alone; /* all workers, the caller alone: made for the first program that wants them (machine.h) */
    bool costs_settled;    /* a large program has been met: measured, if they were to be */
    gr_costs costs;
    bool costs_known;
    double measuring;     /* seconds spent on measuring them */
    double passing;       /* seconds spent on passes over graphs */
    gr_store *store;
    gr_reset *resets; int num_resets, cap_resets; /* states that are carried */
    const char *cut;      /* the axis that `bptt` cuts, once it has been looked for; NULL: none */
    bool cut_known;
    gr_tensors loaded;    /* what states are filled from when a program first has them */
    bool *loaded_used;    /* by tensor of `loaded` */
    bool resume;          /* `loaded` is a checkpoint whose every state counts */
    struct gr_exec **execs; int num_execs, cap_execs;
    int64_t askings;      /* for programs that fit a batch */
    int num_frozen;       /* programs whose frozen values were made */
    gr_rounding rounding;
    const char *assumed[GR_MAX_ASSUMED]; int num_assumed; /* axes that have one of gr_assumed_lengths */
    size_t keep_bytes;    /* how much memory such programs of one purpose may keep; 0: GR_KEEP_BYTES */
} gr_session;

#define GR_KEEP_BYTES ((size_t)512 << 20)

/* Mistakes of the model go to options.say. NULL with e filled; e->message is "" where all has been
 * said there already. */
gr_session *gr_session_open(const char *path, const gr_session_options *o, gr_error *e);
void gr_session_close(gr_session *s); /* NULL is allowed */

/* All mistakes of the model so far to options.say; gives GR_EINVAL, with nothing left to say in e. */
int gr_session_tell(const gr_session *s, gr_error *e);
/* A note to options.say, unless quiet: "graphrun: ...". */
GR_PRINTF(2, 3) void gr_session_note(const gr_session *s, const char *fmt, ...);

/* The purpose of a program. */
typedef struct gr_want {
    bool update;      /* backward pass and optimiser */
    bool training;    /* Dropout drops */
    bool metrics;
    bool counts;      /* of classes too (metrics.h) */
    bool keep_all;    /* all values, to find one that is not finite */
    bool assume_axes; /* check, dot: an axis whose length only feeding or absent data tell gets one of its own */
    const char *const *fetch, *const *grad; /* NULL-ended or NULL */
    const char *of;   /* what `grad` differentiates; NULL: what the model minimizes */
    const gr_axis_size *axes; int num_axes; /* lengths other than the usual ones */
    bool frozen;      /* no update: what is made of the weights alone is made once, with the program */
    bool detached;    /* the program alone, without a run: who asked makes runs of it, each with states of its own
                         for what is carried. frozen, too, where no weight changes */
    gr_dtype packed_dtype; /* where frozen: what products keep weights as, of the session's options */
    int (*cut)(void *data, gr_graph *root); /* generate: what is done to the expanded graph; or NULL */
    void *cut_data;
} gr_want;

typedef struct gr_exec {
    gr_session *session;
    gr_arena *arena;  /* of all below; the exec itself and its want are the session's */
    bool of_batch;    /* made by gr_exec_for_batch, which may drop it again */
    int64_t used;     /* when it was last asked for: the count of the session's askings */
    gr_want want;
    gr_graph *graph;
    gr_program *program;
    gr_schedule *schedule;
    gr_pool *pool;
    gr_run *run;      /* NULL: detached */
    int *field;       /* by input of the session: its field of the data source, -1: fed by hand */
    void *batches, *last; /* where it is fed how far an update has come; NULL: likewise */
    void **lr;        /* by rate of the recipe: where it is fed; NULL: not there */
} gr_exec;

/* The graph alone, after the pass `last` (NULL: all). NULL after diagnostics. */
gr_graph *gr_session_graph(gr_session *s, const gr_want *w, const char *last);
/* A program that can run, its states filled. The same again for the same want and lengths. */
gr_exec *gr_session_compile(gr_session *s, const gr_want *w, gr_error *e);

/* Frees program i of s->execs. */
void gr_session_drop(gr_session *s, int i);

/* Fills the Inputs that the data source feeds from a batch. -1 if a shape does not fit. */
int gr_exec_feed_batch(gr_exec *x, const gr_tensor *field, gr_error *e);
/* x, or the program of the same purpose whose shapes are those of the batch (a last batch may
 * be shorter); made when first met. Where programs have come to need more memory than the session
 * keeps, those longest unused of x's purpose are dropped, but not x. */
gr_exec *gr_exec_for_batch(gr_exec *x, const gr_tensor *field, gr_error *e);
/* Fills one Input, converting; its shape must be the program's. */
int gr_exec_feed(gr_exec *x, const char *name, const gr_tensor *t, gr_error *e);
void gr_exec_set_lr(gr_exec *x, int i, double lr); /* rate i of the recipe */
/* The step is made with the batch of that number, from 1, since the last update; last: it makes one. */
void gr_exec_set_accumulated(gr_exec *x, int64_t batches, bool last);
/* One run. 0, GR_EINVAL with e filled when a kernel refused its input, or GR_ESTATE without when
 * a value that decides whether states change was not finite. */
int gr_exec_step(gr_exec *x, int64_t step, gr_error *e);

/* Whether what `from` ended with is where `to` goes on: that they have the same states which are
 * carried between batches, or, within a batch, between its pieces. (carry.c) */
int gr_carry_check(const gr_exec *from, const gr_exec *to, bool begins_batch, gr_error *e);

/* Every state to its first value again that is reset when an epoch begins ("epoch", "eval") or a
 * batch ("batch", "eval_batch"). */
int gr_session_reset(gr_session *s, const char *when, gr_error *e);
/* Memory of a state and its type; NULL: no such state yet. */
void *gr_session_state(gr_session *s, const char *name, gr_type *t);

/* ---- weights.c ---- */
/* Reads options.weights (or a checkpoint, with resume) into s->loaded. */
int gr_session_read_weights(gr_session *s, const char *path, bool resume, gr_error *e);
/* Lists every tensor that is missing, left over or misshapen, for the states of x. */
int gr_session_check_weights(gr_session *s, const gr_exec *x, gr_error *e);
/* The same list as text, a line each; "" if all fits. */
const char *gr_session_weight_faults(gr_session *s, const gr_exec *x);
/* Fills a new state from s->loaded: 1, or 0 if it is not there, -1 with e filled. */
int gr_session_fill_loaded(gr_session *s, const gr_state *state, const gr_type *t, void *data, gr_error *e);
/* Writes the weights alone, as PyTorch names them. */
int gr_session_save(gr_session *s, const gr_exec *x, const char *path, gr_error *e);
/* What a checkpoint holds besides states. Tensors of such names belong to no state. */
#define GR_BEST_PREFIX "best:"
typedef struct gr_extra {
    const char *const *pairs; /* of the metadata: key, value, ..., NULL */
    const gr_named_tensor *tensor; int num_tensors; /* called "best:..." */
} gr_extra;
/* Writes all states. */
int gr_session_checkpoint(gr_session *s, const gr_exec *x, const char *path, const gr_extra *extra, gr_error *e);
#endif
