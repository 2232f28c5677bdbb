/* type.c - comparing, printing and broadcasting types. */
#include "graph/graph.h"

#include <inttypes.h>
#include <string.h>

static const char *const dtype_name[GR_NUM_DTYPES] = {"unknown", "float32", "float64", "int32", "bool"};

const char *gr_dtype_name(gr_dtype t) { return dtype_name[t]; }

bool gr_type_equal(const gr_type *a, const gr_type *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *gr_type_text(gr_arena *a, const gr_type *t)
{
    char *text = gr_arena_printf(a, "%s [", dtype_name[t->dtype]);
    for (int i = 0; i < t->rank; i++) {
        const char *axis = t->axis[i];
        text = gr_arena_printf(a, "%s%s%s%s%" PRId64, text, i ? ", " : "", axis ? axis : "", axis ? " " : "",
                               t->dim[i]);
    }
    return gr_arena_printf(a, "%s]", text);
}

int gr_broadcast(const gr_type *a, const gr_type *b, gr_type *out)
{
    gr_type r = {.dtype = gr_is_float(b->dtype) && !gr_is_float(a->dtype) ? b->dtype : a->dtype};
    r.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= r.rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1, db = i <= b->rank ? b->dim[b->rank - i] : 1;
        const char *na = i <= a->rank ? a->axis[a->rank - i] : NULL;
        const char *nb = i <= b->rank ? b->axis[b->rank - i] : NULL;
        if (da != db && da != 1 && db != 1) return -1;
        if (na && nb && da == db && strcmp(na, nb) != 0) return -1;
        r.dim[r.rank - i] = da == 1 ? db : da;
        r.axis[r.rank - i] = da == 1 && db != 1 ? nb : (na ? na : (db == 1 && da != 1 ? NULL : nb));
    }
    *out = r;
    return 0;
}
