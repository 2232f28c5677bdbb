/* loop.c - epochs of steps, and what is reported of them. */
#include "base/count.h"
#include "io/file.h"
#include "train/cut.h"
#include "train/figure.h"
#include "train/trainer.h"

#include <math.h>

bool gr_trainer_stop_asked(const gr_trainer *t) { return gr_stop_asked(t->options->stop); }
/* Whether there is a reason to end, also in the middle of an epoch. */
static bool ends_within(const gr_trainer *t)
{
    return (t->watch && gr_watch_is_over(t->watch)) || (t->steps >= 0 && t->step >= t->steps);
}
static bool reached(const gr_trainer *t) { return ends_within(t) || (t->epochs >= 0 && t->epoch >= t->epochs); }

/* ---- reports ---- */

/* Validating right after a report has no new steps to tell of. */
static void print_report(gr_trainer *t, const gr_train_report *r)
{
    char text[1024] = "", more[1024] = "";
    if (r->train->batches) gr_meter_print(r->train, t->session->recipe, text, sizeof text);
    if (r->valid) gr_meter_print(r->valid, t->session->recipe, more, sizeof more);
    gr_progress_clear(&t->progress);
    fprintf(t->options->out, "%s %lld%s%s%s%s\n", r->of_epoch ? "epoch" : "step", (long long)(r->of_epoch ? r->epoch : r->step),
            *text ? "  " : "", text, r->valid ? "  valid: " : "", more);
    fflush(t->options->out);
}

void gr_trainer_report(gr_trainer *t, const gr_meter *valid, bool of_epoch)
{
    const gr_meter *train = of_epoch && t->whole ? t->whole : t->meter;
    const gr_train_report r = {train, of_epoch, valid, t->epoch, t->step, t->pace.lr, t->result->seconds, t->result->tokens};
    if (t->options->out) print_report(t, &r);
    gr_log_report(t->log, t->session, &r);
    if (t->options->reported) t->options->reported(t->options->data, t->session, &r);
    if (train->batches) t->result->loss = gr_meter_loss(train);
    gr_meter_clear(t->meter);
}

/* The sums of the epoch stay where a validation was broken off, which tells them when it is made up for. */
static int report_epoch(gr_trainer *t, gr_error *e)
{
    if (!t->valid && t->whole) gr_pace_see(&t->pace, t->whole);
    if (t->valid_due || gr_trainer_is_valid_epoch(t)) {
        if (gr_trainer_validate(t, true, e)) return e->status;
    } else if (!t->report && (t->whole ? t->whole : t->meter)->batches) {
        gr_trainer_report(t, NULL, true);
    }
    if (t->whole && !t->valid_due) gr_meter_clear(t->whole);
    return 0;
}

/* ---- steps ---- */

int64_t gr_count_tokens(const gr_exec *x, const gr_tensor *field)
{
    for (int i = 0; field && i < x->session->num_inputs; i++) {
        if (x->field[i] < 0 || field[x->field[i]].dtype != GR_INT32) continue;
        int64_t n = 1;
        for (int k = 0; k < field[x->field[i]].rank; k++) n *= field[x->field[i]].dim[k];
        return n;
    }
    return 0;
}

/* The program for a batch or a piece of one, fed. */
static int feed_step(gr_trainer *t, const gr_tensor *field, gr_error *e)
{
    gr_exec *x = gr_exec_for_batch(t->exec, field, e);
    if (!x) return e->status;
    bool begins = t->batch == 0 && t->piece == 0;
    if (!begins && gr_carry_check(t->exec, x, t->piece == 0, e)) return e->status;
    t->exec = x;
    return gr_exec_feed_batch(x, field, e);
}

/* One step on a batch, or on the next piece of one (NULL: the model reads no data). */
static int train_step(gr_trainer *t, const gr_tensor *field, bool last, gr_error *e)
{
    if (t->piece == 0 && gr_session_reset(t->session, "batch", e)) return e->status;
    if (field && feed_step(t, field, e)) return e->status;
    gr_pace_set(&t->pace, t->exec, t->epoch, last && t->batch + 1 == t->per_epoch, t->per_epoch * gr_cut_full_pieces(t->session));
    double start = gr_seconds();
    int status = gr_exec_step(t->exec, t->step, e);
    if (status == GR_ESTATE) gr_find_nonfinite(t->exec, t->step, e);
    if (status) return status;
    t->result->seconds += gr_seconds() - start;
    t->result->tokens += gr_count_tokens(t->exec, field);
    gr_meter_add(t->meter, t->exec);
    if (isnan(t->first)) t->first = gr_meter_loss(t->meter);
    if (t->whole) gr_meter_add(t->whole, t->exec);
    t->step++;
    t->piece = last ? 0 : t->piece + 1;
    t->batch += last;
    gr_pace_step(&t->pace);
    gr_progress_step(&t->progress, t->step, t->result->tokens);
    if (gr_trainer_is_valid_step(t)) {
        if (gr_trainer_validate(t, false, e)) return e->status;
    } else if (t->report && t->step % t->report == 0) {
        gr_trainer_report(t, NULL, false);
    }
    if (t->options->checkpoint && t->options->every && t->step % t->options->every == 0) return gr_trainer_write_checkpoint(t, e);
    return 0;
}

/* What is left of the batch in hand, piece by piece. A validation takes the data source away. */
static int train_batch(gr_trainer *t, const gr_tensor *field, gr_error *e)
{
    int64_t batch = t->batch, pieces = gr_cut_pieces(t->session, field);
    while (t->batch == batch && !gr_trainer_stop_asked(t) && !ends_within(t) && !t->data_moved) {
        const gr_tensor *piece = gr_cut_piece(t->session, field, t->piece, t->fields);
        if (train_step(t, piece, t->piece + 1 >= pieces, e)) return e->status;
    }
    return 0;
}

/* The batches that are left of the epoch. 0: it is over or there is a reason to stop. */
static int train_batches(gr_trainer *t, gr_error *e)
{
    gr_data *data = t->session->data;
    if (!data) return train_step(t, NULL, true, e);
    t->data_moved = true;
    while (!gr_trainer_stop_asked(t) && !ends_within(t)) {
        const gr_tensor *field;
        if (t->data_moved && gr_data_begin(data, "train", t->epoch, t->batch, e)) return e->status;
        t->data_moved = false;
        int more = gr_data_next(data, &field, e);
        if (more < 0) return e->status;
        if (more == 0) break;
        if (train_batch(t, field, e)) return e->status;
    }
    return 0;
}

static int64_t batches_per_epoch(const gr_trainer *t)
{
    return t->session->data ? gr_data_batches(t->session->data, "train") : 1;
}

int64_t gr_train_steps(const gr_session *s, int64_t epochs, int64_t steps)
{
    const int64_t all = epochs < 0 ? -1 : epochs * (s->data ? gr_data_batches(s->data, "train") : 1) * gr_cut_full_pieces(s);
    return steps >= 0 && (all < 0 || steps < all) ? steps : all;
}

/* The validation that was broken off. */
static int make_up_for(gr_trainer *t, gr_error *e)
{
    const bool of_epoch = t->batch == 0 && t->piece == 0 && !t->options->validations;
    return of_epoch ? report_epoch(t, e) : gr_trainer_validate(t, false, e);
}

static int train_epochs(gr_trainer *t, gr_error *e)
{
    if (t->per_epoch < 1) return gr_set_error(e, GR_EINVAL, "the data source has no batch to train on");
    if (t->valid_due && make_up_for(t, e)) return e->status;
    while (!reached(t) && !gr_trainer_stop_asked(t)) {
        if (t->batch == 0 && t->piece == 0 && gr_session_reset(t->session, "epoch", e)) return e->status;
        if (train_batches(t, e)) return e->status;
        if (t->batch < t->per_epoch) break;
        t->epoch++;
        t->batch = 0;
        if (report_epoch(t, e)) return e->status;
    }
    return 0;
}

/* ---- from start to end ---- */

static int set_bounds(gr_trainer *t, gr_error *e)
{
    const gr_recipe *r = t->session->recipe;
    const gr_train_options *o = t->options;
    bool own = o->steps >= 0 || o->epochs >= 0;
    t->steps = own ? o->steps : r->steps;
    t->epochs = own ? o->epochs : r->epochs;
    if (t->steps < 0 && t->epochs < 0)
        return gr_set_error(e, GR_EINVAL, "how long to train? give `epochs` or `steps` in the model's `train`, "
                            "or --epochs or --steps");
    t->per_epoch = batches_per_epoch(t);
    const int64_t total = gr_train_steps(t->session, t->epochs, t->steps);
    if (t->options->validations) t->report = total + 1; /* none between */
    else if (t->options->report > 0) t->report = t->options->report;
    else if (total == t->steps) t->report = total > 20 ? total / 20 : 1;
    if (o->resume && reached(t) && !t->valid_due && !o->quiet)
        gr_session_note(t->session, "%s is of step %lld, after %lld epoch%s: nothing is left to train; --epochs or --steps "
                        "say how far to go", o->resume, (long long)t->step, (long long)t->epoch, gr_s(t->epoch));
    gr_progress_start(&t->progress, o->quiet ? NULL : o->progress, t->step, total);
    return 0;
}

/* A path that cannot be written is to be known before hours of training, not after. */
static int try_paths(const gr_train_options *o, gr_error *e)
{
    if (o->save && gr_writer_try(o->save, e)) return e->status;
    return o->checkpoint && gr_writer_try(o->checkpoint, e) ? (int)e->status : 0;
}

static int prepare(gr_trainer *t, gr_error *e)
{
    gr_session *s = t->session;
    const gr_want want = {.update = true, .training = true, .metrics = true};
    if (!s->recipe->minimize || !s->recipe->optimizer.op)
        return gr_set_error(e, GR_EINVAL, "%s has no `train` section; write train: {minimize: NODE, optimizer: {op: SGD, "
                            "lr: 0.1}, epochs: 10}", gr_model_path(s->model));
    if (try_paths(t->options, e)) return e->status;
    if (t->options->resume && gr_session_read_weights(s, t->options->resume, true, e)) return e->status;
    t->meter = gr_meter_create(s);
    t->pace = gr_pace_start(s->arena, s->recipe);
    if (gr_trainer_prepare_watch(t, e)) return e->status;
    if (t->valid ? !t->options->validations : gr_pace_watches(&t->pace)) t->whole = gr_meter_create(s);
    if (t->options->resume && gr_trainer_read_position(t, e)) return e->status;
    t->exec = gr_session_compile(s, &want, e);
    if (!t->exec || gr_session_check_weights(s, t->exec, e)) return e->status;
    if (t->options->resume && gr_trainer_read_rest(t, e)) return e->status;
    const gr_field *list;
    t->fields = GR_NEW_ARRAY(s->arena, gr_tensor, (s->data ? gr_data_fields(s->data, &list) : 0) + 1);
    return set_bounds(t, e);
}

/* A loss that ends far above where it began is a finite number still, and no error. */
static void note_divergence(const gr_trainer *t)
{
    char first[GR_FIGURE], last[GR_FIGURE];
    if (t->options->quiet || !(t->first > 0 && t->result->loss > 10 * t->first)) return;
    gr_session_note(t->session, "training diverged: the loss grew from %s to %s, %.3g times as much; a smaller lr may help%s",
                    gr_figure(first, t->first), gr_figure(last, t->result->loss), t->result->loss / t->first,
                    t->session->recipe->num_clips ? "" : ", and so may clip_grad_norm: 1");
}

static int finish(gr_trainer *t, gr_error *e)
{
    const gr_train_options *o = t->options;
    t->result->stopped = gr_trainer_stop_asked(t);
    /* A report clears the sums that the checkpoint keeps. */
    if (o->checkpoint && gr_trainer_write_checkpoint(t, e)) return e->status;
    const bool of_epoch = !t->report && t->batch == 0 && t->piece == 0;
    if (t->meter->batches && (t->report || t->result->stopped)) gr_trainer_report(t, NULL, of_epoch);
    gr_progress_clear(&t->progress);
    note_divergence(t);
    if (gr_trainer_take_best(t, e)) return e->status;
    if (o->save && gr_session_save(t->session, t->exec, o->save, e)) return e->status;
    if (!t->result->stopped || o->quiet) return 0;
    gr_session_note(t->session, "stopped after step %lld%s%s%s%s", (long long)t->step, o->checkpoint ? "; wrote " : "",
                    o->checkpoint ? o->checkpoint : "", o->save ? "; wrote " : "", o->save ? o->save : "");
    return 0;
}

static int run_training(gr_trainer *t, gr_error *e)
{
    const gr_train_options *o = t->options;
    if (prepare(t, e)) return e->status;
    if (o->log && !(t->log = gr_log_open(o->log, o->resume != NULL, e))) return e->status;
    return train_epochs(t, e) ? e->status : finish(t, e);
}

int gr_train(gr_session *s, const gr_train_options *o, gr_train_result *result, gr_error *e)
{
    gr_trainer t = {.session = s, .options = o, .result = result, .first = NAN};
    gr_frame frame;
    *result = (gr_train_result){.loss = NAN, .best = NAN, .best_epoch = -1, .best_step = -1};
    *e = (gr_error){0};
    if (gr_try(s->arena, &frame)) {
        run_training(&t, e);
        gr_end_try(s->arena, &frame);
    } else {
        gr_caught(s->arena, e);
    }
    result->epochs = t.epoch;
    result->steps = t.step;
    gr_progress_clear(&t.progress);
    gr_log_close(t.log, s, result, e);
    return e->status;
}

