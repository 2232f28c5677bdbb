/* library.h - what the files behind graphrun.h share; private to src/library. */
#ifndef GR_LIBRARY_LIBRARY_H
#define GR_LIBRARY_LIBRARY_H

#include "train/mark.h"
#include "train/piece.h"
#include "train/session.h"

#include <graphrun/graphrun.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- failures ---- */

/* What a session says: errors are kept for the failure that they lead to, notes passed on. */
typedef struct gr_told {
    const gr_memory *memory;
    char *errors;               /* NULL: none */
    size_t length, room;
    void (*notify)(void *data, const char *text);
    void *notify_data;
} gr_told;

gr_sink gr_told_sink(gr_told *t);
void gr_told_free(gr_told *t);

/* Fills *why (which may be NULL) with a sentence; gives `status`. */
GR_PRINTF(4, 5) int gr_refuse(const gr_memory *m, gr_failure **why, gr_status status, const char *fmt, ...);
/* The same with what was told, which is forgotten then, and e's sentence. told may be NULL. */
int gr_failed(const gr_memory *m, gr_told *told, const gr_error *e, gr_failure **why);

/* Numbers of files and texts have a point, whatever the host's language says: a function that reads any does so between
 * these two, on its thread alone. */
locale_t gr_enter_plain(void);
void gr_leave_plain(locale_t before);

/* ---- what a caller does wrong ---- */

/* GR_EINVAL, "FUNCTION: WHAT is NULL", if it is. */
int gr_lacks(const void *given, const char *function, const char *what, gr_failure **why);
/* Between the two one thread is at work on a stream or a training; another one that comes is told so. */
int gr_enter(atomic_bool *busy, const gr_memory *m, const char *what, gr_failure **why);
void gr_leave(atomic_bool *busy);
int gr_check_memory(const gr_memory *m, gr_failure **why);
/* Names and lengths of axes are possible, and none is there twice. (plan.c) */
int gr_check_axes(const gr_session *s, const gr_axis_size *axes, int n, gr_error *e);

/* ---- options ---- */

/* Copies an option struct, whose first member is its size, to one of `known` bytes; what the caller's lacks is
 * zeros. from NULL: all zeros. */
int gr_take_options(void *to, size_t known, const void *from, const char *what, const gr_memory *m, gr_failure **why);

/* ---- networks ---- */

/* What a stream is for. */
typedef struct gr_kind {
    const char *along;          /* NULL: whole sequences */
    const char *const *results; /* NULL-ended */
    int64_t room;               /* steps whose past is kept, if need be */
} gr_kind;

/* What streams of one kind and of the same lengths run. Once made it does not change. */
typedef struct gr_plan {
    struct gr_plan *next;
    gr_kind kind;
    const gr_axis_size *axes; int num_axes; /* `along` is among them */
    gr_piece piece;             /* its exec is detached */
    gr_exec *before;            /* runs at the beginning; NULL: nothing does */
} gr_plan;

struct gr_network {
    gr_memory own;              /* of all that it and its streams need */
    const gr_memory *memory;    /* own */
    atomic_int users;           /* the caller and its streams; the last one closes */
    pthread_mutex_t lock;       /* of all below, but what does not change after opening, and of asking a stream's store */
    gr_told told;
    gr_session *session;
    const char *const *results; /* NULL-ended: of streams that name none; does not change either */
    gr_plan *plans;
};

void gr_network_leave(gr_network *n);
/* The Input of that name, NULL: none. */
const gr_model_input *gr_network_find_input(const gr_network *n, const char *name);
/* Fills k, whose strings stay those of the options. Under the lock, within gr_try of the session. */
int gr_kind_of(const gr_network *n, const gr_stream_options *o, gr_kind *k, gr_error *e);
/* The plan for those lengths, made when first met: only then memory is taken, after keeping in `before` how the session
 * was. Likewise. */
const gr_plan *gr_plan_for(gr_network *n, const gr_kind *k, const gr_axis_size *axes, int num_axes, gr_session_mark *before, gr_error *e);
#endif
