/* generate.c - prompts in, texts out. */
#include "train/generate.h"
#include "train/generate_text.h"
#include "train/search.h"

#include <graphrun/bleu.h>
#include <math.h>
#include <string.h>

enum { BLEU_GRAMS = 2 }; /* as Dive into Deep Learning scores its translations */

typedef struct generator {
    gr_session *session;
    const gr_generate_options *options;
    gr_decoder *decoder;
    gr_words feed, source; /* how items are written; source NULL vocabulary and field: none */
    gr_search search;
    gr_attention tables;
    double bleu;           /* sum */
} generator;

gr_generate_options gr_generate_defaults(const gr_session *s)
{
    const gr_generate_spec *g = &s->recipe->generate;
    return (gr_generate_options){.prompts = g->prompts, .num_prompts = g->num_prompts, .references = g->references,
                                 .num_references = g->num_references, .length = g->length, .temperature = g->temperature,
                                 .top_k = g->top_k, .beam = g->beam, .length_penalty = g->length_penalty, .out = stdout};
}

/* ---- before the first prompt ---- */

static int check_options(const generator *g, gr_error *e)
{
    const gr_generate_options *o = g->options;
    const gr_generate_spec *spec = &g->session->recipe->generate;
    if ((o->show || o->attention || o->tabled) && !spec->show)
        return gr_set_error(e, GR_EINVAL, "there is no table to show: write generate: {show: VALUE, ...}, the attention's weights");
    if (o->beam && (o->temperature > 0 || o->top_k > 0))
        return gr_set_error(e, GR_EINVAL, "beam search looks for the likeliest and does not draw: leave out temperature and top-k");
    if (o->beam > GR_MAX_BEAM) return gr_set_error(e, GR_EINVAL, "a beam is at most %d wide", GR_MAX_BEAM);
    if (o->num_references && o->num_references != o->num_prompts)
        return gr_set_error(e, GR_EINVAL, "references and prompts are as many: here are %d and %d", o->num_references, o->num_prompts);
    return 0;
}

static int prepare(generator *g, gr_error *e)
{
    gr_session *s = g->session;
    const gr_generate_options *o = g->options;
    const gr_generate_spec *spec = &s->recipe->generate;
    if (check_options(g, e) || !(g->decoder = gr_decoder_create(s, false, e))) return e->status;
    if (gr_decoder_fault(g->decoder)) gr_session_note(s, "each item runs all before it again, for %s", gr_decoder_fault(g->decoder));
    g->feed = gr_words_of(s, gr_decoder_feed_input(g->decoder));
    if (gr_decoder_source_input(g->decoder)) g->source = gr_words_of(s, gr_decoder_source_input(g->decoder));
    if (gr_words_specials(&g->feed, spec->start, spec->stop, e)) return e->status;
    if (g->feed.vocab && g->feed.words != gr_decoder_classes(g->decoder))
        return gr_set_error(e, GR_EINVAL, "'%s' chooses among %lld, but the vocabulary has %d", spec->from,
                            (long long)gr_decoder_classes(g->decoder), g->feed.words);
    g->search = (gr_search){.length = o->length, .stop = g->feed.stop, .temperature = o->temperature, .top_k = o->top_k,
                            .beam = o->beam, .length_penalty = o->length_penalty, .seed = s->options.seed};
    if (o->top_k > 0 && o->temperature <= 0) g->search.temperature = 1;
    return 0;
}

/* ---- one prompt ---- */

/* What the feed starts with: the prompt without its end, else <bos>. */
static int start_items(generator *g, const char *prompt, int32_t **items, gr_error *e)
{
    gr_session *s = g->session;
    bool empty = !*prompt || gr_decoder_source_input(g->decoder);
    if (empty && g->feed.start < 0)
        return gr_set_error(e, GR_EINVAL, "what does '%s' start with? Its vocabulary has no <bos>: write generate: {start: ITEM, ...}",
                            s->recipe->generate.feed);
    if (empty) {
        *items = GR_NEW_ARRAY(s->arena, int32_t, 1);
        **items = g->feed.start;
        return 1;
    }
    int n = gr_words_read(&g->feed, prompt, items, e);
    if (n > 0 && (*items)[n - 1] == g->feed.stop) n--;
    return n || e->status ? n : gr_set_error(e, GR_EINVAL, "the prompt is empty");
}

/* Its n-grams are compared as numbers; a word that the vocabulary lacks is like none. */
static int score_bleu(generator *g, const char *reference, const gr_found *f, double *bleu, gr_error *e)
{
    int32_t *ids;
    int n = gr_words_read(&g->feed, reference, &ids, e), first = 0;
    if (n < 0) return e->status;
    if (n && ids[0] == g->feed.start) first = 1;
    if (n && ids[n - 1] == g->feed.stop) n--;
    for (int i = 0; i < n; i++)
        if (ids[i] == g->feed.unknown) ids[i] = -1;
    gr_sequence label = {ids + first, 1, n > first ? n - first : 0}, made = {f->item, 1, f->count};
    *bleu = gr_bleu(made, label, BLEU_GRAMS);
    g->bleu += *bleu;
    return 0;
}

static int write_line(generator *g, int which, const char *prompt, const gr_found *f, gr_error *e)
{
    const gr_generate_options *o = g->options;
    bool answers = gr_decoder_source_input(g->decoder) != NULL, scored = o->num_references > 0;
    double bleu = 0;
    if (scored && score_bleu(g, o->references[which], f, &bleu, e)) return e->status;
    if (!o->out) return 0;
    if (!answers) fputs(prompt, o->out);
    else if (scored) fprintf(o->out, "%s => ", prompt);
    for (int i = 0; i < f->count; i++) {
        if (g->feed.spaced && (i || (!answers && *prompt))) fputc(' ', o->out);
        fputs(gr_words_text(&g->feed, f->item[i]), o->out);
    }
    if (scored) fprintf(o->out, "  bleu %.3f", bleu);
    fputc('\n', o->out);
    fflush(o->out);
    return 0;
}

static int run_prompt(generator *g, int which, const char *prompt, gr_error *e)
{
    const gr_generate_options *o = g->options;
    int32_t *source = NULL, *start;
    int n = 0;
    if (gr_decoder_source_input(g->decoder) && (n = gr_words_read(&g->source, prompt, &source, e)) < 0) return e->status;
    if (gr_decoder_begin(g->decoder, source, n, e)) return e->status;
    int m = start_items(g, prompt, &start, e);
    gr_found f;
    g->search.stream = (uint64_t)which;
    if (m > 0) gr_decoder_reserve(g->decoder, m + o->length);
    if (m < 0 || e->status || gr_search_run(g->decoder, &g->search, start, m, g->session->arena, &f, e)) return e->status;
    if (write_line(g, which, prompt, &f, e)) return e->status;
    if (!o->show && !o->attention && !o->tabled) return 0;
    gr_table t = gr_table_of(g->session->arena, &f, source ? &g->source : NULL, source, n, &g->feed);
    if (o->show) gr_table_print(&t, o->out);
    if (o->tabled) o->tabled(o->data, prompt, &t);
    if (o->attention) gr_attention_add(&g->tables, g->session->arena, which, &t);
    return 0;
}

static int run_prompts(generator *g, gr_error *e)
{
    const gr_generate_options *o = g->options;
    if (prepare(g, e)) return e->status;
    for (int i = 0; i < o->num_prompts; i++)
        if (run_prompt(g, i, o->prompts[i], e)) return e->status;
    if (!o->num_prompts && run_prompt(g, 0, "", e)) return e->status;
    if (o->out && o->num_references > 1) fprintf(o->out, "mean bleu %.3f of %d\n", g->bleu / o->num_references, o->num_references);
    return o->attention ? gr_safetensors_write(o->attention, &g->tables.tensors, e) : 0;
}

int gr_generate(gr_session *s, const gr_generate_options *o, gr_error *e)
{
    generator g = {.session = s, .options = o};
    gr_frame frame;
    *e = (gr_error){0};
    if (gr_try(s->arena, &frame)) {
        int status = run_prompts(&g, e);
        gr_end_try(s->arena, &frame);
        return status;
    }
    return gr_caught(s->arena, e);
}
