/* test_generate_past.c - generating where steps look back at those before: attention, positions. */
#include "generate_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

/* Attention that looks back, and what counts steps. */
#define AROUND(look) EMBED "  t: {op: Transpose, in: e, dim0: 0, dim1: 1}\n  a: {op: " look "}\n" OUT("a")
#define RAGGED(more) "  x_lengths: {op: Input, shape: [batch], dtype: int32}\n" EMBED "  a: {op: MultiheadAttention, in: {query: e, lengths: x_lengths}, num_heads: 5" more "}\n"
static const generate_kind looking_back[] = {
    {"heads", EMBED "  a: {op: MultiheadAttention, in: e, num_heads: 5, is_causal: true}\n" OUT("a"), true},
    {"first", AROUND("MultiheadAttention, in: t, num_heads: 1, is_causal: true, batch_first: true"), true},
    {"scaled", AROUND("ScaledDotProductAttention, in: [t, t, t], is_causal: true"), true},
    {"widths", EMBED "  k: {op: Linear, in: e, out_features: 3}\n"
     "  a: {op: MultiheadAttention, in: [e, k, k], num_heads: 2, head_dim: 4, is_causal: true}\n" OUT("a"), true},
    {"padding", RAGGED(", is_causal: true") OUT("a"), true},
    {"to_all", EMBED "  a: {op: MultiheadAttention, in: e, num_heads: 5}\n" OUT("a"), false},
    {"memory", "  m: {op: Parameter, shape: [1, 20, 5], init: {op: Normal, std: 1}}\n" AROUND("ScaledDotProductAttention, in: [t, m, m], is_causal: true"), false},
    {"deep", EMBED "  p: {op: PositionalEncoding, in: e, max_len: 6}\n"
     "  t: {op: TransformerEncoder, in: p, nhead: 5, num_layers: 3, dim_feedforward: 8, norm_first: true, is_causal: true}\n"
     "  r: {op: GRU, in: t, hidden_size: 6}\n" OUT("r.output"), true},
    {"halves", EMBED "  l: {op: LearnedPositionalEncoding, in: e, max_len: 9}\n"
     "  a: {op: Add, in: [l, e]}\n" OUT("a"), true},
};

static void looking_back_steps(void)
{
    for (size_t i = 0; i < sizeof looking_back / sizeof *looking_back; i++) check_steps(&looking_back[i]);
}

#define CAUSAL EMBED "  p: {op: LearnedPositionalEncoding, in: e, max_len: 6}\n" \
    "  t: {op: TransformerEncoder, in: p, nhead: 5, num_layers: 2, dim_feedforward: 8, is_causal: true}\n" OUT("t")

/* Behind the model's time the last of it runs whole, also after going back; one program steps. */
static void no_more_steps_than_room(void)
{
    double steps[8 * CLASSES], prefix[8 * CLASSES];
    gr_error e;
    gr_session *s = open_text("room", CAUSAL, "");
    gr_decoder *d = decoder_of(s, false);
    run_items(d, NULL, 0, items, 4, steps);
    CU_ASSERT_TRUE(gr_decoder_room(d) == 6 && s->num_execs <= 2); /* one makes what depends on weights alone */
    gr_decoder_mark *m = gr_decoder_mark_create(d);
    gr_decoder_keep(d, m);
    for (int again = 0; again < 2; again++) {
        for (int i = 4; i < 8; i++) {
            CU_ASSERT_EQUAL_FATAL(gr_decoder_feed(d, &items[i], 1, &e), 0);
            memcpy(steps + i * CLASSES, gr_decoder_logits(d), CLASSES * sizeof *steps);
        }
        run_items(decoder_of(s, true), NULL, 0, items, 8, prefix);
        CU_ASSERT_TRUE(farthest(steps, prefix, 8 * CLASSES) <= 1e-5);
        gr_decoder_go_back(d, m);
    }
    gr_session_close(s);
}

/* An answer does not slide: it ends where its table of positions does. */
static void tables_of_positions_end(void)
{
    double logits[4 * CLASSES];
    gr_error e;
    gr_session *s = open_text("table", "  source: {op: Input, shape: [source_time, batch], dtype: int32}\n"
                              "  se: {op: Embedding, in: source, num_embeddings: 7, embedding_dim: 5}\n" EMBED
                              "  p: {op: LearnedPositionalEncoding, in: e, max_len: 4}\n"
                              "  t: {op: TransformerDecoder, in: {tgt: p, memory: se}, nhead: 5, num_layers: 2, dim_feedforward: 8, is_causal: true}\n"
                              OUT("t"), ", source: source");
    gr_decoder *d = decoder_of(s, false);
    run_items(d, items, 3, items, 4, logits);
    CU_ASSERT_EQUAL(gr_decoder_room(d), 4);
    CU_ASSERT_NOT_EQUAL(gr_decoder_feed(d, items, 1, &e), 0);
    CU_ASSERT_TRUE_FATAL(gr_diag_count(s->diag) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(s->diag, 0, NULL), "there are positions for max_len = 4"));
    gr_session_close(s);
}

/* What stood there before is not seen: NaN would be. */
static void beginnings_forget(void)
{
    double first[5 * CLASSES], again[5 * CLASSES];
    gr_session *s = open_text("forget", CAUSAL, "");
    gr_decoder *d = decoder_of(s, false);
    const int32_t none = 99; /* a row that the table has not: NaN */
    gr_error e;
    run_items(d, NULL, 0, items, 5, first);
    CU_ASSERT_TRUE(gr_decoder_begin(d, NULL, 0, &e) == 0 && gr_decoder_feed(d, &none, 1, &e) == 0 && gr_decoder_feed(d, &none, 1, &e) == 0);
    CU_ASSERT_TRUE(isnan(gr_decoder_logits(d)[0]));
    run_items(d, NULL, 0, items, 5, again);
    CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
    gr_session_close(s);
}

static void any_threads_give_the_same_steps(void)
{
    double logits[3][6 * CLASSES];
    const char *path = temp_file("threads", "graphrun: 1\nname: threads\nvars: {time: 6, batch: 2}\n"
                                 "graph:\n  x: {op: Input, shape: [time, batch], dtype: int32}\n"
                                 "  e: {op: Embedding, in: x, num_embeddings: 7, embedding_dim: 160}\n"
                                 "  t: {op: TransformerEncoder, in: e, nhead: 5, num_layers: 2, dim_feedforward: 320, is_causal: true}\n" OUT("t")
                                 "generate: {feed: x, from: logits}\n");
    for (int threads = 1; threads <= 3; threads++) {
        gr_session *s = open_model(path, threads);
        run_items(decoder_of(s, false), NULL, 0, items, 6, logits[threads - 1]);
        gr_session_close(s);
    }
    CU_ASSERT_TRUE(!memcmp(logits[0], logits[1], sizeof *logits) && !memcmp(logits[0], logits[2], sizeof *logits));
}

static void what_does_not_step_is_named(void)
{
    gr_session *s = open_text("named", EMBED "  a: {op: MultiheadAttention, in: e, num_heads: 5}\n  b: {op: CumSum, in: a, dim: 0}\n" OUT("b"), "");
    CU_ASSERT_STRING_EQUAL(gr_decoder_fault(decoder_of(s, false)), "'a.scores' (MatMul) mixes the steps of 'time'");
    gr_session_close(s);
    s = open_text("steps", CAUSAL, "");
    CU_ASSERT_PTR_NULL(gr_decoder_fault(decoder_of(s, false)));
    gr_session_close(s);
}

void test_generate_past(void)
{
    CU_pSuite s = CU_add_suite("generate_past", NULL, NULL);
    CU_add_test(s, "attention that looks back steps, and positions do", looking_back_steps);
    CU_add_test(s, "behind the last step that there is room for the prefix runs", no_more_steps_than_room);
    CU_add_test(s, "an answer ends where its table of positions does", tables_of_positions_end);
    CU_add_test(s, "a new beginning forgets", beginnings_forget);
    CU_add_test(s, "any number of threads gives the same steps", any_threads_give_the_same_steps);
    CU_add_test(s, "what does not step is named", what_does_not_step_is_named);
}
