/* dot_tree.c - which branch of the picture each node of a graph belongs to. */
#include "report/dot_graph.h"
#include "report/reference.h"

#include <ctype.h>
#include <string.h>

/* ---- names ---- */

/* How much of a name is the path of its branches: up to the last dot before any prime. */
static size_t path_length(const char *name)
{
    size_t end = strcspn(name, "'"), n = 0;
    for (size_t i = 0; i < end; i++)
        if (name[i] == '.') n = i;
    return n;
}

/* "sum" of "sum_2", which made the name unique. */
static size_t unnumbered(const char *name, size_t n)
{
    size_t end = n;
    while (end && isdigit((unsigned char)name[end - 1])) end--;
    return end > 1 && end < n && name[end - 1] == '_' ? end - 1 : n;
}

/* name without primes, up to `prefix` (primes left out of both); NULL if it does not begin so. */
static const char *behind(const char *name, const char *prefix, size_t n)
{
    for (size_t i = 0;; name++, i++) {
        while (*name == '\'') name++;
        while (i < n && prefix[i] == '\'') i++;
        if (i >= n) break;
        if (*name != prefix[i]) return NULL;
    }
    return *name == '.' ? name + 1 : !*name ? name : NULL;
}

static const char *node_key(const gr_dot *d, const gr_node *n) { return gr_arena_printf(d->a, "%p", (const void *)n); }

/* "fc.weight.mul" of "train.fc.weight.mul": what an optimiser does stands where its parameter does. */
static const char *updated_name(const gr_dot *d, const gr_node *n)
{
    const char *owner = gr_map_get(d->owners, node_key(d, n)), *name = n->name;
    if (owner) return owner;
    if (strncmp(name, GR_DOT_UPDATE, strlen(GR_DOT_UPDATE)) != 0) return name;
    name += strlen(GR_DOT_UPDATE);
    for (size_t end = strlen(name); end > 0; end--)
        if ((!name[end] || name[end] == '.') && gr_graph_find_state(d->g, gr_arena_strndup(d->a, name, end))) return name;
    const char *param = strchr(name, '.'); /* a moment: train.exp_avg.fc.weight */
    if (!param || !gr_graph_find_state(d->g, param + 1)) return n->name;
    return gr_arena_printf(d->a, "%s.%.*s", param + 1, (int)(param - name), name);
}

const char *gr_dot_local_name(const gr_dot *d, const gr_node *n)
{
    const gr_node *owner = n->graph->owner;
    if (!owner) return n->phase == GR_UPDATE ? updated_name(d, n) : n->name;
    const char *rest = behind(n->name, owner->name, strlen(owner->name));
    if (!rest || !*rest) rest = behind(n->name, owner->name, unnumbered(owner->name, strlen(owner->name)));
    return rest && *rest ? rest : n->name;
}

const gr_applied *gr_dot_part(const gr_dot *d, const char *path) { return gr_map_get(d->parts, path); }

static const char *last_name(const gr_dot *d, const gr_node *n)
{
    const char *name = gr_dot_local_name(d, n);
    size_t from = path_length(name);
    return name + from + (name[from] == '.');
}

static bool is_view(const gr_node *n) { return (n->op->traits & GR_VIEW) && n->num_in > 0 && n->in[0]; }

bool gr_dot_is_laid_out(const gr_node *n)
{
    if (strcmp(gr_op_kind(n->op), "internal") != 0 || n->num_in != 1 || !n->in[0]) return false;
    const gr_node *from = n->in[0]->node;
    while (is_view(from)) from = from->in[0]->node;
    return from->op->role == GR_ROLE_STATE;
}

/* It computes nothing and stands in no model file. */
static bool is_left_out(const gr_dot *d, const gr_node *n)
{
    const bool inner = n->graph->parent || n->phase != GR_FORWARD || strchr(n->name, '.');
    const bool constant = n->op->role == GR_ROLE_FILL || n->op->role == GR_ROLE_CONSTANT;
    if (inner && constant && !gr_dot_place_of(n)->read) return true;
    if (gr_dot_is_laid_out(n)) return true; /* its reader says so */
    if (d->options->depth == GR_DOT_ALL || n->tape) return false;
    if (!inner && (!d->options->inside || gr_dot_part(d, n->name))) return false;
    if (n->op->role == GR_ROLE_FILL) return true;
    if (gr_dot_part(d, n->name)) return false;
    if (n->op->role == GR_ROLE_CONSTANT) return true;
    return is_view(n);
}

/* ---- branches ---- */

/* Its step stands in the model file, so it is not opened at the cost of a level. */
static bool is_written_loop(const gr_dot *d, const gr_applied *part)
{
    return part && strcmp(part->op->name, gr_registry_role(d->g->registry, GR_ROLE_SCAN)->name) == 0;
}

static gr_branch *child(gr_dot *d, gr_branch *in, const char *name, gr_phase phase, const gr_node *scan, gr_dot_stage stage)
{
    const char *key = gr_arena_printf(d->a, "%d/%d/%d/%d/%s", in->id, (int)phase, (int)stage, scan != NULL, scan ? scan->name : name);
    gr_branch *b = gr_map_get(d->branches, key);
    if (b) return b;
    b = GR_NEW(d->a, gr_branch);
    *b = (gr_branch){.parent = in, .name = name, .phase = phase, .scan = scan, .stage = stage, .id = ++d->num_branches};
    b->path = !*name ? in->path : *in->path ? gr_arena_printf(d->a, "%s.%s", in->path, name) : name;
    b->level = in->level + (*name && !is_written_loop(d, gr_dot_part(d, b->path)));
    if (in->last) in->last->next = b;
    else in->first = b;
    in->last = b;
    gr_map_set(d->branches, key, b);
    return b;
}

gr_branch *gr_dot_descend(gr_dot *d, gr_branch *b, const char *name, gr_phase phase)
{
    size_t n = path_length(name);
    for (size_t i = 0; i < n;) {
        size_t step = strcspn(name + i, ".");
        if (step) b = child(d, b, gr_arena_strndup(d->a, name + i, step), phase, NULL, GR_STAGE_NONE);
        i += step + 1;
    }
    return b;
}

/* How many of the branches below are bodies of loops. */
static int count_loops(const gr_branch *b)
{
    int n = b->scan != NULL;
    for (const gr_branch *k = b->first; k; k = k->next) n += count_loops(k);
    return n;
}

/* How many boxes it would have if it were opened. */
static int count_boxes(const gr_branch *b)
{
    int n = 0;
    for (int i = 0; i < b->num_nodes; i++) n += b->node[i]->op->role != GR_ROLE_STATE;
    for (const gr_branch *k = b->first; k; k = k->next) n += *k->name ? 1 : count_boxes(k);
    return n;
}

/* What fits a page: one box a node that a person wrote, but one for each of its layers. The gradient of a step
 * that a person wrote is opened as the step is, unless that is a graph by itself. */
static bool is_opened(const gr_dot *d, const gr_branch *b)
{
    enum { MOST = 6 };
    if (b->derived) return false;
    if (d->options->depth != GR_DOT_FIT) return b->level <= d->options->depth;
    if (b->phase == GR_BACKWARD && *b->name && is_written_loop(d, gr_dot_part(d, b->path)) && count_boxes(b) > MOST) return false;
    return b->level == 0 || (b->phase != GR_UPDATE && count_loops(b) > 1);
}

gr_branch *gr_dot_closed(const gr_dot *d, gr_branch *b)
{
    gr_branch *found = NULL;
    for (; b && b->parent; b = b->parent)
        if (!is_opened(d, b)) found = b;
    return found;
}

/* ---- what hoisting took out of loops ---- */

static void note_loops(gr_dot *d, const gr_graph *g, const gr_node *loop)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        gr_map_set(d->in_loop, n->name, (void *)(uintptr_t)(loop ? loop->name : ""));
        if (n->scan) note_loops(d, n->scan->body, n);
    }
}

/* The loop that the node once stood in; "": none; NULL: there was no such node. */
static const char *loop_before(const gr_dot *d, const gr_node *n)
{
    const char *loop = gr_map_get(d->in_loop, n->name);
    size_t bare = unnumbered(n->name, strlen(n->name));
    return loop ? loop : gr_map_get(d->in_loop, gr_arena_strndup(d->a, n->name, bare));
}

static const char *feeds_key(const gr_dot *d, const gr_node *n, const char *loop)
{
    return gr_arena_printf(d->a, "%p>%.*s", (const void *)n, (int)unnumbered(loop, strlen(loop)), loop);
}

/* What stood elsewhere reads nothing that stood in the loop, if the loop reads it: they would have gone round in a circle. */
static bool stood_elsewhere(const gr_dot *d, const gr_node *n, const char *loop)
{
    const char *own = n->scan ? NULL : loop_before(d, n);
    const size_t bare = unnumbered(loop, strlen(loop));
    return own && (unnumbered(own, strlen(own)) != bare || strncmp(own, loop, bare) != 0);
}

/* Marks all that the loop reads of what stood in it. */
static void mark_feeders(gr_dot *d, const gr_node *n, const char *loop)
{
    for (int i = 0; i < n->num_in; i++) {
        if (!n->in[i] || stood_elsewhere(d, n->in[i]->node, loop)) continue;
        const gr_node *from = n->in[i]->node;
        const char *key = feeds_key(d, from, loop);
        if (gr_map_get(d->in_loop, key)) continue;
        gr_map_set(d->in_loop, key, d);
        mark_feeders(d, from, loop);
    }
}

gr_dot_stage gr_dot_stage_of(const gr_dot *d, const gr_node *n)
{
    if (!d->options->before) return GR_STAGE_NONE;
    if (n->graph->owner) return GR_STAGE_LOOP;
    const char *loop = n->scan || (n->op->traits & GR_LEAF) ? NULL : loop_before(d, n);
    if (!loop || !*loop) return GR_STAGE_NONE;
    return gr_map_get(d->in_loop, feeds_key(d, n, loop)) ? GR_STAGE_BEFORE : GR_STAGE_AFTER;
}

/* ---- placing ---- */

bool gr_dot_is_invariant(const gr_node *n)
{
    int number;
    return n->op->role == GR_ROLE_ARG && n->graph->owner && gr_arg_kind(n->out[0], &number) == GR_ARG_INVARIANT;
}

static void put(gr_dot *d, gr_branch *b, gr_node *n)
{
    gr_dot_place_of(n)->branch = b;
    *GR_PUSH(d->a, b->node, b->num_nodes, b->cap_nodes) = n;
}

/* Where a node stands that hoisting took out of a loop: beside the loop, in a branch of its own. */
static gr_branch *beside_loop(gr_dot *d, gr_branch *home, const gr_node *n, const char *name)
{
    const gr_dot_stage stage = n->graph->owner ? GR_STAGE_NONE : gr_dot_stage_of(d, n);
    if (stage == GR_STAGE_NONE) return gr_dot_descend(d, home, name, n->phase);
    const char *loop = loop_before(d, n);
    const size_t length = strcspn(loop, "'");
    loop = gr_arena_strndup(d->a, loop, unnumbered(loop, length));
    const char *rest = behind(name, loop, strlen(loop));
    if (!rest || !*rest) return child(d, gr_dot_descend(d, home, name, n->phase), "", n->phase, NULL, stage);
    gr_branch *b = gr_dot_descend(d, home, gr_arena_printf(d->a, "%s.", loop), n->phase);
    return gr_dot_descend(d, child(d, b, "", n->phase, NULL, stage), rest, n->phase);
}

static void note_read(const gr_value *v)
{
    if (v) gr_dot_place_of(v->node)->read = true;
}

/* A carry from zeros that a step does nothing with but add to it is one box with the sum, as a weight's gradient. */
static bool join_sum(const gr_node *loop, int carry)
{
    const gr_graph *body = loop->scan->body;
    const gr_node *sum = body->results[carry]->node;
    gr_node *arg = body->args[carry]->node;
    if (sum->op->role != GR_ROLE_ADD || sum->graph != body || loop->in[carry]->node->op->role != GR_ROLE_FILL) return false;
    if (gr_value_readers(body->args[carry]) != 1 || (sum->in[0] != body->args[carry] && sum->in[sum->num_in - 1] != body->args[carry])) return false;
    gr_dot_place_of(arg)->like = sum;
    gr_dot_place_of(sum)->sums = true;
    return true;
}

/* Slices that the same node alone reads are one box. */
static void join_slices(gr_dot *d, const gr_scan *s)
{
    const gr_node **reader = GR_NEW_ARRAY(d->a, const gr_node *, s->sequences + 1), *several = s->body->owner;
    gr_map *first = gr_map_create(d->a);
    int number;
    for (int i = 0; i < s->body->num_nodes; i++) {
        const gr_node *n = s->body->nodes[i];
        for (int k = 0; k < n->num_in; k++) {
            if (!n->in[k] || n->in[k]->node->op->role != GR_ROLE_ARG || gr_arg_kind(n->in[k], &number) != GR_ARG_SEQUENCE) continue;
            reader[number] = !reader[number] || reader[number] == n ? n : several;
        }
    }
    for (int i = 0; i < s->sequences; i++) {
        gr_node *arg = s->body->args[s->carries + i]->node;
        if (!reader[i] || reader[i] == several) continue;
        const gr_node *one = gr_map_get(first, node_key(d, reader[i]));
        if (!one) gr_map_set(first, node_key(d, reader[i]), arg);
        else gr_dot_place_of(arg)->like = one;
        gr_dot_place *at = gr_dot_place_of(one ? one : arg);
        *GR_PUSH(d->a, at->with, at->num_with, at->cap_with) = arg;
    }
}

static void make_places(gr_dot *d, gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        n->mark = GR_NEW(d->a, gr_dot_place);
        if (n->scan) make_places(d, n->scan->body);
        if (n->scan) join_slices(d, n->scan);
        for (int k = 0; k < n->num_in; k++)
            if (!n->scan || k >= n->scan->carries || !join_sum(n, k)) note_read(n->in[k]);
    }
    for (int i = 0; i < g->num_results; i++) note_read(g->results[i]);
    for (int i = 0; i < g->num_states; i++) note_read(g->states[i]->next);
}

/* The update stands in a branch of its own, whose path is that of no node, and in it those of parameters that are
 * updated alike. */
static gr_branch *update_branch(gr_dot *d, gr_dot_alike *alike)
{
    if (!d->update) {
        d->update = child(d, &d->top, "update:", GR_UPDATE, NULL, GR_STAGE_NONE);
        d->update->name = "update";
    }
    if (!alike) return d->update;
    const bool one = alike->num_params == 1;
    const char *key = gr_arena_printf(d->a, "%s:", alike->param[0]->name);
    gr_branch *b = child(d, d->update, key, GR_UPDATE, NULL, GR_STAGE_NONE);
    b->name = one ? alike->param[0]->name : gr_arena_printf(d->a, "each of %d %ss", alike->num_params, gr_dot_updated_as(d, alike->param[0]));
    b->alike = alike;
    return alike->branch = b;
}

bool gr_dot_is_opened(const gr_dot *d, const gr_dot_alike *k) { return k && k->branch && !gr_dot_closed(d, k->branch); }

static void place_update(gr_dot *d, gr_node *n)
{
    gr_dot_place *at = gr_dot_place_of(n);
    at->branch = update_branch(d, at->alike);
    if (!at->like) put(d, at->branch, n);
}

static void place(gr_dot *d, gr_graph *g, gr_branch *home)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        const char *name = gr_dot_local_name(d, n), *last = last_name(d, n);
        if (gr_dot_is_invariant(n) || is_left_out(d, n)) continue;
        if (n->phase == GR_UPDATE && !n->scan && !g->parent && n->op->role != GR_ROLE_STATE) {
            place_update(d, n);
            continue;
        }
        gr_dot_place_of(n)->branch = home;
        if (gr_dot_place_of(n)->like && n->op->role != GR_ROLE_STATE) continue;
        if (gr_dot_place_of(n)->num_with > 1) {
            put(d, home, n);
            continue;
        }
        gr_branch *b = beside_loop(d, home, n, name);
        if (n->scan) {
            size_t length = strcspn(last, "'");
            b = child(d, b, gr_arena_strndup(d->a, last, unnumbered(last, length)), n->phase, NULL, GR_STAGE_NONE);
            place(d, n->scan->body, child(d, b, "", n->phase, n, GR_STAGE_LOOP));
            continue;
        }
        put(d, b, n);
    }
}

/* A node called as one of the branches beside it belongs into that: embedding beside embedding.weight,
 * rnn'.slice beside the loop of rnn'. All that derives from one node, max' and max'.mul, is a branch of its own. */
static void gather(gr_dot *d, gr_branch *b)
{
    int kept = 0;
    for (int i = 0; i < b->num_nodes && !b->derived; i++) {
        gr_node *n = b->node[i];
        const char *name = last_name(d, n);
        size_t length = strcspn(name, "'");
        gr_branch *k = gr_dot_place_of(n)->num_with > 1 ? NULL : b->first;
        while (k && (!*k->name || k->phase != n->phase || strncmp(k->name, name, length) != 0 || k->name[length])) k = k->next;
        if (!k && n->phase == GR_BACKWARD && name[length] && n->op->role != GR_ROLE_ARG && d->options->depth != GR_DOT_ALL) {
            k = child(d, b, gr_arena_strndup(d->a, name, length), n->phase, NULL, GR_STAGE_NONE);
            k->derived = true;
        }
        if (k) put(d, k, n);
        else b->node[kept++] = n;
    }
    if (!b->derived) b->num_nodes = kept;
    for (gr_branch *k = b->first; k; k = k->next) gather(d, k);
}

void gr_dot_plant(gr_dot *d)
{
    gr_graph *g = d->g;
    for (int i = 0; i < g->num_applied; i++)
        if (!gr_dot_part(d, g->applied[i].name)) gr_map_set(d->parts, g->applied[i].name, &g->applied[i]);
    for (int i = 0; i < g->num_states; i++) /* whether a state moves is decided where the rest of its update stands */
        if (g->states[i]->next && g->states[i]->next->node->phase == GR_UPDATE && !g->states[i]->next->node->scan)
            gr_map_set(d->owners, node_key(d, g->states[i]->next->node), gr_arena_printf(d->a, "%s.next", g->states[i]->name));
    if (d->options->before) {
        note_loops(d, d->options->before, NULL);
        for (int i = 0; i < g->num_nodes; i++)
            if (g->nodes[i]->scan) mark_feeders(d, g->nodes[i], g->nodes[i]->name);
    }
    make_places(d, g);
    gr_dot_find_updates(d);
    place(d, g, &d->top);
    gather(d, &d->top);
}
