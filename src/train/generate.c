/* generate.c - choosing the next item again and again. */
#include "train/generate.h"
#include "kernel/kernel.h"
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct generator {
    gr_session *session;
    const gr_generate_options *options;
    gr_exec *exec;
    int32_t *feed;         /* where the item goes */
    const void *logits;
    gr_type type;          /* of logits */
    int64_t classes;
    double *weight;        /* [classes] */
    const char *const *vocab; int words;
    bool spaced;
    int64_t step;
} generator;

gr_generate_options gr_generate_defaults(const gr_session *s)
{
    const gr_generate_spec *g = &s->recipe->generate;
    return (gr_generate_options){g->prompt, g->length, g->temperature, g->top_k, stdout};
}

/* ---- choosing ---- */

static int likeliest(const generator *g)
{
    int best = 0;
    for (int i = 1; i < (int)g->classes; i++)
        if (gr_element(g->logits, g->type.dtype, i) > gr_element(g->logits, g->type.dtype, best)) best = i;
    return best;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The logit below which nothing is chosen. */
static double threshold(generator *g, int64_t k)
{
    if (k <= 0 || k >= g->classes) return -INFINITY;
    for (int64_t i = 0; i < g->classes; i++) g->weight[i] = gr_element(g->logits, g->type.dtype, i);
    qsort(g->weight, (size_t)g->classes, sizeof *g->weight, descending);
    return g->weight[k - 1];
}

static int sample(generator *g)
{
    double least = threshold(g, g->options->top_k), sum = 0;
    double top = gr_element(g->logits, g->type.dtype, likeliest(g));
    for (int64_t i = 0; i < g->classes; i++) {
        double x = gr_element(g->logits, g->type.dtype, i);
        sum += g->weight[i] = x < least ? 0 : exp((x - top) / g->options->temperature);
    }
    float u;
    const uint64_t key[2] = {g->session->options.seed, 0x67656e6572617465u};
    gr_math_get()->uniform_f32(key, (uint64_t)g->step, 0, &u, 1);
    double at = (double)u * sum;
    int chosen = likeliest(g);
    for (int i = 0; i < (int)g->classes; i++) {
        if (g->weight[i] <= 0) continue;
        chosen = i;
        if ((at -= g->weight[i]) < 0) break;
    }
    return chosen;
}

/* ---- running ---- */

static int prepare(generator *g, gr_error *e)
{
    gr_session *s = g->session;
    const gr_generate_spec *spec = &s->recipe->generate;
    if (!spec->feed || !spec->from)
        return gr_set_error(e, GR_EINVAL, "%s has no `generate` section; write generate: {feed: INPUT, from: LOGITS}",
                            gr_model_path(s->model));
    gr_axis_size axes[GR_MAX_RANK];
    const char *fetch[] = {spec->from, NULL};
    gr_want want = {.stepwise = true, .fetch = fetch, .axes = axes};
    for (int i = 0; i < s->num_inputs; i++)
        for (int k = 0; strcmp(s->inputs[i].name, spec->feed) == 0 && k < s->inputs[i].rank; k++)
            if (s->inputs[i].axis[k]) axes[want.num_axes++] = (gr_axis_size){s->inputs[i].axis[k], 1};
    if (!(g->exec = gr_session_compile(s, &want, e)) || gr_session_check_weights(s, g->exec, e)) return e->status;
    gr_type t;
    g->feed = gr_run_feed(g->exec->run, spec->feed, &t);
    if (!g->feed || t.dtype != GR_INT32 || gr_numel(&t) != 1)
        return gr_set_error(e, GR_EINVAL, "generate: '%s' must be an Input of integers whose axes have names ([time, batch]), "
                            "and '%s' must depend on it", spec->feed, spec->from);
    g->logits = gr_run_result(g->exec->run, spec->from, &g->type);
    g->classes = gr_numel(&g->type);
    g->weight = GR_NEW_ARRAY(s->arena, double, g->classes);
    g->vocab = s->data ? gr_data_vocab(s->data, NULL, &g->words) : NULL;
    if (!g->vocab) return gr_set_error(e, GR_EINVAL, "generate needs the vocabulary of a data source");
    if (g->words != g->classes)
        return gr_set_error(e, GR_EINVAL, "'%s' chooses among %lld, but the vocabulary has %d", spec->from,
                            (long long)g->classes, g->words);
    g->spaced = gr_vocab_is_words(g->vocab, g->words);
    return gr_session_reset(s, "never", e);
}

static int run_step(generator *g, int32_t item, gr_error *e)
{
    *g->feed = item;
    return gr_exec_step(g->exec, g->step++, e);
}

static int continue_text(generator *g, gr_error *e)
{
    const gr_generate_options *o = g->options;
    int32_t *ids;
    const char *prompt = o->prompt && *o->prompt ? o->prompt : g->vocab[0];
    int n = gr_data_encode(g->session->data, g->session->arena, NULL, prompt, &ids, e);
    if (n < 0) return e->status;
    if (n == 0) return gr_set_error(e, GR_EINVAL, "the prompt is empty");
    for (int i = 0; i < n; i++)
        if (run_step(g, ids[i], e)) return e->status;
    if (strcmp(prompt, "<unk>") != 0) fputs(prompt, o->out); /* nobody wrote it */
    for (int64_t k = 0; k < o->length; k++) {
        int chosen = o->temperature > 0 ? sample(g) : likeliest(g);
        fprintf(o->out, "%s%s", g->spaced ? " " : "", g->vocab[chosen]);
        if (k + 1 < o->length && run_step(g, chosen, e)) return e->status;
    }
    fputc('\n', o->out);
    fflush(o->out);
    return 0;
}

int gr_generate(gr_session *s, const gr_generate_options *o, gr_error *e)
{
    generator g = {.session = s, .options = o};
    gr_frame frame;
    *e = (gr_error){0};
    if (gr_try(s->arena, &frame)) {
        int status = prepare(&g, e);
        if (status == 0) status = continue_text(&g, e);
        gr_end_try(s->arena, &frame);
        return status;
    }
    return gr_set_error(e, GR_ENOMEM, "out of memory");
}
