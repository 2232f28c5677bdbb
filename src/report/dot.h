/* dot.h - pictures of a model: as it is written, at any stage between two passes, unrolled over time.
 *
 *     gr_picture_of_graph, gr_picture_of_program    what is in it
 *     gr_picture_write_dot, gr_picture_write_mermaid   as text
 *     gr_graphviz                                   as SVG, PNG or PDF, by Graphviz's own program
 *
 * The same graph gives the same text, byte for byte. */
#ifndef GR_REPORT_DOT_H
#define GR_REPORT_DOT_H

#include "train/session.h"

typedef struct gr_picture gr_picture; /* dot_picture.h */

#define GR_DOT_ALL 1000 /* depth: everything is opened */
#define GR_DOT_FIT (-1) /* depth: as 0, but each layer of a node has boxes of its own */

typedef struct gr_dot_options {
    const char *title;     /* NULL: none */
    int depth;             /* how many levels are opened below what a person wrote; GR_DOT_ALL, GR_DOT_FIT */
    bool inside;           /* a box that stands for several nodes says which ops they are */
    const char *minimize;  /* name of the loss, or NULL */
    const gr_graph *before;/* the graph before hoisting, which says what stood in a loop; NULL: nothing was hoisted */
    const int64_t *made_up; int num_made_up; /* lengths that stand for unknown ones and are not shown */
} gr_dot_options;

/* Blocks, layers and bodies of Scans as groups, types on arrows, parameters with their sizes, forward,
 * backward and update side by side. The picture and scratch memory are of g's arena. */
gr_picture *gr_picture_of_graph(gr_graph *g, const gr_dot_options *o);

/* Columns are the first `steps` steps of time, rows the loops and what runs between them; tasks say which
 * thread of the schedule runs them. */
gr_picture *gr_picture_of_program(const gr_program *p, const gr_schedule *s, int64_t steps, const gr_dot_options *o);

/* What `graphrun dot` is asked for. */
typedef struct gr_dot_request {
    const char *after;     /* the training step after this pass; NULL: the model itself */
    int64_t steps;         /* so many steps of the program, unrolled; 0: the graph */
    int depth;
} gr_dot_request;
/* NULL with e filled; its message is "" where the session's diagnostics say what is wrong. */
gr_picture *gr_session_picture(gr_session *s, const gr_dot_request *r, gr_error *e);

/* A write error shows in ferror(to). */
void gr_picture_write_dot(const gr_picture *p, FILE *to);
void gr_picture_write_mermaid(const gr_picture *p, FILE *to);

/* The picture in a format of Graphviz ("svg", "png", "pdf"): *size bytes in p's arena, followed by a 0. An SVG
 * has its own background and follows the page between light and dark. NULL with e filled: GR_EIO where
 * Graphviz is not installed (the message says how to get it) or failed (its own words). */
char *gr_graphviz(const gr_picture *p, const char *format, size_t *size, gr_error *e);

/* For reports: the model as it is written, as an <svg> element to stand in an HTML page. It has a viewBox and a
 * width, no ids, and styles that touch nothing else; several may stand in a page. The text is the session's.
 * NULL with e filled: Graphviz is not installed, or the model is not right (said in the session's diagnostics). */
const char *gr_dot_svg(gr_session *s, gr_error *e);
#endif
