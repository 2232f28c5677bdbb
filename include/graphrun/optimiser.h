/* optimiser.h - what an op with the trait GR_OPTIMISER says in its `data`.
 *
 * An optimiser is a composite op with inputs `param`, `grad`, `lr`, `step` and its moments, and
 * an output for `param` and each moment: what it becomes. A moment is as large as the parameter
 * and starts at zeros, unless the gr_optimiser says otherwise; an optimiser all of whose moments
 * are such needs neither the trait nor the data. */
#ifndef GRAPHRUN_OPTIMISER_H
#define GRAPHRUN_OPTIMISER_H

#include <graphrun/op.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_moment {
    const char *port;
    bool scalar;       /* one number for the whole parameter */
    double first;      /* what every element starts from ... */
    const char *attr;  /* ... or the attribute that says it; NULL: `first` */
} gr_moment;

typedef struct gr_optimiser {
    uint32_t size;            /* sizeof(gr_optimiser) */
    const gr_moment *moments; /* the unusual ones; ends with port NULL; may be NULL */
    /* The optimiser that moves only the rows that a sparse gradient has, it or another of the same
     * moments, with the attributes that both have; NULL: none can. */
    const char *sparse;
    const char *const *dense; /* attributes that move every row unless they are 0; NULL-ended or NULL */
} gr_optimiser;

#ifdef __cplusplus
}
#endif
#endif
