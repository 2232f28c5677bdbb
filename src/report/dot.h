/* dot.h - a graph, at any stage between two passes, as a picture for Graphviz. */
#ifndef GR_REPORT_DOT_H
#define GR_REPORT_DOT_H

#include "graph/graph.h"

typedef struct gr_dot_options {
    const char *title; /* NULL: none */
    int depth;         /* clusters nested deeper become one box each; 0: all are opened */
    const int64_t *made_up; int num_made_up; /* lengths that stand for unknown ones and are not shown */
} gr_dot_options;

/* Writes g: blocks, layers and bodies of Scans as clusters, types on edges, forward,
 * backward and update told apart by colour and by line. Scratch memory comes from g's
 * arena. A write error shows in ferror(to). */
void gr_dot_write(gr_graph *g, const gr_dot_options *o, FILE *to);
#endif
