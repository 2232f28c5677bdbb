/* init.h - starter models for a user's data; private to cmd_init.c and init_*.c.
 *
 * Each kind of data looks at the file, chooses sizes by how much there is, and writes a whole model with
 * comments. Nothing else about the user is known or asked. */
#ifndef GR_TOOLS_INIT_H
#define GR_TOOLS_INIT_H

#include "base/arena.h"
#include "base/diag.h"

typedef struct init {
    gr_arena *arena;
    const char *path;    /* of the data, to be read */
    const char *model;   /* of the model file */
    const char *written; /* path as the model is to have it, as a YAML value */
    const char *name;    /* of the model: the file without folder and ending */
    const char *target;  /* --target: a column, or a second array; NULL: not given */
    FILE *to;            /* the model file in the making */
    const char *found;   /* what it is, for the user: "a text of 5,000 characters; ..." */
    const char *left;    /* the columns of a table that the model does not read: "street, town"; NULL or "": none */
    const char *few;     /* one of these whose few texts `one_hot` would take; NULL: there is none */
} init;

/* 0, or a status with e filled: what is wrong with the data and what would be right. */
int init_text(init *x, const char *text, size_t length, gr_error *e);
/* Whether text looks like a table; *delimiter is what stands between its cells. */
bool init_is_table(gr_arena *a, const char *text, size_t length, char *delimiter);
int init_table(init *x, const char *text, size_t length, char delimiter, gr_error *e);
int init_array(init *x, gr_error *e);
/* An .npz archive: which of its arrays are meant, then as init_array. */
int init_archive(init *x, gr_error *e);

/* ---- shared ---- */

/* text as a YAML scalar that is this text and nothing else: in quotes where needed. */
const char *init_yaml(gr_arena *a, const char *text);
/* A path as the model finds it, likewise: by its name where they share a folder. */
const char *init_seen(const init *x, const char *path);
const char *init_number(gr_arena *a, double v); /* "0.25", as a float */
const char *init_count(gr_arena *a, int64_t n); /* "12,345" */
/* The largest power of two that is at most n, from 1 to `most`. */
int64_t init_power(int64_t n, int64_t most);
/* How many epochs come to about `steps` steps. */
int64_t init_epochs(int64_t steps_per_epoch, int64_t steps);
/* The first lines: graphrun: 1, name, doc, where it comes from. */
void init_head(const init *x, const char *doc);
/* The section train, with `optimizer: {op: Adam, lr: LR}`; more: further lines. */
void init_train(const init *x, const char *lr, int64_t epochs, const char *more);

typedef struct init_spread { int64_t count; double mean, std; } init_spread;
init_spread init_spread_of(const double *v, int64_t n, int64_t step); /* NaN left out; std 0 becomes 1 */
#endif
