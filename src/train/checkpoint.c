/* checkpoint.c - where a training run stands, to a file and back. */
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

/* Doubles go into the file as hexadecimal text, which loses nothing. */
static const char *meter_text(gr_arena *a, const gr_meter *m)
{
    const char *text = gr_arena_printf(a, "%lld %d", (long long)m->batches, m->num_terms);
    for (int i = 0; i < m->num_terms; i++)
        text = gr_arena_printf(a, "%s %d %a %a %a", text, m->term[i].loss, m->term[i].factor, m->term[i].sum, m->term[i].count);
    for (int i = 0; i < m->num_metrics; i++)
        for (int k = 0; k < GR_METRIC_MAX_SUMS; k++) {
            text = gr_arena_printf(a, "%s %lld", text, (long long)m->sum[i][k].size);
            for (int64_t j = 0; j < m->sum[i][k].size; j++) text = gr_arena_printf(a, "%s %a", text, m->sum[i][k].value[j]);
        }
    return text;
}

static void meter_from_text(gr_arena *a, gr_meter *m, const char *text)
{
    char *end;
    m->batches = strtoll(text, &end, 10);
    m->num_terms = (int)strtol(end, &end, 10);
    if (m->num_terms < 0 || m->num_terms > GR_LOSS_TERMS) m->num_terms = 0; /* a file made by hand */
    for (int i = 0; i < m->num_terms; i++) {
        m->term[i].loss = (int)strtol(end, &end, 10);
        m->term[i].factor = strtod(end, &end);
        m->term[i].sum = strtod(end, &end);
        m->term[i].count = strtod(end, &end);
    }
    for (int i = 0; i < m->num_metrics; i++)
        for (int k = 0; k < GR_METRIC_MAX_SUMS; k++) {
            gr_meter_size(a, &m->sum[i][k], strtoll(end, &end, 10));
            for (int64_t j = 0; j < m->sum[i][k].size; j++) m->sum[i][k].value[j] = strtod(end, &end);
        }
}

/* What sums are of: those of other losses and metrics are not gone on with. */
static const char *measured_text(gr_arena *a, const gr_recipe *r)
{
    const char *text = "";
    for (int i = 0; i < r->num_losses; i++) text = gr_arena_printf(a, "%s%s\n", text, r->losses[i].name);
    for (int i = 0; i < r->num_metrics; i++)
        text = gr_arena_printf(a, "%s%s %s\n", text, r->metrics[i].call.op->name, r->metrics[i].label);
    return text;
}

int gr_trainer_write_checkpoint(gr_trainer *t, gr_error *e)
{
    gr_arena *a = gr_arena_create_in(gr_arena_memory(t->session->arena));
    gr_frame frame;
    int status = GR_ENOMEM;
    if (a && gr_try(a, &frame)) {
        gr_named_tensor *best = NULL;
        int num_best = t->watch ? gr_watch_tensors(t->watch, a, &best) : 0;
        const char *pairs[] = {
            "epoch", gr_arena_printf(a, "%lld", (long long)t->epoch),
            "batch", gr_arena_printf(a, "%lld", (long long)t->batch),
            "piece", gr_arena_printf(a, "%lld", (long long)t->piece),
            "step", gr_arena_printf(a, "%lld", (long long)t->step),
            "seed", gr_arena_printf(a, "%llu", (unsigned long long)t->session->options.seed),
            "measured", measured_text(a, t->session->recipe),
            "meter", meter_text(a, t->meter),
            "pace", gr_pace_text(a, &t->pace),
            "valid_due", t->valid_due ? "1" : "0",
            "whole", t->whole ? meter_text(a, t->whole) : NULL,
            "watch", t->watch ? gr_watch_text(t->watch, a) : NULL, NULL};
        const gr_extra extra = {pairs, best, num_best};
        status = gr_session_checkpoint(t->session, t->exec, t->options->checkpoint, &extra, e);
        gr_end_try(a, &frame);
    } else {
        gr_set_error(e, GR_ENOMEM, "out of memory while writing %s", t->options->checkpoint);
    }
    gr_arena_destroy(a);
    return status;
}

int gr_trainer_read_position(gr_trainer *t, gr_error *e)
{
    static const char *const keys[] = {"epoch", "batch", "piece", "step"};
    int64_t *to[] = {&t->epoch, &t->batch, &t->piece, &t->step};
    for (int i = 0; i < 4; i++) {
        const char *text = gr_tensors_metadata(&t->session->loaded, keys[i]);
        if (!text)
            return gr_set_error(e, GR_EINVAL, "%s is no checkpoint: it does not say at which %s it was made; "
                                "--weights starts from weights alone", t->options->resume, keys[i]);
        *to[i] = strtoll(text, NULL, 10);
    }
    const char *seed = gr_tensors_metadata(&t->session->loaded, "seed");
    const char *meter = gr_tensors_metadata(&t->session->loaded, "meter");
    if (seed && strtoull(seed, NULL, 10) != t->session->options.seed)
        return gr_set_error(e, GR_EINVAL, "%s was made with --seed %s; going on needs the same", t->options->resume, seed);
    const char *measured = gr_tensors_metadata(&t->session->loaded, "measured");
    bool same = measured && !strcmp(measured, measured_text(t->session->arena, t->session->recipe));
    if (meter && same) meter_from_text(t->session->arena, t->meter, meter);
    const char *whole = gr_tensors_metadata(&t->session->loaded, "whole"), *pace = gr_tensors_metadata(&t->session->loaded, "pace");
    if (whole && t->whole && same) meter_from_text(t->session->arena, t->whole, whole);
    if (pace) gr_pace_from_text(&t->pace, pace);
    const char *due = gr_tensors_metadata(&t->session->loaded, "valid_due");
    t->valid_due = t->valid && due && *due == '1';
    return 0;
}

/* Within an epoch what is carried must be there; at its beginning nothing is. */
static int check_carried(const gr_trainer *t, gr_error *e)
{
    gr_arena *a = t->session->arena;
    for (int i = 0; (t->batch || t->piece) && i < t->exec->graph->num_states; i++) {
        const gr_state *state = t->exec->graph->states[i];
        if (!state->reset || gr_tensors_find(&t->session->loaded, gr_arena_printf(a, "state:%s", state->name))) continue;
        return gr_set_error(e, GR_EINVAL, "%s was made by another model, or with other rows to a batch: it does not hold '%s'",
                            t->options->resume, state->name);
    }
    return 0;
}

int gr_trainer_read_rest(gr_trainer *t, gr_error *e)
{
    if (check_carried(t, e)) return e->status;
    const char *text = gr_tensors_metadata(&t->session->loaded, "watch");
    return t->watch && text ? gr_watch_read(t->watch, t->exec, text, e) : 0;
}
