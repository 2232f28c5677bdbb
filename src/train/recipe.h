/* recipe.h - how a model is trained: its sections `train` and `metrics`, read. */
#ifndef GR_TRAIN_RECIPE_H
#define GR_TRAIN_RECIPE_H

#include "model/model.h"
#include "train/lr_schedule.h"

typedef struct gr_call_spec { /* an op with its attributes, as a section asks for it */
    const gr_op *op;
    const gr_attr *attr;
    const gr_loc *attr_at;  /* by attribute; NULL: none is written */
    gr_loc at;
} gr_call_spec;

#define GR_TOTAL_LOSS "train.loss" /* several losses, or one with a weight, added up */

typedef struct gr_loss_spec { /* a term of what is minimized */
    const char *name;
    double weight;
    gr_loc at;
} gr_loss_spec;

typedef struct gr_lr_spec { /* a learning rate */
    const gr_lr_schedule *schedule; /* NULL: it is one number */
    const gr_attr *attr;    /* of the schedule */
    double lr;              /* what the schedule starts from */
    bool by_step;           /* the schedule counts updates, not epochs */
    int64_t warmup;         /* updates in which it rises in a line; 0: none */
    gr_loc at;
} gr_lr_spec;

typedef struct gr_group_spec { /* parameters that are trained alike */
    const char **params;    /* patterns; none: all that no group before it takes */
    gr_loc *params_at;
    int num_params;
    bool frozen;            /* not trained at all */
    const gr_attr *attr;    /* of the optimiser */
    const gr_loc *attr_at;
    int lr;                 /* in gr_recipe.lrs */
    gr_loc at;
} gr_group_spec;

typedef struct gr_metric_spec {
    gr_call_spec call;
    const char *label;      /* how reports call it: "perplexity" */
    const char **in;        /* by input port: name of a value; NULL: absent */
    gr_loc *in_at;
} gr_metric_spec;

#define GR_MAX_BEAM 1000

typedef struct gr_generate_spec { /* the section `generate` */
    const char *feed;       /* Input that gets what was chosen; NULL: no such section */
    const char *from;       /* value it is chosen from: logits */
    const char *source;     /* Input that gets the prompt; NULL: `feed` does */
    const char **prompts; int num_prompts;
    const char **references; int num_references; /* what is hoped for, by prompt; or none */
    int64_t length;
    double temperature;     /* 0: always the likeliest */
    int64_t top_k;          /* 0: of all */
    int64_t beam;           /* 0: no beam search */
    double length_penalty;
    const char *start, *stop; /* words; NULL: <bos> and <eos> where the vocabulary has them */
    const char *show;       /* value whose rows are kept, step by step: attention weights; or NULL */
} gr_generate_spec;

typedef struct gr_watch_spec { /* what is asked of validations */
    bool given;             /* anything is */
    bool keep;              /* the best weights */
    int metric;             /* by which: of `metrics`; -1: the loss */
    bool larger;            /* is better */
    int64_t patience;       /* validations in a row that may be no better; 0: any number */
    double min_delta;
    gr_loc at;
} gr_watch_spec;

/* Keys of `train` and `generate`, and of maps in them, that take one number, word or text each: reader and schema have
 * their ranges from here. A default of "~" is no number: see gr_recipe. End with name NULL. */
extern const gr_attr_spec gr_train_counts[], gr_generate_numbers[], gr_stop_attrs[], gr_best_attrs[];
#define GR_MOST_COUNT 1e15

typedef struct gr_recipe {
    const char *minimize;   /* the value that becomes smaller: the loss, or GR_TOTAL_LOSS; NULL: the
                               file has no `train` section */
    gr_loss_spec *losses; int num_losses;
    gr_call_spec optimizer; /* op NULL: none */
    gr_group_spec *groups; int num_groups; /* the last one has no patterns */
    gr_lr_spec *lrs; int num_lrs; /* the first is the optimiser's own */
    gr_call_spec clip[2]; int num_clips;
    int64_t accumulate;     /* batches whose gradients make one update */
    int64_t epochs, steps;  /* whichever comes first; -1: not given */
    const char **carry; gr_loc *carry_at; int num_carries;
    gr_metric_spec *metrics; int num_metrics;
    gr_watch_spec watch;
    int64_t bptt; gr_loc bptt_at;   /* steps of a piece of a batch; 0: batches are not cut */
    int64_t valid_every; gr_loc valid_every_at; /* steps between validations; 0: each epoch */
    gr_generate_spec generate;
} gr_recipe;

/* How reports call the metric of an op: "BitsPerChar" -> "bits_per_char", "RMSE" -> "rmse". */
const char *gr_metric_label(gr_arena *a, const char *name);

/* Mistakes go to the model's diag. raw: the model's raw graph, in which the ports of the node
 * that `minimize` names are looked up; NULL if it could not be built. Never NULL. */
gr_recipe *gr_recipe_read(gr_model *m, gr_graph *raw);
#endif
