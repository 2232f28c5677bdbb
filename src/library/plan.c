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

/* The lengths that were asked for, and 1 for `along`; how many, or -1. */
static int take_axes(const gr_session *s, const gr_kind *k, const gr_axis_size *given, int n, gr_axis_size *axes, gr_error *e)
{
    int count = 0;
    bool along = false;
    for (int i = 0; i < n; i++) {
        if (check_axis(s, given[i].axis, given[i].length, e)) return -1;
        axes[count++] = (gr_axis_size){gr_arena_strdup(s->arena, given[i].axis), given[i].length};
        along = along || (k->along && strcmp(given[i].axis, k->along) == 0);
    }
    if (k->along && !along) axes[count++] = (gr_axis_size){k->along, 1};
    return count;
}

/* ---- kinds ---- */

static const char *const *copy_names(gr_arena *a, int n, const char *const *names)
{
    const char **copy = GR_NEW_ARRAY(a, const char *, n + 1);
    for (int i = 0; i < n; i++) copy[i] = gr_arena_strdup(a, names[i]);
    return copy;
}

/* What no node reads. */
static const char *const *open_ends(gr_session *s, gr_error *e)
{
    const gr_want ends = {.assume_axes = true};
    gr_graph *g = gr_session_graph(s, &ends, "expand");
    if (!g) gr_session_tell(s, e);
    return g ? copy_names(s->arena, g->num_results, g->result_names) : NULL;
}

int gr_kind_of(gr_network *n, const gr_stream_options *o, gr_kind *k, gr_error *e)
{
    gr_session *s = n->session;
    int count = 0;
    if (o->along && check_axis(s, o->along, 1, e)) return e->status;
    *k = (gr_kind){.along = gr_arena_strdup(s->arena, o->along)};
    while (o->results && o->results[count]) count++;
    if (o->results && !count)
        return gr_set_error(e, GR_EINVAL, "'results' names no value; leave it NULL for those that the model ends in");
    if (o->results) k->results = copy_names(s->arena, count, o->results);
    else if (s->recipe->generate.from) k->results = copy_names(s->arena, 1, &s->recipe->generate.from);
    else k->results = open_ends(s, e);
    return k->results ? 0 : e->status;
}

/* ---- plans ---- */

static const char *key_of(gr_arena *a, const gr_kind *k, const gr_axis_size *axes, int n)
{
    const char *key = gr_arena_printf(a, "%s|", k->along ? k->along : "");
    for (int i = 0; k->results[i]; i++) key = gr_arena_printf(a, "%s%s,", key, k->results[i]);
    for (int i = 0; i < n; i++) key = gr_arena_printf(a, "%s|%s=%lld", key, axes[i].axis, (long long)axes[i].length);
    return key;
}

static int compile(gr_session *s, const gr_kind *k, const gr_axis_size *axes, int n, gr_plan *p, gr_error *e)
{
    const gr_want w = {.fetch = k->results, .axes = axes, .num_axes = n, .frozen = true, .detached = true};
    const gr_piece_spec spec = {.axis = k->along, .step = true, .strict = true};
    if (!k->along) return (p->piece.exec = gr_session_compile(s, &w, e)) ? 0 : e->status;
    if (gr_piece_compile(s, &w, &spec, &p->piece, e)) return e->status;
    if (p->piece.num_borders && !(p->before = gr_before_compile(s, &w, &p->piece, e))) return e->status;
    return 0;
}

const gr_plan *gr_plan_for(gr_network *n, const gr_kind *k, const gr_axis_size *given, int num_given, gr_error *e)
{
    gr_session *s = n->session;
    gr_axis_size *axes = GR_NEW_ARRAY(s->arena, gr_axis_size, num_given + 1);
    const int num_axes = take_axes(s, k, given, num_given, axes, e);
    if (num_axes < 0) return NULL;
    const char *key = key_of(s->arena, k, axes, num_axes);
    for (const gr_plan *p = n->plans; p; p = p->next)
        if (strcmp(p->key, key) == 0) return p;
    gr_plan *p = GR_NEW(s->arena, gr_plan);
    *p = (gr_plan){.next = n->plans, .key = key};
    return compile(s, k, axes, num_axes, p, e) ? NULL : (n->plans = p);
}
