/* pass.c - the table of passes, and running them in order. */
#include "pass/pass.h"
#include <stdio.h>
#include <string.h>

const gr_pass gr_passes[] = {
    {"expand", "composite ops become primitive ops, with types", gr_pass_expand, false},
    {"infer", "types again from the leaves, and what must hold between them", gr_pass_infer, false},
    {"tabulate", "what is made of looked-up rows is made of the table", gr_pass_tabulate, true},
    {"differentiate", "reverse mode; the gradient of a Scan is a Scan run backwards", gr_pass_differentiate, false},
    {"merge", "products that read the same operand become one", gr_pass_merge, true},
    {"hoist", "out of a Scan goes all that needs no carry", gr_pass_hoist, true},
    {"tile", "values too large to be there at once are made in chunks", gr_pass_tile, true},
    {"fuse", "pointwise chains become tapes, tapes epilogues of products", gr_pass_fuse, true},
    {"layout", "axis order and packing of every value", gr_pass_layout, false},
    {NULL, NULL, NULL, false},
};

#ifdef GR_CHECKS
/* An invariant that does not hold after a pass is our mistake, whatever the model said. */
static void check_invariants(const gr_graph *g, const char *pass)
{
    const char *why = gr_graph_check(g);
    if (!why) return;
    gr_graph_print(g, stderr);
    gr_bug(g->arena, "after pass %s: %s", pass, why);
}
#endif

gr_graph *gr_run_passes(gr_graph *g, const gr_request *r, const char *last)
{
    gr_diag *diag = g->diag;
    for (const gr_pass *p = gr_passes; p->name; p++) {
        if (!(r->keep_all && p->optimising)) {
            g = p->run(g, r);
            if (!g || gr_diag_count(diag) > 0) return NULL;
#ifdef GR_CHECKS
            check_invariants(g, p->name);
#endif
        }
        if (last && strcmp(last, p->name) == 0) break;
    }
    return g;
}
