/* dot_update.c - the update of parameters: what belongs to one of them, and which are updated alike.
 *
 * What leads to the next value of one parameter and of its moments alone belongs to that parameter; what leads
 * to those of several (the norm of all gradients, whether all are finite) stands beside. Parameters whose
 * updates have the same nodes in the same order are drawn once: the first one's nodes stand for those of all. */
#include "report/dot_graph.h"
#include "graph/tape.h"

#include <string.h>

static const gr_state several; /* owns what belongs to more than one parameter */

/* ---- whose it is ---- */

/* The parameter that the state is, or that it is a moment of: "fc.weight" of "train.exp_avg.fc.weight". */
static const gr_state *parameter_of(const gr_dot *d, const gr_state *s)
{
    if (strncmp(s->name, GR_DOT_UPDATE, strlen(GR_DOT_UPDATE)) != 0) return s;
    const char *rest = strchr(s->name + strlen(GR_DOT_UPDATE), '.');
    return rest ? gr_graph_find_state(d->g, rest + 1) : NULL;
}

static void add_owner(const gr_value *v, const gr_state *owner)
{
    gr_dot_place *at = gr_dot_place_of(v->node);
    if (v->node->phase == GR_UPDATE && v->node->op->role != GR_ROLE_STATE) at->owner = !at->owner || at->owner == owner ? owner : &several;
}

static void find_owners(gr_dot *d)
{
    const gr_graph *g = d->g;
    for (int i = 0; i < g->num_states; i++) {
        const gr_state *owner = g->states[i]->next ? parameter_of(d, g->states[i]) : NULL;
        if (g->states[i]->next) add_owner(g->states[i]->next, owner ? owner : &several);
    }
    for (int i = g->num_nodes - 1; i >= 0; i--) {
        const gr_dot_place *at = gr_dot_place_of(g->nodes[i]);
        for (int k = 0; at->owner && k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k]) add_owner(g->nodes[i]->in[k], g->nodes[i]->op->role == GR_ROLE_INPUT ? &several : at->owner);
    }
}

/* ---- which are alike ---- */

static const gr_applied *optimiser_of(const gr_dot *d, const gr_state *param)
{
    const gr_applied *part = gr_dot_part(d, gr_arena_printf(d->a, GR_DOT_UPDATE "%s", param->name));
    return part && (part->op->traits & GR_OPTIMISER) ? part : NULL;
}

typedef struct chain { const char *text; const gr_node **node; int num_nodes, cap_nodes; } chain;

/* What tells one update from another: its ops with their tapes, and its optimiser's attributes. */
static void add_link(gr_dot *d, gr_map *chains, const gr_node *n)
{
    const gr_state *owner = gr_dot_place_of(n)->owner;
    chain *c = gr_map_get(chains, owner->name);
    if (!c) {
        const gr_applied *o = optimiser_of(d, owner);
        gr_map_set(chains, owner->name, c = GR_NEW(d->a, chain));
        c->text = o ? gr_arena_printf(d->a, "%s %s", o->op->name, gr_pic_attrs(d->a, o->op, o->attr)) : "";
    }
    c->text = gr_arena_printf(d->a, "%s\n%s", c->text, n->op->name);
    for (int i = 0; n->tape && i < n->tape->num_ins; i++) c->text = gr_arena_printf(d->a, "%s %d", c->text, (int)n->tape->ins[i].op);
    *GR_PUSH(d->a, c->node, c->num_nodes, c->cap_nodes) = n;
}

/* The state of the first parameter that is to it what s is to p. */
static gr_state *likeness(const gr_dot *d, const gr_state *s, const gr_state *p, const gr_state *first)
{
    const size_t moment = strlen(s->name) - strlen(p->name);
    return gr_graph_find_state(d->g, gr_arena_printf(d->a, "%.*s%s", (int)moment, s->name, first->name));
}

static void join(gr_dot *d, gr_map *chains, gr_map *kinds, const gr_state *p)
{
    const chain *c = gr_map_get(chains, p->name);
    if (!c || gr_map_get(kinds, p->name)) return;
    gr_dot_alike *k = gr_map_get(kinds, c->text);
    if (!k) {
        gr_map_set(kinds, c->text, k = GR_NEW(d->a, gr_dot_alike));
        k->optimiser = optimiser_of(d, p);
        *GR_PUSH(d->a, d->alike, d->num_alike, d->cap_alike) = k;
    }
    gr_map_set(kinds, p->name, k);
    *GR_PUSH(d->a, k->param, k->num_params, k->cap_params) = p;
    const chain *first = gr_map_get(chains, k->param[0]->name);
    for (int i = 0; i < c->num_nodes; i++) {
        gr_dot_place_of(c->node[i])->alike = k;
        if (k->num_params > 1) gr_dot_place_of(c->node[i])->like = first->node[i];
    }
}

void gr_dot_find_updates(gr_dot *d)
{
    gr_graph *g = d->g;
    gr_map *chains = gr_map_create(d->a), *kinds = gr_map_create(d->a);
    find_owners(d);
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_state *owner = gr_dot_place_of(g->nodes[i])->owner;
        if (owner && owner != &several) add_link(d, chains, g->nodes[i]);
    }
    for (int i = 0; i < g->num_states; i++) join(d, chains, kinds, g->states[i]);
    for (int i = 0; i < g->num_states; i++) {
        const gr_state *p = parameter_of(d, g->states[i]), *first = NULL;
        gr_dot_alike *k = p ? gr_map_get(kinds, p->name) : NULL;
        if (k) gr_dot_place_of(g->states[i]->value->node)->alike = k;
        if (k && k->param[0] != p) first = likeness(d, g->states[i], p, k->param[0]);
        if (first) gr_dot_place_of(g->states[i]->value->node)->like = first->value->node;
    }
}

const char *gr_dot_updated_as(const gr_dot *d, const gr_state *s)
{
    const gr_state *p = parameter_of(d, s);
    if (!p || p == s) return s->trainable ? "parameter" : "state"; /* what is kept between batches is no parameter */
    const size_t from = strlen(GR_DOT_UPDATE);
    return gr_arena_strndup(d->a, s->name + from, strlen(s->name) - strlen(p->name) - 1 - from);
}
