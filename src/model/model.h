/* model.h - a model file, read: its vars, blocks, and sections; and the raw graph.
 *
 *     gr_model_read     the document, with --set applied and vars known
 *     gr_model_graph    the raw graph of its `graph` section
 *
 * The data section's scalars (data.vocab) and axis lengths are given between the two
 * by gr_model_set, so that $data.vocab has a value when the graph is built. */
#ifndef GR_MODEL_MODEL_H
#define GR_MODEL_MODEL_H

#include "graph/graph.h"
#include "model/doc.h"

/* A value of the model file's expression language. */
typedef enum gr_var_kind { GR_VAR_NONE, GR_VAR_INT, GR_VAR_FLOAT, GR_VAR_BOOL, GR_VAR_TEXT, GR_VAR_LIST } gr_var_kind;
typedef struct gr_var {
    gr_var_kind kind;
    int64_t i; /* also bool */
    double f;
    const char *text;
    int count; struct gr_var *item;
} gr_var;

typedef struct gr_model gr_model;

typedef struct gr_model_options {
    const char *const *sets;    /* NULL-ended "KEY=VALUE" */
    const char *const *plugins; /* NULL-ended paths, besides the file's own `plugins:` */
    gr_dtype real;
    const char *text;           /* the model itself, which is then not read from its path; NULL: it is */
} gr_model_options;

/* Reads the file, or the text that messages call `path`, its plugins and blocks. The model owns nothing: all is in `a`. Mistakes
 * go to d (the model is then still given, as far as it could be read, so that later stages
 * report theirs too); NULL only where nothing can be done. */
gr_model *gr_model_read(gr_arena *a, const char *path, const gr_model_options *o, gr_diag *d, gr_error *e);

gr_registry *gr_model_registry(gr_model *m);
gr_diag *gr_model_diag(gr_model *m);
gr_arena *gr_model_arena(gr_model *m);
const char *gr_model_name(const gr_model *m); /* `name:`, or the file's without folder and ending */
const char *gr_model_doc_text(const gr_model *m); /* `doc:`, or "" */
const char *gr_model_path(const gr_model *m);

/* A section's document, marked used; NULL if the file has none: "data", "train",
 * "metrics", "generate". */
gr_doc *gr_model_section(gr_model *m, const char *name);
/* Sets what an expression sees as $name ("data.vocab"). */
void gr_model_set(gr_model *m, const char *name, gr_var v);
/* What stands there is not read, for a reason that is no mistake or has been said: neither it nor
 * the vars that it names are reported as unused. */
void gr_model_pass_over(gr_model *m, gr_doc *d);
/* The data source failed, which has been said: an unknown `data.*` is no mistake of its own. */
void gr_model_no_facts(gr_model *m);
/* The value of a var or a name set so; kind NONE if there is none. Counts as used. */
gr_var gr_model_var(gr_model *m, const char *name);
/* The places of the file that read a var, by its name, by vars made of it, or as the axis of that name: dotted keys
 * ("train.optimizer.lr"), NULL-ended. Those of blocks are told whatever the block has under that name. */
const char *const *gr_model_readers(gr_model *m, const char *var);

/* A scalar or list of the document with $vars and ${...} evaluated. Errors go to the diag
 * and give kind NONE. The typed ones say what was expected. */
gr_var gr_model_eval(gr_model *m, gr_doc *d);
int gr_model_int(gr_model *m, gr_doc *d, int64_t min, int64_t *out);
int gr_model_float(gr_model *m, gr_doc *d, double *out);
const char *gr_model_text(gr_model *m, gr_doc *d); /* NULL after an error */
/* A path in the document, made relative to the file's folder unless absolute. */
const char *gr_model_file(gr_model *m, gr_doc *d);
/* Attributes of any descriptor from the entries of a map, besides those in `skip`
 * (NULL-ended; "op" is always skipped). NULL after an error. */
gr_attr *gr_model_attrs(gr_model *m, gr_doc *map, const gr_attr_spec *specs, const char *what,
                        const char *const *skip, gr_loc **at);

/* The raw graph of the `graph` section. NULL if it could not be built at all. */
gr_graph *gr_model_graph(gr_model *m);
/* For each Input of the graph: from which field of the data source it is fed ("tokens"),
 * NULL: by the caller. */
typedef struct gr_model_input {
    const char *name;
    const char *from;
    gr_loc at, from_at;
    gr_dtype dtype;
    int rank;              /* of its written shape */
    int64_t dim[GR_MAX_RANK]; /* -1: open, named by axis[] */
    const char *axis[GR_MAX_RANK];
} gr_model_input;
int gr_model_inputs(gr_model *m, const gr_model_input **list);
/* Gives an axis its length ("time" -> 35) before expansion; 0, or -1 if the file gives
 * another (a diagnostic names both). */
int gr_model_set_axis(gr_model *m, const char *axis, int64_t length);
/* The same for a last batch, eval or generate, which may feed a length that is not the usual
 * one: it wins over the var. -1: as the file says again. */
void gr_model_feed_axis(gr_model *m, const char *axis, int64_t length);

/* Reports the entries of a map whose keys are not among `keys` (NULL-ended), with the nearest
 * one: "train has no 'epoch'; did you mean 'epochs'?" */
void gr_model_check_keys(gr_model *m, gr_doc *map, const char *what, const char *const *keys);
/* Whether a key of the map was likely meant for `key`, one of those. */
bool gr_model_nearly_has(const gr_doc *map, const char *const *keys, const char *key);
/* What making graphs changes in m, so that the arena can be rewound to before a graph that is given up: what was saved
 * is put back while it is still there. */
typedef struct gr_model_state gr_model_state;
gr_model_state *gr_model_save(gr_model *m);
void gr_model_restore(gr_model *m, const gr_model_state *before);
/* After all stages have read what they use: reports keys and vars that nobody did. */
void gr_model_check_unused(gr_model *m);
#endif
