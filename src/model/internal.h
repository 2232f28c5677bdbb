/* internal.h - what the files of src/model share: the model, scopes of vars, evaluation.
 *
 * A scope maps names to values. The model's own scope holds the file's vars and the
 * facts of the data source ("data.vocab"); a block's body is evaluated in a scope of its
 * own, made for each node that uses the block. A var that is given as a document is
 * evaluated when it is first asked for, so vars may refer to each other in any order.
 *
 * Every function that reads a document marks what it has read as used. Evaluation that
 * fails has said so in the diag; whoever called says nothing more. */
#ifndef GR_MODEL_INTERNAL_H
#define GR_MODEL_INTERNAL_H

#include "model/model.h"

typedef struct gr_scope gr_scope;

typedef enum gr_binding_state { GR_BINDING_LAZY, GR_BINDING_BUSY, GR_BINDING_READY, GR_BINDING_BAD } gr_binding_state;

typedef struct gr_binding {
    const char *name;
    gr_binding_state state;
    gr_var value;
    gr_doc *doc;       /* what to evaluate (in `in`) when lazy */
    gr_scope *in;
    gr_doc *origin;    /* the entry of `vars:` that declares it; its `used` is set when the
                          var is read; may be NULL */
    bool mentioned;    /* gr_mention has been here */
} gr_binding;

struct gr_scope {
    gr_scope *parent;  /* names not found here are looked up there; NULL: nowhere */
    gr_binding *items;
    int count, cap;
    /* width(port): the size of the last axis of an input; -1: no such port (the error lists
     * `ports`), -2: not known because its making failed (evaluation fails silently). NULL:
     * width() has no meaning here. */
    int64_t (*width)(void *data, const char *port);
    const char *const *ports; /* NULL-ended, for the message */
    void *data;
};

typedef struct gr_axis {
    const char *name;
    int64_t length;    /* -1: not known */
    int64_t fed;       /* what is fed in place of the usual length; -1: that */
    gr_loc at;         /* what gave the length */
} gr_axis;

struct gr_model {
    gr_arena *arena;
    gr_diag *diag;
    gr_registry *registry;
    const char *path, *folder, *name, *doc_text;
    gr_dtype real;
    gr_doc *root;      /* never NULL; a map */
    gr_doc *blocks;    /* the section `blocks:`, NULL if there is none */
    gr_doc *graph;     /* the section `graph:`, NULL if there is none */
    gr_scope *scope;   /* the file's vars, facts of the data source */
    gr_axis **axes; int num_axes, cap_axes;
    gr_model_input *inputs; int num_inputs, cap_inputs; /* filled by gr_model_graph */
    int depth;         /* of vars being evaluated that refer to each other */
    bool no_facts;     /* the data source failed */
};

/* ---- scopes ---- */
gr_scope *gr_scope_create(gr_arena *a, gr_scope *parent);
/* Gives `name` a value; replaces. */
void gr_scope_set(gr_arena *a, gr_scope *s, const char *name, gr_var v, gr_doc *origin);
/* Gives `name` a document, to be evaluated in scope `in` when first read. */
void gr_scope_define(gr_arena *a, gr_scope *s, const char *name, gr_doc *doc, gr_scope *in, gr_doc *origin);
/* The binding, here or in a parent; NULL if there is none. */
gr_binding *gr_scope_find(gr_scope *s, const char *name);

/* ---- evaluation ---- */
/* 0 and the value (kind NONE: null), or -1 after a diagnostic. Lists of values are
 * evaluated item by item; a map is an error. */
int gr_eval_to(gr_model *m, gr_scope *s, gr_doc *d, gr_var *out);
/* The same; kind NONE after an error, too. */
gr_var gr_eval(gr_model *m, gr_scope *s, gr_doc *d);
/* Typed: 0, or -1 after a diagnostic that says what was expected. */
int gr_eval_int(gr_model *m, gr_scope *s, gr_doc *d, int64_t min, int64_t *out);
int gr_eval_float(gr_model *m, gr_scope *s, gr_doc *d, double *out);
int gr_eval_bool(gr_model *m, gr_scope *s, gr_doc *d, bool *out); /* also `when:` */
const char *gr_eval_text(gr_model *m, gr_scope *s, gr_doc *d);    /* NULL after an error */
/* Marks d, all below it and every var that its expressions mention as used, without
 * evaluating: for what is absent by `when:`, or belongs to a section nobody asked for. */
void gr_mention(gr_model *m, gr_scope *s, gr_doc *d);
/* A value as a model file would have it ("[1, 2.5, tanh]"), and back. */
const char *gr_var_text(gr_arena *a, const gr_var *v);
gr_var gr_var_parse(gr_model *m, const char *text);
/* `when: EXPR` may leave out the ${ }: an expression as a whole, given as a scalar. */
int gr_eval_condition(gr_model *m, gr_scope *s, gr_doc *d, bool *out);

/* ---- inside src/model/expr*.c and eval.c ---- */
/* The expression text[0..n) as it stands in a scalar at `d`: 0 and its value, or -1. text is
 * inside d->text. dead: checked and mentioned, not evaluated. *stop: where it ended, NULL:
 * it must be all of the text. */
int gr_expr(gr_model *m, gr_scope *s, const gr_doc *d, const char *text, size_t n, bool dead, const char **stop,
            gr_var *out);
/* The value of a var, evaluated if it was not. -1: it failed, or refers to itself (said). */
int gr_binding_value(gr_model *m, gr_binding *b, gr_loc at, gr_var *out);
void gr_binding_mention(gr_model *m, gr_binding *b);
/* The place of a part of a scalar's text. */
gr_loc gr_loc_inside(const gr_doc *d, const char *part, int length);
/* Functions and operators on values, expr_ops.c: 0, or -1 with *why in the arena. */
int gr_apply_binary(gr_arena *a, const char *op, const gr_var *x, const gr_var *y, gr_var *out, const char **why);
int gr_apply_function(gr_arena *a, const char *name, int n, const gr_var *arg, gr_var *out, const char **why);
bool gr_is_function(const char *name);
extern const char *const gr_function_names[]; /* NULL-ended */

/* ---- attributes ---- */
/* Attributes from a map's entries, besides "op" and those in `skip` (NULL-ended or NULL).
 * (*at)[i] is where attribute i was written (the map's place if it was not). Unknown keys,
 * missing ones, wrong types, ranges and choices are diagnosed, `what` names the thing in
 * messages ("Linear"). NULL after an error. A GR_ATTR_STRING whose `choices` is "*" takes
 * any value but a map and keeps it as text for gr_var_parse. */
gr_attr *gr_eval_attrs(gr_model *m, gr_scope *s, gr_doc *map, const gr_attr_spec *specs, const char *what,
                       const char *const *skip, gr_loc **at);

/* ---- axes ---- */
/* The axis of that name, made if it is new; `name` in it is the one pointer for that name. */
gr_axis *gr_axis_find(gr_model *m, const char *name);
/* The length of an axis named in a shape: of the var of that name (which counts as used)
 * in s, else what gr_model_set_axis gave; -1 if neither is known. */
int64_t gr_axis_length(gr_model *m, gr_scope *s, const char *name, gr_loc at);

/* set.c: one KEY=VALUE, put in the place of what the file has. */
void gr_model_apply_set(gr_model *m, const char *set);

/* The keys of a map, NULL-ended. */
const char *const *gr_doc_keys(gr_arena *a, const gr_doc *map);
/* An entry of a map without marking it; NULL if absent. */
gr_doc *gr_doc_peek(const gr_doc *map, const char *key);
/* Marks d and all below it as used. */
void gr_doc_use_all(gr_doc *d);
#endif
