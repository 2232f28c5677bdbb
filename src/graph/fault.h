/* fault.h - what is wrong with a descriptor, in words that name the field and say what to write.
 *
 * A built-in op or source is looked at when a registry is made, a plugin's when it is loaded. Theirs may have been
 * compiled against other headers, or be wrong in any way that C allows, so every pointer is tried before
 * it is followed, as one behind a list that nothing ends. */
#ifndef GR_GRAPH_FAULT_H
#define GR_GRAPH_FAULT_H

#include "graph/graph.h"

/* NULL: nothing is wrong. Texts live in the arena. */
const char *gr_op_fault(gr_arena *a, const gr_op *op);
const char *gr_source_fault(gr_arena *a, const gr_source *s);

/* The same for a descriptor of a plugin. *whole becomes the descriptor with this graphrun's fields: what an
 * older one does not have is zero. It is set where as much could be read, for its name. */
const char *gr_foreign_op_fault(gr_arena *a, const gr_op *op, const gr_op **whole);
const char *gr_foreign_source_fault(gr_arena *a, const gr_source *s, const gr_source **whole);

/* What is wrong with a file that is to be opened as a shared object; NULL: nothing that would stop the process, and
 * dlopen has the word. */
const char *gr_elf_fault(gr_arena *a, const char *path);

/* Whether so many bytes, or a text, can be read there. */
bool gr_is_readable(const void *p, size_t bytes);
bool gr_is_readable_text(const char *s);

/* ---- what both have ---- */

typedef struct gr_looker {
    gr_arena *arena;
    bool foreign; /* its pointers may point anywhere */
} gr_looker;

GR_PRINTF(2, 3) const char *gr_says(const gr_looker *l, const char *fmt, ...);
bool gr_has_text(const gr_looker *l, const char *s);
bool gr_has_bytes(const gr_looker *l, const void *p, size_t n);
/* A name of letters, digits and _, and a summary; name may be NULL. */
const char *gr_title_fault(const gr_looker *l, const char *name, const char *summary);
/* list: the field's name. */
const char *gr_ports_fault(const gr_looker *l, const char *list, const gr_port *p);
const char *gr_attrs_fault(const gr_looker *l, const gr_attr_spec *s);
/* A list of texts that ends with NULL. */
const char *gr_texts_fault(const gr_looker *l, const char *list, const char *const *text);
/* A descriptor begins with its size and abi. `first`: the size of the first release's, `mine` this graphrun's.
 * *whole becomes a copy of `mine` bytes, or stays NULL. */
const char *gr_size_fault(const gr_looker *l, const void *given, size_t first, size_t mine, const char *header, void **whole);
#endif
