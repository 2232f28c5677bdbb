/* example.h - running the small model of a descriptor's `example`: of built-in ops (tests/test_reference.c) and of
 * those of plugins (graphrun test-plugin). */
#ifndef GR_WALK_EXAMPLE_H
#define GR_WALK_EXAMPLE_H

#include "graph/graph.h"
#include "op_report.h"

/* Writes the example and the files that stand in its comments into the folder, and trains or runs it: 0, or e says
 * what is wrong with it, the first mistake of the file if it has some. plugins: NULL-ended; NULL: none. */
int example_run(const char *folder, const char *example, const char *const *plugins, gr_error *e);
/* Whether it names the thing: "ClipGradNorm" also in "clip_grad_norm: 1". */
bool example_speaks_of(const char *example, const char *name);

/* The check of a plugin's op, if it has an example. */
void example_walk(const char *folder, const gr_op *op, const char *plugin, op_report *report);

/* A folder for it, and away with it and its files. False: there is none, and why is in errno. */
bool example_make_folder(char *path, size_t room);
void example_remove_folder(const char *path);
#endif
