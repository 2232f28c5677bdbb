/* compare_lock.c - one comparison at a time goes on in a file of results: of two, each would undo what the other writes.
 *
 * "FILE.lock" is locked (flock) while it lasts and then removed; the lock of a process that is killed ends with it. */
#include "train/compare_work.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_device(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode);
}

/* Whether what is open is still what stands at the path: who held it before has removed it. */
static bool is_there(const char *path, int fd)
{
    struct stat there, open;
    return stat(path, &there) == 0 && fstat(fd, &open) == 0 && there.st_dev == open.st_dev && there.st_ino == open.st_ino;
}

int gr_compare_lock(gr_compare_work *w, gr_error *e)
{
    const char *file = w->options->file;
    if (!file || is_device(file)) return 0;
    w->lock_path = gr_arena_printf(w->arena, "%s.lock", file);
    for (;;) {
        const int fd = open(w->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return gr_set_error(e, GR_EIO, "cannot write %s: %s", w->lock_path, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) { /* a file system that knows no locks has none */
            close(fd);
            return gr_set_error(e, GR_EIO, "another comparison is writing %s: wait for it, or name another file", file);
        }
        if (is_there(w->lock_path, fd)) return w->lock_fd = fd, 0;
        close(fd);
    }
}

void gr_compare_unlock(gr_compare_work *w)
{
    if (w->lock_fd < 0) return;
    unlink(w->lock_path);
    close(w->lock_fd);
}
