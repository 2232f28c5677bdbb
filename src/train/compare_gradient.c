/* compare_gradient.c - how far the loss's gradient reaches back: its length at each step of a value, before training.
 *
 * The length at step t is the root of the sum of (d loss / d value)^2 over all elements of the step, in the first batch
 * of the split `valid`, with the weights that the run of a seed begins with. What is 0 there is lost to float32: a first
 * step of training cannot know of that step. */
#include "train/compare_work.h"

#include <string.h>

enum { MOST_STEPS = 4096 };

static int axis_called(const gr_type *t, const char *name)
{
    for (int k = 0; k < t->rank; k++)
        if (t->axis[k] && strcmp(t->axis[k], name) == 0) return k;
    return -1;
}

/* The axis called "time", else the first that is not "batch"; the last one holds features. -1: there is none. */
static int axis_of_steps(const gr_type *t)
{
    const int time = axis_called(t, "time"), batch = axis_called(t, "batch"), first = batch == 0;
    if (time >= 0) return time;
    return t->rank >= 3 && first < t->rank - 1 ? first : -1;
}

static void lengths(const gr_type *t, const void *data, int axis, double *to)
{
    int64_t inner = 1;
    for (int k = axis + 1; k < t->rank; k++) inner *= t->dim[k];
    memset(to, 0, sizeof *to * (size_t)t->dim[axis]);
    for (int64_t i = 0; i < gr_numel(t); i++) {
        const double x = gr_element(data, t->dtype, i);
        to[i / inner % t->dim[axis]] += x * x;
    }
    for (int64_t i = 0; i < t->dim[axis]; i++) to[i] = sqrt(to[i]);
}

/* Of the batch and the weights that session s has. The result is the session's. */
static const void *gradient(gr_session *s, const char *value, gr_type *t, gr_error *e)
{
    const char *const grad[] = {value, NULL};
    const gr_want want = {.grad = grad};
    const gr_tensor *field;
    gr_exec *x = gr_session_compile(s, &want, e);
    if (!x || gr_data_begin(s->data, "valid", 0, 0, e)) return NULL;
    const int more = gr_data_next(s->data, &field, e);
    if (more == 0) gr_set_error(e, GR_EINVAL, "%s: the split 'valid' has no batch to measure gradients in", gr_model_path(s->model));
    if (more <= 0) return NULL;
    if (!(x = gr_exec_for_batch(x, field, e)) || gr_exec_feed_batch(x, field, e) || gr_exec_step(x, 0, e)) return NULL;
    return gr_run_result(x->run, gr_arena_printf(s->arena, "grad:%s", value), t);
}

/* Into `to`, which has room for MOST_STEPS, and their number; -1 with e filled. */
static int take(gr_session *s, const char *value, double *to, gr_error *e)
{
    gr_type t;
    const char *path = gr_model_path(s->model);
    const void *data = gradient(s, value, &t, e);
    if (!data && !e->status) gr_set_error(e, GR_EINVAL, "%s: '%s' has no gradient", path, value);
    if (e->status) return -1;
    const int axis = axis_of_steps(&t);
    if (axis < 0) gr_set_error(e, GR_EINVAL, "%s: '%s' has no axis of steps, as [time, batch, features] has", path, value);
    else if (t.dim[axis] > MOST_STEPS)
        gr_set_error(e, GR_EINVAL, "%s: '%s' has %lld steps; gradients are measured at %d at most", path, value, (long long)t.dim[axis], MOST_STEPS);
    if (e->status) return -1;
    lengths(&t, data, axis, to);
    return (int)t.dim[axis];
}

static int measure(const gr_compare_work *w, int i, uint64_t seed, double *to, gr_error *e)
{
    gr_session_options o = gr_compare_session(w, i, w->options->session.threads);
    o.seed = seed;
    gr_session *s = gr_session_open(w->c->contender[i].path, &o, e);
    gr_frame frame;
    int steps = -1;
    if (!s) return -1;
    if (gr_try(s->arena, &frame)) {
        steps = take(s, w->c->gradient, to, e);
        gr_end_try(s->arena, &frame);
    } else {
        gr_caught(s->arena, e);
    }
    gr_session_close(s);
    return steps < 0 || gr_compare_check_files(w, i, e) ? -1 : steps;
}

static int measure_contender(const gr_compare_work *w, int i, double *room, gr_error *e)
{
    const gr_comparison *c = w->c;
    gr_contender *k = &c->contender[i];
    double *all = NULL;
    int steps = 0;
    for (int t = 0; t < c->num_seeds; t++) {
        if (gr_compare_stopped(w)) return 0;
        const int n = measure(w, i, c->seed[t], room, e);
        if (n < 0) return e->status;
        if (!all) all = GR_NEW_ARRAY(w->arena, double, (int64_t)(steps = n) * c->num_seeds + 1);
        if (n != steps) return gr_set_error(e, GR_EINVAL, "%s: '%s' has %d steps with one seed and %d with another", k->path, c->gradient, steps, n);
        memcpy(all + (ptrdiff_t)t * steps, room, sizeof *room * (size_t)steps);
    }
    k->gradient = all;
    k->num_gradient = steps;
    return 0;
}

int gr_compare_gradients(gr_compare_work *w, gr_error *e)
{
    const gr_comparison *c = w->c;
    double *room = GR_NEW_ARRAY(w->arena, double, MOST_STEPS);
    for (int i = 0; c->gradient && i < c->num_contenders; i++)
        if (!c->contender[i].num_gradient && measure_contender(w, i, room, e)) return e->status;
    return 0;
}
