/* axis.c - the lengths of named axes.
 *
 * A length comes from a var of the axis's name or from what is fed; the two must agree,
 * unless a shorter batch is fed on purpose (gr_model_feed_axis). */
#include "model/internal.h"

#include <string.h>

gr_axis *gr_axis_find(gr_model *m, const char *name)
{
    for (int i = 0; i < m->num_axes; i++)
        if (!strcmp(m->axes[i]->name, name)) return m->axes[i];
    gr_axis *axis = GR_NEW(m->arena, gr_axis);
    *axis = (gr_axis){.name = gr_arena_strdup(m->arena, name), .length = -1, .fed = -1};
    *GR_PUSH(m->arena, m->axes, m->num_axes, m->cap_axes) = axis;
    return axis;
}

/* The var that gives an axis its length: the innermost, else the file's. */
static gr_binding *axis_var(gr_model *m, gr_scope *s, const char *name)
{
    gr_binding *b = gr_scope_find(s, name);
    return b ? b : gr_scope_find(m->scope, name);
}

int64_t gr_axis_length(gr_model *m, gr_scope *s, const char *name, gr_loc at)
{
    gr_axis *axis = gr_axis_find(m, name);
    gr_binding *b = axis_var(m, s, name);
    gr_var v = {0};
    if (b && gr_binding_value(m, b, at, &v) < 0) return -1;
    if (b && (v.kind != GR_VAR_INT || v.i < 0)) {
        gr_diag_error(m->diag, b->origin ? b->origin->at : at, "'%s' is %s, and no length of the axis of that name, which is a whole number", name,
                      gr_var_text(m->arena, &v));
        return -1;
    }
    if (axis->fed >= 0) return axis->fed;
    return b ? v.i : axis->length;
}

int gr_model_set_axis(gr_model *m, const char *name, int64_t length)
{
    gr_axis *axis = gr_axis_find(m, name);
    gr_binding *b = gr_scope_find(m->scope, name);
    const gr_doc *data = gr_doc_peek(m->root, "data");
    gr_loc from = data ? data->key_at : m->root->at;
    gr_var v = {0};
    if (b && gr_binding_value(m, b, from, &v) < 0) return -1;
    if (b && v.kind == GR_VAR_INT && v.i != length) {
        gr_diag_error(m->diag, b->origin ? b->origin->at : from, "the axis '%s' is %lld long here, but %lld are fed",
                      name, (long long)v.i, (long long)length);
        if (data) gr_diag_note(m->diag, from, "by the data source");
        return -1;
    }
    if (axis->length >= 0 && axis->length != length) {
        gr_diag_error(m->diag, from, "the axis '%s' is fed with two lengths, %lld and %lld; give one of them another name",
                      name, (long long)axis->length, (long long)length);
        return -1;
    }
    axis->length = length;
    axis->at = from;
    return 0;
}

void gr_model_feed_axis(gr_model *m, const char *name, int64_t length) { gr_axis_find(m, name)->fed = length; }
