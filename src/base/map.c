/* map.c - open addressing with linear probing, at most three quarters full. */
#include "base/map.h"

#include <string.h>

typedef struct slot { const char *key; void *value; } slot;

struct gr_map {
    gr_arena *arena;
    slot *slots;
    size_t size, count; /* size: a power of two */
};

uint64_t gr_hash(const char *s)
{
    uint64_t h = 14695981039346656037u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

gr_map *gr_map_create(gr_arena *a)
{
    gr_map *m = GR_NEW(a, gr_map);
    *m = (gr_map){a, GR_NEW_ARRAY(a, slot, 32), 32, 0};
    return m;
}

static slot *find(const gr_map *m, const char *key)
{
    size_t i = gr_hash(key) & (m->size - 1);
    while (m->slots[i].key && strcmp(m->slots[i].key, key) != 0) i = (i + 1) & (m->size - 1);
    return &m->slots[i];
}

static void grow(gr_map *m)
{
    gr_map larger = {m->arena, GR_NEW_ARRAY(m->arena, slot, m->size * 2), m->size * 2, m->count};
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].key) *find(&larger, m->slots[i].key) = m->slots[i];
    *m = larger;
}

void gr_map_set(gr_map *m, const char *key, void *value)
{
    slot *s = find(m, key);
    if (!s->key) {
        if ((m->count + 1) * 4 > m->size * 3) {
            grow(m);
            s = find(m, key);
        }
        s->key = key;
        m->count++;
    }
    s->value = value;
}

void *gr_map_get(const gr_map *m, const char *key) { return find(m, key)->value; }
