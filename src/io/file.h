/* file.h - whole files: read with a bound, written so that nothing is lost half-way. */
#ifndef GR_IO_FILE_H
#define GR_IO_FILE_H

#include "base/diag.h"
#include <limits.h>

/* The text of a file, in the arena, with a 0 after its last byte that `length` does not count.
 * A gzipped file is unpacked; "FOLDER/x.zip/member.txt" is a member of an archive, "x.zip" the only
 * one that can be meant (zip.h). More than `most` bytes (unpacked) are an error, so that a small
 * file cannot fill the memory. Reads what is no regular file (a pipe) too. */
int gr_file_read(gr_arena *a, const char *path, size_t most, char **text, size_t *length, gr_error *e);

/* The first bytes of such a file, unpacked in that memory: as many as it has up to `room`. 0 or a status. */
int gr_file_begin(const gr_memory *memory, const char *path, char *bytes, size_t room, size_t *length, gr_error *e);

/* Whether there is such a file, or the archive that it is to be a member of. */
bool gr_file_exists(const char *path);

/* A regular file opened for reading; its size is known before anything is believed. */
typedef struct gr_reader {
    const char *path;
    int fd;             /* -1: it is all in `bytes` */
    int64_t size;
    const char *bytes;
} gr_reader;
int gr_reader_open(gr_reader *r, const char *path, gr_error *e);
/* The same for a member of an archive too, which is unpacked into the arena; of `most` bytes. */
int gr_reader_unpack(gr_reader *r, gr_arena *a, const char *path, size_t most, gr_error *e);
/* Exactly n bytes at offset; the caller has checked that they lie within r->size. */
int gr_reader_get(gr_reader *r, void *to, int64_t n, int64_t offset, gr_error *e);
void gr_reader_close(gr_reader *r);

/* Writes beside `path`; gr_writer_finish syncs, renames over `path` and syncs the folder. After
 * a failure, which gr_writer_finish reports, what stood at `path` is as it was. A path that is
 * no regular file (/dev/stdout) is written directly, a symbolic link is followed. */
typedef struct gr_writer {
    void *file;             /* FILE */
    bool beside;            /* it is written at `temporary` and goes to `path`; else at `path` */
    char path[PATH_MAX], temporary[PATH_MAX + 48];
    int error;              /* errno of the first failure */
} gr_writer;
int gr_writer_open(gr_writer *w, const char *path, gr_error *e);
/* Whether `path` could be written now; leaves it as it is. Pipes and devices are not tried. */
int gr_writer_try(const char *path, gr_error *e);
void gr_writer_put(gr_writer *w, const void *data, size_t bytes);
/* Always to be called after a successful open. keep false: throws the file away. */
int gr_writer_finish(gr_writer *w, bool keep, gr_error *e);
#endif
