/* fault.c - keeping the first of what kernels found wrong. */
#include "run/fault.h"
#include "graph/graph.h"

#include <stdio.h>

void gr_faults_clear(gr_faults *f)
{
    atomic_store(&f->any, false);
    f->at = NULL;
}

static bool comes_first(const gr_faults *f, const gr_template *at, int64_t row, int64_t place)
{
    if (!f->at || at != f->at) return !f->at || at < f->at;
    return row != f->row ? row < f->row : place < f->place;
}

void gr_faults_add(gr_faults *f, const gr_template *at, int64_t row, int64_t place, const char *fmt, va_list args)
{
    while (atomic_flag_test_and_set(&f->busy)) {}
    if (comes_first(f, at, row, place)) {
        f->at = at;
        f->row = row;
        f->place = place;
        vsnprintf(f->text, sizeof f->text, fmt, args);
    }
    atomic_flag_clear(&f->busy);
    atomic_store(&f->any, true);
}

const char *gr_faults_text(const gr_faults *f, const gr_program *p, char *to, size_t room)
{
    if (!f->at) return NULL;
    const int64_t row = f->at->loop >= 0 ? p->loops[f->at->loop].first_row : 0;
    const int n = snprintf(to, room, "'%s' (%s): %s", f->at->node->name, f->at->node->op->name, f->text);
    if (row > 0 && n >= 0 && (size_t)n < room) snprintf(to + n, room - (size_t)n, " (it counts rows from row %lld on)", (long long)row);
    return to;
}
