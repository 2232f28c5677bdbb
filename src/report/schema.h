/* schema.h - the JSON Schema (draft 7) of model files, made from the registry, by which editors complete
 * and check them. */
#ifndef GR_REPORT_SCHEMA_H
#define GR_REPORT_SCHEMA_H

#include "graph/graph.h"

/* 0, or GR_ENOMEM. A write error shows in ferror(to). */
int gr_schema_write(const gr_registry *r, FILE *to);
#endif
