/* print.h - tensors as text on standard output. */
#ifndef GR_TOOLS_PRINT_H
#define GR_TOOLS_PRINT_H

#include "cli.h"

/* "name float32 [2, 3] =" and the numbers, nested as the axes are; long axes are cut. */
void print_tensor(const char *name, const gr_type *t, const void *data);
/* Runs a model that asks for nothing and prints every value that no node reads. */
int print_all_outputs(const char *model, const cli_common *common, const char *weights, bool partial);
#endif
