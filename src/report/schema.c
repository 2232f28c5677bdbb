/* schema.c - the sections of a model file as a JSON Schema.
 *
 * What an `op` makes of its map is a chain of {"if": op is X, "then": X's own schema}, so that a mistake is
 * reported at its key and not as "none of 150 alternatives". An op that is not known may be a block of the
 * file or of a plugin; where the file has neither, or the schema is made for this very file, it is a mistake. */
#include "report/schema.h"
#include "report/reference.h"
#include "report/schema_part.h"
#include "train/lr_schedule.h"

#include <string.h>

typedef struct schema {
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
        "{\"expression\": {\"type\": \"string\", \"pattern\": \"\\\\$\", \"description\": \"$var or ${2 * var}\"},"
        "\"name\": {\"type\": [\"string\", \"integer\"], \"description\": \"a node, node.port or a parameter\"},"
        "\"names\": {\"anyOf\": [{\"$ref\": \"#/definitions/name\"}, {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/name\"}}]},"
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
        "\"initialiser\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", \"required\": [\"op\"], \"properties\": {\"op\": {\"type\": \"string\"}}, \"additionalProperties\": {\"$ref\": \"#/definitions/number\"}}]},"
        "\"nodes\": {\"type\": \"object\", \"propertyNames\": {\"pattern\": \"^[A-Za-z0-9_]+$\"}, \"additionalProperties\": {\"$ref\": \"#/definitions/node\"}},"
        "\"carries\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"object\", \"required\": [\"next\"], \"additionalProperties\": false, \"properties\":"
        " {\"init\": {\"$ref\": \"#/definitions/name\"}, \"size\": {\"$ref\": \"#/definitions/count\"}, \"next\": {\"$ref\": \"#/definitions/name\"}}}},"
        "\"block\": {\"type\": \"object\", \"required\": [\"graph\", \"out\"], \"additionalProperties\": false, \"properties\":"
        " {\"doc\": {\"type\": \"string\"}, \"formula\": {\"type\": \"string\"}, \"reference\": {\"type\": \"string\"}, \"example\": {\"type\": \"string\"}, \"docs\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}},"
        "  \"in\": {\"$ref\": \"#/definitions/names\"}, \"vars\": {\"type\": \"object\", \"description\": \"attributes and their defaults; ~ must be given\"},"
        "  \"carry\": {\"type\": \"object\"}, \"graph\": {\"$ref\": \"#/definitions/nodes\"}, \"out\": {\"$ref\": \"#/definitions/values\"}}},"
        "\"watch\": {\"anyOf\": [{\"type\": \"string\"}, {\"$ref\": \"#/definitions/count\"}, {\"type\": \"object\", \"additionalProperties\": false, \"properties\":"
        " {\"metric\": {\"type\": \"string\"}, \"patience\": {\"$ref\": \"#/definitions/count\"}, \"min_delta\": {\"$ref\": \"#/definitions/number\"},"
        "  \"mode\": {\"enum\": [\"min\", \"max\"]}}}]},"
        "\"generate\": {\"type\": \"object\", \"required\": [\"feed\", \"from\"], \"additionalProperties\": false, \"properties\":"
        " {\"feed\": {\"$ref\": \"#/definitions/name\"}, \"from\": {\"$ref\": \"#/definitions/name\"}, \"source\": {\"$ref\": \"#/definitions/name\"},"
        "  \"prompt\": {\"$ref\": \"#/definitions/text\"}, \"prompts\": {\"$ref\": \"#/definitions/texts\"}, \"references\": {\"$ref\": \"#/definitions/texts\"},"
        "  \"length\": {\"$ref\": \"#/definitions/count\"}, \"temperature\": {\"$ref\": \"#/definitions/number\"}, \"top_k\": {\"$ref\": \"#/definitions/count\"},"
        "  \"beam\": {\"$ref\": \"#/definitions/count\"}, \"length_penalty\": {\"$ref\": \"#/definitions/number\"}, \"start\": {\"$ref\": \"#/definitions/text\"},"
        "  \"stop\": {\"$ref\": \"#/definitions/text\"}, \"show\": {\"$ref\": \"#/definitions/name\"}}}}";
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
    for (int i = 0; d->keys && d->keys[i]; i++) gr_schema_set(p, d->keys[i], json_true(), &s->failed);
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

static json_t *schedule_of(schema *s, const gr_lr_schedule *d)
{
    json_t *p = json_pack("{s:{s:s}, s:o, s:o, s:{s:[s,s]}}", "op", "type", "string", "lr", gr_schema_ref("number"), "warmup",
                          gr_schema_ref("count"), "by", "enum", "epoch", "step");
    json_t *required = json_array();
    if (d->lr_alias) gr_schema_set(p, d->lr_alias, gr_schema_ref("number"), &s->failed);
    gr_schema_attrs(p, required, d->attrs, false, &s->failed);
    json_t *made = json_pack("{s:s, s:o, s:b}", "description", d->summary, "properties", p, "additionalProperties", 0);
    gr_schema_set(made, "required", required, &s->failed);
    return made;
}

/* A number, a schedule by `op`, or a number with a warm-up. */
static void define_rate(schema *s)
{
    json_t *cases = json_array(), *names = json_array();
    for (const gr_lr_schedule *d = gr_lr_schedules; d->name; d++) {
        gr_schema_set(names, NULL, json_string(d->name), &s->failed);
        add_case(s, cases, d->name, schedule_of(s, d));
    }
    json_t *plain = json_pack("{s:s, s:{s:o, s:o}, s:b}", "type", "object", "properties", "lr", gr_schema_ref("number"), "warmup",
                              gr_schema_ref("count"), "additionalProperties", 0);
    json_t *forms = json_pack("[o, o]", choice_of_ops(s, names, cases, true), plain);
    json_t *map = json_pack("{s:s, s:o, s:o, s:o}", "type", "object", "if", json_pack("{s:[s]}", "required", "op"), "then",
                            json_incref(json_array_get(forms, 0)), "else", json_incref(json_array_get(forms, 1)));
    json_decref(forms);
    define(s, "rate", gr_schema_either(gr_schema_ref("number"), map, &s->failed));
}

static json_t *optimiser_of(schema *s, const gr_op *op)
{
    json_t *p = json_pack("{s:{s:s}}", "op", "type", "string"), *required = json_array();
    gr_schema_attrs(p, required, op->attrs, false, &s->failed);
    gr_schema_set(p, "lr", gr_schema_ref("rate"), &s->failed);
    gr_schema_set(p, "warmup", gr_schema_ref("count"), &s->failed);
    gr_schema_set(p, "groups", json_pack("{s:s, s:{s:s, s:[s]}}", "type", "array", "items", "type", "object", "required", "params"), &s->failed);
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

static void define_train(schema *s)
{
    static const struct { const char *key, *definition, *doc; } keys[] = {
        {"optimizer", "optimizer", "an optimiser, as in {op: Adam, lr: 0.001}"},
        {"clip_grad_value", "number", "bound of each element of the gradients"},
        {"clip_grad_norm", "number", "bound of the gradients' joint norm"},
        {"accumulate", "count", "batches an update"},
        {"epochs", "count", "times through the data; with steps, whichever comes first"},
        {"steps", "count", "training steps in all; with epochs, whichever comes first"},
        {"carry", "names", "loops whose states go on from batch to batch"},
        {"bptt", "count", "cuts a batch into pieces of so many steps"},
        {"early_stopping", "watch", "ends training when validations get no better"},
        {"best", "watch", "keeps the weights that validate best by this metric"},
        {"valid_every", "count", "steps between validations; absent: after each epoch"},
    };
    json_t *p = json_object();
    gr_schema_set(p, "minimize", json_pack("{s:[o, {s:s, s:o}], s:s}", "anyOf", gr_schema_ref("names"), "type", "object", "additionalProperties",
                                           gr_schema_ref("number"), "description", "the loss, or losses with their weights"), &s->failed);
    gr_schema_set(p, "keep", json_pack("{s:[s,s]}", "enum", "best", "last"), &s->failed);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        gr_schema_set(p, keys[i].key, json_pack("{s:s, s:[o]}", "description", keys[i].doc, "allOf", gr_schema_ref(keys[i].definition)), &s->failed);
    define(s, "train", json_pack("{s:s, s:o, s:b, s:[s,s]}", "type", "object", "properties", p, "additionalProperties", 0, "required", "minimize",
                                 "optimizer"));
}

/* ---- metrics ---- */

static json_t *metric_of(schema *s, const gr_op *op)
{
    json_t *made = gr_schema_op(s->registry, op, &s->failed), *p = json_object_get(made, "properties");
    gr_schema_set(p, "as", json_pack("{s:s, s:s}", "type", "string", "description", "what reports call it"), &s->failed);
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

int gr_schema_write(const gr_registry *r, bool whole, FILE *to)
{
    schema s = {.registry = r, .whole = whole, .definitions = json_object()};
    if (!s.definitions) return GR_ENOMEM;
    define_values(&s);
    define_nodes(&s);
    define_data(&s);
    define_rate(&s);
    define_optimiser(&s);
    define_train(&s);
    define_metrics(&s);
    json_t *root = make_root(&s);
    if (root && !s.failed && json_dumpf(root, to, JSON_INDENT(1)) == 0) fputc('\n', to);
    else if (!ferror(to)) s.failed = true;
    json_decref(root);
    json_decref(s.definitions);
    return s.failed ? GR_ENOMEM : 0;
}
