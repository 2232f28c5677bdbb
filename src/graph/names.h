/* names.h - ops and data sources by their names as a model file writes them. */
#ifndef GR_GRAPH_NAMES_H
#define GR_GRAPH_NAMES_H

#include "graph/graph.h"

/* Whether names are the same without case and underscores: "bits_per_char" is BitsPerChar. */
bool gr_same_name(const char *a, const char *b);
/* That of exactly this name, else one of the same name. NULL: there is none. */
const gr_op *gr_op_named(const gr_registry *r, const char *name);
const gr_source *gr_source_named(const gr_registry *r, const char *name);
/* Whether a plugin was asked for that could not be loaded: a name that nothing has may be its. */
bool gr_registry_lacks_plugin(const gr_registry *r);
#endif
