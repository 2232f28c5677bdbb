/* schema_part.h - the pieces that schema.c puts together; private to schema*.c.
 *
 * Every function gives a new reference or NULL where memory has run out; Jansson's setters that steal
 * take a NULL as a failure, which gr_schema_set remembers, so that nobody else has to check. */
#ifndef GR_REPORT_SCHEMA_PART_H
#define GR_REPORT_SCHEMA_PART_H

#include "graph/graph.h"

#include <jansson.h>

/* map[key] = value; key NULL: appends to a list. *failed is set if it could not be done. */
void gr_schema_set(json_t *map, const char *key, json_t *value, bool *failed);
json_t *gr_schema_ref(const char *definition); /* {"$ref": "#/definitions/NAME"} */
/* {"anyOf": [a, b]} */
json_t *gr_schema_either(json_t *a, json_t *b, bool *failed);

/* What an attribute may be given: its kind, range, choices, or an expression; doc and default. tie: a
 * parameter's name may stand for a flag. */
json_t *gr_schema_attr(const gr_attr_spec *s, bool tie, bool *failed);
/* Adds all of a list to "properties", those without a default to "required". */
void gr_schema_attrs(json_t *properties, json_t *required, const gr_attr_spec *list, bool tie, bool *failed);
/* A node of that op. */
json_t *gr_schema_op(const gr_registry *r, const gr_op *op, bool *failed);
/* A node of a Scan. */
json_t *gr_schema_scan(const gr_op *op, bool *failed);

/* {"if": {"properties": {"op": {"enum": names}}}, "then": schema}: names are a JSON list. */
json_t *gr_schema_case(json_t *names, json_t *schema, bool *failed);
/* "SequenceAccuracy" and "sequence_accuracy" */
json_t *gr_schema_spellings(const char *name, bool *failed);
#endif
