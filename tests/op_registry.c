/* op_registry.c - a file of its own, as the header of blocks and eval.h have a name in common. */
#include "op_registry.h"
#include "model/body.h"

#include <stdio.h>

/* With nothing more one registry serves all, as its descriptors never change. */
gr_registry *trial_registry(gr_arena *a, const op_more *more)
{
    static gr_registry *builtin;
    if (!more && builtin) return builtin;
    if (!more) a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    gr_error e = {0};
    gr_registry_add_cells(a, r, gr_diag_create(a));
    if (more && more->plugin && gr_registry_load(r, more->plugin, &e) < 0) printf("%s\n", e.message);
    if (more && more->op && gr_registry_add(r, more->op, &e) < 0) printf("%s\n", e.message);
    if (!more) builtin = r;
    return r;
}
