/* schema_part.c - attributes, ports and nodes of ops as JSON Schemas. */
#include "report/schema_part.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* ---- pieces ---- */

void gr_schema_set(json_t *map, const char *key, json_t *value, bool *failed)
{
    int r = key ? json_object_set_new(map, key, value) : json_array_append_new(map, value);
    if (r) *failed = true;
}

json_t *gr_schema_ref(const char *definition)
{
    char path[128];
    snprintf(path, sizeof path, "#/definitions/%s", definition);
    return json_pack("{s:s}", "$ref", path);
}

json_t *gr_schema_either(json_t *a, json_t *b, bool *failed)
{
    json_t *list = json_array(), *made = json_object();
    gr_schema_set(list, NULL, a, failed);
    gr_schema_set(list, NULL, b, failed);
    gr_schema_set(made, "anyOf", list, failed);
    return made;
}

json_t *gr_schema_case(json_t *names, json_t *schema, bool *failed)
{
    json_t *made = json_object();
    gr_schema_set(made, "if", json_pack("{s:{s:{s:o}}, s:[s]}", "properties", "op", "enum", names, "required", "op"), failed);
    gr_schema_set(made, "then", schema, failed);
    return made;
}

json_t *gr_schema_spellings(const char *name, bool *failed)
{
    char snake[128];
    size_t n = 0;
    for (const char *c = name; *c && n + 2 < sizeof snake; c++) {
        if (c > name && isupper((unsigned char)*c) && islower((unsigned char)c[-1])) snake[n++] = '_';
        snake[n++] = (char)tolower((unsigned char)*c);
    }
    snake[n] = 0;
    json_t *list = json_array();
    gr_schema_set(list, NULL, json_string(name), failed);
    gr_schema_set(list, NULL, json_string(snake), failed);
    return list;
}

/* ---- attributes ---- */

/* A word of `choices` as YAML reads it: true and 3 are no texts there. */
static json_t *word(const char *text, size_t n)
{
    char copy[64], *end;
    snprintf(copy, sizeof copy, "%.*s", (int)n, text);
    long number = strtol(copy, &end, 10);
    if (*copy && !*end) return json_integer(number);
    if (strcmp(copy, "true") == 0 || strcmp(copy, "false") == 0) return json_boolean(*copy == 't');
    return json_string(copy);
}

static json_t *words(const char *choices, bool *failed)
{
    json_t *list = json_array();
    for (const char *c = choices; c; c = *c ? c + 1 : NULL) {
        size_t n = strcspn(c, "|");
        gr_schema_set(list, NULL, word(c, n), failed);
        c += n;
        if (!*c) break;
    }
    return json_pack("{s:o}", "enum", list);
}

static void set_range(json_t *to, const gr_attr_spec *s, bool *failed)
{
    if (s->min == 0 && s->max == 0) return;
    if (isfinite(s->min)) gr_schema_set(to, "minimum", json_real(s->min), failed);
    if (isfinite(s->max)) gr_schema_set(to, "maximum", json_real(s->max), failed);
}

static json_t *number_of(const gr_attr_spec *s, const char *type, bool *failed)
{
    json_t *made = json_pack("{s:s}", "type", type);
    set_range(made, s, failed);
    return made;
}

/* A number or a list of them, each perhaps an expression. */
static json_t *list_of(const gr_attr_spec *s, const char *type, bool *failed)
{
    json_t *item = gr_schema_either(number_of(s, type, failed), gr_schema_ref("expression"), failed);
    json_t *list = json_pack("{s:s, s:O}", "type", "array", "items", item);
    return gr_schema_either(item, list, failed);
}

/* Infinity is no number in JSON. */
static json_t *any_number(bool *failed)
{
    return gr_schema_either(json_pack("{s:s}", "type", "number"), json_pack("{s:[s,s,s,s]}", "enum", "inf", "-inf", ".inf", "-.inf"), failed);
}

static json_t *value_of(const gr_attr_spec *s, bool *failed)
{
    switch (s->kind) {
    case GR_ATTR_BOOL: return json_pack("{s:s}", "type", "boolean");
    case GR_ATTR_INT: return number_of(s, "integer", failed);
    case GR_ATTR_FLOAT: return s->min != 0 || s->max != 0 ? number_of(s, "number", failed) : any_number(failed);
    case GR_ATTR_CHOICE: return words(s->choices, failed);
    case GR_ATTR_DTYPE: return words("float32|float64|int32|bool", failed);
    case GR_ATTR_INTS: return list_of(s, "integer", failed);
    case GR_ATTR_FLOATS: return list_of(s, "number", failed);
    case GR_ATTR_SHAPE: return gr_schema_ref("shape");
    case GR_ATTR_TENSOR: return gr_schema_ref("tensor");
    case GR_ATTR_INIT: return gr_schema_ref("initialiser");
    default: return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
    }
}

static json_t *list_default(const gr_attr_spec *s, const gr_attr *v, bool *failed)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < v->n; i++)
        gr_schema_set(list, NULL, s->kind == GR_ATTR_INTS ? json_integer(v->ints[i]) : json_real(v->floats[i]), failed);
    return list;
}

/* NULL: it has none that JSON could hold. */
static json_t *default_of(gr_arena *a, const gr_attr_spec *s, bool *failed)
{
    gr_attr v;
    if (!s->fallback || strcmp(s->fallback, "~") == 0 || gr_attr_parse(a, s, s->fallback, &v, NULL)) return NULL;
    switch (s->kind) {
    case GR_ATTR_BOOL: return json_boolean(v.i);
    case GR_ATTR_INT: return json_integer(v.i);
    case GR_ATTR_FLOAT: return isfinite(v.f) ? json_real(v.f) : NULL;
    case GR_ATTR_CHOICE: return word(v.s, strlen(v.s));
    case GR_ATTR_INTS:
    case GR_ATTR_FLOATS: return list_default(s, &v, failed);
    default: return json_string(s->fallback);
    }
}

/* The same with memory of its own for parsing it. */
static json_t *default_value(const gr_attr_spec *s, bool *failed)
{
    gr_arena *a = gr_arena_create();
    json_t *volatile value = NULL;
    gr_frame frame;
    if (a && gr_try(a, &frame)) {
        value = default_of(a, s, failed);
        gr_end_try(a, &frame);
    } else {
        *failed = true;
    }
    gr_arena_destroy(a);
    return value;
}

json_t *gr_schema_attr(const gr_attr_spec *s, bool tie, bool *failed)
{
    bool any = s->kind == GR_ATTR_STRING && s->choices && strcmp(s->choices, "*") == 0, optional = s->fallback && !strcmp(s->fallback, "~");
    json_t *made = any ? json_object() : gr_schema_either(value_of(s, failed), gr_schema_ref("expression"), failed);
    json_t *forms = json_object_get(made, "anyOf");
    if (forms && optional) gr_schema_set(forms, NULL, json_pack("{s:s}", "type", "null"), failed);
    if (forms && tie && s->kind == GR_ATTR_BOOL) gr_schema_set(forms, NULL, gr_schema_ref("parameter"), failed);
    if (s->doc && *s->doc) gr_schema_set(made, "description", json_string(s->doc), failed);
    json_t *fallback = default_value(s, failed);
    if (fallback) gr_schema_set(made, "default", fallback, failed);
    return made;
}

void gr_schema_attrs(json_t *properties, json_t *required, const gr_attr_spec *list, bool tie, bool *failed)
{
    for (; list && list->name; list++) {
        gr_schema_set(properties, list->name, gr_schema_attr(list, tie, failed), failed);
        if (!list->fallback && required) gr_schema_set(required, NULL, json_string(list->name), failed);
    }
}

/* ---- ports ---- */

static json_t *port_of(const gr_port *p, bool *failed)
{
    json_t *made = gr_schema_ref("names");
    if (p->doc && *p->doc) { /* next to a $ref nothing else counts, in draft 7 */
        json_t *all = json_array(), *with = json_pack("{s:s}", "description", p->doc);
        gr_schema_set(all, NULL, made, failed);
        gr_schema_set(with, "allOf", all, failed);
        return with;
    }
    return made;
}

static void set_ports(json_t *properties, const gr_port *p, bool *failed)
{
    for (; p && p->name; p++) gr_schema_set(properties, p->name, port_of(p, failed), failed);
}

/* `in`: a name, a list in the order of the ports, a map by port. */
static json_t *inputs_of(const gr_op *op, bool open, bool *failed)
{
    json_t *by_port = json_object(), *map = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", by_port, "additionalProperties", open);
    json_t *list = json_pack("{s:s, s:o}", "type", "array", "items", gr_schema_ref("names")), *made;
    bool many = open;
    set_ports(by_port, op->inputs, failed);
    for (const gr_port *p = op->inputs; p && p->name; p++) many = many || (p->flags & GR_PORT_VARIADIC);
    if (!many) gr_schema_set(list, "maxItems", json_integer(gr_op_num_inputs(op)), failed);
    made = json_pack("{s:[o,o,o]}", "anyOf", gr_schema_ref("name"), list, map);
    gr_schema_set(made, "description", json_string("what the node reads: a name, a list, or a map by port"), failed);
    return made;
}

/* ---- nodes ---- */

static json_t *described(const gr_op *op, bool *failed)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s", op->summary, op->formula ? "\n\n" : "", op->formula ? op->formula : "");
    json_t *made = json_pack("{s:s, s:s}", "type", "object", "description", text);
    if (!made) *failed = true;
    return made;
}

static json_t *own_properties(bool *failed)
{
    json_t *p = json_object();
    gr_schema_set(p, "op", json_pack("{s:s}", "type", "string"), failed);
    gr_schema_set(p, "when", gr_schema_ref("condition"), failed);
    gr_schema_set(p, "else", gr_schema_ref("name"), failed);
    return p;
}

json_t *gr_schema_op(const gr_registry *r, const gr_op *op, bool *failed)
{
    const gr_over *over = op->traits & GR_OVER_CELL ? op->data : NULL;
    const gr_op *cell = over && over->cell ? gr_registry_find(r, over->cell) : NULL;
    bool open = over && !cell;
    json_t *made = described(op, failed), *p = own_properties(failed), *required = json_array();
    if (op->inputs && op->inputs->name) {
        gr_schema_set(p, "in", inputs_of(op, open, failed), failed);
        gr_schema_set(p, "repeat", json_pack("{s:[{s:s, s:i}, {s:s}], s:s}", "anyOf", "type", "integer", "minimum", 1, "$ref",
                                             "#/definitions/expression", "description", "a chain of so many copies"), failed);
        gr_schema_set(p, "share", gr_schema_ref("flag"), failed);
    }
    if (cell) gr_schema_attrs(p, NULL, cell->attrs, true, failed);
    if (op->expand && gr_op_attr(op, "weight") < 0) gr_schema_set(p, "weight", gr_schema_ref("name"), failed);
    set_ports(p, op->inputs, failed);
    gr_schema_attrs(p, required, op->attrs, op->expand != NULL, failed);
    gr_schema_set(made, "properties", p, failed);
    gr_schema_set(made, "required", required, failed);
    gr_schema_set(made, "additionalProperties", open ? json_true() : op->expand ? gr_schema_ref("parameter") : json_false(), failed);
    return made;
}

json_t *gr_schema_scan(const gr_op *op, bool *failed)
{
    json_t *made = described(op, failed), *p = own_properties(failed);
    static const struct { const char *key, *definition, *doc; } keys[] = {
        {"in", "values", "sequences: the step gets one slice of each"}, {"with", "values", "what every step sees whole"},
        {"step", "nodes", "the nodes of one step"},                     {"out", "values", "what is stacked over the steps"},
        {"reverse", "flag", "runs from the last step to the first"},    {"lengths", "name", "how many steps each row takes part in"},
        {"carry", "carries", "what a step hands to the next"},
    };
    gr_schema_set(p, "over", json_pack("{s:s, s:s}", "type", "string", "description", "the axis whose steps are taken"), failed);
    gr_schema_set(p, "recompute", gr_schema_ref("count"), failed);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *all = json_array(), *one = json_pack("{s:s}", "description", keys[i].doc);
        gr_schema_set(all, NULL, gr_schema_ref(keys[i].definition), failed);
        gr_schema_set(one, "allOf", all, failed);
        gr_schema_set(p, keys[i].key, one, failed);
    }
    gr_schema_set(made, "properties", p, failed);
    gr_schema_set(made, "required", json_pack("[s,s]", "step", "out"), failed);
    gr_schema_set(made, "additionalProperties", json_false(), failed);
    return made;
}
