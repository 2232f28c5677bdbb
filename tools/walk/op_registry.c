/* op_registry.c - a file of its own, as the header of blocks and eval.h have a name in common. */
#include "op_registry.h"
#include "model/body.h"

gr_registry *op_registry_create(gr_arena *a)
{
    gr_registry *r = gr_registry_create(a);
    gr_registry_add_cells(a, r, gr_diag_create(a));
    return r;
}

/* With nothing more one registry serves all, as its descriptors never change. */
const gr_registry *op_registry_of(const op_more *more)
{
    static gr_registry *builtin;
    if (more && more->registry) return more->registry;
    if (!builtin) builtin = op_registry_create(gr_arena_create());
    return builtin;
}
