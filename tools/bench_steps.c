/* bench_steps.c - what graphrun bench measures, again and again on one batch. See bench.h. */
#include "bench.h"
#include "base/sort.h"
#include "io/npy.h"
#include "train/metrics.h"
#include "train/progress.h"

#include <math.h>
#include <string.h>

enum { ROOM = 1 << 20, WARM_UP = 3 };

void bench_times_add(gr_arena *a, bench_times *t, double median, double best, int64_t steps)
{
    double *round = GR_NEW_ARRAY(a, double, t->rounds + 1);
    if (t->rounds) memcpy(round, t->round, (size_t)t->rounds * sizeof *round);
    round[t->rounds++] = median;
    t->round = round;
    t->best = t->steps ? fmin(t->best, best) : best;
    t->steps += steps;
}

double bench_times_median(gr_arena *a, const bench_times *t)
{
    return gr_median(gr_arena_copy(a, t->round, (size_t)t->rounds * sizeof *t->round), t->rounds);
}

double bench_times_spread(const bench_times *t)
{
    double least = INFINITY, most = 0;
    for (int i = 0; i < t->rounds; i++) {
        least = fmin(least, t->round[i]);
        most = fmax(most, t->round[i]);
    }
    return most > 0 ? (most - least) / most : 0;
}

/* ---- counting ---- */

/* Items of the first integer Input of two axes or more, else rows of the first of numbers with three,
 * else items of the first integer one. */
static int64_t count_tokens(const gr_exec *x)
{
    int64_t count[3] = {0};
    for (int i = 0; i < x->session->num_inputs; i++) {
        gr_type t;
        if (!gr_run_feed(x->run, x->session->inputs[i].name, &t)) continue;
        bool whole = t.dtype == GR_INT32;
        int kind = whole && t.rank > 1 ? 0 : !whole && t.rank > 2 ? 1 : whole ? 2 : -1;
        if (kind >= 0 && !count[kind]) count[kind] = kind == 1 ? gr_numel(&t) / t.dim[t.rank - 1] : gr_numel(&t);
    }
    return count[0] ? count[0] : count[1] ? count[1] : count[2];
}

static double program_flops(const gr_program *p)
{
    double total = 0;
    for (int i = 0; i < p->num_templates; i++) total += gr_template_flops(&p->templates[i]) * gr_iterations(p, p->templates[i].loop);
    return total;
}

static double mean_size(const double *data, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(data[i]);
    return sum / (double)n;
}

/* What a rival's first step is compared with. */
static double check_value(const bench *b)
{
    gr_session *s = b->session;
    if (b->what == BENCH_STEP) return mean_size(gr_decoder_logits(b->decoder), gr_decoder_classes(b->decoder));
    if (b->what == BENCH_TRAIN) {
        gr_meter *m = gr_meter_create(s);
        gr_meter_add(m, b->exec);
        return gr_meter_loss(m);
    }
    gr_type t;
    const void *data = gr_run_result(b->exec->run, b->fetch[0], &t);
    double *list = GR_NEW_ARRAY(s->arena, double, gr_numel(&t) + 1);
    for (int64_t i = 0; i < gr_numel(&t); i++) list[i] = gr_element(data, t.dtype, i);
    return mean_size(list, gr_numel(&t));
}

/* ---- making ---- */

static int compile(bench *b, gr_error *e)
{
    gr_session *s = b->session;
    gr_want want = {.update = true, .training = true};
    if (b->what == BENCH_INFER) want = (gr_want){.fetch = b->fetch, .frozen = true};
    const double start = gr_seconds();
    b->exec = gr_session_compile(s, &want, e);
    b->compile_ms = (gr_seconds() - start - s->measuring) * 1e3;
    b->pass_ms = s->passing * 1e3;
    return b->exec ? 0 : e->status;
}

static int feed(bench *b, gr_error *e)
{
    gr_session *s = b->session;
    if (!s->data) return 0;
    if (gr_data_begin(s->data, "train", 0, 0, e) || gr_data_next(s->data, &b->field, e) < 0) return e->status;
    b->exec = gr_exec_for_batch(b->exec, b->field, e);
    return b->exec ? gr_exec_feed_batch(b->exec, b->field, e) : e->status;
}

/* What an encoder reads, and each step; the decoder keeps the place. */
static const int32_t nothing[1];

/* The program of a step is made with the first item. */
static int open_step(bench *b, gr_error *e)
{
    gr_session *s = b->session;
    double start = gr_seconds();
    if (!(b->decoder = gr_decoder_create(s, false, e)) || gr_decoder_begin(b->decoder, nothing, 1, e)) return e->status;
    if (!gr_decoder_steps(b->decoder))
        return gr_set_error(e, GR_EINVAL, "%s does not step: %s, so each item would run all before it again", gr_model_path(s->model),
                            gr_decoder_fault(b->decoder));
    int status = gr_decoder_feed(b->decoder, nothing, 1, e);
    b->compile_ms = (gr_seconds() - start - s->measuring) * 1e3;
    b->pass_ms = s->passing * 1e3;
    b->exec = gr_decoder_exec(b->decoder);
    if (!status && !b->done++) b->check = check_value(b);
    return status;
}

/* Of a model that looks back, a step at each place in turn that there is room for. */
static int next_item(bench *b, gr_error *e)
{
    const int64_t room = gr_decoder_room(b->decoder);
    if (room && gr_decoder_count(b->decoder) >= room && gr_decoder_begin(b->decoder, nothing, 1, e)) return e->status;
    return gr_decoder_feed(b->decoder, nothing, 1, e);
}

static int step(bench *b, gr_error *e)
{
    if (b->what == BENCH_STEP) return next_item(b, e);
    int status = gr_exec_step(b->exec, b->done, e);
    return status == GR_ESTATE ? gr_set_error(e, GR_ESTATE, "a value of the step is not finite") : status;
}

int bench_open(bench *b, gr_error *e)
{
    gr_session *s = b->session;
    const char *const usual[] = {s->recipe->generate.from ? s->recipe->generate.from : s->recipe->minimize, NULL};
    if (!b->fetch) b->fetch = gr_arena_copy(s->arena, usual, sizeof usual);
    int status = b->what == BENCH_STEP ? open_step(b, e) : compile(b, e);
    if (!status && b->what != BENCH_STEP) status = feed(b, e);
    if (status) return status;
    b->time = GR_NEW_ARRAY(s->arena, double, ROOM);
    for (int i = 0; b->what == BENCH_TRAIN && i < s->recipe->num_lrs; i++) /* the same step again must not diverge */
        gr_exec_set_lr(b->exec, i, s->recipe->lrs[i].lr * 1e-3);
    b->in_use = b->threads = b->exec->schedule->threads;
    b->steps_with = GR_NEW_ARRAY(s->arena, int64_t, b->threads + 1);
    b->tokens = b->what == BENCH_STEP ? 1 : count_tokens(b->exec);
    b->flops = program_flops(b->exec->program);
    return 0;
}

/* Of a step with as many threads as are in use. */
static double predicted(const bench *b)
{
    const gr_schedule *s = b->exec->schedule;
    while (s->fewer && s->threads > b->in_use) s = s->fewer;
    return s->predicted * 1e-9;
}

static void note_threads(bench *b)
{
    const int now = gr_pool_in_use(b->exec->pool), n = now < b->threads ? now : b->threads;
    if (++b->steps_with[n] > b->steps_with[b->in_use]) b->in_use = n;
}

/* The first steps after something else had the machine are not counted. */
int bench_round(bench *b, bench_watch *w, double seconds, gr_error *e)
{
    double begin = gr_seconds(), last = begin, now;
    int64_t n = 0, warm = WARM_UP;
    do {
        int status = step(b, e);
        if (status) return status;
        now = gr_seconds();
        if (!b->done++) b->check = check_value(b);
        if (warm > 0 || now - begin < 0.1 * seconds) {
            warm--;
        } else {
            b->time[n++] = now - last;
            note_threads(b);
        }
        if (w) bench_watch_peak(w, b, now - begin);
        last = gr_seconds();
    } while (n < ROOM && (n < 3 || now - begin < 1.1 * seconds));
    double best = b->time[0];
    for (int64_t i = 1; i < n; i++) best = fmin(best, b->time[i]);
    bench_times_add(b->session->arena, &b->times, gr_median(b->time, n), best, n);
    b->switches = gr_pool_switches(b->exec->pool);
    b->predicted = predicted(b);
    return 0;
}

/* ---- the case, for rivals ---- */

int bench_write_case(const bench *b, const char *folder, gr_error *e)
{
    gr_session *s = b->session;
    if (gr_session_save(s, b->exec, gr_arena_printf(s->arena, "%s/weights.safetensors", folder), e)) return e->status;
    for (int i = 0; b->field && i < s->num_inputs; i++) {
        if (b->exec->field[i] < 0) continue;
        const char *path = gr_arena_printf(s->arena, "%s/%s.npy", folder, s->inputs[i].name);
        if (gr_npy_write(path, &b->field[b->exec->field[i]], e)) return e->status;
    }
    return 0;
}
