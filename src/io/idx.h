/* idx.h - the IDX format of arrays, which MNIST uses.
 *
 *     0 0 type rank, then rank sizes of 4 bytes (big-endian), then the elements (big-endian)
 *     type: 0x08 unsigned byte, 0x09 byte, 0x0b short, 0x0c int, 0x0d float, 0x0e double */
#ifndef GR_IO_IDX_H
#define GR_IO_IDX_H

#include "base/diag.h"
#include "io/element.h"

typedef struct gr_idx {
    gr_stored type;
    int rank;                /* 1 to GR_MAX_RANK */
    int64_t dim[GR_MAX_RANK];
    size_t bytes;            /* of the whole file, by its header */
    const void *data;        /* in the bytes that were read, big-endian, not aligned */
} gr_idx;

enum { GR_IDX_HEAD = 4 + 4 * GR_MAX_RANK }; /* the most bytes before the elements */

/* The header alone, in the first bytes of a file; data stays NULL. */
int gr_idx_head(const char *name, const char *bytes, size_t length, gr_idx *out, gr_error *e);
/* Looks at bytes[0..length), which must live on. Copies nothing. 0 or a status. */
int gr_idx_parse(const char *name, const char *bytes, size_t length, gr_idx *out, gr_error *e);
#endif
