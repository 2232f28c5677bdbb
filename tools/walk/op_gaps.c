/* op_gaps.c - what the cases of an op leave out. */
#include "op_walk.h"

#include <stdio.h>
#include <string.h>

const char *op_exempt(const op_exemption *list, const char *op, const char *what)
{
    for (; list && list->op; list++)
        if (strcmp(list->op, op) == 0 && (!what || !list->what || strcmp(list->what, what) == 0)) return list->why;
    return NULL;
}

/* The attributes of a case; NULL: they are not the op's. */
static const gr_attr *attributes(gr_arena *a, const gr_op *op, const op_case *c)
{
    gr_attr *attr = gr_attr_defaults(a, op);
    const char *why = "";
    return gr_attrs_parse(a, op, c->attrs + strspn(c->attrs, ", "), attr, &why) < 0 ? NULL : attr;
}

/* Whether some case of the op gives attribute i that value; NULL: another than the default. */
static bool has_value(gr_arena *a, const gr_op *op, int i, const char *value, const op_case *cases, int n)
{
    const gr_attr_spec *s = &op->attrs[i];
    for (int k = 0; k < n; k++) {
        if (strcmp(cases[k].op, op->name)) continue;
        const gr_attr *attr = attributes(a, op, &cases[k]);
        if (!attr || !attr[i].present) continue;
        const char *text = gr_attr_text(a, s, &attr[i]);
        if (value ? strcmp(text, value) == 0 : attr[i].given && !(s->fallback && strcmp(text, s->fallback) == 0)) return true;
    }
    return false;
}

typedef struct gaps {
    const gr_op *op;
    const op_case *cases;
    int n, found;
    gr_arena *arena;
    op_report *report;
} gaps;

static void missing(gaps *g, const char *what, const char *name)
{
    op_finding *f = g->report ? &g->report->of[OP_CASES] : NULL;
    g->found++;
    if (!f) printf("\n  there is no case of %s %s%s\n", g->op->name, what, name);
    else if (!f->failures++) snprintf(f->failure, sizeof f->failure, "there is no case %s%s", what, name);
}

static void attribute_gaps(gaps *g, const op_exemption *except)
{
    for (int i = 0; i < gr_op_num_attrs(g->op); i++) {
        const gr_attr_spec *s = &g->op->attrs[i];
        if (op_exempt(except, g->op->name, s->name)) continue;
        if (!has_value(g->arena, g->op, i, NULL, g->cases, g->n)) missing(g, "with another value than the default of attribute ", s->name);
        char *choices = gr_arena_strdup(g->arena, s->kind == GR_ATTR_CHOICE ? s->choices : "");
        for (char *rest = choices, *one; *choices && (one = strsep(&rest, "|"));)
            if (!has_value(g->arena, g->op, i, one, g->cases, g->n)) missing(g, gr_arena_printf(g->arena, "with %s=", s->name), one);
    }
}

/* Whether a case gives the op's input of that position, or leaves it out. */
static bool has_input(const gaps *g, int port, bool given)
{
    for (int k = 0; k < g->n; k++) {
        operand in[MAX_IN];
        const char *why;
        if (strcmp(g->cases[k].op, g->op->name)) continue;
        int count = trial_operands(g->cases[k].inputs, in, &why);
        if (given == (port < count && in[port].kind != '-')) return true;
    }
    return false;
}

static void port_gaps(gaps *g, const op_exemption *except)
{
    const gr_port *p = g->op->inputs;
    for (int i = 0; i < gr_op_num_inputs(g->op); i++) {
        if (op_exempt(except, g->op->name, p[i].name)) continue;
        if (!has_input(g, i, true)) missing(g, "with input ", p[i].name);
        bool moment = strcmp(p[0].name, "param") == 0; /* an optimiser's must be given */
        if ((p[i].flags & GR_PORT_OPTIONAL) && !moment && !has_input(g, i, false)) missing(g, "without input ", p[i].name);
    }
}

int op_walk_gaps(const gr_op *op, const op_case *cases, int n, const op_exemption *no_attr, const op_exemption *no_port,
                 op_report *report)
{
    gaps g = {.op = op, .cases = cases, .n = n, .arena = gr_arena_create(), .report = report};
    int any = 0;
    for (int k = 0; k < n; k++) any += strcmp(cases[k].op, op->name) == 0;
    if (!any) missing(&g, "at all", "");
    if (any) attribute_gaps(&g, no_attr);
    if (any) port_gaps(&g, no_port);
    if (report) report->of[OP_CASES].count = any;
    gr_arena_destroy(g.arena);
    return g.found;
}
