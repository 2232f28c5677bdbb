/* all.c - the list of built-in ops, one line an op, sorted. */
#include <graphrun/builtin.h>

const gr_op *const gr_builtin_ops[] = {
    NULL,
};
