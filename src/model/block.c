/* block.c - a block of a model file as an op.
 *
 *     docs   -> what an input, a var or an output is, by its name
 *     in     -> input ports; "mask?" may be left out, and so may a carry
 *     vars   -> attributes; ~ must be given, else the default says the kind; "tanh|relu" is
 *               one of these, the first where nothing is said
 *     ranges -> the least and the most that a var of numbers may be, by its name: [0, 1], or [0, ~]; where the default
 *               and the least are integers, or the default is ~, it takes integers alone
 *     out    -> output ports; one named like an input is a carry
 *     carry  -> how wide a carry is where it starts as zeros (hidden_size unless said)
 *     graph  -> the body, made anew for each node that uses the block
 *
 * A block with `carry:` comes with a second op, <block>_init, which gives the first value
 * of each carry for one example: what a loop over the cell starts from. */
#include "model/body.h"
#include "model/builtin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_BLOCKS = 64 }; /* uses of a block within each other; of all blocks, for expanding them recurses */

typedef struct block {
    gr_model *m;
    const char *name;
    gr_loc at;
    gr_doc *vars, *carry, *graph, *out;
    bool *integer; /* by attribute: the default is an integer */
} block;

/* The blocks in hand, from the innermost outwards. */
typedef struct block_use {
    const block *of;
    struct block_use *within;
    bool endless;  /* of the outermost use of a block: it has been told that those in it have no end, or are too deep */
} block_use;

static const char *const block_keys[] = {"doc", "formula", "reference", "example", "docs", "in", "vars", "ranges", "carry", "graph", "out", NULL};

static int expand_block(gr_ctx *c);
static int expand_init(gr_ctx *c);

bool gr_op_is_block(const gr_op *op) { return op->expand == expand_block; }

/* ---- the descriptor ---- */

static const char *text_of(gr_doc *d, const char *key)
{
    gr_doc *t = gr_doc_get(d, key);
    return t && t->kind == GR_DOC_SCALAR ? t->text : NULL;
}

/* What `docs` says of an input, a var or an output. */
static const char *doc_of(gr_doc *d, const char *name)
{
    gr_doc *docs = gr_doc_get(d, "docs");
    const char *text = docs && docs->kind == GR_DOC_MAP ? text_of(docs, name) : NULL;
    return text ? text : "";
}

static bool valid_name(const char *s)
{
    return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == 0;
}

/* "mask?": the name, and whether it may be left out; -1 if it is no name. */
static int read_port(gr_model *m, gr_doc *d, gr_port *p)
{
    d->used = true;
    size_t n = d->kind == GR_DOC_SCALAR ? strlen(d->text) : 0;
    bool optional = n > 1 && d->text[n - 1] == '?';
    const char *name = n ? gr_arena_strndup(m->arena, d->text, n - optional) : "";
    if (!valid_name(name)) {
        gr_diag_error(m->diag, d->at, "expected the name of an input: letters, digits and _, and ? behind it where it may be left out");
        return -1;
    }
    *p = (gr_port){name, optional ? GR_PORT_OPTIONAL : 0, ""};
    return 0;
}

static bool is_output(const gr_doc *out, const char *name)
{
    for (int i = 0; out && i < out->count; i++)
        if (strcmp(out->item[i]->key, name) == 0) return true;
    return false;
}

static gr_port *read_inputs(gr_model *m, gr_doc *d, const gr_doc *out)
{
    gr_doc *in = gr_doc_get(d, "in");
    int n = !in ? 0 : in->kind == GR_DOC_LIST ? in->count : 1, made = 0;
    gr_port *ports = GR_NEW_ARRAY(m->arena, gr_port, n + 1);
    for (int i = 0; i < n; i++) {
        gr_doc *p = in->kind == GR_DOC_LIST ? in->item[i] : in;
        if (read_port(m, p, &ports[made]) < 0) continue;
        for (int k = 0; k < made; k++)
            if (strcmp(ports[k].name, ports[made].name) == 0)
                gr_diag_error(m->diag, p->at, "the input '%s' is there twice", ports[made].name);
        if (is_output(out, ports[made].name)) {
            ports[made].flags |= GR_PORT_OPTIONAL;
            ports[made].doc = "carried from step to step; zeros if left out";
        }
        if (*doc_of(d, ports[made].name)) ports[made].doc = doc_of(d, ports[made].name);
        made++;
    }
    return ports;
}

static gr_port *read_outputs(gr_model *m, gr_doc *d, gr_doc *out)
{
    int n = out && out->kind == GR_DOC_MAP ? out->count : 0;
    gr_port *ports = GR_NEW_ARRAY(m->arena, gr_port, n + 1);
    if (!n) gr_diag_error(m->diag, out ? out->at : d->key_at, "a block needs 'out', a map: {name: node}");
    for (int i = 0; i < n; i++) ports[i] = (gr_port){out->item[i]->key, 0, doc_of(d, out->item[i]->key)};
    return ports;
}

/* The kind that a var's default shows; a default that has to be evaluated is taken later. */
static gr_attr_spec var_spec(gr_arena *a, gr_doc *d, bool *integer)
{
    gr_attr_spec s = {.name = d->key, .kind = GR_ATTR_STRING, .fallback = "~", .choices = "*", .doc = ""};
    int64_t i;
    double f;
    bool yes;
    *integer = false;
    if (d->kind == GR_DOC_NULL) {
        s.fallback = NULL;
        if (strcmp(d->key, "hidden_size") == 0) { /* the width of carries everywhere */
            s.kind = GR_ATTR_INT;
            s.choices = NULL;
            s.min = 1;
            s.max = 1 << 30;
        }
        return s;
    }
    if (d->kind != GR_DOC_SCALAR || strchr(d->text, '$')) return s;
    s.fallback = d->text;
    if (strchr(d->text, '|')) {
        s.kind = GR_ATTR_CHOICE;
        s.choices = d->text;
        s.fallback = gr_arena_strndup(a, d->text, strcspn(d->text, "|"));
        return s;
    }
    if (d->plain && gr_doc_bool(d, &yes) == 0) {
        s.kind = GR_ATTR_BOOL;
        s.fallback = yes ? "true" : "false";
    } else if (d->plain && gr_doc_int(d, &i) == 0) {
        s.kind = GR_ATTR_FLOAT;
        *integer = true;
    } else if (d->plain && gr_doc_float(d, &f) == 0) {
        s.kind = GR_ATTR_FLOAT;
    }
    if (s.kind != GR_ATTR_STRING) s.choices = NULL;
    return s;
}

/* `ranges: {name: [least, most]}` of a var whose kind is known. */
static void read_range(gr_model *m, gr_doc *ranges, gr_attr_spec *s, bool *integer)
{
    gr_doc *d = gr_doc_get(ranges, s->name), *most = d && d->kind == GR_DOC_LIST && d->count == 2 ? d->item[1] : NULL;
    int64_t least;
    if (!d) return;
    gr_doc_use_all(d);
    const bool whole = (*integer || !s->fallback) && most && gr_doc_int(d->item[0], &least) == 0;
    s->max = whole ? 1 << 30 : 1e30;
    if (!most || gr_doc_float(d->item[0], &s->min) < 0 || (most->kind != GR_DOC_NULL && gr_doc_float(most, &s->max) < 0) || s->min > s->max ||
        (s->kind != GR_ATTR_FLOAT && s->fallback)) {
        gr_diag_error(m->diag, d->at, "a range is [least, most] of a var of numbers, ~ as the most where there is none");
        s->min = s->max = 0;
        return;
    }
    const double fallback = s->fallback ? strtod(s->fallback, NULL) : s->min;
    if (fallback < s->min || fallback > s->max) {
        gr_diag_error(m->diag, d->at, "the default of '%s', %s, is not within this range", s->name, s->fallback);
        s->min = s->max = 0;
    }
    s->kind = whole ? GR_ATTR_INT : GR_ATTR_FLOAT;
    s->choices = NULL;
    *integer = whole;
}

static gr_attr_spec *read_vars(gr_model *m, gr_doc *d, block *b)
{
    int n = b->vars && b->vars->kind == GR_DOC_MAP ? b->vars->count : 0;
    gr_attr_spec *specs = GR_NEW_ARRAY(m->arena, gr_attr_spec, n + 1);
    b->integer = GR_NEW_ARRAY(m->arena, bool, n + 1);
    gr_doc *ranges = gr_doc_get(d, "ranges");
    if (b->vars && !n) gr_diag_error(m->diag, b->vars->at, "'vars' is a map: {name: default}, ~ where it must be given");
    for (int i = 0; i < n; i++) {
        specs[i] = var_spec(m->arena, b->vars->item[i], &b->integer[i]);
        specs[i].doc = doc_of(d, specs[i].name);
        if (ranges && ranges->kind == GR_DOC_MAP) read_range(m, ranges, &specs[i], &b->integer[i]);
    }
    if (ranges && ranges->kind != GR_DOC_MAP) gr_diag_error(m->diag, ranges->at, "'ranges' is a map: {name: [least, most]}");
    for (int i = 0; ranges && ranges->kind == GR_DOC_MAP && i < ranges->count; i++)
        if (!b->vars || !gr_doc_get(b->vars, ranges->item[i]->key))
            gr_diag_error(m->diag, ranges->item[i]->key_at, "the block has no var '%s' that this could be the range of", ranges->item[i]->key);
    return specs;
}

static void check_keys(gr_model *m, gr_doc *d)
{
    for (int i = 0; i < d->count; i++) {
        int k = 0;
        while (block_keys[k] && strcmp(block_keys[k], d->item[i]->key) != 0) k++;
        if (block_keys[k]) continue;
        gr_diag_error(m->diag, d->item[i]->key_at, "a block has no key '%s'%s", d->item[i]->key,
                      gr_suggest_term(m->arena, d->item[i]->key, block_keys));
        gr_doc_use_all(d->item[i]);
    }
}

/* ---- the scope of a body ---- */

static gr_var attr_var(gr_model *m, const gr_attr_spec *s, const gr_attr *a, bool integer)
{
    switch (s->kind) {
    case GR_ATTR_BOOL: return (gr_var){.kind = GR_VAR_BOOL, .i = a->i};
    case GR_ATTR_INT: return (gr_var){.kind = GR_VAR_INT, .i = a->i};
    case GR_ATTR_CHOICE: return (gr_var){.kind = GR_VAR_TEXT, .text = a->s};
    case GR_ATTR_FLOAT:
        if (integer && a->f == floor(a->f) && fabs(a->f) < 1e15) return (gr_var){.kind = GR_VAR_INT, .i = (int64_t)a->f};
        return (gr_var){.kind = GR_VAR_FLOAT, .f = a->f};
    default: return gr_var_parse(m, a->s);
    }
}

/* The vars of a node that uses the block; a default may speak of the others. */
static gr_scope *block_scope(gr_ctx *c, const block *b)
{
    const gr_attr_spec *specs = gr_self(c)->attrs;
    gr_scope *s = gr_scope_create(b->m->arena, b->m->scope);
    for (int i = 0; specs[i].name; i++) {
        const gr_attr *a = gr_get(c, specs[i].name);
        gr_doc *d = b->vars->item[i];
        if (a->present) gr_scope_set(b->m->arena, s, specs[i].name, attr_var(b->m, &specs[i], a, b->integer[i]), d);
        else gr_scope_define(b->m->arena, s, specs[i].name, d, s, d);
    }
    return s;
}

/* ---- carries ---- */

static bool is_carry(const gr_op *op, const char *name) { return gr_op_input(op, name) >= 0 && gr_op_output(op, name) >= 0; }

static int carry_size(const block *b, gr_scope *s, const char *name, int64_t *size)
{
    gr_doc *entry = b->carry ? gr_doc_get(b->carry, name) : NULL;
    gr_doc *d = entry ? gr_doc_get(entry, "size") : NULL;
    if (d) return gr_eval_int(b->m, s, d, 1, size);
    gr_binding *hidden = gr_scope_find(s, "hidden_size");
    gr_var v;
    if (hidden && gr_binding_value(b->m, hidden, b->graph->key_at, &v) == 0 && v.kind == GR_VAR_INT) {
        *size = v.i;
        return 0;
    }
    gr_diag_error(b->m->diag, b->graph->key_at, "how wide is the carry '%s' of '%s'? Give the block 'carry: {%s: {size: ...}}' "
                  "or a var hidden_size", name, b->name, name);
    return -1;
}

/* The axes before the last of the first input that holds numbers, else all of the first. */
static gr_type leading_axes(gr_ctx *c)
{
    const gr_op *op = gr_self(c);
    gr_type t = {0};
    bool found = false;
    for (int p = 0; op->inputs && op->inputs[p].name; p++) {
        if (is_carry(op, op->inputs[p].name) || gr_count(c, p) == 0) continue;
        const gr_type *in = gr_in_type(c, p);
        if (!found) t = *in;
        found = true;
        if (!gr_is_float(in->dtype) || in->rank == 0) continue;
        t = *in;
        t.rank--;
        break;
    }
    return t;
}

static gr_value *zeros(gr_ctx *c, const block *b, gr_scope *s, const char *carry)
{
    int64_t size;
    if (carry_size(b, s, carry, &size) < 0) return NULL;
    gr_type t = leading_axes(c);
    const char *shape = "";
    for (int i = 0; i < t.rank; i++) shape = gr_arena_printf(b->m->arena, "%s%lld, ", shape, (long long)t.dim[i]);
    char name[128];
    snprintf(name, sizeof name, "%s_0", carry);
    return gr_emit_initial(gr_ctx_emitter(c), name, gr_arena_printf(b->m->arena, "%s%lld", shape, (long long)size));
}

/* ---- expansion ---- */

typedef struct widths {
    const gr_op *op;
    int64_t *width;
} widths;

static int64_t width_of(void *data, const char *port)
{
    const widths *w = data;
    int p = gr_op_input(w->op, port);
    return p < 0 ? -1 : w->width[p];
}

/* What each port was given; a carry left out is zeros. */
static gr_body_input *body_inputs(gr_ctx *c, const block *b, gr_scope *s, widths *w)
{
    const gr_op *op = gr_self(c);
    gr_arena *a = b->m->arena;
    int n = gr_op_num_inputs(op);
    gr_body_input *in = GR_NEW_ARRAY(a, gr_body_input, n);
    w->op = op;
    w->width = GR_NEW_ARRAY(a, int64_t, n);
    for (int p = 0; p < n; p++) {
        int count = gr_count(c, p);
        bool carry = is_carry(op, op->inputs[p].name) && count == 0;
        gr_value **v = GR_NEW_ARRAY(a, gr_value *, count + 1);
        for (int i = 0; i < count; i++) v[i] = (gr_value *)(uintptr_t)gr_in_at(c, p, i);
        if (carry && !(v[0] = zeros(c, b, s, op->inputs[p].name))) return NULL;
        in[p] = (gr_body_input){.name = op->inputs[p].name, .count = carry ? 1 : count, .value = v};
        for (int i = 0; i < in[p].count; i++)
            w->width[p] += v[i]->type.rank > 0 ? v[i]->type.dim[v[i]->type.rank - 1] : 1;
    }
    return in;
}

static const char *const *input_names(gr_arena *a, const gr_op *op)
{
    int n = gr_op_num_inputs(op);
    const char **names = GR_NEW_ARRAY(a, const char *, n + 1);
    for (int i = 0; i < n; i++) names[i] = op->inputs[i].name;
    return names;
}

static int expand_body(gr_ctx *c, const gr_op *op, const block *b)
{
    gr_arena *a = b->m->arena;
    gr_scope *s = block_scope(c, b);
    widths *w = GR_NEW(a, widths);
    gr_body body = {.m = b->m, .scope = s, .doc = b->graph, .e = gr_ctx_emitter(c), .num_inputs = gr_op_num_inputs(op)};
    body.what = gr_arena_printf(a, "block '%s'", b->name);
    body.params = gr_arena_strdup(a, gr_emitter_params(body.e));
    body.inputs = body_inputs(c, b, s, w);
    if (!body.inputs) return -1;
    s->width = width_of;
    s->ports = input_names(a, op);
    s->data = w;
    int r = gr_body_make(&body) ? -1 : 0;
    for (int i = 0; i < b->out->count; i++) {
        const char *what = gr_arena_printf(a, "the output '%s'", b->out->item[i]->key);
        gr_value *v = gr_body_value(&body, b->out->item[i], what);
        if (!v || gr_set_result(c, i, v) < 0) r = -1;
    }
    return r;
}

/* "A -> B -> A": from the last use of b to this one. */
static const char *circle_text(const block *b, const block_use *u)
{
    const char *text = b->name;
    for (; u; u = u->within) {
        text = gr_arena_printf(b->m->arena, "%s -> %s", u->of->name, text);
        if (u->of == b) break;
    }
    return text;
}

/* Whether the block is used within itself without an end, or too many are in hand; says so once for all that is in the
 * outermost of these uses, for there may be 2^32 of them. */
static bool is_too_deep(const block *b, block_use *within)
{
    block_use *outermost = NULL, *first = NULL;
    int depth = 0, blocks = 0;
    for (block_use *u = within; u; u = u->within, blocks++) {
        first = u;
        if (u->of == b) outermost = u, depth++;
    }
    if ((outermost && outermost->endless) || (first && first->endless)) return true;
    if (depth >= MAX_DEPTH || (depth && blocks >= MAX_BLOCKS)) {
        gr_diag_error(b->m->diag, b->at, "block '%s' uses itself without an end: %s; a 'when' that becomes false ends it", b->name,
                      circle_text(b, within));
        return outermost->endless = true;
    }
    if (blocks < MAX_BLOCKS) return false;
    gr_diag_error(b->m->diag, first->of->at, "block '%s' uses a block that uses another, and so on, more than %d deep", first->of->name, MAX_BLOCKS);
    return first->endless = true;
}

static int expand_block(gr_ctx *c)
{
    const block *b = gr_self(c)->data;
    void **in_hand = gr_emitter_in_hand(gr_ctx_emitter(c));
    block_use use = {.of = b, .within = *in_hand};
    if (is_too_deep(b, use.within)) return -1;
    *in_hand = &use;
    const int r = expand_body(c, gr_self(c), b);
    *in_hand = use.within;
    return r;
}

static int expand_init(gr_ctx *c)
{
    const gr_op *op = gr_self(c);
    const block *b = op->data;
    gr_scope *s = block_scope(c, b);
    for (int i = 0; op->outputs[i].name; i++) {
        int64_t size;
        if (carry_size(b, s, op->outputs[i].name, &size) < 0) return -1;
        gr_val v = gr_emit_initial(gr_ctx_emitter(c), op->outputs[i].name, gr_arena_printf(b->m->arena, "%lld", (long long)size));
        if (!v || gr_set_result(c, i, v) < 0) return -1;
    }
    return 0;
}

/* ---- registering ---- */

static void add_op(gr_model *m, gr_doc *d, const gr_op *op)
{
    gr_error e;
    if (gr_registry_add(m->registry, op, &e) < 0) gr_diag_error(m->diag, d->key_at, "%s", e.message);
}

static void add_init(gr_model *m, gr_doc *d, const gr_op *cell)
{
    gr_op *op = GR_NEW(m->arena, gr_op);
    const gr_doc *carry = ((const block *)cell->data)->carry;
    gr_port *out = GR_NEW_ARRAY(m->arena, gr_port, carry->count + 1);
    int n = 0;
    for (int i = 0; i < carry->count; i++) {
        gr_doc *entry = carry->item[i];
        entry->used = true;
        if (!is_carry(cell, entry->key))
            gr_diag_error(m->diag, entry->key_at, "'%s' is no carry of '%s': a carry is an input that is also in 'out'", entry->key, cell->name);
        else if (entry->kind != GR_DOC_MAP || !gr_doc_get(entry, "size") || entry->count != 1)
            gr_diag_error(m->diag, entry->at, "expected {size: ...}");
        else
            out[n++] = (gr_port){entry->key, 0, "[size]: its first value"};
    }
    *op = (gr_op){GR_OP_HEADER, .attrs = cell->attrs, .outputs = out, .expand = expand_init, .data = cell->data, .kind = "internal"};
    op->name = gr_arena_printf(m->arena, "%s_init", cell->name);
    op->summary = gr_arena_printf(m->arena, "What the carries of %s start from, for one example.", cell->name);
    add_op(m, d, op);
}

/* A first look at the body, so that mistakes show in a block that nobody uses. */
static void check_body(gr_model *m, const block *b, const gr_op *op)
{
    gr_scope *s = gr_scope_create(m->arena, m->scope);
    for (int i = 0; op->attrs[i].name; i++) gr_scope_define(m->arena, s, op->attrs[i].name, b->vars->item[i], s, b->vars->item[i]);
    int n = gr_op_num_inputs(op);
    gr_body_input *in = GR_NEW_ARRAY(m->arena, gr_body_input, n);
    for (int i = 0; i < n; i++) in[i].name = op->inputs[i].name;
    gr_body body = {.m = m, .scope = s, .doc = b->graph, .inputs = in, .num_inputs = n};
    body.what = gr_arena_printf(m->arena, "block '%s'", b->name);
    gr_body_make(&body);
    for (int i = 0; i < b->out->count; i++) gr_body_value(&body, b->out->item[i], "");
    if (b->carry) gr_mention(m, s, b->carry);
}

static const gr_op *add_block(gr_model *m, gr_doc *d)
{
    d->used = true;
    if (d->kind != GR_DOC_MAP) {
        gr_diag_error(m->diag, d->at, "expected a block here: {in: ..., vars: ..., graph: ..., out: ...}");
        return NULL;
    }
    block *b = GR_NEW(m->arena, block);
    *b = (block){.m = m, .name = d->key, .at = d->key_at, .vars = gr_doc_get(d, "vars"), .carry = gr_doc_get(d, "carry"),
                 .graph = gr_doc_get(d, "graph"), .out = gr_doc_get(d, "out")};
    check_keys(m, d);
    gr_op *op = GR_NEW(m->arena, gr_op);
    const char *doc = text_of(d, "doc");
    *op = (gr_op){GR_OP_HEADER, .name = d->key, .summary = doc ? doc : "A block of the model file.",
                  .formula = text_of(d, "formula"), .reference = text_of(d, "reference"), .example = text_of(d, "example"), .attrs = read_vars(m, d, b),
                  .inputs = read_inputs(m, d, b->out), .outputs = read_outputs(m, d, b->out),
                  .expand = expand_block, .data = b};
    gr_doc *docs = gr_doc_get(d, "docs");
    if (docs && docs->kind != GR_DOC_MAP) gr_diag_error(m->diag, docs->at, "expected a map: {name: what it is}");
    if (!b->graph) gr_diag_error(m->diag, d->key_at, "a block needs 'graph', a map of nodes");
    if (!b->graph || !b->out || b->out->kind != GR_DOC_MAP) return NULL;
    add_op(m, d, op);
    if (b->carry && b->carry->kind == GR_DOC_MAP) add_init(m, d, op);
    else if (b->carry) gr_diag_error(m->diag, b->carry->at, "expected a map: {carry: {size: ...}}");
    return op;
}

void gr_model_blocks(gr_model *m)
{
    gr_doc *d = m->blocks;
    if (!d) return;
    d->used = true;
    if (d->kind != GR_DOC_MAP) {
        gr_diag_error(m->diag, d->at, "expected a map of blocks, Name: {in: ..., vars: ..., graph: ..., out: ...}");
        return;
    }
    const gr_op **ops = GR_NEW_ARRAY(m->arena, const gr_op *, d->count);
    for (int i = 0; i < d->count; i++) ops[i] = add_block(m, d->item[i]);
    for (int i = 0; i < d->count; i++) /* after all: they may use each other */
        if (ops[i]) check_body(m, ops[i]->data, ops[i]);
}

void gr_registry_add_cells(gr_arena *a, gr_registry *r, gr_diag *diag)
{
    gr_model *m = GR_NEW(a, gr_model);
    *m = (gr_model){.arena = a, .diag = diag, .registry = r, .path = "ops", .real = GR_FLOAT32};
    m->scope = gr_scope_create(a, NULL);
    for (const gr_builtin_file *f = gr_builtin_files; f->name; f++) {
        gr_doc *d = gr_doc_read_text(a, f->name, f->text, f->length, diag);
        for (int i = 0; d && d->kind == GR_DOC_MAP && i < d->count; i++) add_block(m, d->item[i]);
    }
}

void gr_model_builtin_blocks(gr_model *m) { gr_registry_add_cells(m->arena, m->registry, m->diag); }
