/* test_sparse.c - gradients of rows: what a step holds does not grow with the table, what moves
 * every row is refused where it is written, and rows are shortened where nothing is trained, too.
 *
 * That steps are PyTorch's is tested with the layers. */
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static const char *sparse_model(const char *rows, const char *table, const char *optimizer, const char *more)
{
    return temp_file("sparse.yaml",
                     "graphrun: 1\nname: sparse\ngraph:\n  x: {op: Input, shape: [6, 5], dtype: int32}\n"
                     "  emb: {op: Embedding, in: x, num_embeddings: %s, embedding_dim: 8%s}\n%s"
                     "  loss: {op: Mean, in: emb}\n"
                     "train: {minimize: loss, optimizer: %s, clip_grad_norm: 1}\n", rows, table, more, optimizer);
}

static void nothing_is_as_large_as_the_table(void)
{
    static const char *const optimizers[] = {"{op: SGD, lr: 1}", "{op: Adam, lr: 1}", "{op: Adagrad, lr: 1}"};
    static const char *const tables[] = {", sparse: true", ", sparse: true, max_norm: 1"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            const size_t few = working_bytes(sparse_model("100", tables[k], optimizers[i], ""));
            CU_ASSERT_EQUAL(few, working_bytes(sparse_model("100000", tables[k], optimizers[i], "")));
        }
    CU_ASSERT(working_bytes(sparse_model("100000", "", optimizers[1], "")) > 100000 * 8 * 4);
}

/* The message that compiling a step of training ends in; static memory. */
static const char *refusal(const char *table, const char *optimizer, const char *more)
{
    static char text[1024];
    gr_session *s = open_model(sparse_model("9", table, optimizer, more), 1);
    gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    CU_ASSERT_PTR_NULL(gr_session_compile(s, &want, &e));
    gr_loc at = {NULL, 0, 0, 0};
    const char *message = gr_diag_count(s->diag) ? gr_diag_message(s->diag, 0, &at) : "";
    snprintf(text, sizeof text, "%d:%d %s", at.line, at.column, message);
    gr_session_close(s);
    return text;
}

static void expect(const char *got, const char *want)
{
    if (!strstr(got, want)) fprintf(stderr, "'%s' is not in '%s'\n", want, got);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, want));
}

static void what_moves_every_row_is_refused(void)
{
    expect(refusal(", sparse: true", "{op: SGD, lr: 1, momentum: 0.5}", ""), "7:63 momentum moves every row");
    expect(refusal(", sparse: true", "{op: Adagrad, lr: 1, weight_decay: 0.5}", ""), "7:71 weight_decay moves every row");
    expect(refusal(", sparse: true", "{op: Adam, lr: 1, amsgrad: true}", ""), "amsgrad moves every row");
    expect(refusal(", sparse: true", "{op: AdamW, lr: 1}", ""), "AdamW cannot move some rows");
    expect(refusal(", sparse: true", "{op: SGD, lr: 1}", "  fc: {op: Linear, in: emb, out_features: 9, weight: emb.weight}\n"),
           "5:76 'emb.weight' is to have a sparse gradient, but fc");
}

/* A look-up that trains nothing leaves the rows that it met, and no others, shortened. */
static void rows_are_shortened_without_training(void)
{
    gr_session *s = open_model(sparse_model("9", ", max_norm: 0.5", "{op: SGD, lr: 1}", ""), 1);
    static const char *const fetch[] = {"emb", NULL};
    gr_want want = {.fetch = fetch};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    gr_type t;
    float *w = gr_session_state(s, "emb.weight", &t);
    int32_t *index = gr_run_feed(x->run, "x", &t);
    for (int i = 0; i < 72; i++) w[i] = 1;
    for (int i = 0; i < 30; i++) index[i] = 2 + i % 2;
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    const float *out = gr_run_result(x->run, "emb", &t);
    for (int i = 0; i < 9; i++) {
        double square = 0;
        for (int k = 0; k < 8; k++) square += (double)w[8 * i + k] * (double)w[8 * i + k];
        if (i == 2 || i == 3) CU_ASSERT_DOUBLE_EQUAL(square, 0.25, 1e-6);
        if (i != 2 && i != 3) CU_ASSERT_EQUAL(square, 8);
    }
    CU_ASSERT_EQUAL(out[0], w[16]);
    gr_session_close(s);
}

/* Row 0, which alone is looked up, starts longer than max_norm. */
static void gradients_are_of_shortened_rows(void)
{
    gr_session_options o = {.model = {.real = GR_FLOAT64}, .threads = 1, .quiet = true};
    gr_error e = {0};
    gr_session *s = gr_session_open(sparse_model("9", ", max_norm: 0.5", "{op: SGD, lr: 1}", ""), &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    gr_gradcheck_result r;
    CU_ASSERT_EQUAL(gr_gradcheck(s, NULL, NULL, &r, &e), 0);
    CU_ASSERT_EQUAL(r.checked, 1);
    CU_ASSERT_EQUAL(r.wrong, 0);
    gr_session_close(s);
}

void test_sparse(void)
{
    CU_pSuite s = CU_add_suite("sparse", NULL, NULL);
    CU_add_test(s, "nothing in a step is as large as the table", nothing_is_as_large_as_the_table);
    CU_add_test(s, "what moves every row is refused", what_moves_every_row_is_refused);
    CU_add_test(s, "rows are shortened where nothing is trained", rows_are_shortened_without_training);
    CU_add_test(s, "gradcheck stands at shortened rows", gradients_are_of_shortened_rows);
}
