/* generate.h - a model continues a text, one step a run.
 *
 * Every loop's carries are states, so a step costs the same however long the text is. */
#ifndef GR_TRAIN_GENERATE_H
#define GR_TRAIN_GENERATE_H

#include "train/session.h"

typedef struct gr_generate_options {
    const char *prompt;
    int64_t length;      /* items to add to the prompt */
    double temperature;  /* 0: the likeliest each time */
    int64_t top_k;       /* choose among so many; 0: among all */
    FILE *out;
} gr_generate_options;

/* What the model's section `generate` says. */
gr_generate_options gr_generate_defaults(const gr_session *s);
/* Writes prompt and continuation, and a newline. -1 with e filled. */
int gr_generate(gr_session *s, const gr_generate_options *o, gr_error *e);
#endif
