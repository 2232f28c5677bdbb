/* reference.c - pages and lists of the reference. */
#include "report/reference.h"
#include "base/column.h"
#include "train/lr_schedule.h"
#include "train/session.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- kinds ---- */

/* In the order of the list; what a plugin calls otherwise comes after. */
static const char *const kinds[] = {"layers", "cells", "attention", "losses", "metrics", "optimisers", "schedules", "data sources",
                                    "pointwise", "shapes", "products", "reductions", "leaves", "other", NULL};

static bool is_cell(const gr_op *op)
{
    for (const gr_port *p = op->inputs; p && p->name; p++)
        if (gr_op_output(op, p->name) >= 0) return true;
    return false;
}

const char *gr_op_kind(const gr_op *op)
{
    if (op->kind) return op->kind;
    if (op->traits & GR_METRIC) return "metrics";
    if (op->traits & GR_OPTIMISER) return "optimisers";
    if (op->traits & GR_POINTWISE) return "pointwise";
    return is_cell(op) ? "cells" : "other";
}

static bool is_internal(const gr_op *op) { return strcmp(gr_op_kind(op), "internal") == 0; }

/* ---- entries: what the reference has a page of ---- */

typedef struct entry {
    const char *name, *kind, *summary;
    const gr_op *op;
    const gr_source *source;
    const gr_lr_schedule *schedule;
} entry;

static int kind_number(const char *kind)
{
    int i = 0;
    while (kinds[i] && strcmp(kinds[i], kind) != 0) i++;
    return i;
}

static int by_kind_and_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int i = kind_number(x->kind), k = kind_number(y->kind), order = i != k ? i - k : strcmp(x->kind, y->kind);
    return order ? order : strcmp(x->name, y->name);
}

/* All entries, sorted; the last has no name. */
static entry *entries(const gr_reference *r, bool internal)
{
    entry *list = NULL;
    int n = 0, cap = 0;
    for (int i = 0; i < gr_registry_count(r->registry); i++) {
        const gr_op *op = gr_registry_at(r->registry, i);
        if (internal || !is_internal(op))
            *GR_PUSH(r->arena, list, n, cap) = (entry){.name = op->name, .kind = gr_op_kind(op), .summary = op->summary, .op = op};
    }
    for (int i = 0; i < gr_registry_count_sources(r->registry); i++) {
        const gr_source *s = gr_registry_source_at(r->registry, i);
        *GR_PUSH(r->arena, list, n, cap) = (entry){.name = s->name, .kind = "data sources", .summary = s->summary, .source = s};
    }
    for (const gr_lr_schedule *s = gr_lr_schedules; s->name; s++)
        *GR_PUSH(r->arena, list, n, cap) = (entry){.name = s->name, .kind = "schedules", .summary = s->summary, .schedule = s};
    qsort(list, (size_t)n, sizeof *list, by_kind_and_name);
    *GR_PUSH(r->arena, list, n, cap) = (entry){0};
    return list;
}

void gr_reference_list(const gr_reference *r, bool internal)
{
    const char *kind = "";
    const entry *list = entries(r, internal);
    int width = 0;
    for (const entry *e = list; e->name; e++) width = gr_wider(width, e->name);
    for (const entry *e = list; e->name; e++) {
        if (strcmp(e->kind, kind) != 0) {
            fprintf(r->to, r->markdown ? "%s## %s\n\n" : "%s%s:\n", *kind ? "\n" : "", e->kind);
            kind = e->kind;
        }
        fprintf(r->to, r->markdown ? "- **%s**" : "  %s", e->name);
        fprintf(r->to, "%*s %s\n", r->markdown ? 0 : width - gr_columns(e->name), "", e->summary ? e->summary : "");
    }
}

const char *const *gr_reference_names(const gr_reference *r)
{
    const char **names = NULL;
    int n = 0, cap = 0;
    for (const entry *e = entries(r, false); e->name; e++) *GR_PUSH(r->arena, names, n, cap) = e->name;
    *GR_PUSH(r->arena, names, n, cap) = NULL;
    return names;
}

/* Whether `name` holds `part`, whatever the case. */
static bool holds(const char *name, const char *part)
{
    size_t n = strlen(part);
    for (; *name; name++)
        if (strncasecmp(name, part, n) == 0) return true;
    return false;
}

const char *gr_reference_suggest(const gr_reference *r, const char *name)
{
    enum { MOST = 4 };
    const char *const *names = gr_reference_names(r), *near = gr_nearest_term(name, names);
    const char *text = near ? gr_arena_printf(r->arena, "'%s'", near) : NULL;
    int n = near != NULL;
    if (near && strcasecmp(near, name) == 0) return text;
    for (; *names && strlen(name) > 2; names++)
        if (holds(*names, name) && *names != near && n++ < MOST)
            text = text ? gr_arena_printf(r->arena, "%s, '%s'", text, *names) : gr_arena_printf(r->arena, "'%s'", *names);
    return text;
}

/* ---- parts of a page ---- */

static void section(const gr_reference *r, const char *title) { fprintf(r->to, r->markdown ? "\n%s:\n\n" : "\n%s:\n", title); }

enum { NAMES = 20 }; /* columns; of a longer name the text goes below */

static void item(const gr_reference *r, const char *name, const char *text)
{
    const int columns = gr_columns(name);
    if (r->markdown) fprintf(r->to, "- `%s`%s%s\n", name, *text ? " " : "", text);
    else if (!*text) fprintf(r->to, "  %s\n", name);
    else if (columns > NAMES) fprintf(r->to, "  %s\n%*s%s\n", name, NAMES + 3, "", text);
    else fprintf(r->to, "  %s%*s %s\n", name, NAMES - columns, "", text);
}

static void code(const gr_reference *r, const char *text)
{
    fputs(r->markdown ? "```yaml\n" : "", r->to);
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = text + strcspn(text, "\n");
        fprintf(r->to, "%s%.*s\n", r->markdown ? "" : "  ", (int)(end - text), text);
    }
    fputs(r->markdown ? "```\n" : "", r->to);
}

static void head(const gr_reference *r, const char *name, const char *summary, const char *formula)
{
    fprintf(r->to, r->markdown ? "### %s\n\n%s\n" : "%s - %s\n", name, summary);
    if (formula) fprintf(r->to, r->markdown ? "\n`%s`\n" : "\n  %s\n", formula);
}

static void ports(const gr_reference *r, const char *title, const gr_port *p)
{
    if (!p || !p->name) return;
    section(r, title);
    for (; p->name; p++)
        item(r, p->name, gr_arena_printf(r->arena, "%s%s%s", p->doc ? p->doc : "", p->flags & GR_PORT_OPTIONAL ? " (optional)" : "",
                                         p->flags & GR_PORT_VARIADIC ? " (one or more)" : ""));
}

static const char *range_text(gr_arena *a, const gr_attr_spec *s)
{
    if (s->min == 0 && s->max == 0) return "";
    if (s->max >= 1e9) return gr_arena_printf(a, ", at least %.10g", s->min);
    return gr_arena_printf(a, ", from %.10g to %.10g", s->min, s->max);
}

static const char *attr_text(gr_arena *a, const gr_attr_spec *s)
{
    static const char *const kind[] = {"", "true/false", "integer", "number", "text", "choice", "dtype", "integers",
                                       "numbers", "shape", "numbers, nested", "initialiser"};
    bool any = s->kind == GR_ATTR_STRING && s->choices && strcmp(s->choices, "*") == 0; /* a var without default, which has no kind */
    const char *what = any ? "any value" : s->kind == GR_ATTR_CHOICE ? s->choices : kind[s->kind];
    const char *fallback = !s->fallback ? ", must be given" : strcmp(s->fallback, "~") == 0 ? ", optional"
                         : gr_arena_printf(a, s->kind == GR_ATTR_STRING ? ", default '%s'" : ", default %s", s->fallback);
    return gr_arena_printf(a, "%s%s%s", what, fallback, range_text(a, s));
}

static void attr(const gr_reference *r, const gr_attr_spec *s)
{
    const char *text = attr_text(r->arena, s);
    bool doc = s->doc && *s->doc;
    if (r->markdown) item(r, s->name, doc ? gr_arena_printf(r->arena, "(%s) %s", text, s->doc) : gr_arena_printf(r->arena, "(%s)", text));
    else item(r, s->name, doc ? gr_arena_printf(r->arena, "%s\n%*s%s", text, NAMES + 3, "", s->doc) : text);
}

static void attrs(const gr_reference *r, const gr_attr_spec *list)
{
    if (list && list->name) section(r, "attributes");
    for (; list && list->name; list++) attr(r, list);
}

const char *gr_example_model(gr_arena *a, const char *example)
{
    return example ? gr_arena_printf(a, "graphrun: 1\n%s", example) : NULL;
}

static void example(const gr_reference *r, const char *text)
{
    if (!text) return;
    section(r, *text == '#' ? "example, a whole model file; the files that it reads stand in the comments before it" : "example, a whole model file");
    code(r, gr_example_model(r->arena, text));
}

static void see(const gr_reference *r, const char *reference)
{
    if (reference) fprintf(r->to, "\nsee %s\n", reference);
}

/* ---- what a node of the example owns ---- */

/* The node of the op in its example: what stands before ": {op: NAME". NULL: none stands so. */
static const char *node_of(gr_arena *a, const gr_op *op)
{
    const char *at = op->example, *text = gr_arena_printf(a, ": {op: %s", op->name);
    for (size_t n = strlen(text); (at = strstr(at, text)); at++) {
        const char *start = at;
        while (start > op->example && (isalnum((unsigned char)start[-1]) || start[-1] == '_')) start--;
        if (!isalnum((unsigned char)at[n])) return gr_arena_strndup(a, start, (size_t)(at - start));
    }
    return NULL;
}

static void owned(const gr_reference *r, const gr_graph *g, const char *node)
{
    bool any = false;
    size_t n = node ? strlen(node) : 0;
    for (int i = 0; i < g->num_states; i++) {
        const gr_state *s = g->states[i];
        bool own = !node || (strncmp(s->name, node, n) == 0 && (s->name[n] == '.' || !s->name[n]));
        if (!s->weight || !own) continue;
        if (!any) section(r, "parameters, those of the example");
        any = true;
        item(r, s->name, gr_arena_printf(r->arena, "%s%s", gr_type_text(r->arena, &s->value->type), s->trainable ? "" : ", not trained"));
    }
}

/* Parameters depend on inputs and attributes, so those of the example are shown. */
static void parameters(const gr_reference *r, const gr_op *op)
{
    if (!op->expand || !op->example || (op->traits & (GR_METRIC | GR_OPTIMISER)) || op->example[0] == '#') return;
    gr_error e = {0};
    const gr_session_options o = {.model = {.plugins = r->plugins, .text = gr_example_model(r->arena, op->example)}, .facts_only = true,
                                  .quiet = true, .seed = 1};
    gr_session *s = gr_session_open(op->name, &o, &e);
    gr_frame frame;
    if (s && gr_try(s->arena, &frame)) {
        gr_graph *g = gr_session_graph(s, &(gr_want){.assume_axes = true}, "infer");
        if (g) owned(r, g, node_of(r->arena, op));
        gr_end_try(s->arena, &frame);
    }
    gr_session_close(s);
}

static void carries(const gr_reference *r, const gr_op *op)
{
    const char *list = NULL;
    for (const gr_port *p = op->inputs; p && p->name; p++)
        if (gr_op_output(op, p->name) >= 0) list = list ? gr_arena_printf(r->arena, "%s, %s", list, p->name) : p->name;
    if (list) fprintf(r->to, "\ncarries, from step to step: %s\n", list);
}

/* ---- pages ---- */

static void op_page(const gr_reference *r, const gr_op *op)
{
    const bool any_cell = (op->traits & GR_OVER_CELL) && !((const gr_over *)op->data)->cell;
    head(r, op->name, op->summary, op->formula);
    ports(r, "inputs", op->inputs);
    if (any_cell) fprintf(r->to, "\nfor each carry of the cell, as h, where it starts: h_0 (optional, else zeros); and what else the cell reads at every step\n");
    ports(r, "outputs", op->outputs);
    if (any_cell) fprintf(r->to, "\nfor each carry of the cell, as h, its last value: h_n\n");
    carries(r, op);
    attrs(r, op->attrs);
    if (any_cell) fprintf(r->to, "\nand the attributes of the cell\n");
    parameters(r, op);
    example(r, op->example);
    see(r, op->reference);
}

static void source_page(const gr_reference *r, const gr_source *s)
{
    head(r, s->name, s->summary, NULL);
    ports(r, "fields", s->fields);
    ports(r, "numbers for expressions, $data.NAME", s->facts);
    const char *keys = "";
    for (int i = 0; s->keys && s->keys[i]; i++) keys = gr_arena_printf(r->arena, "%s%s%s", keys, i ? ", " : "", s->keys[i]);
    if (*keys) fprintf(r->to, "\nkeys of `data`: %s\n", keys);
    attrs(r, s->attrs);
    example(r, s->example);
    see(r, s->reference);
}

static void schedule_page(const gr_reference *r, const gr_lr_schedule *s)
{
    const gr_attr_spec lr = {"lr", GR_ATTR_FLOAT, s->lr ? s->lr : "the optimizer's", 0, 1e30, NULL, "The rate."};
    head(r, s->name, gr_arena_printf(r->arena, "a schedule of learning rates. %s", s->summary), s->formula);
    if (s->watches) fprintf(r->to, "\nIt sees every validation or, without a split `valid`, the loss of every epoch.\n");
    else fprintf(r->to, "\nk counts the epochs before, or with `by: step` the updates before; both begin at 0.\n");
    attrs(r, gr_lr_schedule_specs(r->arena, s, &lr));
    example(r, s->example);
    see(r, s->reference);
}

static void page(const gr_reference *r, const entry *e)
{
    if (e->op) op_page(r, e->op);
    if (e->source) source_page(r, e->source);
    if (e->schedule) schedule_page(r, e->schedule);
}

bool gr_reference_page(const gr_reference *r, const char *name)
{
    int found = 0;
    for (const entry *e = entries(r, true); e->name; e++) {
        if (strcmp(e->name, name) != 0) continue;
        if (found++) fputc('\n', r->to); /* Linear is a layer and a schedule */
        page(r, e);
    }
    return found > 0;
}

void gr_reference_all(const gr_reference *r)
{
    const char *kind = "";
    for (const entry *e = entries(r, false); e->name; e++) {
        if (strcmp(e->kind, kind) != 0) fprintf(r->to, r->markdown ? "%s## %s\n" : "%s%s\n", *kind ? "\n" : "", e->kind);
        kind = e->kind;
        fputc('\n', r->to);
        page(r, e);
    }
}
