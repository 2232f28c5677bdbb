/* registry.h - inside the registry, for its own files. */
#ifndef GR_GRAPH_REGISTRY_H
#define GR_GRAPH_REGISTRY_H

#include "base/map.h"
#include "graph/graph.h"

struct gr_registry {
    gr_arena *arena;
    gr_map *by_name;
    const gr_op **ops; int count, cap;
    const gr_source **sources; int num_sources, cap_sources;
    const gr_op *role[GR_ROLE_COUNT];
    void **plugins; int num_plugins, cap_plugins; /* what dlopen gave */
    bool plugin_asked; /* also one that could not be loaded */
    bool plugin_missing;
    const char **plugin_path; int num_paths, cap_paths; /* of these, as dlopen had them */
};

/* Take what was checked. */
void gr_registry_put(gr_registry *r, const gr_op *op);
void gr_registry_put_source(gr_registry *r, const gr_source *s);
#endif
