/* compare_page.h - a comparison as a page: what `graphrun compare -o FILE` writes. */
#ifndef GRAPHRUN_COMPARE_PAGE_H
#define GRAPHRUN_COMPARE_PAGE_H

#include "train/comparison.h"
#include "train/session.h"

/* Draws the models, each opened as o says with its own settings, and writes the page. 0, or a status with e filled. */
int compare_page_write(gr_arena *a, const gr_comparison *c, const gr_session_options *o, const char *file, gr_error *e);
#endif
