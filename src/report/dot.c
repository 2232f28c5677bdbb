/* dot.c - draws a graph.
 *
 * Clusters form a tree. A node "rnn.l0.i" stands in the cluster rnn / l0; the nodes of a
 * Scan's body stand in a cluster of the Scan's own, within the one where the Scan would
 * stand. The Scan itself is not drawn: an edge to one of its inputs goes on to what that
 * is in the body, one from an output comes from what the body hands out. A carry's
 * `next` is a dashed edge back. What derives from "x" is called "x'...": it stands in
 * clusters beside the forward ones, so that the two halves stay apart. */
#include "report/dot.h"
#include "base/map.h"
#include "graph/tape.h"

#include <string.h>

enum { PHASES = 3 };

typedef struct cluster {
    struct cluster *parent, *first, *last, *next;
    const char *name;
    gr_phase phase;
    const gr_node *scan;      /* of which it is the body, or NULL */
    int id, level;
    gr_node **nodes; int num_nodes, cap_nodes;
    gr_node **seen; int num_seen, cap_seen; /* states that this half of the picture reads */
} cluster;

typedef struct dot {
    gr_arena *a;
    FILE *to;
    gr_map *clusters;         /* path -> cluster */
    gr_map *edges;            /* those drawn */
    gr_map *where;            /* "%p" of a node -> its cluster */
    gr_map *numbers;          /* the same -> the int that it is called in the file, alike in every run */
    cluster top;
    const gr_dot_options *options;
    int num_clusters, num_numbers;
} dot;

static const char *const fill[PHASES] = {"#d6e6f5", "#fbdcb8", "#cfe8cf"};
static const char *const shade[PHASES] = {"#f4f8fc", "#fef6ec", "#f2f9f2"};
static const char *const line[PHASES] = {"#27608f", "#a85a08", "#2f7a36"};
static const char *const stroke[PHASES] = {"solid", "dashed", "bold"};

/* ---- text ---- */

/* For use between quotes; "\n" stays a line break. */
static void put_text(const dot *d, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || (c == '\\' && s[1] != 'n')) fputc('\\', d->to);
        if (c == '\n') fputs("\\n", d->to);
        else if (c >= 32) fputc(c, d->to);
    }
}

static void put_attr(const dot *d, const char *key, const char *value)
{
    fprintf(d->to, "%s=\"", key);
    put_text(d, value);
    fputs("\"", d->to);
}

/* A made-up length, or a product with one. */
static bool is_made_up(const dot *d, int64_t n)
{
    for (int i = 0; i < d->options->num_made_up; i++)
        if (n && n % d->options->made_up[i] == 0) return true;
    return false;
}

/* "time 35"; "time" or "?" where the length is made up. */
static const char *axis_label(const dot *d, const char *axis, int64_t n)
{
    if (is_made_up(d, n)) return axis ? axis : "?";
    return gr_arena_printf(d->a, "%s%s%lld", axis ? axis : "", axis ? " " : "", (long long)n);
}

/* "[time 35, batch 32]"; what is no float says so. */
static const char *type_label(const dot *d, const gr_type *t)
{
    if (t->dtype == GR_UNKNOWN) return "";
    const char *dtype = gr_is_float(t->dtype) ? "" : gr_dtype_name(t->dtype), *text = dtype;
    for (int k = 0; k < t->rank; k++)
        text = gr_arena_printf(d->a, "%s%s%s", text, k ? ", " : *dtype ? " [" : "[", axis_label(d, t->axis[k], t->dim[k]));
    return t->rank ? gr_arena_printf(d->a, "%s]", text) : text;
}

static const char *tape_label(const dot *d, const struct gr_tape *t)
{
    static const char *const names[] = {"",
#define X(name, arity) #name,
        GR_TAPE_OPS(X)
#undef X
    };
    const char *text = "";
    for (int i = 0, shown = 0; i < t->num_ins; i++) {
        int n = 0, before = 0;
        for (int k = 0; k < t->num_ins; k++) {
            n += t->ins[k].op == t->ins[i].op;
            before += k < i && t->ins[k].op == t->ins[i].op;
        }
        if (before) continue;
        const char *sep = !shown ? "" : shown % 3 == 0 ? "\n" : " ";
        const char *name = names[t->ins[i].op];
        text = n > 1 ? gr_arena_printf(d->a, "%s%s%s x%d", text, sep, name, n) : gr_arena_printf(d->a, "%s%s%s", text, sep, name);
        shown++;
    }
    return text;
}

/* ---- clusters ---- */

static cluster *child(dot *d, cluster *in, const char *name, gr_phase phase, const gr_node *scan)
{
    const char *key = gr_arena_printf(d->a, "%d/%s/%d%s", in->id, scan ? scan->name : name, (int)phase, scan ? "*" : "");
    cluster *c = gr_map_get(d->clusters, key);
    if (c) return c;
    c = GR_NEW(d->a, cluster);
    *c = (cluster){.parent = in, .name = name, .phase = phase, .scan = scan, .id = ++d->num_clusters, .level = in->level + 1};
    if (in->last) in->last->next = c;
    else in->first = c;
    in->last = c;
    gr_map_set(d->clusters, key, c);
    return c;
}

/* name without primes, up to `prefix` (primes left out of both); NULL if it does not begin so. */
static const char *behind(const char *name, const char *prefix)
{
    for (;;) {
        while (*name == '\'') name++;
        while (*prefix == '\'') prefix++;
        if (!*prefix) break;
        if (*name++ != *prefix++) return NULL;
    }
    return *name == '.' ? name + 1 : !*name ? name : NULL;
}

static const char *local_name(const gr_node *n)
{
    const gr_node *owner = n->graph->owner;
    const char *rest = owner ? behind(n->name, owner->name) : NULL;
    return rest && *rest ? rest : n->name;
}

/* How much of a name is the path of its clusters: up to the last dot before any prime. */
static size_t path_length(const char *name)
{
    size_t end = strcspn(name, "'"), n = 0;
    for (size_t i = 0; i < end; i++)
        if (name[i] == '.') n = i;
    return n;
}

static cluster *descend(dot *d, cluster *c, const char *name, gr_phase phase)
{
    size_t n = path_length(name);
    for (size_t i = 0; i < n;) {
        size_t step = strcspn(name + i, ".");
        c = child(d, c, gr_arena_strndup(d->a, name + i, step), phase, NULL);
        i += step + 1;
    }
    return c;
}

static const char *node_key(const dot *d, const gr_node *n) { return gr_arena_printf(d->a, "%p", (const void *)n); }

static int number_of(dot *d, const gr_node *n)
{
    int *number = gr_map_get(d->numbers, node_key(d, n));
    if (number) return *number;
    number = GR_NEW(d->a, int);
    *number = ++d->num_numbers;
    gr_map_set(d->numbers, node_key(d, n), number);
    return *number;
}

/* What a body sees whole is read from where it is made. */
static bool is_invariant(const gr_node *n)
{
    int number;
    return n->op->role == GR_ROLE_ARG && n->graph->owner && gr_arg_kind(n->out[0], &number) == GR_ARG_INVARIANT;
}

static void place(dot *d, gr_graph *g, cluster *home)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        const char *name = local_name(n);
        cluster *c = descend(d, home, name, n->phase);
        if (n->scan) {
            size_t from = path_length(name);
            name += from + (name[from] == '.');
            c = child(d, c, gr_arena_strndup(d->a, name, strcspn(name, "'")), n->phase, NULL);
            place(d, n->scan->body, child(d, c, "", n->phase, n));
            continue;
        }
        if (is_invariant(n)) continue;
        *GR_PUSH(d->a, c->nodes, c->num_nodes, c->cap_nodes) = n;
        gr_map_set(d->where, node_key(d, n), c);
    }
}

/* A node called as one of the clusters beside it belongs into that: embedding beside
 * embedding.weight, rnn'.slice beside the loop of rnn'. */
static void gather(dot *d, cluster *c)
{
    int kept = 0;
    for (int i = 0; i < c->num_nodes; i++) {
        gr_node *n = c->nodes[i];
        const char *name = local_name(n);
        size_t from = path_length(name);
        name += from + (name[from] == '.');
        size_t length = strcspn(name, "'");
        cluster *k = c->first;
        while (k && (k->scan || k->phase != n->phase || strncmp(k->name, name, length) != 0 || k->name[length])) k = k->next;
        if (!k) {
            c->nodes[kept++] = n;
            continue;
        }
        *GR_PUSH(d->a, k->nodes, k->num_nodes, k->cap_nodes) = n;
        gr_map_set(d->where, node_key(d, n), k);
    }
    c->num_nodes = kept;
    for (cluster *k = c->first; k; k = k->next) gather(d, k);
}

/* The outermost cluster around c that is not opened, or NULL. */
static cluster *closed_around(const dot *d, cluster *c)
{
    cluster *found = NULL;
    for (; d->options->depth > 0 && c && c->parent; c = c->parent)
        if (c->level > d->options->depth) found = c;
    return found;
}

/* ---- nodes ---- */

static const char *shape_of(const gr_node *n)
{
    switch (n->op->role) {
    case GR_ROLE_INPUT: return "invhouse";
    case GR_ROLE_STATE: return "cylinder";
    case GR_ROLE_CONSTANT:
    case GR_ROLE_FILL: return "plaintext";
    case GR_ROLE_ARG: return "ellipse";
    default: return n->op->expand ? "component" : "box";
    }
}

static const char *result_name(const gr_graph *g, const gr_node *n)
{
    for (int i = 0; !g->parent && i < g->num_results; i++)
        if (g->results[i]->node == n && g->results[i]->index == 0) return g->result_names[i] ? g->result_names[i] : "result";
    return NULL;
}

static const char *node_label(const dot *d, const gr_node *n)
{
    const char *name = local_name(n);
    size_t from = path_length(name);
    name += from + (name[from] == '.');
    if (n->op->role == GR_ROLE_ARG || n->op->role == GR_ROLE_STATE) return name;
    if (n->tape && n->op->role == GR_ROLE_FUSED) return gr_arena_printf(d->a, "%s\n%s", name, tape_label(d, n->tape));
    if (n->tape) return gr_arena_printf(d->a, "%s\n%s, then\n%s", name, n->op->name, tape_label(d, n->tape));
    return gr_arena_printf(d->a, "%s\n%s", name, n->op->name);
}

static void put_node(dot *d, const gr_node *n)
{
    const char *result = result_name(n->graph, n);
    fprintf(d->to, "n%d [", number_of(d, n));
    put_attr(d, "label", node_label(d, n));
    fprintf(d->to, ", shape=%s, fillcolor=\"%s\", color=\"%s\", style=\"filled,%s%s\"", shape_of(n), fill[n->phase],
            line[n->phase], stroke[n->phase], strcmp(shape_of(n), "box") == 0 ? ",rounded" : "");
    if (result) {
        fputs(", peripheries=2, ", d->to);
        put_attr(d, "xlabel", strcmp(result, n->name) == 0 ? "result" : result);
    }
    fputs("];\n", d->to);
}

static void put_seen(dot *d, const gr_node *n, gr_phase phase)
{
    fprintf(d->to, "s%d_%d [", (int)phase, number_of(d, n));
    put_attr(d, "label", node_label(d, n));
    fprintf(d->to, ", shape=cylinder, fillcolor=white, color=\"%s\", style=\"filled,%s\"];\n", line[phase], stroke[phase]);
}

static int count_nodes(const cluster *c)
{
    int n = c->num_nodes;
    for (const cluster *k = c->first; k; k = k->next) n += count_nodes(k);
    return n + c->num_seen;
}

static void put_closed(dot *d, const cluster *c)
{
    int n = count_nodes(c);
    fprintf(d->to, "c%d [", c->id);
    put_attr(d, "label", gr_arena_printf(d->a, "%s\n%d node%s", c->scan ? "loop" : c->name, n, n == 1 ? "" : "s"));
    fprintf(d->to, ", shape=box3d, fillcolor=\"%s\", color=\"%s\", style=\"filled,%s\"];\n", fill[c->phase], line[c->phase],
            stroke[c->phase]);
}

static const char *cluster_label(const dot *d, const cluster *c)
{
    if (!c->scan) return c->name;
    const gr_scan *s = c->scan->scan;
    const char *way = s->reverse ? ", last first" : "";
    return s->steps && !is_made_up(d, s->steps) ? gr_arena_printf(d->a, "each of %lld %s%s", (long long)s->steps, s->chunks ? "chunks" : "steps", way)
                                               : gr_arena_printf(d->a, "each step%s", way);
}

static void put_cluster(dot *d, cluster *c)
{
    if (c->parent && count_nodes(c) == 0) return;
    if (c->parent && closed_around(d, c) == c) {
        put_closed(d, c);
        return;
    }
    if (c->parent) {
        fprintf(d->to, "subgraph cluster_%d {\n", c->id);
        put_attr(d, "label", cluster_label(d, c));
        fprintf(d->to, "; style=\"rounded,filled%s\"; fillcolor=\"%s\"; color=\"%s\"; fontcolor=\"%s\"; penwidth=%s;\n",
                stroke[c->phase][0] == 'd' ? ",dashed" : "", shade[c->phase], line[c->phase], line[c->phase],
                c->scan ? "2" : "0.8");
    }
    for (int i = 0; i < c->num_nodes; i++) put_node(d, c->nodes[i]);
    for (int i = 0; i < c->num_seen; i++) put_seen(d, c->seen[i], c->phase);
    for (cluster *k = c->first; k; k = k->next) put_cluster(d, k);
    if (c->parent) fputs("}\n", d->to);
}

/* ---- edges ---- */

/* The node whose output is drawn for v: through Scans down, through invariants up. */
static const gr_value *origin(const gr_value *v)
{
    for (int guard = 0; guard < 10000; guard++) {
        const gr_scan *s = v->node->scan;
        if (s) {
            int i = v->index, c = s->carries;
            v = s->body->results[i < c ? i : i < 2 * c ? i - c : i - c];
        } else if (is_invariant(v->node)) {
            v = gr_arg_outer(v);
        } else {
            break;
        }
    }
    return v;
}

static const char *box_of(dot *d, const gr_node *n)
{
    cluster *c = gr_map_get(d->where, node_key(d, n)), *closed = closed_around(d, c);
    return closed ? gr_arena_printf(d->a, "c%d", closed->id) : gr_arena_printf(d->a, "n%d", number_of(d, n));
}

/* Where an edge of that phase meets n: at the picture's own half, if n is a state. */
static const char *end_of(dot *d, gr_node *n, gr_phase phase)
{
    if (n->op->role != GR_ROLE_STATE || n->phase == phase) return box_of(d, n);
    cluster *c = descend(d, &d->top, n->name, phase), *closed = closed_around(d, c);
    return closed ? gr_arena_printf(d->a, "c%d", closed->id) : gr_arena_printf(d->a, "s%d_%d", (int)phase, number_of(d, n));
}

static void put_edge(dot *d, const gr_value *v, gr_node *to, gr_phase phase, const char *extra)
{
    if (!v) return;
    const char *label = type_label(d, &v->type), *tail = end_of(d, origin(v)->node, phase), *head = end_of(d, to, phase);
    const char *key = gr_arena_printf(d->a, "%s>%s>%s>%s", tail, head, label, extra);
    if (gr_map_get(d->edges, key) || (tail[0] == 'c' && strcmp(tail, head) == 0)) return;
    gr_map_set(d->edges, key, d);
    fprintf(d->to, "%s -> %s [", tail, head);
    put_attr(d, "label", label);
    fprintf(d->to, ", color=\"%s\", style=%s%s];\n", line[phase], stroke[phase], extra);
}

static void put_edges(dot *d, const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        for (int k = 0; k < n->num_in && !n->scan; k++) put_edge(d, n->in[k], n, n->phase, "");
        if (!n->scan) continue;
        const gr_scan *s = n->scan;
        for (int k = 0; k < s->carries + s->sequences; k++) put_edge(d, n->in[k], s->body->args[k]->node, n->phase, "");
        put_edges(d, s->body);
        for (int k = 0; k < s->carries; k++)
            put_edge(d, s->body->results[k], s->body->args[k]->node, n->phase, ", constraint=false, arrowhead=empty, penwidth=2");
    }
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next)
            put_edge(d, g->states[i]->next, g->states[i]->value->node, GR_UPDATE, ", constraint=false, arrowhead=empty");
}

/* A state is drawn again in each half that reads or writes it. */
static void see_state(dot *d, gr_node *n, gr_phase phase)
{
    const char *key = gr_arena_printf(d->a, "state %d %p", (int)phase, (void *)n);
    if (n->op->role != GR_ROLE_STATE || gr_map_get(d->edges, key)) return;
    gr_map_set(d->edges, key, d);
    if (n->phase == phase) return;
    cluster *c = descend(d, &d->top, n->name, phase);
    *GR_PUSH(d->a, c->seen, c->num_seen, c->cap_seen) = n;
}

static void see_states(dot *d, const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        for (int k = 0; k < n->num_in; k++) {
            bool whole = n->scan && k >= n->scan->carries + n->scan->sequences; /* its readers will say */
            if (n->in[k] && !whole) see_state(d, origin(n->in[k])->node, n->phase);
        }
        if (n->scan) see_states(d, n->scan->body);
    }
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next) see_state(d, g->states[i]->value->node, GR_UPDATE);
}

/* A moment of the optimiser is drawn where the update is, and there alone. */
static void drop_unread_states(dot *d, cluster *c)
{
    int kept = 0;
    for (int i = 0; i < c->num_nodes; i++) {
        gr_node *n = c->nodes[i];
        bool elsewhere = false, here = n->op->role != GR_ROLE_STATE;
        for (int p = 0; p < PHASES; p++) {
            bool seen = gr_map_get(d->edges, gr_arena_printf(d->a, "state %d %p", p, (void *)n)) != NULL;
            if (p == (int)n->phase) here |= seen;
            else elsewhere |= seen;
        }
        if (here || !elsewhere) c->nodes[kept++] = n;
    }
    c->num_nodes = kept;
    for (cluster *k = c->first; k; k = k->next) drop_unread_states(d, k);
}

static bool has_phase(const gr_graph *g, gr_phase phase)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->phase == phase) return true;
    return false;
}

void gr_dot_write(gr_graph *g, const gr_dot_options *o, FILE *to)
{
    dot d = {.a = g->arena, .to = to, .clusters = gr_map_create(g->arena), .edges = gr_map_create(g->arena),
             .where = gr_map_create(g->arena), .numbers = gr_map_create(g->arena), .options = o};
    place(&d, g, &d.top);
    gather(&d, &d.top);
    fputs("digraph graphrun {\nnode [fontname=\"Helvetica\", fontsize=11, height=0.3, margin=\"0.12,0.05\"];\n"
          "edge [fontname=\"Helvetica\", fontsize=9, arrowsize=0.7, fontcolor=\"#444444\"];\n"
          "graph [fontname=\"Helvetica\", fontsize=11, nodesep=0.3, ranksep=0.35, labelloc=t];\n", to);
    const char *legend = has_phase(g, GR_BACKWARD) || has_phase(g, GR_UPDATE)
                         ? "forward: blue, solid   backward: orange, dashed   update: green, bold" : "";
    const char *title = o->title ? o->title : "";
    if (*title || *legend) {
        put_attr(&d, "label", *title && *legend ? gr_arena_printf(d.a, "%s\n%s", title, legend) : *title ? title : legend);
        fputs(";\n", to);
    }
    see_states(&d, g);
    drop_unread_states(&d, &d.top);
    put_cluster(&d, &d.top);
    put_edges(&d, g);
    fputs("}\n", to);
}
