/* recipe.h - how a model is trained: its sections `train` and `metrics`, read. */
#ifndef GR_TRAIN_RECIPE_H
#define GR_TRAIN_RECIPE_H

#include "model/model.h"

typedef struct gr_call_spec { /* an op with its attributes, as a section asks for it */
    const gr_op *op;
    const gr_attr *attr;
    gr_loc at;
} gr_call_spec;

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

typedef struct gr_recipe {
    const char *minimize;   /* NULL: the file has no `train` section */
    gr_loc minimize_at;
    gr_call_spec optimizer; /* op NULL: none */
    double lr;
    gr_call_spec clip[2]; int num_clips;
    int64_t epochs, steps;  /* -1: not given */
    const char **carry; gr_loc *carry_at; int num_carries;
    gr_metric_spec *metrics; int num_metrics;
    gr_watch_spec watch;
    int64_t valid_every; gr_loc valid_every_at; /* steps between validations; 0: each epoch */
    gr_generate_spec generate;
} gr_recipe;

/* Mistakes go to the model's diag. raw: the model's raw graph, in which the ports of the node
 * that `minimize` names are looked up; NULL if it could not be built. Never NULL. */
gr_recipe *gr_recipe_read(gr_model *m, gr_graph *raw);
#endif
