/* schema.h - the JSON Schema (draft 7) of model files, made from the registry, by which editors complete
 * and check them. */
#ifndef GR_REPORT_SCHEMA_H
#define GR_REPORT_SCHEMA_H

#include "graph/graph.h"

/* whole: for files that have no blocks and plugins but those in r, so that no other op is right. 0, or GR_ENOMEM. A write
 * error shows in ferror(to). */
int gr_schema_write(const gr_registry *r, bool whole, FILE *to);
#endif
