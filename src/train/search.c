/* search.c - greedy, drawn, and beam search.
 *
 * Ties go to the lower item and to the output that was ahead before. */
#include "train/search.h"
#include "base/count.h"
#include "kernel/kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct searcher {
    gr_decoder *decoder;
    const gr_search *how;
    gr_arena *arena;
    int classes;
    double *weight; /* [classes] */
} searcher;

/* ---- what both ways do ---- */

static int likeliest(const double *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static int feed(searcher *s, const int32_t *item, int n, gr_error *e)
{
    if (gr_decoder_feed(s->decoder, item, n, e)) return e->status;
    const double *x = gr_decoder_logits(s->decoder);
    for (int i = 0; i < s->classes; i++)
        if (isnan(x[i])) return gr_set_error(e, GR_ESTATE, "generate: after %lld item%s the logits are not numbers", (long long)gr_decoder_count(s->decoder), gr_s(gr_decoder_count(s->decoder)));
    return 0;
}

static double log_sum(const double *x, int n)
{
    double top = x[likeliest(x, n)], sum = 0;
    for (int i = 0; i < n; i++) sum += exp(x[i] - top);
    return top + log(sum);
}

static void add_row(searcher *s, gr_found *f, const double *row, int64_t size)
{
    if (!row) return;
    double *to = GR_NEW_ARRAY(s->arena, double, (f->rows + 1) * size + 1);
    if (f->rows) memcpy(to, f->row, (size_t)(f->rows * size) * sizeof *to);
    memcpy(to + f->rows * size, row, (size_t)size * sizeof *to);
    f->row = to;
    f->row_size = size;
    f->rows++;
}

/* ---- one output ---- */

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The logit below which nothing is chosen. */
static double threshold(searcher *s, const double *x)
{
    int64_t k = s->how->top_k;
    if (k <= 0 || k >= s->classes) return -INFINITY;
    memcpy(s->weight, x, (size_t)s->classes * sizeof *x);
    qsort(s->weight, (size_t)s->classes, sizeof *s->weight, descending);
    return s->weight[k - 1];
}

static int draw(searcher *s, const double *x)
{
    double least = threshold(s, x), sum = 0;
    int chosen = likeliest(x, s->classes);
    double top = x[chosen];
    for (int i = 0; i < s->classes; i++) sum += s->weight[i] = x[i] < least ? 0 : exp((x[i] - top) / s->how->temperature);
    float u;
    const uint64_t key[2] = {s->how->seed, 0x67656e6572617465u};
    gr_math_get()->uniform_f32(key, (uint64_t)gr_decoder_count(s->decoder), (int64_t)s->how->stream, &u, 1);
    double at = (double)u * sum;
    for (int i = 0; i < s->classes; i++) {
        if (s->weight[i] <= 0) continue;
        chosen = i;
        if ((at -= s->weight[i]) < 0) break;
    }
    return chosen;
}

static int run_single(searcher *s, gr_found *f, gr_error *e)
{
    for (int64_t k = 0; k < s->how->length; k++) {
        const double *x = gr_decoder_logits(s->decoder);
        int64_t size = 0;
        int32_t chosen = s->how->temperature > 0 ? draw(s, x) : likeliest(x, s->classes);
        f->score += x[chosen] - log_sum(x, s->classes);
        const double *row = gr_decoder_shown(s->decoder, &size);
        add_row(s, f, row, size);
        if ((f->stopped = chosen == s->how->stop)) break;
        *GR_PUSH(s->arena, f->item, f->count, f->cap) = chosen;
        if (k + 1 < s->how->length && feed(s, &chosen, 1, e)) return e->status;
    }
    return 0;
}

/* ---- beam search ---- */

typedef struct candidate { double score; int from; int32_t item; } candidate;

typedef struct live { /* an output that goes on */
    gr_found found;
    gr_decoder_mark *mark;
    double *logp;     /* [classes] of what comes next */
    double *shown; int64_t shown_size;
} live;

/* The best `cap` by score, in order; what comes later and is no better stays behind. */
static int best_candidates(const searcher *s, const live *from, int n, candidate *best, int cap)
{
    int count = 0;
    for (int h = 0; h < n; h++)
        for (int32_t i = 0; i < s->classes; i++) {
            double score = from[h].found.score + from[h].logp[i];
            if (count == cap && !(score > best[cap - 1].score)) continue;
            int at = count < cap ? count++ : cap - 1;
            for (; at > 0 && score > best[at - 1].score; at--) best[at] = best[at - 1];
            best[at] = (candidate){score, h, i};
        }
    return count;
}

static gr_found extended(searcher *s, const live *from, const candidate *c)
{
    gr_found f = from->found;
    f.score = c->score;
    add_row(s, &f, from->shown, from->shown_size);
    f.stopped = c->item == s->how->stop;
    if (f.stopped) return f;
    f.item = GR_NEW_ARRAY(s->arena, int32_t, f.count + 1);
    if (f.count) memcpy(f.item, from->found.item, (size_t)f.count * sizeof *f.item);
    f.item[f.count++] = c->item;
    f.cap = f.count;
    return f;
}

/* What the decoder gives where it stands now. */
static void look(searcher *s, live *l)
{
    const double *x = gr_decoder_logits(s->decoder), sum = log_sum(x, s->classes);
    for (int i = 0; i < s->classes; i++) l->logp[i] = x[i] - sum;
    const double *row = gr_decoder_shown(s->decoder, &l->shown_size);
    if (row && !l->shown) l->shown = GR_NEW_ARRAY(s->arena, double, l->shown_size + 1);
    if (row) memcpy(l->shown, row, (size_t)l->shown_size * sizeof *row);
    gr_decoder_keep(s->decoder, l->mark);
}

static double normalized(const searcher *s, const gr_found *f)
{
    int n = f->count + f->stopped;
    return n ? f->score / pow(n, s->how->length_penalty) : f->score;
}

static live *make_beam(searcher *s)
{
    live *l = GR_NEW_ARRAY(s->arena, live, s->how->beam + 1);
    for (int i = 0; i < s->how->beam; i++) {
        l[i].mark = gr_decoder_mark_create(s->decoder);
        l[i].logp = GR_NEW_ARRAY(s->arena, double, s->classes);
    }
    return l;
}

typedef struct beam {
    live *now, *next;
    int live, finished;
    gr_found best;   /* of those that have ended */
    bool any;
} beam;

static void finish(const searcher *s, beam *b, const gr_found *f)
{
    if (!b->any || normalized(s, f) > normalized(s, &b->best)) b->best = *f;
    b->any = true;
}

/* One item more for each; a stop counts where it is among the first `beam`. */
static int extend(searcher *s, beam *b, bool last, gr_error *e)
{
    int width = (int)s->how->beam, next = 0;
    candidate *best = GR_NEW_ARRAY(s->arena, candidate, 2 * width + 1);
    int n = best_candidates(s, b->now, b->live, best, 2 * width);
    for (int i = 0; i < n && next < width; i++) {
        gr_found f = extended(s, &b->now[best[i].from], &best[i]);
        if (!f.stopped) {
            live *l = &b->next[next++];
            l->found = f;
            if (last) continue;
            gr_decoder_go_back(s->decoder, b->now[best[i].from].mark);
            if (feed(s, &best[i].item, 1, e)) return e->status;
            look(s, l);
        } else if (i < width) {
            b->finished++;
            finish(s, b, &f);
        }
    }
    live *swap = b->now;
    b->now = b->next;
    b->next = swap;
    b->live = next;
    return 0;
}

static int run_beam(searcher *s, gr_found *found, gr_error *e)
{
    beam b = {.now = make_beam(s), .next = make_beam(s), .live = 1};
    look(s, &b.now[0]);
    for (int64_t k = 0; k < s->how->length && b.finished < s->how->beam && b.live; k++)
        if (extend(s, &b, k + 1 == s->how->length, e)) return e->status;
    for (int i = 0; i < b.live && b.finished < s->how->beam; i++) finish(s, &b, &b.now[i].found);
    *found = b.best;
    return 0;
}

int gr_search_run(gr_decoder *d, const gr_search *how, const int32_t *start, int n, gr_arena *a, gr_found *found, gr_error *e)
{
    searcher s = {.decoder = d, .how = how, .arena = a, .classes = (int)gr_decoder_classes(d)};
    s.weight = GR_NEW_ARRAY(a, double, s.classes + 1);
    *found = (gr_found){0};
    *e = (gr_error){0};
    if (feed(&s, start, n, e)) return e->status;
    return how->beam ? run_beam(&s, found, e) : run_single(&s, found, e);
}
