/* map.h - strings to pointers, in an arena. Keys are kept by pointer, not copied. */
#ifndef GR_BASE_MAP_H
#define GR_BASE_MAP_H

#include "base/arena.h"

typedef struct gr_map gr_map;
gr_map *gr_map_create(gr_arena *a);
void gr_map_set(gr_map *m, const char *key, void *value);
void *gr_map_get(const gr_map *m, const char *key); /* NULL: absent */
uint64_t gr_hash(const char *s);                    /* FNV-1a */
#endif
