/* all.c - the built-in ops, as list.h lists them. */
#include <graphrun/builtin.h>

#define X(name) extern const gr_op gr_op_##name;
#include "list.h"
#undef X

const gr_op *const gr_builtin_ops[] = {
#define X(name) &gr_op_##name,
#include "list.h"
#undef X
    NULL,
};
