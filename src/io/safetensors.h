/* safetensors.h - named tensors in a file, as the safetensors format has it.
 *
 * Eight bytes: length n of the header; n bytes of JSON; the tensors, little-endian. A file
 * is never trusted: offsets, shapes and overlaps are checked before anything is read. */
#ifndef GR_IO_SAFETENSORS_H
#define GR_IO_SAFETENSORS_H

#include "base/diag.h"
#include <graphrun/types.h>

typedef struct gr_named_tensor {
    const char *name;
    gr_dtype dtype;
    int rank;
    int64_t dim[GR_MAX_RANK];
    const void *data; /* dense, row-major */
} gr_named_tensor;

typedef struct gr_tensors {
    int count;
    gr_named_tensor *tensor;
    int num_metadata;           /* __metadata__: strings by name */
    const char **key, **value;
} gr_tensors;

/* Reads a whole file into the arena. F32, F64, I32, BOOL as they are; I64 is checked into
 * int32; F16 and BF16 become float32. 0 or a status with e filled. */
int gr_safetensors_read(gr_arena *a, const char *path, gr_tensors *out, gr_error *e);
/* Writes beside, syncs, renames, syncs the folder: what stood at `path` is lost only when
 * the new file is whole. */
int gr_safetensors_write(const char *path, const gr_tensors *t, gr_error *e);
/* NULL if there is no such name. */
const gr_named_tensor *gr_tensors_find(const gr_tensors *t, const char *name);
const char *gr_tensors_metadata(const gr_tensors *t, const char *key);
#endif
