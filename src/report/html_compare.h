/* html_compare.h - a comparison of models as one page that needs nothing beside it. */
#ifndef GR_REPORT_HTML_COMPARE_H
#define GR_REPORT_HTML_COMPARE_H

#include "train/comparison.h"
#include <stdio.h>

/* A model as it is drawn. */
typedef struct gr_model_picture {
    const char *svg;  /* the text of an SVG file; NULL: there is none */
    const char *why;  /* there is none: "a picture needs Graphviz, which is not installed: ..." */
} gr_model_picture;

typedef struct gr_compare_page {
    const gr_comparison *comparison;
    const gr_model_picture *picture; /* by model, of a sweep with its first value; NULL: none is shown */
} gr_compare_page;

/* The same bytes for the same comparison. -1: out of memory. What `to` makes of it is the caller's to see. */
int gr_compare_page_write(const gr_compare_page *p, FILE *to);
#endif
