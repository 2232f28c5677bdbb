/* diag.h - errors for callers, and diagnostics for the person who wrote a model.
 *
 * A gr_error is one failure: a status and a sentence. A gr_diag collects every
 * mistake of a model file, each at a place, so that one run reports all. */
#ifndef GR_BASE_DIAG_H
#define GR_BASE_DIAG_H

#include "base/arena.h"
#include <stdio.h>

typedef struct gr_error {
    gr_status status;
    char message[1024];
} gr_error;

/* Fills e (may be NULL) and returns `status`, so that `return gr_set_error(...)` reads well. */
GR_PRINTF(3, 4) int gr_set_error(gr_error *e, gr_status status, const char *fmt, ...);

/* The same for what is wrong in a line of a file: GR_EINVAL, "NAME: line LINE: ...". */
GR_PRINTF(4, 5) int gr_set_line_error(gr_error *e, const char *name, int64_t line, const char *fmt, ...);

/* In the else branch of gr_try(a, ...): what it unwound from. Fills e and gives its status. */
int gr_caught(const gr_arena *a, gr_error *e);

typedef enum gr_tone { GR_NOTE, GR_ERROR } gr_tone;

/* Where what a person is to know goes, as a text of whole lines; write NULL: nowhere. The command
 * gives it standard error, the library what its caller asks for. */
typedef struct gr_sink {
    void (*write)(void *data, gr_tone tone, const char *text);
    void *data;
} gr_sink;
void gr_say(const gr_sink *to, gr_tone tone, const char *text);

/* A text that diagnostics point into. */
typedef struct gr_text {
    const char *name; /* as the user gave it */
    const char *text;
    size_t length;
} gr_text;

/* A place; line and column count from 1, source NULL: nowhere. length: of what is
 * underlined, at least 1. */
typedef struct gr_loc {
    const gr_text *source;
    int line, column, length;
} gr_loc;

typedef struct gr_diag gr_diag;
/* Lives in the arena. */
gr_diag *gr_diag_create(gr_arena *a);
/* "file:line:column: error: ...". A message at the same place with the same text is
 * reported once. */
GR_PRINTF(3, 4) void gr_diag_error(gr_diag *d, gr_loc at, const char *fmt, ...);
void gr_diag_verror(gr_diag *d, gr_loc at, const char *fmt, va_list args);
/* A second place that explains the last error ("note: ..."). */
GR_PRINTF(3, 4) void gr_diag_note(gr_diag *d, gr_loc at, const char *fmt, ...);
/* A note about the last error that needs no place, and is told once however many errors it is about. */
void gr_diag_hint(gr_diag *d, const char *text);
int gr_diag_count(const gr_diag *d); /* of errors */
void gr_diag_clear(gr_diag *d); /* forgets them */
/* Sorted by place, each with its source line and a caret. */
void gr_diag_print(const gr_diag *d, FILE *to);
/* The same for a sink; each error with its notes is one text. */
void gr_diag_tell(const gr_diag *d, const gr_sink *to);
/* The i-th error in the order of print, for tests. */
const char *gr_diag_message(const gr_diag *d, int i, gr_loc *at);

/* The name nearest to `name` by edit distance, whatever the case, else one that it begins or that begins
 * it; NULL if none is near enough. names is NULL-ended. */
const char *gr_nearest(const char *name, const char *const *names);
/* "; did you mean 'x'?", or "; there are: a, b, c" where none is near; "" where there are none. */
const char *gr_suggest(gr_arena *a, const char *name, const char *const *names);
/* The same where the names are graphrun's own, of ops, attributes or keys: what PyTorch or Keras call otherwise is known,
 * and of some things gr_suggest_term says what to do as there is nothing like them. */
const char *gr_nearest_term(const char *name, const char *const *names);
const char *gr_suggest_term(gr_arena *a, const char *name, const char *const *names);
#endif
