/* type.c - comparing, printing and broadcasting types. */
#include "graph/graph.h"

#include <inttypes.h>
#include <string.h>

static const char *const dtype_name[GR_NUM_DTYPES] = {"unknown", "float32", "float64", "int32", "bool", "bfloat16", "float16"};

const char *gr_dtype_name(gr_dtype t) { return dtype_name[t]; }

int64_t gr_type_elements(const gr_type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0 || __builtin_mul_overflow(n, t->dim[i] ? t->dim[i] : 1, &n) || n > GR_MAX_ELEMENTS) return -1;
    return n;
}

gr_type gr_type_stacked(const gr_type *t, int64_t n, const char *axis)
{
    if (t->rank == GR_MAX_RANK) return (gr_type){.dtype = GR_UNKNOWN};
    gr_type r = {.dtype = t->dtype, .rank = t->rank + 1, .dim = {n}, .axis = {axis}};
    for (int i = 0; i < t->rank; i++) r.dim[i + 1] = t->dim[i], r.axis[i + 1] = t->axis[i];
    return r;
}

gr_type gr_type_slice(const gr_type *t)
{
    gr_type r = {.dtype = t->dtype, .rank = t->rank - 1};
    for (int i = 1; i < t->rank; i++) r.dim[i - 1] = t->dim[i], r.axis[i - 1] = t->axis[i];
    return r;
}

void gr_type_take_names(gr_type *t, const gr_type *from)
{
    for (int i = 0; i < t->rank && t->rank == from->rank; i++)
        if (!t->axis[i] && t->dim[i] == from->dim[i]) t->axis[i] = from->axis[i];
}

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
