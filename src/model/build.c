/* build.c - the raw graph of a model's `graph` section, and its Inputs. */
#include "model/body.h"

#include <string.h>

static const gr_attr *attr_called(const gr_node *n, const char *name)
{
    int i = gr_op_attr(n->op, name);
    return i < 0 ? NULL : &n->attr[i];
}

static gr_loc place_of(const gr_node *n, const char *name)
{
    int i = gr_op_attr(n->op, name);
    return i >= 0 && n->attr_at && n->attr_at[i].line ? n->attr_at[i] : n->at;
}

/* "data.tokens": the field tokens of the data source. */
static const char *source_field(gr_model *m, const gr_node *n)
{
    const gr_attr *from = attr_called(n, "from");
    if (!from || !from->present) return NULL;
    if (strncmp(from->s, "data.", 5) == 0 && from->s[5]) return from->s + 5;
    gr_diag_error(m->diag, place_of(n, "from"), "'from' names a field of the data source, data.NAME, not '%s'", from->s);
    return NULL;
}

static void add_input(gr_model *m, const gr_node *n)
{
    gr_model_input *in = GR_PUSH(m->arena, m->inputs, m->num_inputs, m->cap_inputs);
    const gr_attr *shape = attr_called(n, "shape"), *dtype = attr_called(n, "dtype");
    *in = (gr_model_input){.name = n->name, .from = source_field(m, n), .at = n->at, .from_at = place_of(n, "from")};
    in->dtype = dtype && dtype->present ? (gr_dtype)dtype->i : GR_FLOAT32;
    if (in->dtype == GR_FLOAT32) in->dtype = m->real;
    for (int i = 0; shape && i < shape->n && i < GR_MAX_RANK; i++) {
        in->dim[i] = shape->ints[i];
        in->axis[i] = shape->names ? shape->names[i] : NULL;
        in->rank++;
    }
}

gr_graph *gr_model_graph(gr_model *m)
{
    if (!m->graph) {
        if (!gr_doc_peek(m->root, "graph"))
            gr_diag_error(m->diag, m->root->at, "the file has no 'graph', a map of nodes: {name: {op: ..., in: ...}}");
        return NULL;
    }
    gr_graph *g = gr_graph_create(m->arena, m->registry, m->diag, m->real);
    gr_body body = {.m = m, .scope = m->scope, .doc = m->graph, .what = "the graph", .raw = g};
    gr_body *b = GR_NEW(m->arena, gr_body); /* bodies of Scans look names up in it later */
    *b = body;
    m->num_inputs = 0;
    gr_body_make(b);
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->op->role == GR_ROLE_INPUT) add_input(m, g->nodes[i]);
    return g;
}

int gr_model_inputs(gr_model *m, const gr_model_input **list)
{
    *list = m->inputs;
    return m->num_inputs;
}
