/* evaluate.c - measuring a split without changing a weight. */
#include "train/loop.h"

static int evaluate(gr_session *s, const char *split, gr_meter *meter, const volatile sig_atomic_t *stop, gr_error *e)
{
    const gr_want want = {.metrics = true};
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
    while (!(stop && *stop) && (more = gr_data_next(s->data, &field, e)) > 0) {
        if (!(x = gr_exec_for_batch(x, field, e)) || gr_exec_feed_batch(x, field, e)) return e->status;
        if (gr_exec_step(x, 0, e)) return e->status;
        gr_meter_add(meter, x);
    }
    return more < 0 ? e->status : 0;
}

int gr_evaluate(gr_session *s, const char *split, gr_meter *meter, const volatile sig_atomic_t *stop, gr_error *e)
{
    gr_frame frame;
    if (!gr_try(s->arena, &frame)) return gr_set_error(e, GR_ENOMEM, "out of memory");
    int status = evaluate(s, split, meter, stop, e);
    gr_end_try(s->arena, &frame);
    return status;
}
