/* doc.h - a YAML file as a tree in which every value knows its place.
 *
 * Read from libyaml's events; duplicate keys, tabs, aliases beyond a bound and depth
 * beyond 64 are diagnosed here. Scalars keep their text; plain ones resolve as YAML
 * 1.2's core schema says. */
#ifndef GR_MODEL_DOC_H
#define GR_MODEL_DOC_H

#include "base/diag.h"

typedef enum gr_doc_kind { GR_DOC_NULL, GR_DOC_SCALAR, GR_DOC_LIST, GR_DOC_MAP } gr_doc_kind;

typedef struct gr_doc gr_doc;
struct gr_doc {
    gr_doc_kind kind;
    gr_loc at;
    const char *key;   /* in a map: this entry's key */
    gr_loc key_at;
    const char *text;  /* scalar: as written, unquoted */
    bool plain;        /* scalar: not quoted, so it may be a number, true, null */
    int count;         /* list, map */
    gr_doc **item;
    bool used;         /* set by readers; what is left false is reported as unknown or unused */
};

/* Reads a whole file (at most 16 MiB). NULL after a diagnostic or an error. */
gr_doc *gr_doc_read_file(gr_arena *a, const char *path, gr_diag *d, gr_error *e);
/* name: for messages. */
gr_doc *gr_doc_read_text(gr_arena *a, const char *name, const char *text, size_t length, gr_diag *d);
/* The entry of a map, marked used; NULL if absent. */
gr_doc *gr_doc_get(gr_doc *map, const char *key);
/* Whether nothing stands behind its key, which has been said. */
static inline bool gr_doc_is_missing(const gr_doc *d) { return d->kind == GR_DOC_NULL && !*d->text; }
/* As YAML 1.2 core: 0 and the value, or -1 if the scalar is not one. */
int gr_doc_int(const gr_doc *d, int64_t *v);
int gr_doc_float(const gr_doc *d, double *v);
int gr_doc_bool(const gr_doc *d, bool *v);
#endif
