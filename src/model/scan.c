/* scan.c - a Scan of a model file as an op made for its node.
 *
 *     over   the axis that is cut into steps, by name; the first where at most one axis has a name
 *     in     sequences: one slice a step          with   values that each step sees whole
 *     carry  {h: {init: zeros | value, size: ..., next: node of the step}}
 *     step   the body                             out    {name: node of the step}
 *     reverse
 *     recompute  in training keep the carries of every N-th step alone: see gr_loop_recompute
 *     lengths  how many steps of each row are real: see gr_loop_lengths
 *
 * Its ports are the names under in, with and (where `init` is a value) carry; its outputs
 * those under out, stacked over the steps on the axis that `over` names, and the last
 * value of each carry, <carry>_n. A carry that starts from zeros has the axes that a
 * slice of the first sequence has besides the last (integers: all of them), then `size`,
 * which may be a list. */
#include "model/body.h"

#include <string.h>

typedef struct scan_carry {
    const char *name;
    gr_doc *at, *size, *next;
    int port; /* of its initial value; -1: zeros */
} scan_carry;

typedef struct scan {
    gr_model *m;
    gr_scope *scope;
    gr_body *outer;
    const char *name;
    const char *over;
    gr_loc over_at;
    bool reverse;
    int64_t recompute;                 /* 0: not */
    gr_doc *step, *out;
    int sequences, wholes;             /* ports: [sequences][wholes][initial values][lengths] */
    int lengths;                       /* its port; -1: none */
    scan_carry *carry; int num_carries;
} scan;

static const char *const scan_keys[] = {"op", "over", "in", "with", "carry", "step", "out", "reverse", "recompute", "lengths", "when", "else", NULL};
static const char *const carry_keys[] = {"init", "size", "next", NULL};

static int expand_scan(gr_ctx *c);

bool gr_op_is_scan(const gr_op *op) { return op->expand == expand_scan; }

/* ---- reading ---- */

static void check_keys(gr_body *b, gr_item *it, gr_doc *map, const char *const *keys, const char *what)
{
    for (int i = 0; i < map->count; i++) {
        int k = 0;
        while (keys[k] && strcmp(keys[k], map->item[i]->key) != 0) k++;
        if (keys[k]) continue;
        it->bad = true;
        gr_doc_use_all(map->item[i]);
        if (i && gr_doc_is_missing(map->item[i - 1])) continue; /* likely what the key before it lacks */
        gr_diag_error(b->m->diag, map->item[i]->key_at, "%s has no key '%s'%s", what, map->item[i]->key,
                      gr_suggest_term(b->m->arena, map->item[i]->key, keys));
    }
}

static gr_doc *map_of(gr_body *b, gr_item *it, const char *key, const char *form, bool required)
{
    gr_doc *d = gr_doc_get(it->doc, key);
    if (!d && required && !gr_model_nearly_has(it->doc, scan_keys, key))
        gr_diag_error(b->m->diag, it->doc->key_at, "the Scan '%s' needs '%s', %s", it->name, key, form);
    if (d && d->kind != GR_DOC_MAP && !gr_doc_is_missing(d)) gr_diag_error(b->m->diag, d->at, "'%s' is %s", key, form);
    if ((!d && required) || (d && d->kind != GR_DOC_MAP)) it->bad = true;
    if (d && d->kind != GR_DOC_MAP) gr_doc_use_all(d);
    return d && d->kind == GR_DOC_MAP ? d : NULL;
}

typedef struct ports {
    gr_port *port;
    int count, cap;
} ports;

static void add_port(gr_body *b, gr_item *it, ports *p, gr_doc *entry, gr_doc *value)
{
    gr_use u;
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->port[i].name, entry->key) == 0) {
            gr_diag_error(b->m->diag, entry->key_at, "the step has an input '%s' already", entry->key);
            it->bad = true;
        }
    if (gr_body_use(b, value, &u) < 0) it->bad = true;
    u.port = p->count;
    *GR_PUSH(b->m->arena, it->uses, it->num_uses, it->cap_uses) = u;
    *GR_PUSH(b->m->arena, p->port, p->count, p->cap) = (gr_port){entry->key, 0, ""};
}

static int add_ports(gr_body *b, gr_item *it, ports *p, gr_doc *map)
{
    int first = p->count;
    for (int i = 0; map && i < map->count; i++) {
        map->item[i]->used = true;
        add_port(b, it, p, map->item[i], map->item[i]);
    }
    return p->count - first;
}

static void read_carry(gr_body *b, gr_item *it, ports *p, gr_doc *d, scan_carry *c)
{
    d->used = true;
    *c = (scan_carry){.name = d->key, .at = d, .port = -1};
    if (d->kind != GR_DOC_MAP) {
        gr_diag_error(b->m->diag, d->at, "a carry is {init: zeros or a value, size: ..., next: a node of the step}");
        it->bad = true;
        return;
    }
    check_keys(b, it, d, carry_keys, "a carry");
    gr_doc *init = gr_doc_get(d, "init");
    c->size = gr_doc_get(d, "size");
    c->next = gr_doc_get(d, "next");
    bool zeros = !init || (init->kind == GR_DOC_SCALAR && strcmp(init->text, "zeros") == 0);
    /* "zeroes" names no node, and saying so is enough. */
    bool misspelt = !zeros && init->kind == GR_DOC_SCALAR && gr_nearest(init->text, (const char *const[]){"zeros", NULL});
    const char *missing = !c->next ? "a carry needs 'next', the node of the step that gives its next value"
                        : zeros && !c->size ? "a carry that starts from zeros needs 'size', the length of its last axis"
                        : !zeros && !misspelt && c->size ? "a carry that starts from a value has its size; leave out 'size'" : NULL;
    if (missing) gr_diag_error(b->m->diag, d->key_at, "%s", missing);
    it->bad |= missing != NULL;
    if (zeros) return;
    c->port = p->count;
    add_port(b, it, p, d, init);
}

static void read_carries(gr_body *b, gr_item *it, scan *s, ports *p)
{
    gr_doc *map = map_of(b, it, "carry", "a map: {h: {init: zeros, size: ..., next: ...}}", false);
    s->num_carries = map ? map->count : 0;
    s->carry = GR_NEW_ARRAY(b->m->arena, scan_carry, s->num_carries);
    for (int i = 0; i < s->num_carries; i++) read_carry(b, it, p, map->item[i], &s->carry[i]);
}

/* The step does not see this port, and may have an input of that name. */
static int read_lengths(gr_body *b, gr_item *it, ports *p)
{
    gr_doc *d = gr_doc_get(it->doc, "lengths");
    gr_use u;
    if (!d) return -1;
    if (gr_body_use(b, d, &u) < 0) it->bad = true;
    u.port = p->count;
    *GR_PUSH(b->m->arena, it->uses, it->num_uses, it->cap_uses) = u;
    *GR_PUSH(b->m->arena, p->port, p->count, p->cap) = (gr_port){"lengths", GR_PORT_INT, ""};
    return u.port;
}

static gr_port *scan_outputs(gr_body *b, gr_item *it, const scan *s)
{
    gr_arena *a = b->m->arena;
    int n = s->out ? s->out->count : 0, made = 0;
    gr_port *out = GR_NEW_ARRAY(a, gr_port, n + s->num_carries + 1);
    for (int i = 0; i < n; i++) out[made++] = (gr_port){s->out->item[i]->key, 0, ""};
    for (int i = 0; i < s->num_carries; i++) {
        const char *name = gr_arena_printf(a, "%s_n", s->carry[i].name);
        for (int k = 0; k < n; k++)
            if (strcmp(out[k].name, name) == 0) {
                gr_diag_error(b->m->diag, s->out->item[k]->key_at, "'%s' is the last value of the carry '%s' already", name, s->carry[i].name);
                it->bad = true;
            }
        out[made++] = (gr_port){name, 0, ""};
    }
    const gr_doc *written = gr_doc_peek(it->doc, "out");
    const bool said = written ? written->kind != GR_DOC_MAP : gr_model_nearly_has(it->doc, scan_keys, "out");
    if (!made && !said)
        gr_diag_error(b->m->diag, it->doc->key_at, "the Scan '%s' needs 'out', a map {name: node of the step}, or a carry", it->name);
    return out;
}

/* Parameters outside that the step ties its own to must be made before it. */
static void wish_for_targets(gr_body *b, gr_item *it, const gr_doc *step)
{
    for (int i = 0; i < step->count; i++) {
        const gr_doc *node = step->item[i];
        for (int k = 0; node->kind == GR_DOC_MAP && k < node->count; k++) {
            const gr_doc *d = node->item[k];
            if (d->kind != GR_DOC_SCALAR || !strchr(d->text, '.')) continue;
            const gr_item *other = gr_body_find(b, gr_arena_strndup(b->m->arena, d->text, strcspn(d->text, ".")));
            if (!other || other == it) continue;
            *GR_PUSH(b->m->arena, it->before, it->num_before, it->cap_before) = (int)(other - b->items);
        }
    }
}

/* A first look at the step, for what does not depend on values. */
static void check_step(gr_body *b, gr_item *it, const scan *s, const ports *p)
{
    gr_body_input *in = GR_NEW_ARRAY(b->m->arena, gr_body_input, p->count + s->num_carries);
    int n = 0;
    for (int i = 0; i < p->count; i++)
        if (i != s->lengths) in[n++].name = p->port[i].name;
    for (int i = 0; i < s->num_carries; i++)
        if (s->carry[i].port < 0) in[n++].name = s->carry[i].name;
    gr_body step = {.m = b->m, .scope = s->scope, .doc = s->step, .inputs = in, .num_inputs = n, .outer = b};
    step.what = gr_arena_printf(b->m->arena, "the step of '%s'", it->name);
    gr_body_make(&step);
    for (int i = 0; i < s->num_carries; i++)
        if (s->carry[i].next) gr_body_value(&step, s->carry[i].next, "");
    for (int i = 0; s->out && i < s->out->count; i++) gr_body_value(&step, s->out->item[i], "");
    for (int i = 0; i < s->num_carries; i++)
        if (s->carry[i].size) gr_mention(b->m, s->scope, s->carry[i].size);
}

const gr_op *gr_scan_op(gr_body *b, gr_item *it, const gr_op *base)
{
    gr_arena *a = b->m->arena;
    scan *s = GR_NEW(a, scan);
    ports p = {0};
    *s = (scan){.m = b->m, .scope = b->scope, .outer = b, .name = it->name};
    check_keys(b, it, it->doc, scan_keys, base->name);
    gr_doc *over = gr_doc_get(it->doc, "over"), *reverse = gr_doc_get(it->doc, "reverse");
    gr_doc *recompute = gr_doc_get(it->doc, "recompute");
    if (b->raw || b->e) {
        if (over && !(s->over = gr_eval_text(b->m, b->scope, over))) it->bad = true;
        if (over) s->over_at = over->at;
        if (reverse && gr_eval_bool(b->m, b->scope, reverse, &s->reverse) < 0) it->bad = true;
        if (recompute && gr_eval_int(b->m, b->scope, recompute, 1, &s->recompute) < 0) it->bad = true;
    }
    s->sequences = add_ports(b, it, &p, map_of(b, it, "in", "a map of sequences: {x: node}", true));
    s->wholes = add_ports(b, it, &p, map_of(b, it, "with", "a map of values: {memory: node}", false));
    read_carries(b, it, s, &p);
    s->lengths = read_lengths(b, it, &p);
    s->step = map_of(b, it, "step", "a map of nodes", true);
    s->out = map_of(b, it, "out", "a map: {name: node of the step}", false);
    if (s->out && !s->step) gr_doc_use_all(s->out);
    gr_op *op = GR_NEW(a, gr_op);
    *GR_PUSH(a, p.port, p.count, p.cap) = (gr_port){0};
    p.count--;
    *op = (gr_op){GR_OP_HEADER, .name = base->name, .summary = base->summary, .inputs = p.port,
                  .outputs = scan_outputs(b, it, s), .expand = expand_scan, .data = s};
    if (!s->step) return op;
    wish_for_targets(b, it, s->step);
    check_step(b, it, s, &p);
    return op;
}

/* ---- expansion ---- */

static gr_value *value(gr_val v) { return (gr_value *)(uintptr_t)v; }

/* Whether more than one axis of t has a name, so that `over` must say which is time. */
static bool is_ambiguous(const gr_type *t)
{
    int named = 0;
    for (int i = 0; i < t->rank; i++) named += t->axis[i] != NULL;
    return named > 1;
}

/* The names of t's axes, NULL-ended. */
static const char *const *axis_names(gr_arena *a, const gr_type *t)
{
    const char **names = GR_NEW_ARRAY(a, const char *, t->rank + 1);
    for (int i = 0, n = 0; i < t->rank; i++)
        if (t->axis[i]) names[n++] = t->axis[i];
    return names;
}

/* The axis that `over` names; the first where `over` is left out or the axis has no name. -1
 * after an error. */
static int time_axis(gr_ctx *c, const scan *s, int port)
{
    const gr_type *t = gr_in_type(c, port);
    for (int i = 0; s->over && i < t->rank; i++)
        if (t->axis[i] && strcmp(t->axis[i], s->over) == 0) return i;
    const char *name = gr_self(c)->inputs[port].name, *type = gr_type_text(s->m->arena, t);
    if (!s->over && is_ambiguous(t))
        return gr_fail(c, GR_AT_NODE, NULL, "'%s' is %s: say which axis the Scan runs over, as in `over: time`", name, type);
    if (t->rank > 0 && (!s->over || !t->axis[0])) return 0;
    if (!s->over) return gr_fail(c, GR_AT_INPUT, name, "the Scan runs over its first axis, but '%s' is %s", name, type);
    gr_diag_error(s->m->diag, s->over_at, "the Scan '%s' runs over '%s', but '%s' is %s%s", s->name, s->over, name, type,
                  gr_suggest(s->m->arena, s->over, axis_names(s->m->arena, t)));
    return -1;
}

/* v with axis `from` moved to `to`, one of them 0. */
static gr_val move_axis(gr_ctx *c, const scan *s, gr_val v, int from, int to)
{
    int rank = gr_type_of(c, v)->rank;
    if (from == to || rank <= from || rank <= to) return v;
    const char *dims = "";
    for (int i = 0; i < rank; i++) {
        int source = from ? (i == 0 ? from : i <= from ? i - 1 : i) : (i == to ? 0 : i < to ? i + 1 : i);
        dims = gr_arena_printf(s->m->arena, "%s%s%d", dims, i ? ", " : "", source);
    }
    gr_value *moved = (gr_value *)(uintptr_t)v;
    return gr_emit_role(gr_ctx_emitter(c), GR_ROLE_PERMUTE, 1, &moved, "dims=[%s]", dims);
}

/* "2, 8": the axes of a carry that starts from zeros. */
static const char *zeros_shape(gr_ctx *c, const scan *s, const scan_carry *k, const gr_val *sequence)
{
    const gr_type *t = NULL;
    for (int i = s->sequences - 1; i >= 0; i--)
        if (!t || gr_is_float(gr_type_of(c, sequence[i])->dtype) || !gr_is_float(t->dtype)) t = gr_type_of(c, sequence[i]);
    int rank = !t ? 0 : gr_is_float(t->dtype) ? t->rank - 1 : t->rank;
    const char *shape = "";
    for (int i = 1; i < rank; i++) shape = gr_arena_printf(s->m->arena, "%s%lld, ", shape, (long long)t->dim[i]);
    if (k->size->kind != GR_DOC_LIST) {
        int64_t size;
        if (gr_eval_int(s->m, s->scope, k->size, 1, &size) < 0) return NULL;
        return gr_arena_printf(s->m->arena, "%s%lld", shape, (long long)size);
    }
    for (int i = 0; i < k->size->count; i++) {
        int64_t size;
        if (gr_eval_int(s->m, s->scope, k->size->item[i], 1, &size) < 0) return NULL;
        shape = gr_arena_printf(s->m->arena, "%s%lld%s", shape, (long long)size, i + 1 < k->size->count ? ", " : "");
    }
    return shape;
}

static gr_val initial(gr_ctx *c, const scan *s, const scan_carry *k, const gr_val *sequence)
{
    if (k->port >= 0) return gr_in(c, k->port);
    const char *shape = zeros_shape(c, s, k, sequence);
    return shape ? gr_emit_initial(gr_ctx_emitter(c), gr_arena_printf(s->m->arena, "%s_0", k->name), shape) : NULL;
}

static void set_input(gr_arena *a, gr_body_input *in, const char *name, gr_val v)
{
    gr_value **one = GR_NEW(a, gr_value *);
    one[0] = value(v);
    *in = (gr_body_input){.name = name, .count = 1, .value = one};
}

/* The next of carry i must be like what it starts from. */
static int check_next(const scan *s, int i, gr_val carry, const gr_value *next)
{
    gr_arena *a = s->m->arena;
    if (!next || next->type.dtype == GR_UNKNOWN || carry->type.dtype == GR_UNKNOWN || gr_type_equal(&carry->type, &next->type)) return 0;
    gr_diag_error(s->m->diag, s->carry[i].at->key_at, "carry '%s' starts as %s, but its next, '%s', is %s%s", s->carry[i].name,
                  gr_type_text(a, &carry->type), next->node->name, gr_type_text(a, &next->type),
                  carry->type.rank < next->type.rank ? "; Expand repeats what it starts from, as in shape: [batch, ...]" : "");
    gr_diag_note(s->m->diag, next->node->at, "'%s' is %s", next->node->name, gr_type_text(a, &next->type));
    return -1;
}

/* Emits the body between begin and end; carry[i] is replaced by what the body reads. */
static int emit_step(gr_ctx *c, const scan *s, gr_loop *l, const gr_val *sequence, gr_val *carry)
{
    const gr_port *port = gr_self(c)->inputs;
    gr_arena *a = s->m->arena;
    gr_body body = {.m = s->m, .scope = s->scope, .doc = s->step, .outer = s->outer, .e = gr_ctx_emitter(c)};
    gr_body_input *in = GR_NEW_ARRAY(a, gr_body_input, s->sequences + s->wholes + s->num_carries);
    int n = 0, r = 0;
    for (int i = 0; i < s->sequences; i++) set_input(a, &in[n++], port[i].name, gr_loop_slice(c, l, port[i].name, sequence[i]));
    for (int i = 0; i < s->wholes; i++) set_input(a, &in[n++], port[s->sequences + i].name, gr_in(c, s->sequences + i));
    for (int i = 0; i < s->num_carries; i++) {
        carry[i] = gr_loop_carry(c, l, s->carry[i].name, carry[i]);
        if (carry[i]) value(carry[i])->node->at = s->carry[i].at->key_at; /* notes on it point there */
        set_input(a, &in[n++], s->carry[i].name, carry[i]);
    }
    body.what = gr_arena_printf(a, "the step of '%s'", s->name);
    body.params = gr_arena_strdup(a, gr_emitter_params(body.e));
    body.inputs = in;
    body.num_inputs = n;
    if (gr_body_make(&body)) r = -1;
    for (int i = 0; i < s->num_carries; i++) {
        gr_value *v = gr_body_value(&body, s->carry[i].next, "the carry");
        if (check_next(s, i, carry[i], v) < 0) v = NULL;
        if (gr_loop_next(c, l, carry[i], v) < 0) r = -1; /* a missing one silences the loop */
    }
    for (int i = 0; s->out && i < s->out->count; i++) {
        gr_value *v = gr_body_value(&body, s->out->item[i], "an output");
        if (!v || gr_loop_stack(c, l, s->out->item[i]->key, v) < 0) r = -1;
    }
    return r;
}

static int set_results(gr_ctx *c, const scan *s, gr_val end, int axis)
{
    int outs = s->out ? s->out->count : 0;
    for (int i = 0; i < outs; i++) {
        gr_val v = move_axis(c, s, gr_output(c, end, 2 * s->num_carries + i), 0, axis);
        if (!v || gr_set_result(c, i, v) < 0) return -1;
    }
    for (int i = 0; i < s->num_carries; i++)
        if (gr_set_result(c, outs + i, gr_output(c, end, i)) < 0) return -1;
    return 0;
}

static int expand_scan(gr_ctx *c)
{
    const scan *s = gr_self(c)->data;
    gr_arena *a = s->m->arena;
    gr_val *sequence = GR_NEW_ARRAY(a, gr_val, s->sequences), *carry = GR_NEW_ARRAY(a, gr_val, s->num_carries);
    int axis = 0;
    for (int i = 0; i < s->sequences; i++) {
        int k = time_axis(c, s, i);
        if (k < 0) return -1;
        if (i == 0) axis = k;
        sequence[i] = move_axis(c, s, gr_in(c, i), k, 0);
    }
    for (int i = 0; i < s->num_carries; i++)
        if (!(carry[i] = initial(c, s, &s->carry[i], sequence))) return -1;
    gr_loop *l = gr_loop_begin(c, "", s->reverse);
    if (!l) return -1;
    int r = s->lengths >= 0 ? gr_loop_lengths(c, l, gr_in(c, s->lengths)) : 0;
    if (s->recompute) gr_loop_recompute(c, l, s->recompute);
    if (r == 0) r = emit_step(c, s, l, sequence, carry);
    gr_val end = gr_loop_end(c, l);
    return r == 0 && end && gr_type_of(c, end)->dtype != GR_UNKNOWN ? set_results(c, s, end, axis) : -1;
}
