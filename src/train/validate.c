/* validate.c - validations in the course of training, and what is kept of them.
 *
 * A validation that Ctrl-C breaks off is due again when training goes on: nothing of it is
 * reported or kept before. */
#include "base/count.h"
#include "train/trainer.h"

#include <stdio.h>

/* Why validations are asked for that cannot be made; NULL: none are, or they can. */
static const char *validations_missing(const gr_session *s, gr_loc *at)
{
    const gr_recipe *r = s->recipe;
    if (!(r->watch.given || r->valid_every) || (s->data && gr_data_may_have_split(s->data, "valid"))) return NULL;
    *at = r->watch.given ? r->watch.at : r->valid_every_at;
    return r->watch.given ? "the best weights are those that validate best, but the data have no split 'valid', as in split: "
                            "{train: 0.9, valid: 0.1}"
                          : "'valid_every' asks for validations, but the data have no split 'valid', as in split: {train: 0.9, valid: 0.1}";
}

bool gr_check_validations(gr_session *s)
{
    gr_loc at;
    const char *why = validations_missing(s, &at);
    if (why) gr_diag_error(s->diag, at, "%s", why);
    return !why;
}

int gr_trainer_prepare_watch(gr_trainer *t, gr_error *e)
{
    gr_session *s = t->session;
    gr_loc at;
    const char *why = validations_missing(s, &at);
    if (s->data && gr_data_has_split(s->data, "valid")) t->valid = gr_meter_create(s);
    t->valid_step = -1;
    if (s->recipe->watch.given) t->watch = gr_watch_create(s);
    return why ? gr_set_error(e, GR_EINVAL, "%s:%d:%d: %s", gr_model_path(s->model), at.line, at.column, why) : 0;
}

bool gr_trainer_is_valid_step(const gr_trainer *t)
{
    int64_t every = t->session->recipe->valid_every, n = t->options->validations;
    if (n) return t->valid && n > 0 && t->step * n / t->steps > (t->step - 1) * n / t->steps;
    return t->valid && every && t->step % every == 0 && t->batch < t->per_epoch; /* else it is the epoch's */
}

bool gr_trainer_is_valid_epoch(const gr_trainer *t)
{
    const int64_t every = t->session->recipe->valid_every;
    if (!t->valid || t->options->validations) return false;
    return every ? t->step % every == 0 : !t->report || t->options->report || t->watch || gr_pace_watches(&t->pace);
}

int gr_trainer_validate(gr_trainer *t, bool of_epoch, gr_error *e)
{
    t->valid_due = true;
    t->data_moved = true;
    if (gr_evaluate(t->session, "valid", t->valid, t->options->stop, e)) return e->status;
    if (gr_trainer_stop_asked(t)) return 0;
    t->valid_due = false;
    t->valid_step = t->step;
    if (t->watch) gr_watch_see(t->watch, t->exec, t->valid, t->epoch, t->step);
    gr_pace_see(&t->pace, t->valid);
    gr_trainer_report(t, t->valid, of_epoch);
    return 0;
}

/* The last weights of all may be the best; a run that goes on from the checkpoint does not
 * see this validation, as it would not have been made had training not ended here. */
static int see_last(gr_trainer *t, gr_error *e)
{
    if (t->valid_step == t->step || t->result->stopped || gr_watch_is_over(t->watch)) return 0;
    if (gr_evaluate(t->session, "valid", t->valid, t->options->stop, e)) return e->status;
    if (!gr_trainer_stop_asked(t)) gr_watch_see(t->watch, t->exec, t->valid, t->epoch, t->step);
    return 0;
}

int gr_trainer_take_best(gr_trainer *t, gr_error *e)
{
    const gr_watch_spec *spec = &t->session->recipe->watch;
    gr_arena *a = t->session->arena;
    if (!t->watch) return 0;
    if (gr_watch_is_over(t->watch) && !t->options->quiet)
        gr_session_note(t->session, "stopped early: valid %s got no better in %lld validation%s", gr_watch_metric(t->watch),
                        (long long)spec->patience, gr_s(spec->patience));
    if (spec->keep && see_last(t, e)) return e->status;
    gr_watch_result(t->watch, t->result);
    if (!spec->keep) return 0;
    bool taken = gr_watch_restore(t->watch);
    if (!t->options->quiet)
        gr_session_note(t->session, "%s: %s%s", taken ? "the best weights are kept" : "the last weights are kept",
                        gr_watch_best_text(t->watch, a), t->options->save ? "" : "; in no file: --save FILE writes them");
    return 0;
}
