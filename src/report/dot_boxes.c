/* dot_boxes.c - the boxes and groups of a graph's picture: one a node, or one for a closed branch. */
#include "report/dot_graph.h"
#include "graph/tape.h"

#include <ctype.h>
#include <string.h>

enum { LISTED = 4, WIDTH = 30, OP_WIDTH = 24 }; /* parameters that a box lists; characters of a small line and of an op's */

/* ---- types ---- */

/* A made-up length, or a product with one. */
static bool is_made_up(const gr_dot *d, int64_t n)
{
    for (int i = 0; i < d->options->num_made_up; i++)
        if (n && n % d->options->made_up[i] == 0) return true;
    return false;
}

/* Whether the title says that the axis is so long; told of one first, it does. */
static bool is_said(const gr_dot *d, const char *axis, int64_t n)
{
    gr_picture *p = d->p;
    const uintptr_t said = (uintptr_t)gr_map_get(d->lengths, axis), length = (uintptr_t)n + 1;
    if (said) return said == length;
    gr_map_set(d->lengths, axis, (void *)length);
    p->lengths = gr_arena_printf(d->a, "%s%s%s %lld", p->lengths, *p->lengths ? ", " : "", axis, (long long)n);
    return true;
}

/* "time 35"; "time" where the length is made up or the title says it; "?" */
static const char *axis_text(const gr_dot *d, const char *axis, int64_t n)
{
    if (is_made_up(d, n)) return axis ? axis : "?";
    if (axis && (d->options->inside || d->options->depth) && is_said(d, axis, n)) return axis;
    return gr_arena_printf(d->a, "%s%s%lld", axis ? axis : "", axis ? " " : "", (long long)n);
}

const char *gr_dot_type(const gr_dot *d, const gr_type *t)
{
    if (t->dtype == GR_UNKNOWN) return "";
    const char *dtype = gr_is_float(t->dtype) ? "" : gr_dtype_name(t->dtype), *text = dtype;
    for (int k = 0; k < t->rank; k++)
        text = gr_arena_printf(d->a, "%s%s%s", text, k ? ", " : *dtype ? " [" : "[", axis_text(d, t->axis[k], t->dim[k]));
    return t->rank ? gr_arena_printf(d->a, "%s]", text) : text;
}

/* "each of 35 steps, last first" */
static const char *steps_text(const gr_dot *d, const gr_node *n)
{
    const gr_scan *s = n->scan;
    const char *way = s->reverse ? ", last first" : "", *what = s->chunks ? "chunk" : "step";
    if (!s->steps || is_made_up(d, s->steps)) return gr_arena_printf(d->a, "each %s%s", what, way);
    return gr_arena_printf(d->a, "each of %lld %ss%s", (long long)s->steps, what, way);
}

/* ---- lists of what there is several times ---- */

typedef struct counted { const char *name; int count; } counted;
typedef struct counts { counted *item; int num_items, cap_items; } counts;

static void count_one(const gr_dot *d, counts *c, const char *name)
{
    for (int i = 0; i < c->num_items; i++)
        if (strcmp(c->item[i].name, name) == 0) {
            c->item[i].count++;
            return;
        }
    *GR_PUSH(d->a, c->item, c->num_items, c->cap_items) = (counted){name, 1};
}

/* "MatMul x2, Add", with a space that no line ends at. */
static const char *counts_text(const gr_dot *d, const counts *c)
{
    const char *text = "";
    for (int i = 0; i < c->num_items; i++) {
        text = gr_arena_printf(d->a, "%s%s%s", text, i ? ", " : "", c->item[i].name);
        if (c->item[i].count > 1) text = gr_arena_printf(d->a, "%s\xc2\xa0x%d", text, c->item[i].count);
    }
    return text;
}

static const char *tape_text(const gr_dot *d, const struct gr_tape *t)
{
    static const char *const names[] = {"",
#define X(name, arity) #name,
        GR_TAPE_OPS(X)
#undef X
    };
    counts c = {0};
    for (int i = 0; i < t->num_ins; i++) {
        char *name = gr_arena_strdup(d->a, names[t->ins[i].op]);
        for (char *s = name; *s; s++) *s = (char)tolower((unsigned char)*s);
        count_one(d, &c, name);
    }
    return counts_text(d, &c);
}

/* ---- one box a node ---- */

static gr_pic_look look_of(const gr_node *n)
{
    int number;
    if (n->tape) return GR_LOOK_FUSED;
    switch (n->op->role) {
    case GR_ROLE_INPUT: return GR_LOOK_INPUT;
    case GR_ROLE_STATE: return GR_LOOK_STATE;
    case GR_ROLE_CONSTANT:
    case GR_ROLE_FILL: return GR_LOOK_CONSTANT;
    case GR_ROLE_ARG: return gr_arg_kind(n->out[0], &number) == GR_ARG_CARRY ? GR_LOOK_CARRY : GR_LOOK_SLICE;
    default: return n->op->traits & GR_VIEW ? GR_LOOK_VIEW : GR_LOOK_OP;
    }
}

/* "i" of "rnn.l0.i"; "i'" of "rnn.l0.i'.mul_2", as the op says the rest. */
static const char *own_name(const gr_dot *d, const gr_node *n)
{
    const char *name = gr_dot_local_name(d, n);
    size_t end = strcspn(name, "'"), from = 0;
    for (size_t i = 0; i < end; i++)
        if (name[i] == '.' && name[i + 1]) from = i + 1;
    const char *dot = strrchr(name + from, '.');
    const bool repeats = dot && strncasecmp(dot + 1, n->op->name, strlen(n->op->name)) == 0;
    return repeats ? gr_arena_strndup(d->a, name + from, (size_t)(dot - name) - from) : name + from;
}

static bool is_result(const gr_dot *d, const gr_node *n)
{
    const gr_graph *g = n->graph;
    for (int i = 0; !g->parent && i < g->num_results; i++) {
        const char *name = g->result_names[i];
        if (g->results[i]->node != n || !name) continue;
        if (d->options->minimize ? strcmp(name, d->options->minimize) == 0 : !strchr(name, '.')) return true;
    }
    return false;
}

/* What stands under the name: the op; for a state its shape. */
static const char *op_text(const gr_dot *d, const gr_node *n)
{
    if (gr_dot_place_of(n)->sums) return "sum over the steps";
    switch (n->op->role) {
    case GR_ROLE_STATE: return gr_dot_type(d, &n->out[0]->type);
    case GR_ROLE_FUSED: return "fused";
    case GR_ROLE_ARG: return look_of(n) == GR_LOOK_CARRY ? "carry" : "slice";
    default: return n->tape ? gr_arena_printf(d->a, "%s, then fused", n->op->name) : n->op->name;
    }
}

/* "n, z, r" */
static const char *slices_name(const gr_dot *d, const gr_dot_place *at)
{
    const char *text = "";
    for (int i = 0; i < at->num_with; i++) text = gr_arena_printf(d->a, "%s%s%s", text, i ? ", " : "", own_name(d, at->with[i]));
    return gr_pic_wrap(d->a, text, OP_WIDTH);
}

static gr_pic_box *add_node(gr_dot *d, gr_pic_group *in, const gr_node *n, gr_phase phase)
{
    if (gr_dot_place_of(n)->num_with > 1) return gr_pic_add_box(d->p, in, GR_LOOK_SLICE, phase, slices_name(d, gr_dot_place_of(n)), "slices");
    const bool plain = n->phase == GR_FORWARD && !n->tape && n->op->role != GR_ROLE_INPUT && n->op->role != GR_ROLE_STATE;
    const gr_applied *part = plain ? gr_dot_part(d, n->name) : NULL;
    gr_pic_box *b = gr_pic_add_box(d->p, in, look_of(n), phase, own_name(d, n), part ? part->op->name : op_text(d, n));
    b->result = is_result(d, n);
    if (n->tape) gr_pic_add_line(d->p, b, gr_pic_wrap(d->a, tape_text(d, n->tape), WIDTH));
    const char *attrs = part ? gr_pic_attrs(d->a, part->op, part->attr) : "";
    if (*attrs) gr_pic_add_line(d->p, b, gr_pic_wrap(d->a, attrs, WIDTH));
    return b;
}

/* ---- one box for a closed branch ---- */

/* Of those that are drawn where they stand: states are, where they are read. */
static int count_nodes(const gr_branch *b)
{
    int n = 0;
    for (int i = 0; i < b->num_nodes; i++) n += b->node[i]->op->role != GR_ROLE_STATE;
    for (const gr_branch *k = b->first; k; k = k->next) n += count_nodes(k);
    return n;
}

/* What becomes of a node of a closed branch: part of the box for its stage. */
static gr_dot_stage stage_in(const gr_dot *d, const gr_node *n)
{
    return n->op->role == GR_ROLE_STATE ? GR_STAGE_NONE : gr_dot_stage_of(d, n);
}

/* A loop somewhere in the branch, or NULL. */
static const gr_node *loop_in(const gr_branch *b)
{
    const gr_node *found = b->scan;
    for (const gr_branch *k = b->first; k && !found; k = k->next) found = loop_in(k);
    return found;
}

/* A branch with a single node that has its name is that node. */
static const gr_node *only_node(const gr_branch *b)
{
    const gr_node *found = NULL;
    for (int i = 0; i < b->num_nodes; i++)
        if (b->node[i]->op->role != GR_ROLE_STATE && found) return NULL;
        else if (b->node[i]->op->role != GR_ROLE_STATE) found = b->node[i];
    return b->first ? NULL : found;
}

/* "SGD of rnn, logits": what nodes are called whose parameters it updates. */
static const char *optimisers_text(const gr_dot *d)
{
    const char *text = "", *last = "";
    gr_map *named = gr_map_create(d->a);
    for (int i = 0; i < d->g->num_applied; i++) {
        const gr_applied *x = &d->g->applied[i];
        const char *param = strchr(x->name, '.'), *op = x->op->name;
        if (!(x->op->traits & GR_OPTIMISER) || !param) continue;
        const char *node = gr_arena_strndup(d->a, param + 1, strcspn(param + 1, "."));
        if (gr_map_get(named, node)) continue;
        gr_map_set(named, node, d->p);
        text = strcmp(last, op) == 0 ? gr_arena_printf(d->a, "%s, %s", text, node) : gr_arena_printf(d->a, "%s%s%s of %s", text, *text ? "; " : "", op, node);
        last = op;
    }
    return text;
}

static const char *closed_op(const gr_dot *d, const gr_branch *b)
{
    if (b == d->update) return optimisers_text(d);
    if (b->phase == GR_UPDATE) return b->alike && b->alike->optimiser ? b->alike->optimiser->op->name : "update";
    const gr_applied *part = gr_dot_part(d, b->path);
    const gr_node *only = only_node(b);
    if (!part && b->num_nodes == 0 && b->first && !b->first->next) part = gr_dot_part(d, b->first->path);
    const char *name = part ? part->op->name : only ? only->op->name : "";
    if (b->phase == GR_FORWARD) return name;
    return *name ? gr_arena_printf(d->a, "gradient of %s", name) : "gradient";
}

/* The box of the stage in the branch, made when first asked for. */
static gr_pic_box *closed_box(gr_dot *d, gr_branch *b, gr_dot_stage stage, bool several)
{
    if (b->closed[stage]) return b->closed[stage];
    const gr_node *loop = loop_in(b);
    const char *steps = loop && loop->scan->steps && !is_made_up(d, loop->scan->steps)
                        ? gr_arena_printf(d->a, "all %lld steps at once", (long long)loop->scan->steps) : "all steps at once";
    const char *name = stage == GR_STAGE_BEFORE ? "before the loop" : stage == GR_STAGE_AFTER ? "after the loop"
                     : stage == GR_STAGE_LOOP && loop ? steps_text(d, loop) : "outside the loop";
    gr_pic_box *box;
    if (several) box = gr_pic_add_box(d->p, b->group, GR_LOOK_PART, b->phase, name, stage == GR_STAGE_BEFORE || stage == GR_STAGE_AFTER ? steps : "");
    else box = gr_pic_add_box(d->p, b->group, GR_LOOK_PART, b->phase, b->name, gr_pic_wrap(d->a, closed_op(d, b), OP_WIDTH));
    box->path = b->path;
    if (!several && stage != GR_STAGE_NONE && (stage != GR_STAGE_LOOP || loop) && !b->derived) gr_pic_add_line(d->p, box, stage == GR_STAGE_LOOP ? name : steps);
    return b->closed[stage] = box;
}

/* What a box says of the nodes that it stands for: the fused ones, a line each, and how many of the rest. */
typedef struct content { counts ops, fused; } content;

static void list_group(const gr_dot *d, content *c, const gr_node *n)
{
    const char *first = n->op->role == GR_ROLE_FUSED ? "fused" : gr_arena_printf(d->a, "%s fused with", n->op->name);
    count_one(d, &c->fused, gr_arena_printf(d->a, "%s %s", first, tape_text(d, n->tape)));
}

static void write_content(gr_dot *d, gr_pic_box *b, const content *c)
{
    for (int i = 0; i < c->fused.num_items && i < LISTED; i++)
        gr_pic_add_line(d->p, b, gr_pic_wrap(d->a, gr_arena_printf(d->a, "{ %s }", c->fused.item[i].name), WIDTH));
    if (c->fused.num_items > LISTED) gr_pic_add_line(d->p, b, gr_arena_printf(d->a, "and %d more fused", c->fused.num_items - LISTED));
    if (c->ops.num_items) gr_pic_add_line(d->p, b, gr_pic_wrap(d->a, counts_text(d, &c->ops), WIDTH));
}

static void close_nodes(gr_dot *d, gr_branch *whole, const gr_branch *b, bool several, content *ops)
{
    const bool known = b->alike && b->alike->optimiser; /* its name says all */
    for (int i = 0; i < b->num_nodes; i++) {
        const gr_node *n = b->node[i];
        if (n->op->role == GR_ROLE_STATE) continue;
        const gr_dot_stage stage = stage_in(d, n);
        gr_pic_box *box = closed_box(d, whole, stage, several);
        box->result |= is_result(d, n);
        gr_dot_place_of(n)->box[n->phase] = box;
        if (known) continue;
        if (n->tape && b == d->update) count_one(d, &ops[stage].ops, "fused");
        else if (n->tape) list_group(d, &ops[stage], n);
        else if (n->op->role != GR_ROLE_ARG) count_one(d, &ops[stage].ops, n->op->name);
    }
    for (const gr_branch *k = b->first; k; k = k->next) close_nodes(d, whole, k, several, ops);
}

static void find_stages(const gr_dot *d, const gr_branch *b, bool *has)
{
    for (int i = 0; i < b->num_nodes; i++)
        if (b->node[i]->op->role != GR_ROLE_STATE) has[stage_in(d, b->node[i])] = true;
    for (const gr_branch *k = b->first; k; k = k->next) find_stages(d, k, has);
}

static void close_branch(gr_dot *d, gr_branch *b, gr_pic_group *in)
{
    bool has[GR_NUM_STAGES] = {false};
    content ops[GR_NUM_STAGES] = {{.ops = {0}, .fused = {0}}};
    const gr_node *one = only_node(b);
    if (b->derived && one && !gr_dot_part(d, b->path)) {
        gr_dot_place_of(one)->box[one->phase] = add_node(d, in, one, one->phase);
        return;
    }
    find_stages(d, b, has);
    int several = 0;
    for (int i = 0; i < GR_NUM_STAGES; i++) several += has[i];
    b->group = in;
    if (several > 1) {
        b->group = gr_pic_add_group(d->p, in, b->name, b->phase);
        b->group->note = closed_op(d, b);
    }
    close_nodes(d, b, b, several > 1, ops);
    const gr_applied *part = b->phase == GR_FORWARD ? gr_dot_part(d, b->path) : NULL;
    const char *attrs = part ? gr_pic_wrap(d->a, gr_pic_attrs(d->a, part->op, part->attr), WIDTH) : "";
    for (int i = 0; i < GR_NUM_STAGES; i++) {
        if (!b->closed[i]) continue;
        if (!d->options->inside && *attrs) gr_pic_add_line(d->p, b->closed[i], attrs);
        const gr_node *only = several < 2 ? only_node(b) : NULL;
        if (d->options->inside && (!only || only->tape)) write_content(d, b->closed[i], &ops[i]);
        for (int k = 0; b->alike && b->alike->num_params > 1 && k < b->alike->num_params && k < LISTED; k++)
            gr_pic_add_line(d->p, b->closed[i], gr_arena_printf(d->a, "%s%s", b->alike->param[k]->name, k == LISTED - 1 && b->alike->num_params > LISTED ? ", .." : ""));
    }
}

/* ---- the tree ---- */

static void draw_branch(gr_dot *d, gr_branch *b, gr_pic_group *in);

static void draw_inside(gr_dot *d, gr_branch *b)
{
    for (int i = 0; i < b->num_nodes; i++) {
        const gr_node *n = b->node[i];
        if (n->op->role == GR_ROLE_STATE) continue; /* where it is read */
        gr_dot_place_of(n)->box[n->phase] = add_node(d, b->group, n, n->phase);
    }
    for (gr_branch *k = b->first; k; k = k->next) draw_branch(d, k, b->group);
}

static void name_group(const gr_dot *d, const gr_branch *b, gr_pic_group *g)
{
    const gr_applied *part = *b->name && b->phase == GR_FORWARD ? gr_dot_part(d, b->path) : NULL;
    if (part) g->note = part->op->name;
    if (b->scan) g->name = steps_text(d, b->scan);
    g->loop = b->scan != NULL;
    g->aside = b->stage == GR_STAGE_BEFORE || b->stage == GR_STAGE_AFTER;
    if (g->aside) g->name = b->stage == GR_STAGE_BEFORE ? "before the loop" : "after the loop";
    if (g->aside) g->note = "all steps at once";
}

/* The loop that is all there is in the branch, or NULL. */
static gr_branch *only_loop(const gr_branch *b)
{
    gr_branch *found = NULL;
    for (gr_branch *k = b->first; k && !found; k = k->next)
        if (k->scan) found = k;
    return found && count_nodes(found) == count_nodes(b) ? found : NULL;
}

static void draw_branch(gr_dot *d, gr_branch *b, gr_pic_group *in)
{
    if (count_nodes(b) == 0) return;
    if (gr_dot_closed(d, b) == b) {
        close_branch(d, b, in);
        return;
    }
    b->group = gr_pic_add_group(d->p, in, b->name, b->phase);
    name_group(d, b, b->group);
    gr_branch *only = *b->name ? only_loop(b) : NULL;
    if (only) { /* one frame for both */
        only->group = b->group;
        b->group->loop = true;
        b->group->note = gr_arena_printf(d->a, "%s%s%s", b->group->note, *b->group->note ? ", " : "", steps_text(d, only->scan));
    }
    draw_inside(d, only ? only : b);
}

/* ---- states ---- */

/* Tells the states that nodes read which boxes these are in. */
static void note_readers(gr_dot *d, const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        gr_pic_box *box = gr_dot_place_of(n)->box[n->phase];
        for (int k = 0; k < n->num_in && !n->scan && box; k++) {
            const gr_type *type;
            const gr_node *from = n->in[k] ? gr_dot_origin(n->in[k], &type) : NULL;
            if (!from || from->op->role != GR_ROLE_STATE) continue;
            struct gr_dot_readers *r = &gr_dot_place_of(from)->readers[n->phase];
            bool known = false;
            r->packed |= gr_dot_is_laid_out(n->in[k]->node);
            for (int j = 0; j < r->count; j++) known |= r->box[j] == box;
            if (!known) *GR_PUSH(d->a, r->box, r->count, r->cap) = box;
        }
        if (n->scan) note_readers(d, n->scan->body);
    }
}

/* What follows `prefix` in a dotted name, or NULL. */
static const char *after_part(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);
    for (const char *f = n ? strstr(name, prefix) : NULL; f; f = strstr(f + 1, prefix))
        if ((f == name || f[-1] == '.') && f[n] == '.') return f + n + 1;
    return NULL;
}

const char *gr_dot_name_in_box(const gr_state *s, const gr_pic_box *box)
{
    const char *rest = after_part(s->name, box->name);
    for (const gr_pic_group *g = box->group; g && !rest; g = g->parent) rest = after_part(s->name, g->name);
    return rest ? rest : s->name;
}

typedef struct listed { gr_pic_box *box; const gr_state **state; int num_states, cap_states; } listed;

static void list_state(gr_dot *d, gr_map *lists, gr_pic_box *box, const gr_state *s)
{
    const char *key = gr_arena_printf(d->a, "%d", box->id);
    listed *l = gr_map_get(lists, key);
    if (!l) {
        gr_map_set(lists, key, l = GR_NEW(d->a, listed));
        l->box = box;
    }
    *GR_PUSH(d->a, l->state, l->num_states, l->cap_states) = s;
}

static const char *packed_text(const gr_dot *d, const listed *l, int i)
{
    return d->options->depth == GR_DOT_ALL && gr_dot_place_of(l->state[i]->value->node)->readers[l->box->phase].packed ? ", packed" : "";
}

static void write_list(gr_dot *d, const listed *l)
{
    int64_t total = 0;
    const char *what = l->box->phase == GR_UPDATE ? gr_dot_updated_as(d, l->state[0]) : "parameter";
    for (int i = 0; i < l->num_states; i++) {
        const gr_type *t = &l->state[i]->value->type;
        total += gr_numel(t);
        if (l->num_states <= LISTED)
            gr_pic_add_line(d->p, l->box, gr_arena_printf(d->a, "%s %s%s", gr_dot_name_in_box(l->state[i], l->box), gr_dot_type(d, t), packed_text(d, l, i)));
    }
    if (l->num_states > LISTED)
        gr_pic_add_line(d->p, l->box, gr_arena_printf(d->a, "%d %ss: %s numbers", l->num_states, what, gr_pic_number(d->a, total)));
}

/* A box for all states that the same boxes of closed branches read: "weights" that nodes share. */
static gr_pic_box *shared_box(gr_dot *d, gr_map *lists, const gr_state *s, const struct gr_dot_readers *r)
{
    const char *key = "shared";
    for (int i = 0; i < r->count; i++) key = gr_arena_printf(d->a, "%s,%d", key, r->box[i]->id);
    gr_pic_box *b = gr_map_get(lists, key);
    if (!b) {
        b = gr_pic_add_box(d->p, &d->p->top, GR_LOOK_STATE, GR_FORWARD, "shared", "");
        gr_map_set(lists, key, b);
    }
    gr_pic_add_line(d->p, b, gr_arena_printf(d->a, "%s %s", s->name, gr_dot_type(d, &s->value->type)));
    return b;
}

static bool are_closed(const struct gr_dot_readers *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->box[i]->look != GR_LOOK_PART) return false;
    return true;
}

/* Whether all are boxes of one node, in and beside its loop. */
static bool are_one(const struct gr_dot_readers *r)
{
    for (int i = 1; i < r->count; i++)
        if (strcmp(r->box[0]->path, r->box[i]->path) != 0) return false;
    return true;
}

/* In the box that alone reads it; else as a box of its own, one a phase. What a closed box of another phase reads
 * is not drawn: it is that of the box beside it. */
static void draw_state(gr_dot *d, gr_map *lists, const gr_state *s, gr_phase phase)
{
    gr_dot_place *at = gr_dot_place_of(s->value->node);
    const struct gr_dot_readers *r = &at->readers[phase];
    if (phase == GR_UPDATE && gr_dot_is_opened(d, at->alike)) return; /* drawn there */
    if (!r->count || (phase != GR_FORWARD && are_closed(r))) return;
    if (are_closed(r) && !are_one(r)) {
        at->box[phase] = shared_box(d, lists, s, r);
    } else if (are_closed(r) || r->count == 1) {
        at->box[phase] = r->box[r->count - 1];
        list_state(d, lists, r->box[r->count - 1], s);
    } else {
        gr_branch *home = at->branch, *closed = gr_dot_closed(d, home);
        if (closed) home = closed->parent;
        at->box[phase] = add_node(d, home->group && phase == home->phase ? home->group : r->box[0]->group, s->value->node, phase);
    }
}

/* Where its update is opened; those of parameters that are updated alike are one box. */
static void draw_updated(gr_dot *d, gr_map *lists, const gr_state *s)
{
    gr_dot_place *at = gr_dot_place_of(s->value->node);
    const gr_dot_alike *k = at->alike;
    if (!gr_dot_is_opened(d, k)) return;
    const char *as = gr_dot_updated_as(d, s), *type = k->num_params > 1 ? "" : gr_dot_type(d, &s->value->type);
    if (at->like) at->box[GR_UPDATE] = gr_dot_place_of(at->like)->box[GR_UPDATE];
    else at->box[GR_UPDATE] = gr_pic_add_box(d->p, k->branch->group, GR_LOOK_STATE, GR_UPDATE, as, type);
    for (int i = 0; i < k->num_params && k->num_params > 1; i++)
        if (k->param[i] == s) list_state(d, lists, at->box[GR_UPDATE], s);
}

/* The box that stands for another node, too. */
static void share_boxes(const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        gr_dot_place *at = gr_dot_place_of(n);
        if (at->like && n->op->role != GR_ROLE_STATE) at->box[n->phase] = gr_dot_place_of(at->like)->box[n->phase];
        if (n->scan) share_boxes(n->scan->body);
    }
}

static void draw_states(gr_dot *d)
{
    gr_map *lists = gr_map_create(d->a);
    share_boxes(d->g);
    note_readers(d, d->g);
    for (int like = 0; like < 2; like++) /* the first of each kind before the others */
        for (int i = 0; i < d->g->num_states; i++)
            if ((gr_dot_place_of(d->g->states[i]->value->node)->like != NULL) == like) draw_updated(d, lists, d->g->states[i]);
    const int boxes = d->p->num_boxes;
    for (int i = 0; i < d->g->num_states; i++)
        for (int phase = 0; phase < GR_NUM_PHASES; phase++) draw_state(d, lists, d->g->states[i], (gr_phase)phase);
    for (int id = 1; id <= boxes; id++) {
        const listed *l = gr_map_get(lists, gr_arena_printf(d->a, "%d", id));
        if (l) write_list(d, l);
    }
}

void gr_dot_draw_boxes(gr_dot *d)
{
    d->top.group = &d->p->top;
    draw_inside(d, &d->top);
    draw_states(d);
}
