/* test_generate.c - generating: steps against prefixes, search, encoder and decoder, messages. */
#include "generate_support.h"
#include "tests.h"
#include "train/generate.h"
#include "train/search.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- steps where steps do, prefixes where not ---- */

static const generate_kind kinds[] = {
    {"lstm", EMBED "  r: {op: LSTM, in: e, hidden_size: 6, num_layers: 2}\n" OUT("r.output"), true},
    {"gru", EMBED "  r: {op: GRU, in: e, hidden_size: 6}\n" OUT("r.output"), true},
    {"bigram", EMBED OUT("e"), true},
    {"one_hot", "  e: {op: OneHot, in: x, num_classes: 7}\n  r: {op: RNN, in: e, hidden_size: 6}\n" OUT("r.output"), true},
    {"transposed", EMBED "  t: {op: Transpose, in: e, dim0: 0, dim1: 1}\n"
     "  r: {op: RNN, in: t, hidden_size: 6, batch_first: true}\n" OUT("r.output"), true},
    {"last", EMBED "  r: {op: RNN, in: e, hidden_size: 6}\n  l: {op: Select, in: r.output, dim: 0, index: -1}\n" OUT("l"), true},
    {"state", EMBED "  r: {op: GRU, in: e, hidden_size: 6}\n  l: {op: Squeeze, in: r.h_n, dim: 0}\n" OUT("l"), true},
    {"first", EMBED "  r: {op: RNN, in: e, hidden_size: 6}\n  l: {op: Select, in: r.output, dim: 0, index: 0}\n" OUT("l"), false},
    {"two_ways", EMBED "  r: {op: RNN, in: e, hidden_size: 6, bidirectional: true}\n" OUT("r.output"), false},
    {"softmax", EMBED "  s: {op: Softmax, in: e, dim: 0}\n" OUT("s"), false},
    {"features", EMBED "  s: {op: Softmax, in: e, dim: -1}\n" OUT("s"), true},
    {"cumsum", EMBED "  s: {op: CumSum, in: e, dim: 0}\n" OUT("s"), false},
    {"flip", EMBED "  s: {op: Flip, in: e, dims: [0]}\n" OUT("s"), false},
    {"mean", EMBED "  m: {op: Mean, in: e, dim: 0}\n" OUT("m"), false},
    {"batch_mean", EMBED "  m: {op: Mean, in: e, dim: 1, keepdim: true}\n" OUT("m"), true},
    {"attends", EMBED "  t: {op: Transpose, in: e, dim0: 0, dim1: 1}\n  k: {op: Transpose, in: t, dim0: 1, dim1: 2}\n"
     "  s: {op: MatMul, in: [t, k]}\n  w: {op: Softmax, in: s, dim: -1}\n  c: {op: MatMul, in: [w, t]}\n" OUT("c"), false},
    {"scrambled", EMBED "  a: {op: Reshape, in: e, shape: [5, 1, -1]}\n  b: {op: Transpose, in: a, dim0: 0, dim1: 2}\n" OUT("b"), false},
    {"shifted", EMBED "  a: {op: Roll, in: e, shifts: [1], dims: [0]}\n" OUT("a"), false},
    {"learned", EMBED "  h: {op: Parameter, shape: [1, 1, 6], init: {op: Normal}}\n"
     "  r: {op: RNN, in: {input: e, h_0: h}, hidden_size: 6}\n" OUT("r.output"), true},
    {"ragged", "  x_lengths: {op: Input, shape: [batch], dtype: int32}\n" EMBED
     "  r: {op: LSTM, in: {input: e, lengths: x_lengths}, hidden_size: 6}\n" OUT("r.output"), true},
    {"ragged_back", "  x_lengths: {op: Input, shape: [batch], dtype: int32}\n" EMBED
     "  r: {op: LSTM, in: {input: e, lengths: x_lengths}, hidden_size: 6, bidirectional: true}\n" OUT("r.output"), false},
    {"positions", EMBED "  p: {op: PositionalEncoding, in: e, max_len: 6}\n" OUT("p"), true},
    {"transformer", EMBED "  p: {op: LearnedPositionalEncoding, in: e, max_len: 6}\n"
     "  t: {op: TransformerEncoderLayer, in: p, nhead: 5, dim_feedforward: 8, is_causal: true}\n" OUT("t"), true},
};

static void steps_are_prefixes(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) check_steps(&kinds[i]);
}

static void long_prefixes_slide(void)
{
    double all[8 * CLASSES], last[6 * CLASSES];
    gr_session *s = open_text("slide", EMBED "  s: {op: CumSum, in: e, dim: 0}\n" OUT("s"), "");
    gr_decoder *d = decoder_of(s, false);
    run_items(d, NULL, 0, items, 8, all);
    run_items(d, NULL, 0, items + 2, 6, last); /* the model's time is 6 */
    CU_ASSERT_DOUBLE_EQUAL(farthest(all + 7 * CLASSES, last + 5 * CLASSES, CLASSES), 0, 0);
    CU_ASSERT_TRUE(farthest(all + 5 * CLASSES, last + 3 * CLASSES, CLASSES) > 1e-3);
    gr_session_close(s);
}

/* The same by one program over the whole. */
static void run_whole(gr_session *s, const int32_t *source, int sources, const int32_t *item, int n, double *logits)
{
    static const char *const fetch[] = {"logits", NULL};
    const gr_axis_size axes[] = {{"time", n}, {"batch", 1}, {"source_time", sources}};
    const gr_want w = {.fetch = fetch, .axes = axes, .num_axes = sources ? 3 : 2};
    gr_error e;
    gr_exec *x = gr_session_compile(s, &w, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    int32_t *to = gr_run_feed(x->run, "source_lengths", NULL);
    if (to) *to = sources;
    if ((to = gr_run_feed(x->run, "x_lengths", NULL))) *to = n;
    if ((to = gr_run_feed(x->run, "source", NULL))) memcpy(to, source, (size_t)sources * sizeof *source);
    memcpy(gr_run_feed(x->run, "x", NULL), item, (size_t)n * sizeof *item);
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    gr_type t;
    const float *result = gr_run_result(x->run, "logits", &t);
    CU_ASSERT_EQUAL(gr_numel(&t), n * CLASSES);
    for (int i = 0; i < n * CLASSES; i++) logits[i] = (double)result[i];
}

static void steps_are_the_whole(void)
{
    double steps[6 * CLASSES], whole[6 * CLASSES];
    gr_session *s = open_text("whole", EMBED "  r: {op: LSTM, in: e, hidden_size: 6, num_layers: 2}\n" OUT("r.output"), "");
    run_items(decoder_of(s, false), NULL, 0, items, 6, steps);
    run_whole(s, NULL, 0, items, 6, whole);
    CU_ASSERT_TRUE(farthest(steps, whole, 6 * CLASSES) <= 1e-5);
    gr_session_close(s);
}

static int count_named(const gr_graph *g, const char *part)
{
    int n = 0;
    for (int i = 0; i < g->num_nodes; i++) {
        n += strstr(g->nodes[i]->name, part) != NULL;
        if (g->nodes[i]->scan) n += count_named(g->nodes[i]->scan->body, part);
    }
    return n;
}

/* Every product of a loop finds its weight packed; where weights stay as they are the program of a
 * step does not make what depends on them alone. */
static void weights_are_packed_once(void)
{
    double steps[6 * CLASSES], whole[6 * CLASSES];
    gr_session *s = open_text("packed", EMBED "  r: {op: LSTM, in: e, hidden_size: 40}\n" OUT("r.output"), "");
    const char *fetch[] = {"logits", NULL};
    gr_graph *g = gr_session_graph(s, &(gr_want){.fetch = fetch}, "layout");
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT_TRUE(count_named(g, "from_h.packed") > 0);
    run_items(decoder_of(s, false), NULL, 0, items, 6, steps);
    CU_ASSERT_EQUAL_FATAL(s->num_execs, 2);
    int kept = 0;
    for (int k = 0; k < 2; k++) {
        g = s->execs[k]->graph;
        for (int i = 0; i < g->num_states; i++) kept += strstr(g->states[i]->name, "from_h.packed") != NULL;
        for (int i = 0; i < g->num_nodes; i++) CU_ASSERT_STRING_NOT_EQUAL(g->nodes[i]->op->name, "PackedOperand");
    }
    CU_ASSERT_EQUAL(kept, 1);
    run_whole(s, NULL, 0, items, 6, whole);
    CU_ASSERT_TRUE(farthest(steps, whole, 6 * CLASSES) <= 1e-5);
    gr_session_close(s);
}

/* ---- search ---- */

static gr_found search(gr_session *s, gr_search how, const int32_t *source, int sources, const int32_t *start, int n)
{
    gr_found f = {0};
    gr_error e = {0};
    gr_decoder *d = gr_decoder_create(s, false, &e);
    int status = !d || gr_decoder_begin(d, source, sources, &e) || gr_search_run(d, &how, start, n, s->arena, &f, &e);
    if (status) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_EQUAL(status, 0);
    return f;
}

static bool same_items(const gr_found *a, const gr_found *b)
{
    return a->count == b->count && (!a->count || memcmp(a->item, b->item, (size_t)a->count * sizeof *a->item) == 0);
}

/* log p of what comes after 0, then after 1 and 2: the first choice that looks worse leads farther. */
static gr_session *open_trap(const char *section)
{
    return open_text("trap",
        "  p: {op: Constant, value: [[-9.0, 0.6, 0.4, -9, -9, -9, -9], [-9.0, 0, 0, 0.1, 0, 0, -9], [-9.0, -9, -9, -9, 3, -9, -9],\n"
        "       [-9.0, -9, -9, 1, -9, -9, 1], [-9.0, -9, -9, -9, -9, -9, 5], [-9.0, 1, 1, 1, 1, 1, 1], [1.0, 1, 1, 1, 1, 1, 1]]}\n"
        "  o: {op: OneHot, in: x, num_classes: 7}\n  logits: {op: MatMul, in: [o, p]}\n", section);
}

static void beam_finds_better(void)
{
    const int32_t start = 0;
    gr_session *s = open_trap("");
    gr_search how = {.length = 5, .stop = 6};
    gr_found greedy = search(s, how, NULL, 0, &start, 1);
    CU_ASSERT_EQUAL(greedy.item[0], 1);
    how.beam = 2;
    gr_found wide = search(s, how, NULL, 0, &start, 1);
    CU_ASSERT_TRUE_FATAL(wide.count == 2 && wide.stopped);
    CU_ASSERT_TRUE(wide.item[0] == 2 && wide.item[1] == 4);
    CU_ASSERT_TRUE(wide.score > greedy.score + 0.5);
    double p = 0.4 - log(exp(0.6) + exp(0.4) + 5 * exp(-9)) - log(1 + 6 * exp(-12)) - log(1 + 6 * exp(-14));
    CU_ASSERT_DOUBLE_EQUAL(wide.score, p, 1e-5);
    gr_session_close(s);
}

static void beam_of_one_is_greedy(void)
{
    gr_session *s = open_text("one", EMBED "  r: {op: GRU, in: e, hidden_size: 6}\n" OUT("r.output"), "");
    for (int stop = -1; stop < CLASSES; stop++) {
        gr_search how = {.length = 12, .stop = stop};
        gr_found a = search(s, how, NULL, 0, items, 3);
        how.beam = 1;
        gr_found b = search(s, how, NULL, 0, items, 3);
        CU_ASSERT_TRUE(same_items(&a, &b) && a.stopped == b.stopped);
        CU_ASSERT_DOUBLE_EQUAL(a.score, b.score, 1e-12);
    }
    gr_session_close(s);
}

/* Ties go to the lower item, and to what was ahead. */
static void ties_are_settled(void)
{
    const int32_t start = 0;
    gr_session *s = open_text("ties", "  p: {op: Constant, value: [0.0, 2, 2, 0, 0, 2, 0]}\n  o: {op: OneHot, in: x, num_classes: 7}\n"
                              "  z: {op: Sub, in: [o, o]}\n  logits: {op: Add, in: [z, p]}\n", "");
    for (int beam = 0; beam < 4; beam++) {
        gr_found f = search(s, (gr_search){.length = 3, .stop = -1, .beam = beam}, NULL, 0, &start, 1);
        CU_ASSERT_TRUE(f.count == 3 && f.item[0] == 1 && f.item[1] == 1 && f.item[2] == 1);
    }
    gr_session_close(s);
}

/* Where the states go back with their outputs, all outputs of three items are weighed. */
static void wide_beam_is_exhaustive(void)
{
    gr_session *s = open_text("wide", EMBED "  r: {op: GRU, in: e, hidden_size: 6}\n" OUT("r.output"), "");
    gr_search how = {.length = 3, .stop = -1, .beam = 49};
    gr_found found = search(s, how, NULL, 0, items, 2);
    double best = -INFINITY;
    gr_decoder *d = decoder_of(s, true);
    int32_t chosen[3] = {0};
    for (int32_t k = 0; k < 343; k++) {
        const int32_t three[5] = {items[0], items[1], k / 49, k / 7 % 7, k % 7};
        double logits[4 * CLASSES], score = 0;
        run_items(d, NULL, 0, three, 4, logits);
        for (int i = 0; i < 3; i++) {
            const double *x = logits + (i + 1) * CLASSES;
            double sum = 0;
            for (int c = 0; c < CLASSES; c++) sum += exp(x[c]);
            score += x[three[i + 2]] - log(sum);
        }
        if (score > best) best = score, memcpy(chosen, three + 2, sizeof chosen);
    }
    CU_ASSERT_TRUE(found.count == 3 && memcmp(found.item, chosen, sizeof chosen) == 0);
    CU_ASSERT_DOUBLE_EQUAL(found.score, best, 1e-5);
    gr_session_close(s);
}

static void greedy_is_a_roll_out(void)
{
    gr_session *s = open_text("roll", EMBED "  r: {op: LSTM, in: e, hidden_size: 6}\n" OUT("r.output"), "");
    gr_found found = search(s, (gr_search){.length = 5, .stop = -1}, NULL, 0, items, 1);
    gr_decoder *d = decoder_of(s, true);
    int32_t all[6] = {items[0]};
    for (int n = 1; n <= 5; n++) {
        double logits[6 * CLASSES];
        run_items(d, NULL, 0, all, n, logits);
        for (int c = 1; c < CLASSES; c++)
            if (logits[(n - 1) * CLASSES + c] > logits[(n - 1) * CLASSES + all[n]]) all[n] = c;
    }
    CU_ASSERT_TRUE(found.count == 5 && memcmp(found.item, all + 1, 5 * sizeof *all) == 0);
    gr_session_close(s);
}

static void draws_depend_on_the_seed(void)
{
    gr_session *s = open_text("draws", EMBED "  r: {op: GRU, in: e, hidden_size: 6}\n" OUT("r.output"), "");
    gr_search how = {.length = 40, .stop = -1, .temperature = 3, .seed = 5};
    gr_found a = search(s, how, NULL, 0, items, 1), b = search(s, how, NULL, 0, items, 1);
    CU_ASSERT_TRUE(same_items(&a, &b));
    how.stream = 1;
    b = search(s, how, NULL, 0, items, 1);
    CU_ASSERT_FALSE(same_items(&a, &b));
    how.stream = 0;
    how.seed = 6;
    b = search(s, how, NULL, 0, items, 1);
    CU_ASSERT_FALSE(same_items(&a, &b));
    how.top_k = 1;
    a = search(s, how, NULL, 0, items, 1);
    how.temperature = 0;
    how.top_k = 0;
    b = search(s, how, NULL, 0, items, 1);
    CU_ASSERT_TRUE(same_items(&a, &b));
    gr_session_close(s);
}

/* ---- encoder and decoder ---- */

#define SOURCE "  source: {op: Input, shape: [source_time, batch], dtype: int32}\n" \
               "  se: {op: Embedding, in: source, num_embeddings: 7, embedding_dim: 5}\n"
#define SOURCE_LENGTHS "  source_lengths: {op: Input, shape: [batch], dtype: int32}\n"
#define LAST(h) "  m: {op: Select, in: " h ", dim: 0, index: -1}\n"
#define LOOKING(look) LAST("enc.h_n") \
    "  dec:\n    op: Scan\n    over: time\n    in: {x: e}\n    with: {memory: enc.output, lengths: source_lengths}\n" \
    "    carry: {h: {init: m, next: cell.h}}\n    step:\n" \
    "      look: {op: " look "Attention, in: {query: h, memory: memory, lengths: lengths}}\n" \
    "      cell: {op: GRUCell, in: {input: both, h: h}, hidden_size: 6}\n      both: {op: Concat, in: [x, look.context], dim: -1}\n" \
    "    out: {output: cell.h, weights: look.weights}\n" OUT("dec.output")
#define ENCODER "  enc: {op: GRU, in: {input: se, lengths: source_lengths}, hidden_size: 6}\n"

static void sources_run_once(void)
{
    static const struct { const char *name, *graph; bool steps; } model[] = {
        {"plain", SOURCE EMBED "  enc: {op: LSTM, in: se, hidden_size: 6, num_layers: 2}\n"
         "  dec: {op: LSTM, in: {input: e, h_0: enc.h_n, c_0: enc.c_n}, hidden_size: 6, num_layers: 2}\n" OUT("dec.output"), true},
        {"bilinear", SOURCE SOURCE_LENGTHS EMBED ENCODER LOOKING("Bilinear"), true},
        {"dot", SOURCE SOURCE_LENGTHS EMBED ENCODER LOOKING("Dot"), true},
        {"ragged_target", SOURCE SOURCE_LENGTHS "  x_lengths: {op: Input, shape: [batch], dtype: int32}\n" EMBED ENCODER
         "  dec: {op: GRU, in: {input: e, h_0: enc.h_n, lengths: x_lengths}, hidden_size: 6}\n" OUT("dec.output"), true},
        {"both_ways", SOURCE EMBED "  enc: {op: GRU, in: se, hidden_size: 6, bidirectional: true}\n" LAST("enc.h_n")
         "  dec:\n    op: Scan\n    over: time\n    in: {x: e}\n    carry: {h: {init: m, next: cell.h}}\n    step:\n"
         "      cell: {op: GRUCell, in: {input: x, h: h}, hidden_size: 6}\n    out: {output: cell.h}\n" OUT("dec.output"), true},
        {"added", SOURCE EMBED "  enc: {op: GRU, in: se, hidden_size: 6}\n  dec: {op: GRU, in: e, hidden_size: 6}\n"
         "  sum: {op: Add, in: [dec.output, enc.h_n]}\n" OUT("sum"), true},
        {"transformer", SOURCE EMBED "  sp: {op: PositionalEncoding, in: se, max_len: 9}\n  p: {op: PositionalEncoding, in: e, max_len: 9}\n"
         "  enc: {op: TransformerEncoderLayer, in: sp, nhead: 5, dim_feedforward: 8}\n"
         "  dec: {op: TransformerDecoderLayer, in: {tgt: p, memory: enc}, nhead: 5, dim_feedforward: 8, tgt_is_causal: true}\n" OUT("dec"), true},
    };
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        double steps[6 * CLASSES], prefix[6 * CLASSES], whole[6 * CLASSES];
        gr_session *s = open_text(model[i].name, model[i].graph, ", source: source");
        gr_decoder *d = decoder_of(s, false), *again = decoder_of(s, true);
        CU_ASSERT_EQUAL(gr_decoder_steps(d), model[i].steps);
        for (int from = 0; from < 5; from += 2) { /* sources of 5, 3 and 1 item */
            run_items(d, items + from, 5 - from, items, 6, steps);
            run_items(again, items + from, 5 - from, items, 6, prefix);
            run_whole(s, items + from, 5 - from, items, 6, whole);
            double worst = fmax(farthest(steps, whole, 6 * CLASSES), farthest(prefix, whole, 6 * CLASSES));
            if (worst > 1e-5) fprintf(stderr, "%s: %g\n", model[i].name, worst);
            CU_ASSERT_TRUE(worst <= 1e-5);
        }
        run_items(d, items, 5, items, 6, prefix); /* the first again, after others */
        run_whole(s, items, 5, items, 6, whole);
        CU_ASSERT_TRUE(farthest(prefix, whole, 6 * CLASSES) <= 1e-5);
        gr_session_close(s);
    }
}

static void shown_rows_are_of_the_source(void)
{
    gr_session *s = open_text("shown", SOURCE SOURCE_LENGTHS EMBED ENCODER LOOKING("Bilinear"), ", source: source, show: dec.weights");
    for (int prefix = 0; prefix < 2; prefix++)
        for (int length = 5; length > 0; length--) {
            gr_decoder *d = decoder_of(s, prefix);
            double logits[3 * CLASSES], sum = 0;
            int64_t n;
            run_items(d, items, length, items, 3, logits);
            const double *row = gr_decoder_shown(d, &n);
            CU_ASSERT_EQUAL_FATAL(n, length);
            for (int i = 0; i < n; i++) sum += row[i];
            CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-6);
        }
    gr_session_close(s);
}

/* The decoder looks where it must to say what the source says. */
static const char *copy_model(void)
{
    return temp_file("copy.yaml",
        "graphrun: 1\nname: copy\n"
        "data:\n  op: Inline\n  vocab: [<eos>, <bos>, a, b, c, d, <unk>]\n  values:\n"
        "    source: [[2, 3, 4, 5, 5, 3], [3, 4, 5, 2, 4, 3], [4, 2, 2, 3, 3, 5], [0, 0, 0, 0, 0, 0]]\n"
        "    shifted: [[1, 1, 1, 1, 1, 1], [2, 3, 4, 5, 5, 3], [3, 4, 5, 2, 4, 3], [4, 2, 2, 3, 3, 5]]\n"
        "    targets: [[2, 3, 4, 5, 5, 3], [3, 4, 5, 2, 4, 3], [4, 2, 2, 3, 3, 5], [0, 0, 0, 0, 0, 0]]\n"
        "graph:\n"
        "  source: {op: Input, shape: [source_time, batch], dtype: int32, from: data.source}\n"
        "  x: {op: Input, shape: [time, batch], dtype: int32, from: data.shifted}\n"
        "  y: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  se: {op: Embedding, in: source, num_embeddings: 7, embedding_dim: 12}\n"
        "  e: {op: Embedding, in: x, num_embeddings: 7, embedding_dim: 12}\n"
        "  enc: {op: GRU, in: se, hidden_size: 24}\n  m: {op: Select, in: enc.h_n, dim: 0, index: -1}\n"
        "  dec:\n    op: Scan\n    over: time\n    in: {x: e}\n    with: {memory: enc.output}\n"
        "    carry: {h: {init: m, next: cell.h}}\n    step:\n"
        "      look: {op: BilinearAttention, in: {query: h, memory: memory}}\n"
        "      both: {op: Concat, in: [x, look.context], dim: -1}\n"
        "      cell: {op: GRUCell, in: {input: both, h: h}, hidden_size: 24}\n"
        "    out: {output: cell.h, weights: look.weights}\n"
        "  logits: {op: Linear, in: dec.output, out_features: 7}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.02}, epochs: 150}\n"
        "generate: {feed: x, from: logits, source: source, prompts: [abc<eos>, dab<eos>], references: [abc, dac], length: 10, "
        "show: dec.weights}\n");
}

static char *generated(gr_session *s, gr_generate_options o, int *status, gr_error *e)
{
    char *text = NULL;
    size_t size;
    o.out = open_memstream(&text, &size);
    *status = gr_generate(s, &o, e);
    fclose(o.out);
    return text;
}

static void copies_its_source(void)
{
    const char *model = copy_model(), *weights = temp_path("copy.safetensors"), *tables = temp_path("tables.safetensors");
    gr_error e = {0};
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = weights}, &e), 0);
    gr_session_options so = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true, .weights = weights};
    gr_session *s = gr_session_open(model, &so, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    int status;
    gr_generate_options o = gr_generate_defaults(s);
    char *text = generated(s, o, &status, &e);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(text, "abc<eos> => abc  bleu 1.000\ndab<eos> => dab  bleu 0.687\nmean bleu 0.843 of 2\n");
    free(text);
    o.num_references = 0;
    o.beam = 3;
    text = generated(s, o, &status, &e);
    CU_ASSERT_STRING_EQUAL(text, "abc\ndab\n");
    free(text);
    o.show = true;
    o.attention = tables;
    o.num_prompts = 1;
    text = generated(s, o, &status, &e);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_PTR_EQUAL(strstr(text, "abc\n            a     b     c  <eos>\n      a  1.00  0.0"), text);
    free(text);
    gr_tensors t;
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(s->arena, tables, &t, &e), 0);
    CU_ASSERT_TRUE_FATAL(t.count == 1 && t.tensor[0].rank == 2 && t.tensor[0].dim[0] == 4 && t.tensor[0].dim[1] == 4);
    const float *w = t.tensor[0].data;
    for (int i = 0; i < 4; i++)
        CU_ASSERT_DOUBLE_EQUAL((double)w[4 * i] + (double)w[4 * i + 1] + (double)w[4 * i + 2] + (double)w[4 * i + 3], 1, 1e-5);
    CU_ASSERT_STRING_EQUAL(gr_tensors_metadata(&t, "0.rows"), "a b c <eos>");
    gr_session_close(s);
}

static const char *pairs_model(void)
{
    temp_file("pairs.tsv", "a b c .\tx y z !\nb c a .\ty z x !\nc a b .\tz x y !\na .\tx !\nb .\ty !\nc .\tz !\nc b .\tz y !\n");
    return temp_file("pairs.yaml",
        "graphrun: 1\nname: pairs\nvars: {batch: 3}\n"
        "data: {op: TextPairs, path: pairs.tsv}\n"
        "graph:\n"
        "  source: {op: Input, shape: [batch, from], dtype: int32, from: data.source}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.source_lengths}\n"
        "  shifted: {op: Input, shape: [batch, to], dtype: int32, from: data.shifted}\n"
        "  target_lengths: {op: Input, shape: [batch], dtype: int32, from: data.target_lengths}\n"
        "  targets: {op: Input, shape: [batch, to], dtype: int32, from: data.targets}\n"
        "  se: {op: Embedding, in: source, num_embeddings: $data.source_vocab, embedding_dim: 12}\n"
        "  enc: {op: GRU, in: {input: se, lengths: lengths}, hidden_size: 24, batch_first: true}\n"
        "  e: {op: Embedding, in: shifted, num_embeddings: $data.target_vocab, embedding_dim: 12}\n"
        "  dec: {op: GRU, in: {input: e, h_0: enc.h_n, lengths: target_lengths}, hidden_size: 24, batch_first: true}\n"
        "  logits: {op: Linear, in: dec.output, out_features: $data.target_vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: targets, lengths: target_lengths}, batch_first: true}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.02}, epochs: 60}\n"
        "generate: {feed: shifted, from: logits, source: source, prompts: [b c a ., c b .], length: 9}\n");
}

/* Its file is gone when it answers; each side has its own words. */
static void pairs_are_answered(void)
{
    const char *model = pairs_model(), *weights = temp_path("pairs.safetensors");
    gr_error e = {0};
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = weights}, &e), 0);
    remove(temp_path("pairs.tsv"));
    gr_session_options so = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true, .weights = weights, .facts_only = true};
    gr_session *s = gr_session_open(model, &so, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_TRUE(gr_decoder_steps(decoder_of(s, false)));
    gr_generate_options o = gr_generate_defaults(s);
    for (o.beam = 0; o.beam < 4; o.beam++) {
        int status;
        char *text = generated(s, o, &status, &e);
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_STRING_EQUAL(text, "y z x !\nz y !\n");
        free(text);
    }
    gr_session_close(s);
}

/* ---- messages ---- */

static void refuse(const char *graph, const char *section, const char *message)
{
    gr_error e;
    gr_session *s = open_text("refused", graph, section);
    gr_decoder *d = gr_decoder_create(s, false, &e);
    int32_t one = 1;
    int status = !d || gr_decoder_begin(d, &one, 1, &e) || gr_decoder_feed(d, &one, 1, &e);
    CU_ASSERT_NOT_EQUAL(status, 0);
    if (!strstr(e.message, message)) fprintf(stderr, "expected '%s', got '%s'\n", message, e.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, message));
    gr_session_close(s);
}

static void mistakes_are_named(void)
{
    refuse(EMBED "  y: {op: Input, shape: [time, batch, 5]}\n  a: {op: Add, in: [e, y]}\n" OUT("a"), "",
           "depends on the Input 'y', which nobody feeds");
    refuse("  y: {op: Input, shape: [time, batch, 5]}\n" OUT("y"), "", "does not depend on 'x'");
    refuse(EMBED OUT("e") "  source: {op: Input, shape: [time, batch], dtype: int32}\n", ", source: source", "different names");
    refuse(EMBED OUT("e") "  source: {op: Input, shape: [other, batch]}\n", ", source: source", "an Input of integers");
    refuse(EMBED "  t: {op: Transpose, in: e, dim0: 0, dim1: 1}\n  k: {op: Transpose, in: t, dim0: 1, dim1: 2}\n"
           "  w: {op: MatMul, in: [t, k]}\n" OUT("e"), ", show: w", "does it have one row a step?");
}

static void logits_can_be_shown(void)
{
    gr_session *s = open_text("logits", EMBED "  r: {op: GRU, in: e, hidden_size: 6}\n" OUT("r.output"), ", show: logits");
    gr_decoder *d = decoder_of(s, false);
    int64_t n = 0;
    const int32_t item = 3;
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(gr_decoder_begin(d, NULL, 0, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_decoder_feed(d, &item, 1, &e), 0);
    CU_ASSERT_PTR_EQUAL(gr_decoder_shown(d, &n), gr_decoder_logits(d));
    CU_ASSERT_EQUAL(n, CLASSES);
    gr_session_close(s);
}

void test_generate(void)
{
    CU_pSuite s = CU_add_suite("generate", NULL, NULL);
    CU_add_test(s, "steps give what prefixes give, and are taken where they do", steps_are_prefixes);
    CU_add_test(s, "steps give what the whole sequence gives", steps_are_the_whole);
    CU_add_test(s, "weights are packed once", weights_are_packed_once);
    CU_add_test(s, "what is longer than the model's time slides", long_prefixes_slide);
    CU_add_test(s, "greedy is a roll-out by hand", greedy_is_a_roll_out);
    CU_add_test(s, "beam search finds what greedy misses", beam_finds_better);
    CU_add_test(s, "a beam of one is greedy", beam_of_one_is_greedy);
    CU_add_test(s, "ties go to the lower item", ties_are_settled);
    CU_add_test(s, "a beam as wide as all outputs is exhaustive", wide_beam_is_exhaustive);
    CU_add_test(s, "what the feed does not reach runs once a source", sources_run_once);
    CU_add_test(s, "what is chosen from can be shown", logits_can_be_shown);
    CU_add_test(s, "what is shown has a number for each item of the source", shown_rows_are_of_the_source);
    CU_add_test(s, "an encoder-decoder copies, with its attention", copies_its_source);
    CU_add_test(s, "pairs of texts: words of both sides, <bos> and <eos>", pairs_are_answered);
    CU_add_test(s, "mistakes are named", mistakes_are_named);
    CU_add_test(s, "draws depend on seed and prompt alone", draws_depend_on_the_seed);
}
