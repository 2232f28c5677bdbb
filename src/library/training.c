/* training.c - a model at work on its weights, a step at a time.
 *
 * Steps are those of `graphrun train`: the same programs, schedules, pieces and carried states, so as many of them
 * leave the same bits. What is around them there, reports and validations, is the caller's. */
#include "library/library.h"
#include "train/cut.h"
#include "train/loop.h"
#include "train/pace.h"

#include <math.h>
#include <string.h>

/* A piece of a batch of the data source. */
typedef struct place {
    const gr_tensor *fields; /* of the batch; NULL: nothing was asked of the data source */
    int64_t epoch, batch, piece, pieces;
} place;

struct gr_training {
    gr_memory own;
    const gr_memory *memory;            /* own */
    gr_told told;
    gr_session *session;
    gr_exec *exec;                      /* for the piece last fed */
    gr_pace pace;
    place at, next;                     /* fed; to be fed, where `found` */
    bool found;                         /* so that a call that fails once more feeds the same */
    bool unfed;                         /* no batch is fed whole: the last gr_training_next failed */
    int64_t epoch;                      /* that began last, -1: none */
    bool begun;                         /* the data source is in it; false: the next one has to begin */
    gr_tensor *fields;                  /* room for a piece of a batch */
    atomic_bool busy;                   /* a thread is at work on it */
    int64_t step, per_epoch;
    double lr;                          /* NAN: as the schedule says */
};

/* ---- batches ---- */

static int begin_epoch(gr_training *t, gr_error *e)
{
    t->begun = gr_data_begin(t->session->data, "train", t->epoch + 1, 0, e) == 0;
    if (!t->begun) return e->status;
    t->epoch++;
    return 0;
}

/* The next batch, going from epoch to epoch. */
static int find_batch(gr_training *t, place *p, gr_error *e)
{
    gr_data *data = t->session->data;
    if (!t->begun && begin_epoch(t, e)) return e->status;
    int more = gr_data_next(data, &p->fields, e);
    if (more == 0) {
        if (begin_epoch(t, e)) return e->status;
        more = gr_data_next(data, &p->fields, e);
    }
    if (more < 1) return more < 0 ? (int)e->status : gr_set_error(e, GR_EINVAL, "the data source has no batch to train on");
    p->batch = t->at.fields && t->at.epoch == t->epoch ? t->at.batch + 1 : 0;
    p->epoch = t->epoch;
    p->piece = 0;
    p->pieces = gr_cut_pieces(t->session, p->fields);
    return 0;
}

/* The next piece of the batch in hand, or of the next one. */
static int find_next(gr_training *t, gr_error *e)
{
    place p = t->at;
    if (t->found) return 0;
    if (p.fields && p.piece + 1 < p.pieces) p.piece++;
    else if (find_batch(t, &p, e)) return e->status;
    t->next = p;
    t->found = true;
    return 0;
}

static const gr_tensor *piece_at(gr_training *t, const place *p)
{
    return p->fields ? gr_cut_piece(t->session, p->fields, p->piece, t->fields) : NULL;
}

/* What is carried is set back last, when all that may fail but for memory has been done. */
static int reset_carried(gr_session *s, const place *p, gr_error *e)
{
    if (p->piece == 0 && p->batch == 0 && gr_session_reset(s, "epoch", e)) return e->status;
    return p->piece == 0 && gr_session_reset(s, "batch", e) ? (int)e->status : 0;
}

static int feed_next(gr_training *t, gr_error *e)
{
    const place *p = &t->next;
    if (!t->session->data) return gr_set_error(e, GR_EINVAL, "%s has no `data` section: feed its Inputs", gr_model_path(t->session->model));
    t->unfed = true;
    if (find_next(t, e)) return e->status;
    gr_exec *x = gr_exec_for_batch(t->exec, piece_at(t, p), e);
    if (!x) return e->status;
    const bool begins = p->batch == 0 && p->piece == 0;
    if (!begins && gr_carry_check(t->exec, x, p->piece == 0, e)) return e->status;
    if (gr_exec_feed_batch(x, piece_at(t, p), e) || reset_carried(t->session, p, e)) return e->status;
    t->exec = x;
    t->at = *p;
    t->found = t->unfed = false;
    return 0;
}

/* ---- a step ---- */

static int make_step(gr_training *t, double *loss, gr_error *e)
{
    gr_session *s = t->session;
    const place *p = &t->at;
    if (t->unfed) return gr_set_error(e, GR_EINVAL, "the last gr_training_next failed, so that no batch is fed whole: call it again");
    const bool ends = !p->fields || (p->piece + 1 >= p->pieces && p->batch + 1 == t->per_epoch);
    gr_pace_set(&t->pace, t->exec, p->epoch, ends, t->per_epoch * gr_cut_full_pieces(s));
    for (int i = 0; !isnan(t->lr) && i < s->recipe->num_lrs; i++) gr_exec_set_lr(t->exec, i, t->lr);
    const int status = gr_exec_step(t->exec, t->step, e);
    if (status == GR_ESTATE) gr_find_nonfinite(t->exec, t->step, e);
    if (status) return status;
    gr_type type;
    const void *value = gr_run_result(t->exec->run, s->recipe->minimize, &type);
    if (loss) *loss = value ? gr_element(value, type.dtype, 0) : NAN;
    t->step++;
    gr_pace_step(&t->pace);
    return 0;
}

/* ---- opening ---- */

static int prepare(gr_training *t, const gr_training_options *o, gr_error *e)
{
    gr_session *s = t->session;
    const gr_want w = {.update = true, .training = true, .axes = o->axes, .num_axes = o->num_axes};
    const gr_field *list;
    if (gr_check_axes(s, o->axes, o->num_axes, e)) return e->status;
    if (!s->recipe->minimize || !s->recipe->optimizer.op)
        return gr_set_error(e, GR_EINVAL, "%s has no `train` section; write train: {minimize: NODE, optimizer: {op: SGD, lr: 0.1}}",
                            gr_model_path(s->model));
    t->pace = gr_pace_start(s->arena, s->recipe);
    if (gr_pace_watches(&t->pace))
        return gr_set_error(e, GR_EINVAL, "the learning rate's schedule watches validations, which are not made here; set train.optimizer.lr "
                            "to a number or to a schedule of epochs or steps");
    if (s->options.weights) s->options.weights = gr_arena_strdup(s->arena, s->options.weights);
    if (!(t->exec = gr_session_compile(s, &w, e)) || gr_session_check_weights(s, t->exec, e)) return e->status;
    t->fields = GR_NEW_ARRAY(s->arena, gr_tensor, (s->data ? gr_data_fields(s->data, &list) : 0) + 1);
    t->per_epoch = s->data ? gr_data_batches(s->data, "train") : 1;
    return 0;
}

/* fn within gr_try, on one thread at a time; a failure as the caller gets it. */
static int guarded(gr_training *t, int (*fn)(gr_training *t, void *data, gr_error *e), void *data, gr_failure **why)
{
    if (gr_enter(&t->busy, t->memory, "training", why)) return GR_EINVAL;
    const locale_t before = gr_enter_plain();
    gr_frame frame;
    gr_error e = {0};
    int status;
    if (gr_try(t->session->arena, &frame)) {
        status = fn(t, data, &e);
        gr_end_try(t->session->arena, &frame);
    } else {
        status = gr_caught(t->session->arena, &e);
    }
    gr_leave_plain(before);
    if (status) {
        e.status = status;
        gr_diag_clear(t->session->diag);
        gr_failed(t->memory, &t->told, &e, why);
    }
    gr_leave(&t->busy);
    return status;
}

static int do_prepare(gr_training *t, void *options, gr_error *e) { return prepare(t, options, e); }
static int do_next(gr_training *t, void *data, gr_error *e) { return (void)data, feed_next(t, e); }
static int do_step(gr_training *t, void *loss, gr_error *e) { return make_step(t, loss, e); }
static int do_save(gr_training *t, void *path, gr_error *e) { return gr_session_save(t->session, t->exec, path, e); }

static int open_session(gr_training *t, const char *path, const gr_training_options *o, gr_failure **why)
{
    gr_error e = {0};
    const gr_session_options so = {
        .model = {.sets = o->sets, .plugins = o->plugins, .real = o->dtype ? o->dtype : GR_FLOAT32}, .threads = o->threads,
        .seed = o->seed, .weights = o->weights, .unbound = true, .quiet = !o->notify, .say = gr_told_sink(&t->told), .memory = t->memory};
    const locale_t before = gr_enter_plain();
    t->session = gr_session_open(path, &so, &e);
    gr_leave_plain(before);
    if (!t->session) return gr_failed(t->memory, &t->told, &e, why);
    gr_training_options copy = *o;
    return guarded(t, do_prepare, &copy, why);
}

int gr_training_open(const char *path, const gr_training_options *options, gr_training **to, gr_failure **why)
{
    gr_training_options o;
    const gr_memory *m = &gr_system_memory;
    if (gr_lacks(to, "gr_training_open", "where the training is to go", why)) return GR_EINVAL;
    *to = NULL;
    if (gr_lacks(path, "gr_training_open", "the path of the model file", why)) return GR_EINVAL;
    if (gr_take_options(&o, sizeof o, options, "gr_training_options", m, why) || gr_check_memory(o.memory, why)) return GR_EINVAL;
    if (o.dtype && !gr_is_float(o.dtype)) return gr_refuse(m, why, GR_EINVAL, "dtype is GR_FLOAT32 or GR_FLOAT64");
    if (o.threads < 0 || o.threads > 4096) return gr_refuse(m, why, GR_EINVAL, "threads is %d; it is at least 1, or 0 for as many as pay", o.threads);
    if (o.memory) m = o.memory;
    gr_training *t = gr_allocate_alone(m, sizeof *t);
    if (!t) return gr_refuse(m, why, GR_ENOMEM, "out of memory");
    *t = (gr_training){.own = *m, .memory = &t->own, .epoch = -1, .lr = NAN,
                       .told = {.memory = &t->own, .notify = o.notify, .notify_data = o.notify_data}};
    const int status = open_session(t, path, &o, why);
    if (status) gr_training_close(t);
    else *to = t;
    return status;
}

void gr_training_close(gr_training *t)
{
    if (!t) return;
    gr_session_close(t->session);
    gr_told_free(&t->told);
    gr_free(t);
}

/* ---- use ---- */

static int lacks_training(const gr_training *t, const char *function, gr_failure **why) { return gr_lacks(t, function, "the training", why); }

int gr_training_input(gr_training *t, const char *input, gr_tensor *to, gr_failure **why)
{
    gr_type type;
    if (lacks_training(t, "gr_training_input", why) || gr_lacks(input, "gr_training_input", "the name", why) ||
        gr_lacks(to, "gr_training_input", "where the tensor is to go", why))
        return GR_EINVAL;
    void *data = gr_run_feed(t->exec->run, input, &type);
    *to = (gr_tensor){.data = NULL};
    if (!data) return gr_refuse(t->memory, why, GR_EINVAL, "the model has no Input '%s' that its training needs", input);
    *to = gr_tensor_over(data, &type);
    return 0;
}

int gr_training_next(gr_training *t, gr_failure **why)
{
    return lacks_training(t, "gr_training_next", why) ? GR_EINVAL : guarded(t, do_next, NULL, why);
}

int gr_training_step(gr_training *t, double *loss, gr_failure **why)
{
    return lacks_training(t, "gr_training_step", why) ? GR_EINVAL : guarded(t, do_step, loss, why);
}

int64_t gr_training_epoch(const gr_training *t) { return t ? t->at.epoch : 0; }

void gr_training_set_lr(gr_training *t, double lr)
{
    if (t) t->lr = lr;
}

int gr_training_save(gr_training *t, const char *path, gr_failure **why)
{
    if (lacks_training(t, "gr_training_save", why) || gr_lacks(path, "gr_training_save", "the path to save the weights to", why)) return GR_EINVAL;
    return guarded(t, do_save, (void *)(uintptr_t)path, why);
}
