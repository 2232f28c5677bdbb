/* path.h - the parts of a file's path. */
#ifndef GR_BASE_PATH_H
#define GR_BASE_PATH_H

#include <stddef.h>
#include <string.h>

/* "models/lstm.yaml": "lstm.yaml". */
static inline const char *gr_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* How many of its bytes stand before its ending: "models/lstm" of that; all of "models/.lstm". */
static inline size_t gr_path_stem(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && dot > gr_path_name(path) ? (size_t)(dot - path) : strlen(path);
}
#endif
