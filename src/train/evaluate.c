/* evaluate.c - measuring a split without changing a weight. */
#include "train/cut.h"
#include "train/loop.h"

#include <string.h>

/* The length of the axis called batch. */
static int64_t examples_of(const gr_exec *x, const gr_tensor *field)
{
    const gr_session *s = x->session;
    for (int i = 0; i < s->num_inputs; i++)
        for (int k = 0; x->field[i] >= 0 && k < s->inputs[i].rank; k++)
            if (s->inputs[i].axis[k] && strcmp(s->inputs[i].axis[k], "batch") == 0) return field[x->field[i]].dim[k];
    return 0;
}

/* One batch, piece by piece where it is cut. *x: the program of the one before. */
static int measure(gr_exec **x, gr_meter *meter, const gr_tensor *field, bool first, gr_error *e)
{
    gr_session *s = (*x)->session;
    int64_t pieces = gr_cut_pieces(s, field);
    if (gr_session_reset(s, "eval_batch", e)) return e->status;
    for (int64_t i = 0; i < pieces; i++) {
        const gr_tensor *piece = gr_cut_piece(s, field, i, meter->room);
        gr_exec *next = gr_exec_for_batch(*x, piece, e);
        if (!next || (!(first && i == 0) && gr_carry_check(*x, next, i == 0, e))) return e->status;
        *x = next;
        if (gr_exec_feed_batch(next, piece, e) || gr_exec_step(next, 0, e)) return e->status;
        gr_meter_add(meter, next);
    }
    meter->examples += examples_of(*x, field);
    return 0;
}

static int evaluate(gr_session *s, const char *split, gr_meter *meter, const volatile sig_atomic_t *stop, gr_error *e)
{
    const gr_want want = {.metrics = true, .counts = meter->count_classes};
    gr_exec *x = gr_session_compile(s, &want, e);
    if (!x || gr_session_reset(s, "eval", e)) return e->status;
    gr_meter_clear(meter);
    if (!s->data) {
        if (gr_exec_step(x, 0, e)) return e->status;
        gr_meter_add(meter, x);
        return 0;
    }
    if (gr_data_begin(s->data, split, 0, 0, e)) return e->status;
    const gr_tensor *field;
    int more = 0;
    for (int64_t i = 0; !gr_stop_asked(stop) && (more = gr_data_next(s->data, &field, e)) > 0; i++)
        if (measure(&x, meter, field, i == 0, e)) return e->status;
    return more < 0 ? e->status : 0;
}

int gr_evaluate(gr_session *s, const char *split, gr_meter *meter, const volatile sig_atomic_t *stop, gr_error *e)
{
    gr_frame frame;
    if (!gr_try(s->arena, &frame)) return gr_caught(s->arena, e);
    int status = evaluate(s, split, meter, stop, e);
    gr_end_try(s->arena, &frame);
    return status;
}
