/* roles.c - nodes that passes emit themselves, found by role, not by name. */
#include "graph/frame.h"

gr_value *gr_emit_role(gr_emitter *e, gr_role role, int n, gr_value *const *in, const char *attrs, ...)
{
    gr_graph *g = e->graph;
    const gr_op *op = gr_registry_role(g->registry, role);
    if (!op) gr_bug(g->arena, "no op has role %d", (int)role);
    gr_attr *attr = gr_attr_defaults(g->arena, op);
    const char *why = "";
    if (attrs) {
        va_list args;
        va_start(args, attrs);
        const char *text = gr_arena_vprintf(g->arena, attrs, args);
        va_end(args);
        if (gr_attrs_parse(g->arena, op, text, attr, &why) < 0) gr_bug(g->arena, "%s: %s", op->name, why);
    }
    gr_value *out[1];
    gr_apply w = {.op = op, .num_in = n, .in = in, .attr = attr};
    gr_apply_op(e, &w, out, NULL, 1);
    return out[0];
}

gr_value *gr_emit_tape(gr_emitter *e, gr_tape_op tape, int n, gr_value *const *in)
{
    const gr_registry *r = gr_emitter_graph(e)->registry;
    int i = 0;
    while (i < gr_registry_count(r) && gr_registry_at(r, i)->tape != tape) i++;
    if (i == gr_registry_count(r)) return NULL;
    gr_value *out[1] = {NULL};
    gr_apply w = {.op = gr_registry_at(r, i), .num_in = n, .in = in};
    gr_apply_op(e, &w, out, NULL, 1);
    return out[0];
}

gr_value *gr_emit_sum(gr_emitter *e, gr_value *a, gr_value *b)
{
    if (!a || !b) return a ? a : b;
    return gr_emit_role(e, GR_ROLE_ADD, 2, (gr_value *[]){a, b}, NULL);
}

static const char *ints_text(gr_arena *a, int n, const int64_t *v)
{
    char *text = gr_arena_strdup(a, "[");
    for (int i = 0; i < n; i++) text = gr_arena_printf(a, "%s%s%lld", text, i ? ", " : "", (long long)v[i]);
    return gr_arena_printf(a, "%s]", text);
}

gr_value *gr_emit_sum_to(gr_emitter *e, gr_value *v, const gr_type *t)
{
    gr_arena *a = e->graph->arena;
    int64_t dims[GR_MAX_RANK];
    int n = 0, extra = v->type.rank - t->rank;
    for (int i = 0; i < v->type.rank; i++)
        if (i < extra || (t->dim[i - extra] == 1 && v->type.dim[i] != 1)) dims[n++] = i - v->type.rank;
    if (!n) return v;
    gr_value *sum = gr_emit_role(e, GR_ROLE_REDUCE_SUM, 1, &v, "dim=%s, keepdim=%s", ints_text(a, n, dims),
                                 extra ? "false" : "true");
    if (sum->type.rank == t->rank) return sum;
    return gr_emit_role(e, GR_ROLE_RESHAPE, 1, &sum, "shape=%s", ints_text(a, t->rank, t->dim));
}

gr_value *gr_emit_zeros(gr_emitter *e, const gr_type *t)
{
    gr_value *v = gr_emit_role(e, GR_ROLE_FILL, 0, NULL, "shape=%s, value=0, dtype=%s", ints_text(e->graph->arena, t->rank, t->dim),
                               gr_dtype_name(t->dtype));
    gr_type_take_names(&v->type, t);
    return v;
}

gr_value *gr_emit_initial(gr_emitter *e, const char *name, const char *shape)
{
    const gr_op *fill = gr_registry_role(e->graph->registry, GR_ROLE_FILL);
    return (gr_value *)(uintptr_t)gr_emit(&e->ctx, fill->name, name, 0, NULL, "shape=[%s], value=0", shape);
}

gr_value *gr_emit_number(gr_emitter *e, double value)
{
    return gr_emit_role(e, GR_ROLE_FILL, 0, NULL, "shape=[], value=%.17g, dtype=%s", value, gr_dtype_name(e->graph->real));
}
