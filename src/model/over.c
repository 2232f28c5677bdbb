/* over.c - an op that runs a cell over time, made for a node: see gr_over in op.h. */
#include "graph/names.h"
#include "model/body.h"

#include <string.h>

static const gr_op *find_cell(gr_body *b, gr_item *it, const gr_op *over)
{
    const gr_over *data = over->data;
    if (data->cell) return gr_registry_find(b->m->registry, data->cell);
    gr_doc *d = gr_doc_get(it->doc, "cell");
    if (!d) {
        gr_diag_error(b->m->diag, it->doc->key_at, "%s needs 'cell', the name of an op or a block", over->name);
        return NULL;
    }
    if (!b->raw && !b->e && d->kind == GR_DOC_SCALAR && strchr(d->text, '$')) return NULL;
    const char *name = gr_eval_text(b->m, b->scope, d);
    const gr_op *cell = name ? gr_op_named(b->m->registry, name) : NULL;
    if (name && !cell && !gr_registry_lacks_plugin(b->m->registry)) {
        gr_diag_error(b->m->diag, d->at, "there is no op or block called '%s'%s", name,
                      gr_suggest_term(b->m->arena, name, gr_registry_names(b->m->registry)));
        gr_registry_hint_plugins(b->m->registry, b->m->diag);
    }
    bool carries = false;
    for (int i = 0; cell && cell->outputs && cell->outputs[i].name; i++)
        carries |= gr_op_input(cell, cell->outputs[i].name) >= 0;
    if (!cell || carries) return cell;
    gr_diag_error(b->m->diag, d->at, "'%s' is no cell: none of its outputs has the name of an input", name);
    return NULL;
}

/* How many layers have ports of their own, because widths differ; 0: none. */
static int unequal_layers(gr_body *b, gr_item *it)
{
    gr_doc *d = gr_doc_get(it->doc, "hidden_sizes");
    if (!d || (!b->raw && !b->e)) return 0;
    gr_var v = gr_eval(b->m, b->scope, d);
    bool unequal = false;
    for (int i = 0; v.kind == GR_VAR_LIST && i < v.count; i++) unequal |= v.item[i].i != v.item[0].i;
    return unequal ? v.count : 0;
}

static gr_attr_spec *join_attrs(gr_arena *a, const gr_op *over, const gr_op *cell)
{
    int n = gr_op_num_attrs(over), m = gr_op_num_attrs(cell), made = n;
    gr_attr_spec *specs = GR_NEW_ARRAY(a, gr_attr_spec, n + m + 1);
    if (n) memcpy(specs, over->attrs, sizeof *specs * (size_t)n);
    for (int i = 0; i < m; i++) {
        if (gr_op_attr(over, cell->attrs[i].name) >= 0) continue;
        specs[made] = cell->attrs[i];
        /* hidden_sizes may stand in its place; the op says so if neither is given. */
        if (strcmp(specs[made].name, "hidden_size") == 0) {
            specs[made].kind = GR_ATTR_INT;
            specs[made].fallback = "~";
            specs[made].choices = NULL;
        }
        made++;
    }
    return specs;
}

typedef struct port_list {
    gr_port *port;
    int count, cap;
} port_list;

static void push(gr_arena *a, port_list *l, gr_port p) { *GR_PUSH(a, l->port, l->count, l->cap) = p; }

/* "h_0", or "h_0_l0", "h_0_l1", ... */
static void push_states(gr_arena *a, port_list *l, const char *carry, const char *end, int layers, uint32_t flags)
{
    for (int i = 0; i < (layers ? layers : 1); i++) {
        const char *name = layers ? gr_arena_printf(a, "%s_%s_l%d", carry, end, i) : gr_arena_printf(a, "%s_%s", carry, end);
        push(a, l, (gr_port){name, flags, "[layers * directions, batch, size]"});
    }
}

static bool is_state(const gr_op *cell, const char *port)
{
    for (int i = 0; cell->outputs[i].name; i++) {
        const char *carry = cell->outputs[i].name;
        size_t n = strlen(carry);
        if (gr_op_input(cell, carry) >= 0 && strncmp(port, carry, n) == 0 && strcmp(port + n, "_0") == 0) return true;
    }
    return false;
}

/* What the op itself has besides the sequence and initial states, then what else the cell reads. */
static int push_further(gr_body *b, gr_item *it, const gr_op *over, const gr_op *cell, port_list *l)
{
    bool first = true;
    for (int i = 1; over->inputs[i].name; i++)
        if (!is_state(cell, over->inputs[i].name)) push(b->m->arena, l, over->inputs[i]);
    for (int i = 0; cell->inputs[i].name; i++) {
        if (gr_op_output(cell, cell->inputs[i].name) >= 0) continue;
        if (!first) {
            for (int k = 0; k < l->count; k++)
                if (strcmp(l->port[k].name, cell->inputs[i].name) == 0) {
                    gr_diag_error(b->m->diag, it->doc->key_at, "the cell %s has an input '%s', but so has %s; give the cell's another name",
                                  cell->name, cell->inputs[i].name, over->name);
                    return -1;
                }
            push(b->m->arena, l, cell->inputs[i]);
        }
        first = false;
    }
    return 0;
}

const gr_op *gr_over_op(gr_body *b, gr_item *it, const gr_op *over)
{
    gr_arena *a = b->m->arena;
    const gr_op *cell = find_cell(b, it, over);
    int layers = unequal_layers(b, it);
    if (!cell) return NULL;
    if (((const gr_over *)over->data)->cell && !layers) return over;
    port_list in = {0}, out = {0};
    push(a, &in, over->inputs[0]);
    push(a, &out, over->outputs[0]);
    for (int i = 0; cell->outputs[i].name; i++) {
        if (gr_op_input(cell, cell->outputs[i].name) < 0) continue;
        push_states(a, &in, cell->outputs[i].name, "0", layers, GR_PORT_OPTIONAL);
        push_states(a, &out, cell->outputs[i].name, "n", layers, 0);
    }
    if (push_further(b, it, over, cell, &in) < 0) return NULL;
    push(a, &in, (gr_port){0});
    push(a, &out, (gr_port){0});
    gr_op *op = GR_NEW(a, gr_op);
    *op = *over;
    op->attrs = join_attrs(a, over, cell);
    op->inputs = in.port;
    op->outputs = out.port;
    return op;
}
