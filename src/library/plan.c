/* plan.c - the programs that the streams of a network share, by what they compute and how long axes are. */
#include "library/library.h"

#include <string.h>

/* ---- axes ---- */

static bool has_axis(const gr_session *s, const char *axis)
{
    for (int i = 0; i < s->num_inputs; i++)
        for (int k = 0; k < s->inputs[i].rank; k++)
            if (s->inputs[i].axis[k] && strcmp(s->inputs[i].axis[k], axis) == 0) return true;
    return false;
}

static int check_axis(const gr_session *s, const char *axis, int64_t length, gr_error *e)
{
    const char *list = "";
    if (!axis) return gr_set_error(e, GR_EINVAL, "the name of an axis is NULL");
    if (length < 1) return gr_set_error(e, GR_EINVAL, "the axis '%s' cannot be %lld long", axis, (long long)length);
    if (has_axis(s, axis)) return 0;
    for (int i = 0; i < s->num_inputs; i++)
        for (int k = 0; k < s->inputs[i].rank; k++)
            if (s->inputs[i].axis[k] && !strstr(list, s->inputs[i].axis[k]))
                list = gr_arena_printf(s->arena, "%s%s%s", list, *list ? ", " : "", s->inputs[i].axis[k]);
    return gr_set_error(e, GR_EINVAL, "no Input has an axis '%s'; there are: %s", axis, *list ? list : "none with a name");
}

int gr_check_axes(const gr_session *s, const gr_axis_size *axes, int n, gr_error *e)
{
    if (n < 0 || n >= GR_MAX_PIECE_AXES || (n > 0 && !axes))
        return gr_set_error(e, GR_EINVAL, "num_axes is %d; it is from 0 to %d, with as many axes", n, GR_MAX_PIECE_AXES - 1);
    for (int i = 0; i < n; i++) {
        if (check_axis(s, axes[i].axis, axes[i].length, e)) return e->status;
        for (int k = 0; k < i; k++)
            if (strcmp(axes[i].axis, axes[k].axis) == 0)
                return gr_set_error(e, GR_EINVAL, "the length of axis '%s' is given twice, as %lld and as %lld: give it once", axes[i].axis,
                                    (long long)axes[k].length, (long long)axes[i].length);
    }
    return 0;
}

/* -1: it is not there. */
static int64_t length_of(const gr_axis_size *axes, int n, const char *axis)
{
    for (int i = 0; i < n; i++)
        if (strcmp(axes[i].axis, axis) == 0) return axes[i].length;
    return -1;
}

static bool lacks_along(const gr_kind *k, const gr_axis_size *given, int n) { return k->along && length_of(given, n, k->along) < 0; }

/* ---- kinds ---- */

static int64_t usual_room(const gr_session *s, const char *along)
{
    const gr_var v = gr_model_var(s->model, along);
    return v.kind == GR_VAR_INT && v.i > 0 && v.i <= INT32_MAX ? v.i : GR_USUAL_ROOM;
}

int gr_kind_of(const gr_network *n, const gr_stream_options *o, gr_kind *k, gr_error *e)
{
    if (o->along && check_axis(n->session, o->along, 1, e)) return e->status;
    if (o->results && !o->results[0])
        return gr_set_error(e, GR_EINVAL, "'results' names no value; leave it NULL for those that the model ends in");
    if (o->room < 0 || o->room > INT32_MAX || (o->room && !o->along))
        return gr_set_error(e, GR_EINVAL, "'room' is %lld; it is a number of steps, and 0 without 'along'", (long long)o->room);
    *k = (gr_kind){.along = o->along, .results = o->results ? o->results : n->results, .room = o->room};
    if (o->along && !o->room) k->room = usual_room(n->session, o->along);
    return 0;
}

static bool same_kind(const gr_kind *a, const gr_kind *b)
{
    int i = 0;
    if (a->room != b->room || !a->along != !b->along || (a->along && strcmp(a->along, b->along) != 0)) return false;
    while (a->results[i] && b->results[i] && strcmp(a->results[i], b->results[i]) == 0) i++;
    return !a->results[i] && !b->results[i];
}

static gr_kind copy_kind(gr_arena *a, const gr_kind *k)
{
    int n = 0;
    while (k->results[n]) n++;
    const char **results = GR_NEW_ARRAY(a, const char *, n + 1);
    for (int i = 0; i < n; i++) results[i] = gr_arena_strdup(a, k->results[i]);
    return (gr_kind){.along = gr_arena_strdup(a, k->along), .results = results, .room = k->room};
}

/* ---- plans ---- */

/* In whichever order the lengths are given. */
static bool is_for(const gr_plan *p, const gr_kind *k, const gr_axis_size *given, int n)
{
    bool same = same_kind(&p->kind, k) && p->num_axes == n + lacks_along(k, given, n);
    if (same && lacks_along(k, given, n)) same = length_of(p->axes, p->num_axes, k->along) == 1;
    for (int i = 0; same && i < n; i++) same = length_of(p->axes, p->num_axes, given[i].axis) == given[i].length;
    return same;
}

static gr_plan *new_plan(gr_arena *a, const gr_kind *k, const gr_axis_size *given, int n)
{
    gr_plan *p = GR_NEW(a, gr_plan);
    gr_axis_size *axes = GR_NEW_ARRAY(a, gr_axis_size, n + 1);
    for (int i = 0; i < n; i++) axes[i] = (gr_axis_size){gr_arena_strdup(a, given[i].axis), given[i].length};
    *p = (gr_plan){.kind = copy_kind(a, k), .axes = axes, .num_axes = n};
    if (lacks_along(k, given, n)) axes[p->num_axes++] = (gr_axis_size){p->kind.along, 1};
    return p;
}

static int compile(gr_session *s, gr_plan *p, gr_error *e)
{
    const gr_want w = {.fetch = p->kind.results, .axes = p->axes, .num_axes = p->num_axes, .frozen = true, .detached = true};
    const gr_piece_spec spec = {.axis = p->kind.along, .step = true, .room = p->kind.room, .strict = true};
    if (!spec.axis) return (p->piece.exec = gr_session_compile(s, &w, e)) ? 0 : e->status;
    if (gr_piece_compile(s, &w, &spec, &p->piece, e)) return e->status;
    const int64_t n = length_of(p->axes, p->num_axes, spec.axis);
    if (p->piece.room && n > p->piece.room)
        return gr_set_error(e, GR_EINVAL, "a piece has %lld steps of '%s', but there is room for %lld: open the stream with a larger 'room', "
                            "or where a table of positions has no more give it more rows", (long long)n, spec.axis, (long long)p->piece.room);
    if (p->piece.begins && !(p->before = gr_before_compile(s, &w, &p->piece, e))) return e->status;
    return 0;
}

const gr_plan *gr_plan_for(gr_network *n, const gr_kind *k, const gr_axis_size *given, int num_given, gr_session_mark *before, gr_error *e)
{
    if (gr_check_axes(n->session, given, num_given, e)) return NULL;
    for (const gr_plan *p = n->plans; p; p = p->next)
        if (is_for(p, k, given, num_given)) return p;
    gr_session_keep(n->session, before);
    gr_plan *p = new_plan(n->session->arena, k, given, num_given);
    if (compile(n->session, p, e)) return NULL;
    p->next = n->plans;
    return n->plans = p;
}
