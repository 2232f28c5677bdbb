/* feed.c - values into a program and out of it, and the program that fits a batch. */
#include "train/session.h"

#include <string.h>

static bool is_int32(double x) { return x >= INT32_MIN && x <= INT32_MAX && x == (double)(int32_t)x; }

/* t in row-major order, converted; floats round. false: *bad is no integer of 32 bits. */
static bool copy_tensor(void *to, gr_dtype dtype, const gr_tensor *t, double *bad)
{
    int64_t index[GR_MAX_RANK] = {0}, n = gr_tensor_numel(t);
    if (t->dtype == dtype && gr_tensor_dense(t)) {
        memcpy(to, t->data, (size_t)n * gr_dtype_size(dtype));
        return true;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int k = 0; k < t->rank; k++) at += index[k] * t->stride[k];
        *bad = gr_element(t->data, t->dtype, at);
        if (dtype == GR_INT32 && !is_int32(*bad)) return false;
        gr_put_element(to, dtype, i, *bad);
        for (int k = t->rank - 1; k >= 0 && ++index[k] == t->dim[k]; k--) index[k] = 0;
    }
    return true;
}

static bool fits(const gr_type *t, const gr_tensor *v)
{
    if (t->rank != v->rank) return false;
    for (int k = 0; k < t->rank; k++)
        if (t->dim[k] != v->dim[k]) return false;
    return true;
}

static const char *dims_text(gr_arena *a, int rank, const int64_t *dim)
{
    const char *text = "[";
    for (int k = 0; k < rank; k++) text = gr_arena_printf(a, "%s%s%lld", text, k ? ", " : "", (long long)dim[k]);
    return gr_arena_printf(a, "%s]", text);
}

int gr_exec_feed(gr_exec *x, const char *name, const gr_tensor *t, gr_error *e)
{
    gr_type want;
    void *to = gr_run_feed(x->run, name, &want);
    if (!to) return 0; /* nothing of this program reads it */
    if (!fits(&want, t))
        return gr_set_error(e, GR_EINVAL, "'%s' is %s and cannot be fed %s", name, gr_type_text(x->session->arena, &want),
                            dims_text(x->session->arena, t->rank, t->dim));
    double bad;
    if (copy_tensor(to, want.dtype, t, &bad)) return 0;
    return gr_set_error(e, GR_EINVAL, "'%s' is of integers of 32 bits and cannot be fed %g", name, bad);
}

/* The data give another shape than the model file says. */
static int other_shape(const gr_session *s, const gr_model_input *in, const gr_type *want, const gr_tensor *t, gr_error *e)
{
    return gr_set_error(e, GR_EINVAL, "%s:%d:%d: '%s' is %s, but data.%s is %s in this batch", gr_model_path(s->model), in->at.line,
                        in->at.column, in->name, gr_type_text(s->arena, want), in->from, dims_text(s->arena, t->rank, t->dim));
}

int gr_exec_feed_batch(gr_exec *x, const gr_tensor *field, gr_error *e)
{
    gr_session *s = x->session;
    for (int i = 0; i < s->num_inputs; i++) {
        gr_type want;
        const gr_tensor *t = x->field[i] < 0 ? NULL : &field[x->field[i]];
        if (!t || !gr_run_feed(x->run, s->inputs[i].name, &want)) continue;
        if (!fits(&want, t)) return other_shape(s, &s->inputs[i], &want, t, e);
        if (gr_exec_feed(x, s->inputs[i].name, t, e)) return e->status;
    }
    return 0;
}

void gr_exec_set_lr(gr_exec *x, int i, double lr)
{
    if (x->lr[i]) gr_put_element(x->lr[i], x->program->real, 0, lr);
}

void gr_exec_set_accumulated(gr_exec *x, int64_t batches, bool last)
{
    if (x->batches) gr_put_element(x->batches, x->program->real, 0, (double)batches);
    if (x->last) *(uint8_t *)x->last = last;
}

int gr_exec_step(gr_exec *x, int64_t step, gr_error *e)
{
    char text[512];
    int status = gr_run_step(x->run, step);
    if (status == GR_EINVAL) gr_set_error(e, GR_EINVAL, "%s", gr_run_fault(x->run, text, sizeof text));
    return status;
}

static bool batch_fits(const gr_exec *x, const gr_tensor *field)
{
    const gr_session *s = x->session;
    for (int i = 0; i < s->num_inputs; i++) {
        gr_type t;
        if (x->field[i] < 0 || !gr_run_feed(x->run, s->inputs[i].name, &t)) continue;
        if (!fits(&t, &field[x->field[i]])) return false;
    }
    return true;
}

static bool same_purpose(const gr_want *a, const gr_want *b)
{
    return a->update == b->update && a->training == b->training && a->metrics == b->metrics && a->counts == b->counts &&
           a->keep_all == b->keep_all && a->frozen == b->frozen && a->packed_dtype == b->packed_dtype && !a->cut && !a->fetch && !a->grad;
}

/* The program of x's purpose that fits the batch, if there is one. */
static gr_exec *find_fitting(const gr_exec *x, const gr_tensor *field)
{
    const gr_session *s = x->session;
    if (batch_fits(x, field)) return (gr_exec *)(uintptr_t)x;
    if (x->want.fetch || x->want.grad) return NULL; /* made for one caller, who alone knows for what */
    for (int i = 0; i < s->num_execs; i++)
        if (same_purpose(&s->execs[i]->want, &x->want) && batch_fits(s->execs[i], field)) return s->execs[i];
    return NULL;
}

/* Lengths that x was made for, of axes that the batch has no say in. */
static void add_other_axes(gr_want *w, gr_axis_size *axes, const gr_exec *x, int most)
{
    for (int i = 0; i < x->want.num_axes && w->num_axes < most; i++) {
        bool there = false;
        for (int k = 0; k < w->num_axes; k++) there = there || strcmp(axes[k].axis, x->want.axes[i].axis) == 0;
        if (!there) axes[w->num_axes++] = x->want.axes[i];
    }
}

static gr_exec *compile_fitting(gr_exec *x, const gr_tensor *field, gr_error *e)
{
    const gr_session *s = x->session;
    gr_want w = x->want;
    gr_axis_size axes[32];
    w.axes = axes;
    w.num_axes = 0;
    for (int i = 0; i < s->num_inputs; i++) {
        const gr_model_input *in = &s->inputs[i];
        if (x->field[i] < 0) continue;
        for (int k = 0; k < in->rank && w.num_axes < 32; k++)
            if (in->axis[k]) axes[w.num_axes++] = (gr_axis_size){in->axis[k], field[x->field[i]].dim[k]};
    }
    add_other_axes(&w, axes, x, 32);
    gr_exec *made = gr_session_compile(x->session, &w, e);
    if (made) made->of_batch = !w.fetch && !w.grad;
    return made;
}

static size_t bytes_of(const gr_exec *x) { return gr_arena_bytes(x->arena) + gr_run_bytes(x->run); }

/* Drops what was longest unused of x's purpose, until the rest is within bounds. */
static void drop_unused(gr_exec *x, const gr_exec *other)
{
    gr_session *s = x->session;
    size_t most = s->keep_bytes ? s->keep_bytes : GR_KEEP_BYTES;
    for (;;) {
        size_t sum = 0;
        int oldest = -1;
        for (int i = 0; i < s->num_execs; i++) {
            const gr_exec *one = s->execs[i];
            if (!one->of_batch || !same_purpose(&one->want, &x->want)) continue;
            sum += bytes_of(one);
            if (one != x && one != other && (oldest < 0 || one->used < s->execs[oldest]->used)) oldest = i;
        }
        if (sum <= most || oldest < 0) return;
        gr_session_drop(s, oldest);
    }
}

gr_exec *gr_exec_for_batch(gr_exec *x, const gr_tensor *field, gr_error *e)
{
    gr_exec *found = find_fitting(x, field);
    if (!found && (found = compile_fitting(x, field, e)) != NULL) drop_unused(found, x);
    if (found) found->used = ++x->session->askings;
    return found;
}
