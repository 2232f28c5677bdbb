/* test_ragged_programs.c - a program for each length: what they share and how many are kept. */
#include "ragged_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <string.h>

static gr_exec *of_length(gr_session *s, int64_t time)
{
    static const char *const grad[] = {"x", "rnn.weight_hh_l0", NULL}, *const fetch[] = {"rnn.output", NULL};
    const gr_axis_size axes[] = {{"time", time}, {"batch", BATCH}};
    const gr_want want = {.fetch = fetch, .grad = grad, .of = "loss", .axes = axes, .num_axes = 2};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    float *data = gr_run_feed(x->run, "x", NULL);
    for (int64_t i = 0; i < time * BATCH * WIDTH; i++) data[i] = real_at((int)i, (int)time, 0);
    return x;
}

/* Programs use the same memory in turn, but neither what a run was fed nor what it gave is lost
 * when another runs. */
static void programs_share_a_workspace(void)
{
    static char first[3][ROOM], again[ROOM];
    static const int64_t length[3] = {7, 3, 12};
    gr_session *s = open_model(temp_file("share.yaml",
        "graphrun: 1\nname: share\ngraph:\n  x: {op: Input, shape: [time, batch, 3]}\n"
        "  rnn: {op: LSTM, in: x, hidden_size: 40, num_layers: 2}\n  sq: {op: Square, in: rnn.output}\n"
        "  loss: {op: Sum, in: sq}\n"), 1); /* on several threads memory depends on who computes what */
    model m[3];
    int64_t bytes[3];
    size_t workspace[3];
    for (int i = 0; i < 3; i++) {
        m[i] = (model){s, of_length(s, length[i])};
        workspace[i] = gr_store_workspace_bytes(s->store);
        run(&m[i]);
        bytes[i] = all_results(&m[i], first[i]);
    }
    CU_ASSERT_EQUAL(workspace[0], workspace[1]); /* 7 has room for 3 */
    CU_ASSERT_TRUE(workspace[1] < workspace[2]);
    CU_ASSERT_TRUE(workspace[0] >= m[0].exec->program->arena_bytes);
    CU_ASSERT_TRUE(workspace[2] < 3 * (m[2].exec->program->arena_bytes + 3 * (m[2].exec->program->scratch_bytes + 8192)));
    for (int turn = 0; turn < 6; turn++)
        for (int i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(all_results(&m[i], again), bytes[i]); /* of its last run, though others ran since */
            CU_ASSERT_EQUAL(memcmp(first[i], again, (size_t)bytes[i]), 0);
            run(&m[(i + turn) % 3]);
        }
    gr_session_close(s);
}

/* Lines of 1 to 12 letters. */
static const char *lines_model(void)
{
    FILE *f = fopen(temp_path("ragged.txt"), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k <= i * 7 % 12; k++) fputc('a' + (i * k + k * k) % 9, f);
        fputc('\n', f);
    }
    fclose(f);
    return temp_file("lines.yaml",
        "graphrun: 1\nname: lines\ndata: {op: Lines, path: ragged.txt, bucket: 4}\n"
        "vars: {batch: 4}\n"
        "graph:\n  x: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  y: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
        "  e: {op: Embedding, in: x, num_embeddings: $data.vocab, embedding_dim: 5}\n"
        "  rnn: {op: GRU, in: e, lengths: lengths, hidden_size: 6}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: [logits, y], lengths: lengths}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 3}\n");
}

/* Programs that are dropped and made again change no bit, and there are never many. */
static void programs_are_dropped(void)
{
    const char *path = lines_model();
    float weight[2][18 * 6];
    int programs[2];
    for (int i = 0; i < 2; i++) {
        gr_session *s = open_model(path, 1);
        s->keep_bytes = i;
        gr_train_result r;
        gr_train_options o = {.steps = -1, .epochs = -1, .quiet = true, .out = fopen("/dev/null", "w")};
        gr_error e = {0};
        CU_ASSERT_EQUAL(gr_train(s, &o, &r, &e), 0);
        fclose(o.out);
        gr_type t;
        const void *w = gr_session_state(s, "rnn.weight_hh_l0", &t);
        CU_ASSERT_PTR_NOT_NULL_FATAL(w);
        memcpy(weight[i], w, sizeof weight[i]);
        programs[i] = s->num_execs;
        gr_session_close(s);
    }
    CU_ASSERT_TRUE(programs[0] > 5);
    CU_ASSERT_TRUE(programs[1] <= 3);
    CU_ASSERT_EQUAL(memcmp(weight[0], weight[1], sizeof weight[0]), 0);
}

void test_ragged_programs(void)
{
    CU_pSuite s = CU_add_suite("ragged programs", NULL, NULL);
    CU_add_test(s, "programs of other lengths share a workspace", programs_share_a_workspace);
    CU_add_test(s, "programs are dropped where they need much memory", programs_are_dropped);
}
