/* schema.c - the sections of a model file as a JSON Schema.
 *
 * What an `op` makes of its map is a chain of {"if": op is X, "then": X's own schema}, so that a mistake is
 * reported at its key and not as "none of 150 alternatives". An op that is not known may be a block of the
 * file or of a plugin; where the file has neither, or the schema is made for this very file, it is a mistake. */
#include "report/schema.h"
#include "report/reference.h"
#include "report/schema_part.h"
#include "train/init.h"
#include "train/recipe.h"

#include <string.h>

typedef struct schema {
    gr_arena *arena;
    const gr_registry *registry;
    bool whole;     /* no model has ops that are not registered */
    json_t *definitions;
    bool failed;
} schema;

static void define(schema *s, const char *name, json_t *value) { gr_schema_set(s->definitions, name, value, &s->failed); }

/* Definitions that are the same whatever ops there are. */
static void define_values(schema *s)
{
    static const char text[] =
        "{\"expression\": {\"type\": \"string\", \"pattern\": \"[$][A-Za-z_{]\", \"description\": \"$var or ${2 * var}\"},"
        "\"name\": {\"type\": [\"string\", \"integer\"], \"description\": \"a node, node.port or a parameter\"},"
        "\"names\": {\"anyOf\": [{\"$ref\": \"#/definitions/name\"}, {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/name\"}}]},"
        "\"some\": {\"allOf\": [{\"$ref\": \"#/definitions/names\"}], \"minItems\": 1},"
        "\"values\": {\"type\": \"object\", \"additionalProperties\": {\"$ref\": \"#/definitions/name\"}},"
        "\"parameter\": {\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9_]+[.][A-Za-z0-9_.]+$\", \"description\": \"a parameter of another node, shared\"},"
        "\"flag\": {\"anyOf\": [{\"type\": \"boolean\"}, {\"$ref\": \"#/definitions/expression\"}]},"
        "\"condition\": {\"anyOf\": [{\"type\": \"boolean\"}, {\"$ref\": \"#/definitions/expression\"}], \"description\": \"where it is false there is no such node\"},"
        "\"count\": {\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"$ref\": \"#/definitions/expression\"}]},"
        "\"number\": {\"anyOf\": [{\"type\": \"number\"}, {\"$ref\": \"#/definitions/expression\"}]},"
        "\"text\": {\"type\": [\"string\", \"number\", \"boolean\"]},"
        "\"texts\": {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/text\"}},"
        "\"tensor\": {\"anyOf\": [{\"type\": [\"number\", \"boolean\"]}, {\"$ref\": \"#/definitions/expression\"}, {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/tensor\"}}]},"
        "\"length\": {\"type\": [\"integer\", \"string\"], \"minimum\": -1, \"description\": \"a number, or the name of an axis\"},"
        "\"shape\": {\"anyOf\": [{\"$ref\": \"#/definitions/length\"}, {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/length\"}, \"maxItems\": 8}]},"
        "\"nodes\": {\"type\": \"object\", \"propertyNames\": {\"pattern\": \"^[A-Za-z0-9_]+$\"}, \"additionalProperties\": {\"$ref\": \"#/definitions/node\"}},"
        "\"size\": {\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1}, {\"$ref\": \"#/definitions/expression\"}]},"
        "\"carry\": {\"type\": \"object\", \"required\": [\"next\"], \"additionalProperties\": false, \"properties\":"
        " {\"init\": {\"type\": \"string\", \"description\": \"zeros, or a value outside of the loop\"},"
        "  \"size\": {\"anyOf\": [{\"$ref\": \"#/definitions/size\"}, {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/size\"}}]},"
        "  \"next\": {\"$ref\": \"#/definitions/name\"}},"
        " \"if\": {\"properties\": {\"init\": {\"const\": \"zeros\"}}}, \"then\": {\"required\": [\"size\"]}, \"else\": {\"not\": {\"required\": [\"size\"]}}},"
        "\"carries\": {\"type\": \"object\", \"additionalProperties\": {\"$ref\": \"#/definitions/carry\"}},"
        "\"range\": {\"type\": \"array\", \"minItems\": 2, \"maxItems\": 2, \"items\": {\"type\": [\"number\", \"null\"]}},"
        "\"split\": {\"type\": \"object\", \"minProperties\": 1, \"description\": \"parts of 1, or counts\", \"additionalProperties\":"
        " {\"anyOf\": [{\"type\": \"number\", \"exclusiveMinimum\": 0}, {\"$ref\": \"#/definitions/expression\"}]}},"
        "\"block\": {\"type\": \"object\", \"required\": [\"graph\", \"out\"], \"additionalProperties\": false, \"properties\":"
        " {\"doc\": {\"type\": \"string\"}, \"formula\": {\"type\": \"string\"}, \"reference\": {\"type\": \"string\"}, \"example\": {\"type\": \"string\"}, \"docs\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}},"
        "  \"in\": {\"$ref\": \"#/definitions/names\"}, \"vars\": {\"type\": \"object\", \"description\": \"attributes and their defaults; ~ must be given\"},"
        "  \"ranges\": {\"type\": \"object\", \"description\": \"the least and the most of a var: [0, 1], or [0, ~]\", \"additionalProperties\": {\"$ref\": \"#/definitions/range\"}},"
        "  \"carry\": {\"type\": \"object\"}, \"graph\": {\"$ref\": \"#/definitions/nodes\"}, \"out\": {\"$ref\": \"#/definitions/values\"}}}}";
    json_error_t e;
    json_t *fixed = json_loads(text, 0, &e);
    if (!fixed || json_object_update(s->definitions, fixed)) s->failed = true;
    json_decref(fixed);
}

/* ---- nodes ---- */

static bool is_optimiser(const gr_op *op) { return gr_op_input(op, "param") == 0 && gr_op_input(op, "grad") == 1; }
static bool is_node(const gr_op *op)
{
    return !(op->traits & GR_METRIC) && !is_optimiser(op) && strcmp(gr_op_kind(op), "internal") != 0;
}

/* {"type": "object", "required": ["op"], "properties": {"op": ...}, "allOf": cases}; exact: no other op is
 * known elsewhere. */
static json_t *choice_of_ops(schema *s, json_t *names, json_t *cases, bool exact)
{
    json_t *any = json_pack("{s:s, s:s}", "type", "string", "pattern", "^[A-Za-z0-9_]+$|[$]"), *op; /* a block's name, or an expression */
    if (exact) json_decref(any), op = gr_schema_either(json_pack("{s:o}", "enum", names), gr_schema_ref("expression"), &s->failed);
    else op = gr_schema_either(json_pack("{s:o}", "enum", names), any, &s->failed);
    json_t *made = json_pack("{s:s, s:[s], s:{s:o}}", "type", "object", "required", "op", "properties", "op", op);
    gr_schema_set(made, "allOf", cases, &s->failed);
    return made;
}

static void add_case(schema *s, json_t *cases, const char *name, json_t *value)
{
    gr_schema_set(cases, NULL, gr_schema_case(json_pack("[s]", name), value, &s->failed), &s->failed);
}

/* `Uniform`, or {op: Uniform, low: -1, high: 1}. */
static void define_initialiser(schema *s)
{
    json_t *names = json_array(), *cases = json_array();
    const char *const *arg, *name;
    for (int i = 0; (name = gr_init_name(i, &arg)); i++) {
        json_t *p = json_pack("{s:{}}", "op");
        for (; *arg; arg++) gr_schema_set(p, *arg, gr_schema_ref("number"), &s->failed);
        gr_schema_set(names, NULL, json_string(name), &s->failed);
        add_case(s, cases, name, json_pack("{s:o, s:b}", "properties", p, "additionalProperties", 0));
    }
    json_t *text = json_pack("{s:s, s:o}", "type", "string", "anyOf", json_array());
    gr_schema_set(json_object_get(text, "anyOf"), NULL, json_pack("{s:O}", "enum", names), &s->failed);
    gr_schema_set(json_object_get(text, "anyOf"), NULL, json_pack("{s:s}", "pattern", "[ $]"), &s->failed); /* "Uniform low=-1", an expression */
    define(s, "initialiser", gr_schema_either(text, choice_of_ops(s, names, cases, true), &s->failed));
}

static json_t *node_names(schema *s)
{
    json_t *names = json_array();
    for (int i = 0; i < gr_registry_count(s->registry); i++)
        if (is_node(gr_registry_at(s->registry, i)))
            gr_schema_set(names, NULL, json_string(gr_registry_at(s->registry, i)->name), &s->failed);
    return names;
}

static void define_nodes(schema *s)
{
    json_t *cases = json_array();
    char name[160];
    for (int i = 0; i < gr_registry_count(s->registry); i++) {
        const gr_op *op = gr_registry_at(s->registry, i);
        if (!is_node(op)) continue;
        snprintf(name, sizeof name, "op_%s", op->name);
        bool scan = op->role == GR_ROLE_SCAN;
        define(s, name, scan ? gr_schema_scan(op, &s->failed) : gr_schema_op(s->registry, op, &s->failed));
        add_case(s, cases, op->name, gr_schema_ref(name));
    }
    define(s, "node", choice_of_ops(s, node_names(s), cases, false));
}

/* ---- data ---- */

static json_t *source_of(schema *s, const gr_source *d)
{
    json_t *p = json_pack("{s:{s:s}}", "op", "type", "string"), *required = json_array();
    for (int i = 0; d->keys && d->keys[i]; i++) gr_schema_set(p, d->keys[i], strcmp(d->keys[i], "split") == 0 ? gr_schema_ref("split") : json_true(), &s->failed);
    gr_schema_attrs(p, required, d->attrs, false, &s->failed);
    json_t *made = json_pack("{s:s, s:o, s:b}", "description", d->summary, "properties", p, "additionalProperties", 0);
    gr_schema_set(made, "required", required, &s->failed);
    return made;
}

static json_t *source_names(schema *s)
{
    json_t *names = json_array();
    for (int i = 0; i < gr_registry_count_sources(s->registry); i++)
        gr_schema_set(names, NULL, json_string(gr_registry_source_at(s->registry, i)->name), &s->failed);
    return names;
}

static void define_data(schema *s)
{
    json_t *cases = json_array();
    for (int i = 0; i < gr_registry_count_sources(s->registry); i++) {
        const gr_source *d = gr_registry_source_at(s->registry, i);
        add_case(s, cases, d->name, source_of(s, d));
    }
    define(s, "data", choice_of_ops(s, source_names(s), cases, false));
}

/* ---- train ---- */

/* What lr and its other names may be hangs on the optimiser: rate_of. */
static json_t *schedule_of(schema *s, const gr_lr_schedule *d)
{
    static const gr_attr_spec any_rate = {"lr", GR_ATTR_FLOAT, "~", 0, 0, NULL, "The rate."};
    json_t *p = d ? json_pack("{s:{s:s}}", "op", "type", "string") : json_object(), *required = json_array();
    gr_schema_attrs(p, required, gr_lr_schedule_specs(s->arena, d, &any_rate), false, &s->failed);
    json_t *made = json_pack("{s:s, s:s, s:o, s:b}", "type", "object", "description", d ? d->summary : "a rate with a warm-up", "properties", p,
                             "additionalProperties", 0);
    gr_schema_set(made, "required", required, &s->failed);
    return made;
}

/* A schedule by `op`, or a number with a warm-up. */
static void define_schedule(schema *s)
{
    json_t *cases = json_array(), *names = json_array();
    for (const gr_lr_schedule *d = gr_lr_schedules; d->name; d++) {
        gr_schema_set(names, NULL, json_string(d->name), &s->failed);
        add_case(s, cases, d->name, schedule_of(s, d));
    }
    define(s, "schedule", json_pack("{s:s, s:{s:[s]}, s:o, s:o}", "type", "object", "if", "required", "op", "then",
                                    choice_of_ops(s, names, cases, true), "else", schedule_of(s, NULL)));
}

/* A number of the optimiser's own range, or a schedule with such numbers. */
static json_t *rate_of(schema *s, const gr_attr_spec *lr)
{
    json_t *own = json_object(), *made = gr_schema_attr(lr, false, &s->failed);
    gr_schema_set(own, "lr", gr_schema_attr(lr, false, &s->failed), &s->failed);
    for (const gr_lr_schedule *d = gr_lr_schedules; d->name; d++)
        if (d->lr_alias) gr_schema_set(own, d->lr_alias, gr_schema_attr(lr, false, &s->failed), &s->failed);
    gr_schema_set(json_object_get(made, "anyOf"), NULL, json_pack("{s:[o], s:o}", "allOf", gr_schema_ref("schedule"), "properties", own), &s->failed);
    return made;
}

/* The optimiser's attributes, the rate among them. */
static json_t *optimiser_keys(schema *s, const gr_op *op, json_t *required)
{
    const int lr = gr_op_attr(op, "lr");
    json_t *p = json_object();
    gr_schema_attrs(p, required, op->attrs, false, &s->failed);
    if (lr >= 0) gr_schema_set(p, "lr", rate_of(s, &op->attrs[lr]), &s->failed);
    gr_schema_set(p, "warmup", gr_schema_ref("count"), &s->failed);
    return p;
}

/* Parameters that are trained alike, or not at all. */
static json_t *group_of(schema *s, const gr_op *op)
{
    json_t *p = optimiser_keys(s, op, NULL);
    gr_schema_set(p, "params", gr_schema_ref("some"), &s->failed);
    gr_schema_set(p, "frozen", gr_schema_ref("flag"), &s->failed);
    json_t *made = json_pack("{s:s, s:[s], s:o, s:b}", "type", "object", "required", "params", "properties", p, "additionalProperties", 0);
    gr_schema_set(made, "if", json_pack("{s:{s:{s:b}}, s:[s]}", "properties", "frozen", "const", 1, "required", "frozen"), &s->failed);
    gr_schema_set(made, "then", json_pack("{s:{s:[s,s]}}", "propertyNames", "enum", "params", "frozen"), &s->failed);
    return made;
}

static json_t *optimiser_of(schema *s, const gr_op *op)
{
    json_t *required = json_array(), *p = optimiser_keys(s, op, required);
    gr_schema_set(p, "op", json_pack("{s:s}", "type", "string"), &s->failed);
    gr_schema_set(p, "groups", json_pack("{s:s, s:o}", "type", "array", "items", group_of(s, op)), &s->failed);
    json_t *made = json_pack("{s:s, s:o, s:b}", "description", op->summary, "properties", p, "additionalProperties", 0);
    gr_schema_set(made, "required", required, &s->failed);
    return made;
}

static void extend(schema *s, json_t *list, json_t *more)
{
    if (json_array_extend(list, more)) s->failed = true;
    json_decref(more);
}

static void define_optimiser(schema *s)
{
    json_t *cases = json_array(), *names = json_array();
    for (int i = 0; i < gr_registry_count(s->registry); i++) {
        const gr_op *op = gr_registry_at(s->registry, i);
        if (!is_optimiser(op)) continue;
        extend(s, names, gr_schema_spellings(op->name, &s->failed));
        gr_schema_set(cases, NULL, gr_schema_case(gr_schema_spellings(op->name, &s->failed), optimiser_of(s, op), &s->failed), &s->failed);
    }
    json_t *name = json_pack("{s:O}", "enum", names);
    define(s, "optimizer", gr_schema_either(name, choice_of_ops(s, names, cases, true), &s->failed));
}

/* Keys that take a number each; nothing (~) is none. */
static void set_numbers(schema *s, json_t *p, const gr_attr_spec *list)
{
    for (; list->name; list++) {
        gr_attr_spec given = *list;
        if (strcmp(given.fallback, "~") == 0) given.fallback = NULL;
        gr_schema_set(p, given.name, gr_schema_attr(&given, false, &s->failed), &s->failed);
    }
}

/* As read_clip (train/recipe_optimizer.c) takes them. */
static void set_clips(schema *s, json_t *p)
{
    static const char *const keys[] = {"clip_grad_value", "clip_grad_norm"};
    for (int i = 0; i < 2; i++)
        gr_schema_set(p, keys[i], json_pack("{s:[{s:s, s:i}, o], s:s}", "anyOf", "type", "number", "exclusiveMinimum", 0, gr_schema_ref("expression"),
                                            "description", i ? "bound of the gradients' joint norm" : "bound of each element of the gradients"), &s->failed);
}

/* One value, or a map of more. */
static json_t *watched(schema *s, json_t *one, const gr_attr_spec *specs, const char *doc)
{
    json_t *p = json_object(), *required = json_array();
    gr_schema_attrs(p, required, specs, false, &s->failed);
    json_t *map = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", p, "required", required, "additionalProperties", 0);
    return json_pack("{s:[o, o, o], s:s}", "anyOf", one, gr_schema_ref("expression"), map, "description", doc);
}

static void define_train(schema *s)
{
    json_t *p = json_object();
    gr_schema_set(p, "minimize", json_pack("{s:[o, {s:s, s:o, s:i}], s:s}", "anyOf", gr_schema_ref("some"), "type", "object", "additionalProperties",
                                           gr_schema_ref("number"), "minProperties", 1, "description", "the loss, or losses with their weights"), &s->failed);
    gr_schema_set(p, "optimizer", gr_schema_ref("optimizer"), &s->failed);
    gr_schema_set(p, "carry", json_pack("{s:[o], s:s}", "allOf", gr_schema_ref("names"), "description", "loops whose states go on from batch to batch"),
                  &s->failed);
    gr_schema_set(p, "keep", json_pack("{s:[s,s]}", "enum", "best", "last"), &s->failed);
    gr_schema_set(p, "early_stopping", watched(s, json_pack("{s:s, s:i}", "type", "integer", "minimum", 1), gr_stop_attrs,
                                               "ends training when validations get no better"), &s->failed);
    gr_schema_set(p, "best", watched(s, gr_schema_ref("text"), gr_best_attrs, "keeps the weights that validate best by this metric"), &s->failed);
    set_numbers(s, p, gr_train_counts);
    set_clips(s, p);
    define(s, "train", json_pack("{s:s, s:o, s:b, s:[s,s]}", "type", "object", "properties", p, "additionalProperties", 0, "required", "minimize",
                                 "optimizer"));
}

/* ---- generate ---- */

static void define_generate(schema *s)
{
    static const struct { const char *key, *definition; } keys[] = {
        {"feed", "name"}, {"from", "name"}, {"source", "name"}, {"show", "name"}, {"prompt", "text"}, {"prompts", "texts"}, {"references", "texts"},
        {"start", "text"}, {"stop", "text"}};
    json_t *p = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) gr_schema_set(p, keys[i].key, gr_schema_ref(keys[i].definition), &s->failed);
    set_numbers(s, p, gr_generate_numbers);
    define(s, "generate", json_pack("{s:s, s:[s,s], s:b, s:{s:[s,s]}, s:o}", "type", "object", "required", "feed", "from", "additionalProperties", 0,
                                    "not", "required", "prompt", "prompts", "properties", p));
}

/* ---- metrics ---- */

static json_t *metric_of(schema *s, const gr_op *op)
{
    json_t *made = gr_schema_op(s->registry, op, &s->failed), *p = json_object_get(made, "properties");
    gr_schema_set(p, "as", json_pack("{s:[o], s:s}", "allOf", gr_schema_ref("text"), "description", "what reports call it"), &s->failed);
    gr_schema_set(made, "additionalProperties", json_false(), &s->failed);
    return made;
}

static void define_metrics(schema *s)
{
    json_t *cases = json_array(), *names = json_array();
    for (int i = 0; i < gr_registry_count(s->registry); i++) {
        const gr_op *op = gr_registry_at(s->registry, i);
        if (!(op->traits & GR_METRIC)) continue;
        extend(s, names, gr_schema_spellings(op->name, &s->failed));
        gr_schema_set(cases, NULL, gr_schema_case(gr_schema_spellings(op->name, &s->failed), metric_of(s, op), &s->failed), &s->failed);
    }
    json_t *name = json_pack("{s:O}", "enum", names);
    define(s, "metrics", json_pack("{s:s, s:o}", "type", "array", "items", gr_schema_either(name, choice_of_ops(s, names, cases, true), &s->failed)));
}

/* ---- the whole ---- */

/* A file without blocks and plugins, or one whose own are registered, has no ops but the known ones: in its graph, in
 * the steps of loops, in blocks. */
static void forbid_unknown(schema *s, json_t *root)
{
    json_t *known = gr_schema_either(json_pack("{s:o}", "enum", node_names(s)), gr_schema_ref("expression"), &s->failed);
    json_t *sources = gr_schema_either(json_pack("{s:o}", "enum", source_names(s)), gr_schema_ref("expression"), &s->failed);
    define(s, "known_nodes", json_pack("{s:{s:{s:O, s:o, s:o}}}", "additionalProperties", "properties", "op", known, "cell", known, "step",
                                       gr_schema_ref("known_nodes")));
    json_t *only = json_pack("{s:{s:o, s:{s:{s:o}}, s:{s:{s:{s:o}}}}}", "properties", "graph", gr_schema_ref("known_nodes"), "data", "properties",
                             "op", sources, "blocks", "additionalProperties", "properties", "graph", gr_schema_ref("known_nodes"));
    if (s->whole) {
        gr_schema_set(root, "allOf", json_pack("[o]", only), &s->failed);
        return;
    }
    gr_schema_set(root, "if", json_pack("{s:{s:[{s:[s]}, {s:[s]}]}}", "not", "anyOf", "required", "blocks", "required", "plugins"), &s->failed);
    gr_schema_set(root, "then", only, &s->failed);
}

static json_t *make_root(schema *s)
{
    json_t *p = json_pack("{s:{s:i, s:s}, s:o, s:o, s:{s:s, s:s}, s:o, s:{s:s, s:o}, s:o, s:o, s:o, s:o, s:o}", "graphrun", "const", 1, "description",
                          "the version of the format", "name", gr_schema_ref("text"), "doc", gr_schema_ref("text"), "vars", "type", "object",
                          "description", "names for values, $name elsewhere; --set NAME=VALUE", "plugins", gr_schema_ref("names"), "blocks", "type",
                          "object", "additionalProperties", gr_schema_ref("block"), "data", gr_schema_ref("data"), "graph",
                          gr_schema_ref("nodes"), "train", gr_schema_ref("train"), "metrics", gr_schema_ref("metrics"), "generate",
                          gr_schema_ref("generate"));
    json_t *root = json_pack("{s:s, s:s, s:s, s:o, s:[s], s:b}", "$schema", "http://json-schema.org/draft-07/schema#", "title",
                             "a model of graphrun", "type", "object", "properties", p, "required", "graphrun", "additionalProperties", 0);
    forbid_unknown(s, root);
    gr_schema_set(root, "definitions", json_incref(s->definitions), &s->failed);
    return root;
}

static int write_schema(schema *s, FILE *to)
{
    define_values(s);
    define_initialiser(s);
    define_nodes(s);
    define_data(s);
    define_schedule(s);
    define_optimiser(s);
    define_train(s);
    define_metrics(s);
    define_generate(s);
    json_t *root = make_root(s);
    if (root && !s->failed && json_dumpf(root, to, JSON_INDENT(1)) == 0) fputc('\n', to);
    else if (!ferror(to)) s->failed = true;
    json_decref(root);
    return s->failed ? GR_ENOMEM : 0;
}

int gr_schema_write(const gr_registry *r, bool whole, FILE *to)
{
    schema s = {.registry = r, .whole = whole, .definitions = json_object(), .arena = gr_arena_create()};
    gr_frame frame;
    volatile int status = GR_ENOMEM;
    if (s.definitions && s.arena && gr_try(s.arena, &frame)) {
        status = write_schema(&s, to);
        gr_end_try(s.arena, &frame);
    }
    gr_arena_destroy(s.arena);
    json_decref(s.definitions);
    return status;
}
