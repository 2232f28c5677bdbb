/* failure.c - failures, what leads to them, and option structs of any age. */
#include "library/library.h"
#include "library/version.h"

#include <string.h>

struct gr_failure {
    gr_memory memory; /* of itself: it outlives what failed */
    gr_status status;
    const char *text; /* right behind it */
};

static const gr_failure no_memory = {.status = GR_ENOMEM, .text = "out of memory"};

gr_status gr_failure_status(const gr_failure *f) { return f ? f->status : GR_OK; }
const char *gr_failure_text(const gr_failure *f) { return f ? f->text : ""; }

void gr_failure_free(gr_failure *f)
{
    if (f != &no_memory) gr_free(f);
}

/* A failure that says a, then b. */
static int fail(const gr_memory *m, gr_failure **why, gr_status status, const char *a, const char *b)
{
    if (!why) return status;
    const size_t la = strlen(a), lb = strlen(b);
    gr_failure *f = gr_allocate_alone(m, sizeof *f + la + lb + 1);
    if (f) {
        char *text = (char *)(f + 1);
        memcpy(text, a, la);
        memcpy(text + la, b, lb + 1);
        for (size_t n = la + lb; n > 0 && text[n - 1] == '\n';) text[--n] = 0;
        f->status = status;
        f->text = text;
    }
    *why = f ? f : (gr_failure *)(uintptr_t)&no_memory;
    return status;
}

int gr_refuse(const gr_memory *m, gr_failure **why, gr_status status, const char *fmt, ...)
{
    char text[sizeof((gr_error *)0)->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return fail(m, why, status, text, "");
}

int gr_failed(const gr_memory *m, gr_told *told, const gr_error *e, gr_failure **why)
{
    const int status = fail(m, why, e->status, told && told->errors ? told->errors : "", e->message);
    if (told) gr_told_free(told);
    return status;
}

/* ---- what a caller does wrong ---- */

int gr_lacks(const void *given, const char *function, const char *what, gr_failure **why)
{
    return given ? 0 : gr_refuse(&gr_system_memory, why, GR_EINVAL, "%s: %s is NULL", function, what);
}

int gr_enter(atomic_bool *busy, const gr_memory *m, const char *what, gr_failure **why)
{
    if (!atomic_exchange_explicit(busy, true, memory_order_acquire)) return 0;
    return gr_refuse(m, why, GR_EINVAL, "two threads use this %s at once: it is for one at a time", what);
}

void gr_leave(atomic_bool *busy) { atomic_store_explicit(busy, false, memory_order_release); }

int gr_check_memory(const gr_memory *m, gr_failure **why)
{
    if (!m || (m->allocate && m->release)) return 0;
    return gr_refuse(&gr_system_memory, why, GR_EINVAL, "memory: '%s' is NULL; give both functions, or no gr_memory for malloc",
                     m->allocate ? "release" : "allocate");
}

/* ---- what a session says ---- */

static bool make_room(gr_told *t, size_t bytes)
{
    if (t->length + bytes <= t->room) return true;
    const size_t room = 2 * (t->length + bytes);
    char *more = gr_allocate(t->memory, room, 0);
    if (!more) return false; /* the failure says less */
    if (t->length) memcpy(more, t->errors, t->length);
    gr_free(t->errors);
    t->errors = more;
    t->room = room;
    return true;
}

static void hear(void *data, gr_tone tone, const char *text)
{
    gr_told *t = data;
    const size_t n = strlen(text);
    if (tone == GR_NOTE && t->notify) t->notify(t->notify_data, text);
    if (tone != GR_ERROR || !make_room(t, n + 1)) return;
    memcpy(t->errors + t->length, text, n + 1);
    t->length += n;
}

gr_sink gr_told_sink(gr_told *t) { return (gr_sink){hear, t}; }

void gr_told_free(gr_told *t)
{
    gr_free(t->errors);
    t->errors = NULL;
    t->length = t->room = 0;
}

/* ---- the host's language ---- */

locale_t gr_enter_plain(void) { return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0)); }

void gr_leave_plain(locale_t before)
{
    const locale_t plain = uselocale(before);
    if (plain != before) freelocale(plain); /* else there was no memory for one */
}

/* ---- options ---- */

enum { LARGEST_OPTIONS = 4096 }; /* bytes that any version's struct may come to: more were never set */

int gr_take_options(void *to, size_t known, const void *from, const char *what, const gr_memory *m, gr_failure **why)
{
    size_t size = known;
    memset(to, 0, known);
    if (from) memcpy(&size, from, sizeof size);
    if (size < sizeof size || size > LARGEST_OPTIONS)
        return gr_refuse(m, why, GR_EINVAL, "%s: 'size' is %zu; fill it with sizeof(%s) and the rest with zeros", what, size, what);
    for (size_t i = known; i < size; i++)
        if (((const char *)from)[i])
            return gr_refuse(m, why, GR_EINVAL, "%s: byte %zu is set, but this graphrun, %s, knows %zu bytes of it: the program was compiled "
                             "for a newer one", what, i, gr_version(), known);
    if (from) memcpy(to, from, size < known ? size : known);
    memcpy(to, &known, sizeof known);
    return 0;
}

const char *gr_version(void) { return GR_VERSION; }
