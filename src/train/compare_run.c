/* compare_run.c - the runs themselves: a session each, several side by side.
 *
 * A run has a session of its own and shares nothing with others but what stands under the lock: which run
 * comes next, and what came of one. A run alone on a thread has the bits of any other number of threads. */
#include "io/safetensors.h"
#include "train/compare_work.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a run gives until it is taken over; memory is its session's. */
typedef struct record {
    gr_compare_work *work;
    gr_session *session;
    gr_trial_point *point; int num_points, cap_points;
    const gr_attention_map *map; int num_maps;
    int64_t steps;          /* told to the progress so far */
    int64_t tokens; double seconds; /* before it was interrupted, which training does not count */
    const char *part;       /* checkpoint of a run that is interrupted; NULL: nothing is kept of one */
} record;

static int threads_of_a_run(const gr_comparison *c) { return c->at_once > 1 ? 1 : c->threads; }

gr_session_options gr_compare_session(const gr_compare_work *w, int i, int threads)
{
    gr_session_options o = w->options->session;
    o.model.sets = w->c->contender[i].sets;
    o.model.text = w->c->contender[i].yaml; /* a file that is edited meanwhile would be another model from one run to the next */
    o.threads = threads;
    o.quiet = true;
    return o;
}

/* ---- while it trains ---- */

/* Others are at work, too: what the bar shows is of all of them. */
static void show_progress(record *r, int64_t steps)
{
    gr_compare_work *w = r->work;
    pthread_mutex_lock(&w->lock);
    w->steps_made += steps - r->steps;
    gr_progress_step(&w->progress, w->steps_made, 0);
    pthread_mutex_unlock(&w->lock);
    r->steps = steps;
}

static void add_point(void *data, const gr_session *s, const gr_train_report *t)
{
    record *r = data;
    const gr_comparison *c = r->work->c;
    show_progress(r, t->step);
    if (!t->valid) return;
    double *valid = GR_NEW_ARRAY(r->session->arena, double, c->num_metrics);
    for (int i = 0; i < c->num_metrics; i++) valid[i] = gr_compare_metric(c, i, s, t->valid);
    *GR_PUSH(r->session->arena, r->point, r->num_points, r->cap_points) =
        (gr_trial_point){t->step, r->tokens + t->tokens, r->seconds + t->seconds, t->train->batches ? gr_meter_loss(t->train) : (double)NAN, valid};
}

/* ---- what is kept of it ---- */

static const char *const *copied(gr_arena *a, const char *const *list, int n)
{
    const char **to = GR_NEW_ARRAY(a, const char *, n + 1);
    for (int i = 0; list && i < n; i++) to[i] = gr_arena_strdup(a, list[i]);
    return list ? to : NULL;
}

static const gr_attention_map *maps_copied(gr_arena *a, const record *r)
{
    gr_attention_map *to = GR_NEW_ARRAY(a, gr_attention_map, r->num_maps + 1);
    for (int i = 0; i < r->num_maps; i++) {
        const gr_attention_map *m = &r->map[i];
        to[i] = *m;
        to[i].name = gr_arena_strdup(a, m->name);
        to[i].prompt = gr_arena_strdup(a, m->prompt);
        to[i].row = copied(a, m->row, m->rows);
        to[i].column = copied(a, m->column, m->columns);
        to[i].value = gr_arena_copy(a, m->value, (size_t)m->rows * (size_t)m->heads * (size_t)m->columns * sizeof *m->value);
    }
    return to;
}

/* ---- a run ---- */

static void set_rates(gr_recipe *r, double lr)
{
    const double factor = r->num_lrs ? lr / r->lrs[0].lr : 1;
    for (int i = 0; i < r->num_lrs && factor != 1; i++) r->lrs[i].lr = i ? r->lrs[i].lr * factor : lr;
}

/* Where it stands beside the file of results: "report.json.seed-3-0.01-<key>-0.part". */
static int find_part(record *r, const gr_job *job, gr_error *e)
{
    const gr_compare_work *w = r->work;
    const gr_contender *k = &w->c->contender[job->contender];
    gr_frame frame;
    if (!w->options->file) return 0;
    if (!gr_try(r->session->arena, &frame)) return gr_caught(r->session->arena, e);
    r->part = gr_arena_printf(r->session->arena, "%s.seed-%llu-%.17g-%s-%d.part", w->options->file, (unsigned long long)job->trial->seed,
                              job->trial->lr, k->key, gr_compare_ordinal(w->c, k));
    gr_end_try(r->session->arena, &frame);
    return 0;
}

/* Of the step that a checkpoint was made at; -1: it cannot be read. */
static int64_t step_of_part(const record *r)
{
    gr_arena *a = gr_arena_create_in(gr_arena_memory(r->session->arena));
    int64_t step = -1;
    gr_frame frame;
    if (a && gr_try(a, &frame)) {
        gr_tensors t;
        gr_error e = {0};
        const char *text = gr_safetensors_read(a, r->part, &t, &e) ? NULL : gr_tensors_metadata(&t, "step");
        if (text) step = strtoll(text, NULL, 10);
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return step;
}

/* What was made of it before it was interrupted. Whether it can be gone on with: the checkpoint is written before
 * the results, and what was validated between would be missing where the latter were not. */
static bool recall_part(record *r, const gr_trial *t)
{
    gr_frame frame;
    if (!r->part || t->steps < 1 || access(r->part, R_OK) != 0 || step_of_part(r) != t->steps) return false;
    if (!gr_try(r->session->arena, &frame)) return false;
    for (int i = 0; i < t->num_points; i++) *GR_PUSH(r->session->arena, r->point, r->num_points, r->cap_points) = t->point[i];
    gr_end_try(r->session->arena, &frame);
    r->tokens = t->tokens;
    r->seconds = t->seconds;
    show_progress(r, t->steps);
    return true;
}

/* 0, GR_ESTATE: it diverged, or another status. */
static int train(record *r, const gr_job *job, gr_train_result *result, gr_error *e)
{
    const gr_compare_work *w = r->work;
    const gr_contender *k = &w->c->contender[job->contender];
    gr_train_options t = {.steps = k->steps, .epochs = -1, .validations = w->options->points, .quiet = true,
                          .reported = add_point, .data = r, .stop = w->options->stop};
    if (find_part(r, job, e)) return e->status;
    t.checkpoint = r->part;
    if (recall_part(r, job->trial)) t.resume = r->part;
    r->session->recipe->watch.given = r->session->recipe->watch.keep = false; /* all train to the end */
    if (!isnan(job->trial->lr)) set_rates(r->session->recipe, job->trial->lr);
    const int status = gr_train(r->session, &t, result, e);
    if (status == 0 && !result->stopped && job->shows) r->num_maps = gr_compare_look(r->session, &r->map);
    return status;
}

/* The same, unless its files are not those that the comparison began with; data sources may read them while it trains. */
static int train_on_same(record *r, const gr_job *job, gr_train_result *result, gr_error *e)
{
    gr_error late = {0};
    if (gr_compare_check_files(r->work, job->contender, e)) return e->status;
    const int status = train(r, job, result, e);
    if ((status && status != GR_ESTATE) || gr_compare_check_files(r->work, job->contender, &late) == 0) return status;
    if (r->part) remove(r->part);
    *e = late;
    return e->status;
}

static const gr_trial_point *points_copied(gr_arena *a, const record *r, int metrics)
{
    gr_trial_point *to = GR_NEW_ARRAY(a, gr_trial_point, r->num_points + 1);
    for (int i = 0; i < r->num_points; i++) {
        to[i] = r->point[i];
        to[i].valid = gr_arena_copy(a, r->point[i].valid, (size_t)metrics * sizeof(double));
    }
    return to;
}

static void tell(gr_compare_work *w, const gr_job *job)
{
    const gr_comparison *c = w->c;
    const gr_contender *k = &c->contender[job->contender];
    const gr_trial *t = job->trial;
    gr_compare_judge(w->c);
    if (w->options->session.quiet) return;
    gr_progress_clear(&w->progress);
    fprintf(stderr, "%d/%d  %s, ", w->done, w->done + w->left, k->name);
    if (t->seed == c->tuning_seed) fprintf(stderr, "learning rate %g: ", t->lr);
    else fprintf(stderr, "seed %llu: ", (unsigned long long)t->seed);
    if (t->status == GR_TRIAL_DONE) fprintf(stderr, "%s %.4f\n", c->metric[c->judged], c->by_best ? t->best : t->final);
    else fprintf(stderr, "diverged (%s)\n", t->why);
}

/* The run came to an end. */
static void take_end(gr_compare_work *w, const gr_job *job, const record *r, int status, const gr_error *e)
{
    gr_trial *t = job->trial;
    t->ended = status == 0;
    t->why = t->ended ? "" : gr_arena_strdup(w->arena, e->message);
    t->status = t->ended ? GR_TRIAL_DONE : GR_TRIAL_DIVERGED;
    if (job->shows) {
        w->c->contender[job->contender].attention = maps_copied(w->arena, r);
        w->c->contender[job->contender].num_attention = r->num_maps;
    }
    w->done++;
    w->left--;
    tell(w, job);
}

/* Points and counts, also of a run that was interrupted. The lock is held. */
static int take(gr_compare_work *w, const gr_job *job, const record *r, const gr_train_result *result, int status, gr_error *e)
{
    gr_trial *t = job->trial;
    gr_frame frame;
    if (!gr_try(w->arena, &frame)) return gr_caught(w->arena, e);
    t->point = points_copied(w->arena, r, w->c->num_metrics);
    t->num_points = r->num_points;
    t->steps = result->steps;
    t->tokens = r->tokens + result->tokens;
    t->seconds = r->seconds + result->seconds;
    if (!result->stopped) take_end(w, job, r, status, e);
    *e = (gr_error){0};
    status = w->options->file ? gr_comparison_write(w->c, w->options->file, e) : 0;
    if (r->part && !status && !result->stopped) remove(r->part);
    gr_end_try(w->arena, &frame);
    return status;
}

static void make_run(gr_compare_work *w, const gr_job *job)
{
    gr_error e = {0};
    gr_train_result result = {0};
    gr_session_options o = gr_compare_session(w, job->contender, threads_of_a_run(w->c));
    o.seed = job->trial->seed;
    record r = {.work = w, .session = gr_session_open(w->c->contender[job->contender].path, &o, &e)};
    int status = r.session ? train_on_same(&r, job, &result, &e) : e.status;
    pthread_mutex_lock(&w->lock);
    if (status == 0 || status == GR_ESTATE) take(w, job, &r, &result, status, &e);
    if (e.status && !w->error.status) w->error = e;
    pthread_mutex_unlock(&w->lock);
    gr_session_close(r.session);
}

/* ---- side by side ---- */

static const gr_job *next_job(gr_compare_work *w)
{
    pthread_mutex_lock(&w->lock);
    const gr_job *job = w->next < w->num_jobs && !w->error.status && !gr_compare_stopped(w) ? &w->job[w->next++] : NULL;
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *work(void *data)
{
    for (const gr_job *job; (job = next_job(data));) make_run(data, job);
    return NULL;
}

/* The caller is one of them. Where the system gives fewer threads, those that there are do it all. */
int gr_compare_run(gr_compare_work *w, gr_error *e)
{
    const int n = w->c->at_once < w->num_jobs ? w->c->at_once : w->num_jobs;
    pthread_t *thread = GR_NEW_ARRAY(w->arena, pthread_t, n + 1);
    int started = 0;
    sigset_t all, before; /* Ctrl-C is the caller's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < n - 1 && pthread_create(&thread[started], NULL, work, w) == 0) started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(w);
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    gr_progress_clear(&w->progress);
    if (w->error.status) *e = w->error;
    return e->status;
}
