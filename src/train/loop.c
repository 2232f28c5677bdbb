/* loop.c - epochs of steps, what is reported of them, and where they can be taken up again.
 *
 * A position is (epoch, batch in it, steps done). With the states it is all that going on
 * bit for bit needs: random numbers and the order of data are functions of it and the seed. */
#include "train/loop.h"
#include "io/file.h"
#include "train/log.h"
#include "train/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct trainer {
    gr_session *session;
    const gr_train_options *options;
    gr_train_result *result;
    gr_exec *exec;        /* for the batch last met */
    gr_meter *meter;      /* since the last report */
    gr_meter *valid;      /* of the split `valid`, measured after each epoch; NULL: there is none */
    gr_progress progress;
    gr_log *log;
    int64_t epoch, batch, step;
    int64_t epochs, steps; /* where to end; -1: no bound */
    int64_t report;        /* steps between reports; 0: at the end of each epoch */
    double lr;
} trainer;

static bool stop_asked(const trainer *t) { return t->options->stop && *t->options->stop; }
static bool reached(const trainer *t)
{
    return (t->steps >= 0 && t->step >= t->steps) || (t->steps < 0 && t->epochs >= 0 && t->epoch >= t->epochs);
}

/* ---- checkpoints ---- */

/* Doubles go into the file as hexadecimal text, which loses nothing. */
static const char *meter_text(gr_arena *a, const gr_meter *m)
{
    const char *text = gr_arena_printf(a, "%lld %d", (long long)m->batches, m->num_terms);
    for (int i = 0; i < m->num_terms; i++)
        text = gr_arena_printf(a, "%s %a %a %a", text, m->term[i].factor, m->term[i].sum, m->term[i].count);
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

static int write_checkpoint(trainer *t, gr_error *e)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    int status = GR_ENOMEM;
    if (a && gr_try(a, &frame)) {
        const char *pairs[] = {
            "epoch", gr_arena_printf(a, "%lld", (long long)t->epoch),
            "batch", gr_arena_printf(a, "%lld", (long long)t->batch),
            "step", gr_arena_printf(a, "%lld", (long long)t->step),
            "seed", gr_arena_printf(a, "%llu", (unsigned long long)t->session->options.seed),
            "meter", meter_text(a, t->meter), NULL};
        status = gr_session_checkpoint(t->session, t->exec, t->options->checkpoint, pairs, e);
        gr_end_try(a, &frame);
    } else {
        gr_set_error(e, GR_ENOMEM, "out of memory while writing %s", t->options->checkpoint);
    }
    gr_arena_destroy(a);
    return status;
}

static int read_position(trainer *t, gr_error *e)
{
    static const char *const keys[] = {"epoch", "batch", "step"};
    int64_t *to[] = {&t->epoch, &t->batch, &t->step};
    for (int i = 0; i < 3; i++) {
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
    if (meter) meter_from_text(t->session->arena, t->meter, meter);
    return 0;
}

/* ---- reports ---- */

/* Within an epoch the step says where. */
static void report(trainer *t, const gr_meter *valid)
{
    bool within = t->report || t->batch > 0;
    char text[1024], more[1024] = "";
    gr_meter_print(t->meter, t->session->recipe, text, sizeof text);
    if (valid) gr_meter_print(valid, t->session->recipe, more, sizeof more);
    gr_progress_clear(&t->progress);
    fprintf(t->options->out, "%s %lld  %s%s%s\n", within ? "step" : "epoch",
            (long long)(within ? t->step : t->epoch), text, valid ? "  valid: " : "", more);
    fflush(t->options->out);
    const gr_log_position at = {t->epoch, t->step, t->lr, t->result->seconds, t->result->tokens};
    gr_log_report(t->log, t->session, t->meter, valid, &at);
    t->result->loss = gr_meter_loss(t->meter);
    gr_meter_clear(t->meter);
}

static int report_epoch(trainer *t, gr_error *e)
{
    if (t->valid && gr_evaluate(t->session, "valid", t->valid, e)) return e->status;
    report(t, t->valid);
    return 0;
}

/* ---- steps ---- */

static int64_t tokens_of(const gr_exec *x, const gr_tensor *field)
{
    for (int i = 0; field && i < x->session->num_inputs; i++) {
        if (x->field[i] < 0 || field[x->field[i]].dtype != GR_INT32) continue;
        int64_t n = 1;
        for (int k = 0; k < field[x->field[i]].rank; k++) n *= field[x->field[i]].dim[k];
        return n;
    }
    return 0;
}

/* One step on a batch (NULL: the model reads no data). */
static int train_step(trainer *t, const gr_tensor *field, gr_error *e)
{
    if (field) {
        t->exec = gr_exec_for_batch(t->exec, field, e);
        if (!t->exec || gr_exec_feed_batch(t->exec, field, e)) return e->status;
    }
    gr_exec_set_lr(t->exec, t->lr);
    double start = gr_seconds();
    int status = gr_exec_step(t->exec, t->step, e);
    if (status == GR_ESTATE) gr_find_nonfinite(t->exec, field, t->step, e);
    if (status) return status;
    t->result->seconds += gr_seconds() - start;
    t->result->tokens += tokens_of(t->exec, field);
    gr_meter_add(t->meter, t->exec);
    t->step++;
    t->batch++;
    gr_progress_step(&t->progress, t->step, t->result->tokens);
    if (t->report && t->step % t->report == 0) report(t, NULL);
    if (t->options->checkpoint && t->options->every && t->step % t->options->every == 0) return write_checkpoint(t, e);
    return 0;
}

/* The batches that are left of the epoch. 0: it is over or there is a reason to stop. */
static int train_batches(trainer *t, gr_error *e)
{
    gr_data *data = t->session->data;
    if (!data) return train_step(t, NULL, e);
    if (gr_data_begin(data, "train", t->epoch, t->batch, e)) return e->status;
    while (!stop_asked(t) && !(t->steps >= 0 && t->step >= t->steps)) {
        const gr_tensor *field;
        int more = gr_data_next(data, &field, e);
        if (more < 0) return e->status;
        if (more == 0) break;
        if (train_step(t, field, e)) return e->status;
    }
    return 0;
}

static int64_t batches_per_epoch(const trainer *t)
{
    return t->session->data ? gr_data_batches(t->session->data, "train") : 1;
}

static int train_epochs(trainer *t, gr_error *e)
{
    int64_t per_epoch = batches_per_epoch(t);
    if (per_epoch < 1) return gr_set_error(e, GR_EINVAL, "the data source has no batch to train on");
    while (!reached(t) && !stop_asked(t)) {
        if (t->batch == 0 && gr_session_reset(t->session, "epoch", e)) return e->status;
        if (train_batches(t, e)) return e->status;
        if (t->batch < per_epoch) break;
        t->epoch++;
        t->batch = 0;
        if (!t->report && report_epoch(t, e)) return e->status;
    }
    return 0;
}

/* ---- from start to end ---- */

static int set_bounds(trainer *t, gr_error *e)
{
    const gr_recipe *r = t->session->recipe;
    const gr_train_options *o = t->options;
    bool own = o->steps >= 0 || o->epochs >= 0;
    t->steps = own ? o->steps : r->steps;
    t->epochs = own ? o->epochs : r->epochs;
    if (t->steps < 0 && t->epochs < 0)
        return gr_set_error(e, GR_EINVAL, "how long to train? give `epochs` or `steps` in the model's `train`, "
                            "or --epochs or --steps");
    int64_t per_epoch = batches_per_epoch(t), total = t->steps >= 0 ? t->steps : t->epochs * per_epoch;
    if (t->steps >= 0) t->report = total > 20 ? total / 20 : 1;
    if (o->resume && reached(t) && !o->quiet)
        fprintf(stderr, "graphrun: %s is of step %lld, after %lld epochs: nothing is left to train; --epochs or --steps "
                "say how far to go\n", o->resume, (long long)t->step, (long long)t->epoch);
    gr_progress_start(&t->progress, o->quiet, t->step, total);
    return 0;
}

/* A path that cannot be written is to be known before hours of training, not after. */
static int try_paths(const gr_train_options *o, gr_error *e)
{
    if (o->save && gr_writer_try(o->save, e)) return e->status;
    return o->checkpoint && gr_writer_try(o->checkpoint, e) ? (int)e->status : 0;
}

static int prepare(trainer *t, gr_error *e)
{
    gr_session *s = t->session;
    const gr_want want = {.update = true, .training = true, .metrics = true};
    if (!s->recipe->minimize || !s->recipe->optimizer.op)
        return gr_set_error(e, GR_EINVAL, "%s has no `train` section; write train: {minimize: NODE, optimizer: {op: SGD, "
                            "lr: 0.1}, epochs: 10}", gr_model_path(s->model));
    if (try_paths(t->options, e)) return e->status;
    if (t->options->resume && gr_session_read_weights(s, t->options->resume, true, e)) return e->status;
    t->meter = gr_meter_create(s);
    if (s->data && gr_data_has_split(s->data, "valid")) t->valid = gr_meter_create(s);
    t->lr = s->recipe->lr;
    if (t->options->resume && read_position(t, e)) return e->status;
    t->exec = gr_session_compile(s, &want, e);
    if (!t->exec || gr_session_check_weights(s, t->exec, e)) return e->status;
    return set_bounds(t, e);
}

static int finish(trainer *t, gr_error *e)
{
    const gr_train_options *o = t->options;
    t->result->epochs = t->epoch;
    t->result->steps = t->step;
    t->result->stopped = stop_asked(t);
    /* A report clears the sums that the checkpoint keeps. */
    if (o->checkpoint && write_checkpoint(t, e)) return e->status;
    if (t->meter->batches && (t->report || t->result->stopped)) report(t, NULL);
    gr_progress_clear(&t->progress);
    if (o->save && gr_session_save(t->session, t->exec, o->save, e)) return e->status;
    if (!t->result->stopped || o->quiet) return 0;
    fprintf(stderr, "graphrun: stopped after step %lld%s%s%s%s\n", (long long)t->step, o->checkpoint ? "; wrote " : "",
            o->checkpoint ? o->checkpoint : "", o->save ? "; wrote " : "", o->save ? o->save : "");
    return 0;
}

static int run_training(trainer *t, gr_error *e)
{
    const gr_train_options *o = t->options;
    if (prepare(t, e)) return e->status;
    if (o->log && !(t->log = gr_log_open(o->log, o->resume != NULL, e))) return e->status;
    return train_epochs(t, e) ? e->status : finish(t, e);
}

int gr_train(gr_session *s, const gr_train_options *o, gr_train_result *result, gr_error *e)
{
    trainer t = {.session = s, .options = o, .result = result};
    gr_frame frame;
    *result = (gr_train_result){.loss = NAN};
    *e = (gr_error){0};
    if (gr_try(s->arena, &frame)) {
        run_training(&t, e);
        gr_end_try(s->arena, &frame);
    } else {
        gr_set_error(e, GR_ENOMEM, "out of memory");
    }
    gr_progress_clear(&t.progress);
    gr_log_close(t.log, s, result, e);
    return e->status;
}

static int evaluate(gr_session *s, const char *split, gr_meter *meter, gr_error *e)
{
    const gr_want want = {.metrics = true};
    gr_exec *x = gr_session_compile(s, &want, e);
    if (!x || gr_session_reset(s, "epoch", e)) return e->status;
    gr_meter_clear(meter);
    if (!s->data) {
        if (gr_exec_step(x, 0, e)) return e->status;
        gr_meter_add(meter, x);
        return 0;
    }
    if (gr_data_begin(s->data, split, 0, 0, e)) return e->status;
    const gr_tensor *field;
    int more;
    while ((more = gr_data_next(s->data, &field, e)) > 0) {
        if (!(x = gr_exec_for_batch(x, field, e)) || gr_exec_feed_batch(x, field, e)) return e->status;
        if (gr_exec_step(x, 0, e)) return e->status;
        gr_meter_add(meter, x);
    }
    return more < 0 ? e->status : 0;
}

int gr_evaluate(gr_session *s, const char *split, gr_meter *meter, gr_error *e)
{
    gr_frame frame;
    if (!gr_try(s->arena, &frame)) return gr_set_error(e, GR_ENOMEM, "out of memory");
    int status = evaluate(s, split, meter, e);
    gr_end_try(s->arena, &frame);
    return status;
}
