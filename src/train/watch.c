/* watch.c - comparing validations and copying weights. */
#include "train/watch.h"
#include "train/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kept {
    const char *name;
    gr_type type;
    void *data;
} kept;

struct gr_watch {
    gr_session *session;
    const gr_watch_spec *spec;
    bool any;             /* something has been seen that is a number */
    double best;          /* of the weights that are kept */
    double mark;          /* what the next must beat by min_delta, for patience */
    int64_t epoch, step;  /* of the best */
    int64_t bad;          /* validations since one was better */
    kept *weight; int num_weights;
};

gr_watch *gr_watch_create(gr_session *s)
{
    gr_watch *w = GR_NEW(s->arena, gr_watch);
    *w = (gr_watch){.session = s, .spec = &s->recipe->watch};
    return w;
}

const char *gr_watch_metric(const gr_watch *w)
{
    return w->spec->metric < 0 ? "loss" : w->session->recipe->metrics[w->spec->metric].label;
}

bool gr_watch_is_over(const gr_watch *w) { return w->spec->patience > 0 && w->bad >= w->spec->patience; }

/* ---- weights ---- */

static void make_room(gr_watch *w, const gr_exec *x)
{
    gr_arena *a = w->session->arena;
    if (w->weight) return;
    w->weight = GR_NEW_ARRAY(a, kept, x->graph->num_states + 1);
    for (int i = 0; i < x->graph->num_states; i++) {
        const gr_state *state = x->graph->states[i];
        const gr_type *t = &state->value->type;
        if (!state->weight) continue;
        void *data = gr_arena_alloc(a, (size_t)gr_numel(t) * gr_dtype_size(t->dtype) + 1);
        w->weight[w->num_weights++] = (kept){gr_arena_strdup(a, state->name), *t, data};
    }
}

static size_t bytes_of(const kept *k) { return (size_t)gr_numel(&k->type) * gr_dtype_size(k->type.dtype); }

static void keep_weights(gr_watch *w, const gr_exec *x)
{
    make_room(w, x);
    for (int i = 0; i < w->num_weights; i++)
        memcpy(w->weight[i].data, gr_session_state(w->session, w->weight[i].name, NULL), bytes_of(&w->weight[i]));
}

bool gr_watch_restore(gr_watch *w)
{
    for (int i = 0; i < w->num_weights; i++)
        memcpy(gr_session_state(w->session, w->weight[i].name, NULL), w->weight[i].data, bytes_of(&w->weight[i]));
    return w->weight != NULL;
}

/* ---- validations ---- */

static bool better(const gr_watch *w, double value, double than, double by)
{
    return w->spec->larger ? value > than + by : value < than - by;
}

void gr_watch_see(gr_watch *w, const gr_exec *x, const gr_meter *valid, int64_t epoch, int64_t step)
{
    double value = w->spec->metric < 0 ? gr_meter_loss(valid) : gr_meter_value(valid, w->session->recipe, w->spec->metric);
    bool number = !isnan(value); /* NaN is better than nothing */
    w->bad++;
    if (number && (!w->any || better(w, value, w->mark, w->spec->min_delta))) {
        w->mark = value;
        w->bad = 0;
    }
    if (!number || (w->any && !better(w, value, w->best, 0))) return;
    w->any = true;
    w->best = value;
    w->epoch = epoch;
    w->step = step;
    if (w->spec->keep) keep_weights(w, x);
}

const char *gr_watch_best_text(const gr_watch *w, gr_arena *a)
{
    if (!w->any) return "no validation gave a number";
    char text[GR_FIGURE];
    return gr_arena_printf(a, "step %lld, epoch %lld, valid %s %s", (long long)w->step, (long long)w->epoch, gr_watch_metric(w),
                           gr_figure(text, w->best));
}

void gr_watch_result(const gr_watch *w, gr_train_result *result)
{
    result->early = gr_watch_is_over(w);
    if (!w->any) return;
    result->best_epoch = w->epoch;
    result->best_step = w->step;
    result->best = w->best;
}

/* ---- checkpoints ---- */

const char *gr_watch_text(const gr_watch *w, gr_arena *a)
{
    return gr_arena_printf(a, "%d %a %a %lld %lld %lld %s", w->any, w->best, w->mark, (long long)w->epoch, (long long)w->step,
                           (long long)w->bad, gr_watch_metric(w));
}

int gr_watch_tensors(const gr_watch *w, gr_arena *a, gr_named_tensor **list)
{
    *list = GR_NEW_ARRAY(a, gr_named_tensor, w->num_weights + 1);
    for (int i = 0; i < w->num_weights; i++) {
        const kept *k = &w->weight[i];
        gr_named_tensor *t = &(*list)[i];
        *t = (gr_named_tensor){.name = gr_arena_printf(a, GR_BEST_PREFIX "%s", k->name), .dtype = k->type.dtype,
                               .rank = k->type.rank, .data = k->data};
        memcpy(t->dim, k->type.dim, sizeof t->dim);
    }
    return w->num_weights;
}

static const gr_named_tensor *loaded_best(gr_watch *w, const gr_exec *x, const gr_state *state)
{
    const char *name = gr_arena_printf(x->session->arena, GR_BEST_PREFIX "%s", state->name);
    const gr_named_tensor *t = gr_tensors_find(&w->session->loaded, name);
    const gr_type *want = &state->value->type;
    bool fits = t && t->dtype == want->dtype && t->rank == want->rank;
    for (int k = 0; fits && k < t->rank; k++) fits = t->dim[k] == want->dim[k];
    return fits ? t : NULL;
}

/* What another metric came to says nothing of this one. */
static bool watches_same(const gr_watch *w, const char *text)
{
    size_t n = strlen(text), m = strlen(gr_watch_metric(w));
    return n > m && text[n - m - 1] == ' ' && strcmp(text + n - m, gr_watch_metric(w)) == 0;
}

int gr_watch_read(gr_watch *w, const gr_exec *x, const char *text, gr_error *e)
{
    char *end;
    if (!watches_same(w, text)) return 0;
    w->any = strtol(text, &end, 10) != 0;
    w->best = strtod(end, &end);
    w->mark = strtod(end, &end);
    w->epoch = strtoll(end, &end, 10);
    w->step = strtoll(end, &end, 10);
    w->bad = strtoll(end, &end, 10);
    if (!w->any || !w->spec->keep) return 0;
    make_room(w, x);
    for (int i = 0, n = 0; i < x->graph->num_states; i++) {
        const gr_state *state = x->graph->states[i];
        if (!state->weight) continue;
        const gr_named_tensor *t = loaded_best(w, x, state);
        if (!t) return gr_set_error(e, GR_EINVAL, "the checkpoint does not hold the best of '%s', or of another shape", state->name);
        memcpy(w->weight[n].data, t->data, bytes_of(&w->weight[n]));
        n++;
    }
    return 0;
}
