/* zip.h - a member of a zip archive, read in place. */
#ifndef GR_IO_ZIP_H
#define GR_IO_ZIP_H

#include "base/diag.h"

typedef struct gr_zip gr_zip;

/* Whether the regular file begins as an archive does. */
bool gr_zip_is_archive(const char *path);
/* A member by its name, or by its end ("fra.txt" of "fra-eng/fra.txt") where only one ends so.
 * member NULL: the only one that is no folder and whose path has no name that begins with . or _.
 * A status. */
int gr_zip_open(gr_zip **zip, const gr_memory *m, const char *archive, const char *member, gr_error *e);
/* The names of all members, NULL-ended, in the arena; NULL with e filled. */
const char *const *gr_zip_members(gr_arena *a, const char *archive, gr_error *e);
/* Up to `room` more bytes of it, unpacked. How many; 0 at the end, which is where its checksum is
 * compared; -1 with e filled. */
int64_t gr_zip_get(gr_zip *zip, void *to, size_t room, gr_error *e);
void gr_zip_close(gr_zip *zip); /* NULL is allowed */
#endif
