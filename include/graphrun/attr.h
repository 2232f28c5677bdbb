/* attr.h - attributes: what a model file may say of a node, beside its inputs.
 *
 * A list of specs declares them; a parser, the checks of ranges, `graphrun ops` and the schema of model
 * files all read it. */
#ifndef GRAPHRUN_ATTR_H
#define GRAPHRUN_ATTR_H

#include <graphrun/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_attr_kind {
    GR_ATTR_NONE,
    GR_ATTR_BOOL,   /* .i is 0 or 1 */
    GR_ATTR_INT,    /* .i */
    GR_ATTR_FLOAT,  /* .f; an integer is taken too */
    GR_ATTR_STRING, /* .s */
    GR_ATTR_CHOICE, /* .s, and .i is its index in `choices` */
    GR_ATTR_DTYPE,  /* .i is a gr_dtype */
    GR_ATTR_INTS,   /* .ints, .n; a single integer is a list of one */
    GR_ATTR_FLOATS, /* .floats, .n; a single number is a list of one */
    GR_ATTR_SHAPE,  /* .ints, .n, and .names where an entry names an axis (-1 there
                       until its length is known) */
    GR_ATTR_TENSOR, /* nested list of numbers: .floats, .n, .shape; .i: is of integers */
    GR_ATTR_INIT,   /* .s: an initialiser as text, "Uniform low=-1 high=1" */
} gr_attr_kind;

typedef struct gr_attr_spec {
    const char *name;
    gr_attr_kind kind;
    const char *fallback; /* default, as a model file would have it; NULL: must be
                             given; "~": absent unless given */
    double min, max;      /* of each number; both 0: any */
    const char *choices;  /* GR_ATTR_CHOICE: "none|mean|sum" */
    const char *doc;      /* one sentence, with units */
} gr_attr_spec;

/* The value of an attribute: the fields that its kind names above, the others 0. What it points to lives as long as the
 * node, or the data source, whose attribute it is. */
typedef struct gr_attr {
    bool present; /* false: absent ("~") */
    bool given;   /* written by the user rather than defaulted */
    int64_t i;
    double f;
    const char *s;
    int64_t n;                /* of ints, floats, names */
    const int64_t *ints;
    const double *floats;
    const char *const *names; /* NULL where an entry is a number */
    gr_type shape;            /* of GR_ATTR_TENSOR: its rank and dims */
} gr_attr;

#ifdef __cplusplus
}
#endif
#endif
