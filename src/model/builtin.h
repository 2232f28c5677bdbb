/* builtin.h - the blocks in ops/ *.yaml, as texts compiled into the library. */
#ifndef GR_MODEL_BUILTIN_H
#define GR_MODEL_BUILTIN_H

#include <stddef.h>

typedef struct gr_builtin_file {
    const char *name; /* "ops/lstm_cell.yaml", for messages */
    const char *text;
    size_t length;
} gr_builtin_file;

extern const gr_builtin_file gr_builtin_files[]; /* ends with name NULL */
#endif
