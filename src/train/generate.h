/* generate.h - a model continues texts, or answers each with another. */
#ifndef GR_TRAIN_GENERATE_H
#define GR_TRAIN_GENERATE_H

#include "train/session.h"

struct gr_table; /* generate_text.h */

typedef struct gr_generate_options {
    const char *const *prompts; int num_prompts; /* none: one empty prompt */
    const char *const *references; int num_references; /* what is hoped for, by prompt; or none */
    int64_t length;        /* items to add to a prompt, or of an answer, at most */
    double temperature;    /* 0: the likeliest each time */
    int64_t top_k;         /* draw among so many, also where temperature is not given: it is then 1; 0: among all */
    int64_t beam;          /* outputs that beam search keeps; 0: no beam search */
    double length_penalty; /* of beam search (search.h) */
    bool show;             /* a table of what the section's `show` names under each output */
    const char *attention; /* file for these tables (safetensors); NULL: none */
    void (*tabled)(void *data, const char *prompt, const struct gr_table *t); /* gets each of them; or NULL */
    void *data;
    FILE *out;             /* NULL: no text is written */
} gr_generate_options;

/* What the model's section `generate` says. */
gr_generate_options gr_generate_defaults(const gr_session *s);
/* Writes a line for each prompt: it and its continuation, or the answer where the model has a
 * source. With references: "prompt => answer  bleu 0.658", and the mean at the end. -1 with e filled. */
int gr_generate(gr_session *s, const gr_generate_options *o, gr_error *e);
#endif
