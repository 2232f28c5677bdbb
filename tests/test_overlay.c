/* test_overlay.c - what a loop keeps, written over what its steps alone read. That values stay right is
 * shown by the random loops of test_run.c and test_wavefront.c and by every model. */
#include "cli_support.h"
#include "program/build.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

typedef struct made {
    gr_session *session;
    const gr_program *p;
} made;

static made program_of(const char *model)
{
    made m = {.session = open_model(model, 1)};
    m.p = training_program(m.session->arena, m.session, GR_ANY_WORKERS);
    return m;
}

/* Outputs of templates in loops that lie in one slot of many, where an input lies. */
static int count_overlaid(const gr_program *p, bool reverse)
{
    int n = 0;
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        if (x->loop < 0 || p->loops[x->loop].reverse != reverse) continue;
        for (int o = 0; o < x->num_out; o++)
            for (int i = 0; i < x->num_in; i++) n += x->out[o].stride[0] != 0 && gr_operand_same(&x->in[i], &x->out[o]);
    }
    return n;
}

static int count_before_loops(const gr_program *p, gr_template_kind kind)
{
    int n = 0;
    for (int t = 0; t < p->num_templates && p->templates[t].loop < 0; t++) n += p->templates[t].kind == kind;
    return n;
}

static const char *layer(const char *op)
{
    return temp_file("layer.yaml",
                     "graphrun: 1\nname: layer\nvars: {time: 7, batch: 3}\ngraph:\n"
                     "  x: {op: Input, shape: [time, batch, 5]}\n"
                     "  rnn: {op: %s, in: x, hidden_size: 6}\n"
                     "  y: {op: Mul, in: [rnn.output, rnn.output]}\n  loss: {op: Mean, in: y}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 1}\n", op);
}

static void gates_lie_over_what_they_are_made_of(void)
{
    made lstm = program_of(layer("LSTM"));
    CU_ASSERT_EQUAL(count_overlaid(lstm.p, false), 4);
    CU_ASSERT_EQUAL(count_overlaid(lstm.p, true), 4);
    gr_session_close(lstm.session);
    made gru = program_of(layer("GRU"));
    CU_ASSERT_EQUAL(count_overlaid(gru.p, false), 3);
    CU_ASSERT_EQUAL(count_before_loops(gru.p, GR_TASK_TAPE), 0); /* the loop reads its gates as columns of the product */
    CU_ASSERT_TRUE(count_overlaid(gru.p, true) >= 3);
    gr_session_close(gru.session);
}

/* Buffers that loop `by` writes and loop `other` touches. */
static int count_shared(const gr_program *p, int by, int other)
{
    int n = 0;
    for (int t = p->loops[by].first; t < p->loops[by].last; t++)
        for (int u = p->loops[other].first; u < p->loops[other].last; u++)
            for (int o = 0; o < p->templates[t].num_out; o++) {
                const gr_template *x = &p->templates[u];
                const int buffer = p->templates[t].out[o].buffer;
                n += gr_touches(x->in, x->num_in, buffer) || gr_touches(x->out, x->num_out, buffer);
            }
    return n;
}

/* Each direction reads its half of one gradient: a GRU's does not write there, or the other would wait for it. */
static void directions_write_apart(void)
{
    static const char *const cells[] = {"GRU, bidirectional: true", "LSTM, bidirectional: true", "RNN, bidirectional: true"};
    for (int c = 0; c < 3; c++) {
        made m = program_of(layer(cells[c]));
        const gr_program *p = m.p;
        CU_ASSERT_EQUAL_FATAL(p->num_loops, 4);
        CU_ASSERT_EQUAL(count_shared(p, 0, 1) + count_shared(p, 1, 0), 0);
        CU_ASSERT_EQUAL(count_shared(p, 2, 3) + count_shared(p, 3, 2), 0);
        gr_session_close(m.session);
    }
}

/* The same elements at every step, or in every row: what one step writes there the next would read. */
static void what_is_expanded_stays(void)
{
    static const char *const graphs[] = {
        "  rnn: {op: RNN, in: x, hidden_size: 6}\n  m: {op: Mean, in: rnn.output, dim: 0, keepdim: true}\n",
        "  one: {op: Slice, in: x, dim: 1, stop: 1}\n  row: {op: Tanh, in: one}\n"
        "  p: {op: Expand, in: row, shape: [$time, $batch, 5]}\n"
        "  walk:\n    op: Scan\n    over: time\n    in: {q: p}\n    carry: {h: {init: zeros, size: 5, next: h1}}\n"
        "    step:\n      w: {op: Linear, in: h, out_features: 5}\n      a: {op: Add, in: [q, w]}\n      g: {op: Sigmoid, in: a}\n"
        "      h1: {op: Mul, in: [g, q]}\n    out: {h: h1, g: g}\n  m: {op: Mul, in: [walk.h, walk.g]}\n"};
    for (int i = 0; i < 2; i++) {
        const char *model = temp_file("expanded.yaml",
                                      "graphrun: 1\nname: expanded\nvars: {time: 7, batch: 3}\ngraph:\n"
                                      "  x: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [$time, $batch, 5]}\n%s"
                                      "  y: {op: Mul, in: [m, m]}\n  loss: {op: Mean, in: y}\n"
                                      "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 1}\n", graphs[i]);
        CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 0);
    }
}

/* p is the sequence; in the forward loop. */
static int overlaid_in_scan(const char *step, const char *loss)
{
    made m = program_of(temp_file("scan.yaml",
                                  "graphrun: 1\nname: scan\nvars: {time: 7, batch: 3}\ngraph:\n"
                                  "  x: {op: Input, shape: [time, batch, 5]}\n"
                                  "  p: {op: Linear, in: x, out_features: 6}\n"
                                  "  walk:\n    op: Scan\n    over: time\n    in: {q: p}\n"
                                  "    carry: {h: {init: zeros, size: 6, next: h1}}\n"
                                  "    step:\n      w: {op: Linear, in: h, out_features: 6}\n      a: {op: Add, in: [q, w]}\n"
                                  "      g: {op: Sigmoid, in: a}\n%s    out: {h: h1}\n"
                                  "  y: {op: Mul, in: [walk.h, %s]}\n  loss: {op: Mean, in: y}\n"
                                  "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 1}\n", step, loss));
    const int n = count_overlaid(m.p, false);
    gr_session_close(m.session);
    return n;
}

static void what_is_read_again_stays(void)
{
    const char *gated = "      h1: {op: Mul, in: [g, h]}\n";
    CU_ASSERT_EQUAL(overlaid_in_scan(gated, "walk.h"), 1);
    CU_ASSERT_EQUAL(overlaid_in_scan(gated, "p"), 0); /* behind the loop */
    CU_ASSERT_EQUAL(overlaid_in_scan("      k: {op: Linear, in: q, out_features: 6}\n      h1: {op: Mul, in: [g, k]}\n", "walk.h"), 0);
}

void test_overlay(void)
{
    CU_pSuite s = CU_add_suite("overlay", NULL, NULL);
    CU_add_test(s, "gates lie over what they are made of", gates_lie_over_what_they_are_made_of);
    CU_add_test(s, "directions write apart", directions_write_apart);
    CU_add_test(s, "what is expanded stays", what_is_expanded_stays);
    CU_add_test(s, "what is read again stays", what_is_read_again_stays);
}
