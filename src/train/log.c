/* log.c - JSON lines. JSON has no NaN: a number that is not finite is null. */
#include "train/log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

struct gr_log { FILE *file; };

gr_log *gr_log_open(const char *path, bool append, gr_error *e)
{
    gr_log *log = gr_allocate(&gr_system_memory, sizeof *log, 0);
    if (log && (log->file = fopen(path, append ? "a" : "w"))) return log;
    gr_set_error(e, log ? GR_EIO : GR_ENOMEM, "cannot write %s: %s", path, log ? strerror(errno) : "out of memory");
    gr_free(log);
    return NULL;
}

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static void write_line(gr_log *log, json_t *line)
{
    json_dumpf(line, log->file, JSON_COMPACT | JSON_REAL_PRECISION(17));
    fputc('\n', log->file);
    fflush(log->file);
    json_decref(line);
}

/* Of several learning rates each: the optimiser's own, then those of groups. */
static void put_rates(json_t *line, const gr_recipe *r, const double *lr)
{
    if (r->num_lrs < 2) return;
    json_t *rates = json_array();
    for (int i = 0; i < r->num_lrs; i++) json_array_append_new(rates, number(lr[i]));
    json_object_set_new(line, "lrs", rates);
}

/* Of several losses each, without its weight. */
static void put_losses(json_t *line, const gr_recipe *r, const gr_meter *m)
{
    if (r->num_losses < 2) return;
    json_t *losses = json_object();
    for (int i = 0; i < r->num_losses; i++) json_object_set_new(losses, r->losses[i].name, number(gr_meter_part(m, i)));
    json_object_set_new(line, "losses", losses);
}

/* Loss and metrics of a meter, into `line`. */
static void put_meter(json_t *line, const gr_session *s, const gr_meter *m)
{
    json_t *metrics = json_object();
    json_object_set_new(line, "loss", number(gr_meter_loss(m)));
    put_losses(line, s->recipe, m);
    for (int i = 0; i < m->num_metrics; i++)
        json_object_set_new(metrics, s->recipe->metrics[i].label,
                            m->text[i][0] ? json_string(m->text[i]) : number(gr_meter_value(m, s->recipe, i)));
    json_object_set_new(line, "metrics", metrics);
}

void gr_log_report(gr_log *log, const gr_session *s, const gr_train_report *r)
{
    if (!log) return;
    json_t *line = json_object();
    json_object_set_new(line, "event", json_string("report"));
    json_object_set_new(line, "epoch", json_integer(r->epoch));
    json_object_set_new(line, "step", json_integer(r->step));
    json_object_set_new(line, "over", json_string(r->of_epoch ? "epoch" : "steps"));
    if (r->train->batches) put_meter(line, s, r->train);
    if (r->valid) {
        json_t *of_valid = json_object();
        put_meter(of_valid, s, r->valid);
        json_object_set_new(line, "valid", of_valid);
    }
    json_object_set_new(line, "lr", number(r->lr[0]));
    put_rates(line, s->recipe, r->lr);
    json_object_set_new(line, "seconds", number(r->seconds));
    json_object_set_new(line, "tokens", json_integer(r->tokens));
    write_line(log, line);
}

int gr_log_close(gr_log *log, const gr_session *s, const gr_train_result *r, gr_error *e)
{
    if (!log) return 0;
    json_t *line = json_object();
    json_object_set_new(line, "event", json_string("end"));
    json_object_set_new(line, "model", json_string(gr_model_name(s->model)));
    json_object_set_new(line, "steps", json_integer(r->steps));
    json_object_set_new(line, "stopped", json_boolean(r->stopped));
    if (r->best_step >= 0) {
        json_object_set_new(line, "early", json_boolean(r->early));
        json_object_set_new(line, "best", json_pack("{s:I, s:I, s:o}", "epoch", (json_int_t)r->best_epoch, "step",
                                                    (json_int_t)r->best_step, "value", number(r->best)));
    }
    json_object_set_new(line, "error", e->status ? json_string(e->message) : json_null());
    write_line(log, line);
    bool failed = ferror(log->file);
    if (fclose(log->file)) failed = true;
    gr_free(log);
    return failed && !e->status ? gr_set_error(e, GR_EIO, "the log cannot be written: %s", strerror(errno)) : 0;
}
