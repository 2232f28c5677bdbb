/* sparse.c - updating only the rows of a table that a batch met.
 *
 * The optimiser is an op like any other. It is handed the met rows of the parameter and of its
 * moments instead of all of them, and what it gives is put back into those rows:
 *
 *     [rows of param, moments] -> optimiser -> Where(commit, new rows, old rows) -> put into the state
 *
 * The last of these is written into the state in place, so the cost is that of the rows. */
#include "train/update.h"

#include <graphrun/optimiser.h>

static const gr_optimiser *says(const gr_op *op) { return op->traits & GR_OPTIMISER ? op->data : NULL; }

static int refuse(gr_graph *g, const gr_state *s, gr_loc at, const char *why)
{
    gr_diag_error(g->diag, at, "%s", why);
    gr_diag_note(g->diag, s->sparse_at, "'%s' has a sparse gradient", s->name);
    return -1;
}

/* Attributes by the names that both have. */
static gr_attr *same_attrs(gr_arena *a, const gr_op *from, const gr_attr *attr, const gr_op *to)
{
    gr_attr *out = gr_attr_defaults(a, to);
    for (int i = 0; i < gr_op_num_attrs(to); i++) {
        int j = gr_op_attr(from, to->attrs[i].name);
        if (j >= 0) out[i] = attr[j];
    }
    return out;
}

int gr_sparse_optimizer(gr_graph *g, const gr_state *s, gr_call_spec *opt)
{
    const gr_optimiser *o = says(opt->op);
    const gr_op *op = o && o->sparse ? gr_registry_find(g->registry, o->sparse) : NULL;
    if (!op)
        return refuse(g, s, opt->at, gr_arena_printf(g->arena, "%s cannot move some rows of a parameter alone; SGD, Adagrad and Adam can, "
                                                     "or leave sparse out", opt->op->name));
    for (int i = 0; o->dense && o->dense[i]; i++) {
        int k = gr_op_attr(opt->op, o->dense[i]);
        const gr_attr *v = &opt->attr[k];
        if (v->f == 0 && v->i == 0) continue;
        gr_loc at = opt->attr_at && opt->attr_at[k].line ? opt->attr_at[k] : opt->at;
        return refuse(g, s, at, gr_arena_printf(g->arena, "%s moves every row of a parameter; leave it out, or sparse", o->dense[i]));
    }
    if (op != opt->op) opt->attr_at = NULL;
    opt->attr = same_attrs(g->arena, opt->op, opt->attr, op);
    opt->op = op;
    return 0;
}

gr_value *gr_sparse_gather(gr_emitter *e, gr_value *table, gr_value *rows, const gr_node *look_up)
{
    const gr_op *op = gr_registry_role(gr_emitter_graph(e)->registry, GR_ROLE_TAKE);
    gr_arena *a = gr_emitter_graph(e)->arena;
    gr_attr *attr = look_up ? gr_arena_copy(a, look_up->attr, sizeof *attr * (size_t)gr_op_num_attrs(op)) : gr_attr_defaults(a, op);
    attr[gr_op_attr(op, "missing")].i = 1;
    gr_value *in[2] = {table, rows}, *out[1];
    gr_apply apply = {.op = op, .num_in = 2, .in = in, .attr = attr};
    return gr_apply_op(e, &apply, out, NULL, 1) == 1 ? out[0] : NULL;
}

gr_value *gr_sparse_put(gr_emitter *e, gr_value *table, gr_value *rows, gr_value *commit, gr_value *now, gr_value *before)
{
    gr_value *choice[3] = {commit, now, before}, *in[3] = {table, rows};
    in[2] = gr_emit_role(e, GR_ROLE_WHERE, 3, choice, NULL);
    return gr_emit_role(e, GR_ROLE_PUT_ROWS, 3, in, NULL);
}
