/* file.c - whole files. */
#include "io/file.h"
#include "io/zip.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- reading all ---- */

static int no_memory(const char *path, gr_error *e)
{
    return gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", path);
}

/* Twice as large, but no larger than a byte more than `most`, which shows that it is too much. */
static char *grow(char *text, size_t length, size_t *room, size_t most)
{
    *room = *room > most / 2 ? most + 1 : *room * 2;
    char *more = gr_allocate(gr_memory_of(text), *room, 0);
    if (more) memcpy(more, text, length);
    gr_free(text);
    return more;
}

/* What a file's bytes come from, unpacked. */
typedef struct stream {
    const gr_memory *memory; /* for what is unpacked */
    const char *path;
    gzFile gz; /* plain files too */
    gr_zip *zip;
} stream;

static int64_t get_some(stream *s, char *to, size_t room, gr_error *e)
{
    const size_t want = room < (1u << 30) ? room : 1u << 30;
    int code;
    if (s->zip) return gr_zip_get(s->zip, to, want, e);
    const int got = gzread(s->gz, to, (unsigned)want);
    if (got >= 0) return got;
    const char *why = gzerror(s->gz, &code);
    const size_t n = strlen(s->path);
    if (strncmp(why, s->path, n) == 0 && why[n] == ':') why += n + 2; /* zlib names the file too */
    return gr_set_error(e, GR_EIO, "%s: %s", s->path, code == Z_ERRNO ? strerror(errno) : why);
}

/* 0 or a status; *text is the caller's to free. */
static int unpack(stream *s, size_t most, char **text, size_t *length, gr_error *e)
{
    size_t room = most < 65536 ? most + 1 : 65536;
    *length = 0;
    *text = gr_allocate(s->memory, room, 0);
    while (*text) {
        const int64_t got = get_some(s, *text + *length, room - *length, e);
        if (got < 0) return GR_EIO;
        if (got == 0) return GR_OK;
        *length += (size_t)got;
        if (*length > most)
            return gr_set_error(e, GR_EINVAL, "%s: holds more than %zu bytes, which is more than is read at once", s->path,
                                most);
        if (*length == room) *text = grow(*text, *length, &room, most);
    }
    return no_memory(s->path, e);
}

static int copy_to_arena(gr_arena *a, const char *path, const char *bytes, size_t length, char **text, gr_error *e)
{
    gr_frame frame;
    if (gr_try(a, &frame)) {
        *text = gr_arena_alloc(a, length + 1);
        memcpy(*text, bytes, length);
        gr_end_try(a, &frame);
        return GR_OK;
    }
    return no_memory(path, e);
}

/* Where "fra.zip/fra.txt" is cut: after the archive. NULL: no part of the path is a regular file. */
static const char *end_of_archive(const char *path)
{
    char archive[PATH_MAX];
    struct stat st;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        const size_t n = (size_t)(slash - path);
        if (n >= sizeof archive) return NULL;
        memcpy(archive, path, n);
        archive[n] = 0;
        if (n && stat(archive, &st) == 0 && S_ISREG(st.st_mode)) return slash;
    }
    return NULL;
}

static int open_zip(stream *s, const char *member, gr_error *e)
{
    char archive[PATH_MAX];
    snprintf(archive, sizeof archive, "%.*s", member ? (int)(member - s->path) : (int)strlen(s->path), s->path);
    if (member && !gr_zip_is_archive(archive))
        return gr_set_error(e, GR_EIO, "%s: '%s' is a file and no zip archive", s->path, archive);
    return gr_zip_open(&s->zip, s->memory, archive, member ? member + 1 : NULL, e);
}

static int open_stream(stream *s, const gr_memory *memory, const char *path, gr_error *e)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    const char *member = there ? NULL : end_of_archive(path);
    *s = (stream){.memory = memory, .path = path};
    if (there && S_ISDIR(st.st_mode)) return gr_set_error(e, GR_EIO, "%s: is a folder, not a file", path);
    if (member || (there && S_ISREG(st.st_mode) && gr_zip_is_archive(path))) return open_zip(s, member, e);
    errno = 0;
    s->gz = gzopen(path, "rbe");
    if (!s->gz) return gr_set_error(e, errno ? GR_EIO : GR_ENOMEM, "%s: %s", path, strerror(errno ? errno : ENOMEM));
    gzbuffer(s->gz, 1 << 17);
    return GR_OK;
}

/* Whether the file was whole, as far as it was read. */
static bool close_stream(stream *s)
{
    gr_zip_close(s->zip);
    return !s->gz || gzclose_r(s->gz) != Z_BUF_ERROR;
}

int gr_file_read(gr_arena *a, const char *path, size_t most, char **text, size_t *length, gr_error *e)
{
    char *bytes = NULL;
    stream s;
    int status = open_stream(&s, gr_arena_memory(a), path, e);
    most = most < SIZE_MAX / 2 ? most : SIZE_MAX / 2;
    if (status == GR_OK) status = unpack(&s, most, &bytes, length, e);
    if (!close_stream(&s) && status == GR_OK)
        status = gr_set_error(e, GR_EINVAL, "%s: ends in the middle of its gzipped contents", path);
    if (status == GR_OK) status = copy_to_arena(a, path, bytes, *length, text, e);
    gr_free(bytes);
    return status;
}

int gr_file_begin(const gr_memory *memory, const char *path, char *bytes, size_t room, size_t *length, gr_error *e)
{
    stream s;
    int64_t got = 1;
    int status = open_stream(&s, memory, path, e);
    *length = 0;
    while (status == GR_OK && got > 0 && *length < room) {
        got = get_some(&s, bytes + *length, room - *length, e);
        if (got < 0) status = GR_EIO;
        else *length += (size_t)got;
    }
    close_stream(&s);
    return status;
}

bool gr_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || end_of_archive(path);
}

/* ---- reading pieces ---- */

int gr_reader_open(gr_reader *r, const char *path, gr_error *e)
{
    struct stat st;
    *r = (gr_reader){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (r->fd < 0 || fstat(r->fd, &st) != 0) {
        const int error = errno;
        gr_reader_close(r);
        return gr_set_error(e, GR_EIO, "%s: %s", path, strerror(error));
    }
    r->size = st.st_size;
    if (S_ISREG(st.st_mode)) return GR_OK;
    gr_reader_close(r);
    return gr_set_error(e, GR_EIO, "%s: is %s, not a file", path, S_ISDIR(st.st_mode) ? "a folder" : "a device or a pipe");
}

int gr_reader_unpack(gr_reader *r, gr_arena *a, const char *path, size_t most, gr_error *e)
{
    struct stat st;
    char *bytes;
    size_t length;
    const bool there = stat(path, &st) == 0;
    if (there ? !S_ISREG(st.st_mode) || !gr_zip_is_archive(path) : !end_of_archive(path)) return gr_reader_open(r, path, e);
    const int status = gr_file_read(a, path, most, &bytes, &length, e);
    if (status == GR_OK) *r = (gr_reader){path, -1, (int64_t)length, bytes};
    return status;
}

int gr_reader_get(gr_reader *r, void *to, int64_t n, int64_t offset, gr_error *e)
{
    if (r->bytes && n > 0) memcpy(to, r->bytes + offset, (size_t)n);
    if (r->bytes) return GR_OK;
    for (int64_t done = 0; done < n;) {
        const ssize_t got = pread(r->fd, (char *)to + done, (size_t)(n - done), offset + done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return gr_set_error(e, GR_EIO, "%s: %s", r->path, strerror(errno));
        if (got == 0) return gr_set_error(e, GR_EIO, "%s: became shorter while it was read", r->path);
        done += got;
    }
    return GR_OK;
}

void gr_reader_close(gr_reader *r)
{
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}

/* ---- writing ---- */

/* A new file in the same folder; its descriptor, or -1 with errno. */
static int create_beside(gr_writer *w)
{
    w->beside = true;
    for (int i = 0; i < 100; i++) {
        snprintf(w->temporary, sizeof w->temporary, "%s.%ld-%d.part", w->path, (long)getpid(), i);
        const int fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

int gr_writer_open(gr_writer *w, const char *path, gr_error *e)
{
    struct stat st;
    int fd = -1;
    const bool exists = stat(path, &st) == 0;
    *w = (gr_writer){.file = NULL};
    if (!(exists && realpath(path, w->path))) snprintf(w->path, sizeof w->path, "%s", path);
    errno = ENAMETOOLONG;
    if (exists && !S_ISREG(st.st_mode)) fd = open(w->path, O_WRONLY | O_CLOEXEC);
    else if (strlen(path) < sizeof w->path) fd = create_beside(w);
    if (fd >= 0 && w->beside && exists) (void)!fchmod(fd, st.st_mode & 07777);
    w->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (w->file) return GR_OK;
    const int error = errno;
    if (fd >= 0) {
        close(fd);
        if (w->beside) unlink(w->temporary);
    }
    return gr_set_error(e, error == ENOMEM ? GR_ENOMEM : GR_EIO, "%s: cannot be written: %s", path, strerror(error));
}

int gr_writer_try(const char *path, gr_error *e)
{
    struct stat st;
    gr_writer w;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return GR_OK;
    return gr_writer_open(&w, path, e) ? GR_EIO : gr_writer_finish(&w, false, e);
}

void gr_writer_put(gr_writer *w, const void *data, size_t bytes)
{
    errno = 0;
    if (!w->error && bytes > 0 && fwrite(data, 1, bytes, w->file) != bytes) w->error = errno ? errno : EIO;
}

/* The rename lasts once the folder is on the disk. Some file systems cannot sync folders. */
static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash) strcpy(folder, ".");
    else snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return 0;
    const int error = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS ? 0 : errno;
    close(fd);
    return error;
}

int gr_writer_finish(gr_writer *w, bool keep, gr_error *e)
{
    const bool beside = w->beside;
    if (fflush(w->file) != 0 && !w->error) w->error = errno;
    if (ferror((FILE *)w->file) && !w->error) w->error = EIO; /* of what was written to the FILE itself */
    if (keep && beside && !w->error && fsync(fileno((FILE *)w->file)) != 0) w->error = errno;
    if (fclose(w->file) != 0 && !w->error) w->error = errno;
    if (keep && beside && !w->error && rename(w->temporary, w->path) != 0) w->error = errno;
    if (beside && (!keep || w->error)) unlink(w->temporary);
    if (keep && beside && !w->error) w->error = sync_folder(w->path);
    const int error = keep ? w->error : 0;
    return error ? gr_set_error(e, GR_EIO, "%s: cannot be written: %s", w->path, strerror(error)) : GR_OK;
}
