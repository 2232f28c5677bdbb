/* test_op_cases.c - that no op is left out: cases of op_cases.h for each with every attribute and
 * optional input, pointwise ops on shapes that broadcast, and a complete reference for `graphrun ops`. */
#include "eval.h"
#include "builtin_cases.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

const op_case op_cases[] = {
#define CASE(op, attrs, inputs) {op, attrs, inputs},
#include "op_cases.h"
#undef CASE
};
const int op_num_cases = sizeof op_cases / sizeof *op_cases;

/* ---- what cannot be asked ---- */

static const op_exemption no_case[] = {
    {"Arg", NULL, "a pass makes it: the input of a loop's body"},
    {"Fused", NULL, "a pass makes it: test_fuse.c, test_tape.c"},
    {"Input", NULL, "every case's inputs are Inputs"},
    {"State", NULL, "a carry of the training loop: test_update.c"},
    {"Recurrent", NULL, "an op is made for its node and cell: test_recurrent.c"},
    {"Scan", NULL, "an op is made for its node and step: test_layers.c, test_gradients.c"},
    {"LSTMCell_init", NULL, "what LSTMCell starts from, put there by LSTM: test_recurrent.c"},
    {0},
};

static const op_exemption no_attr[] = {
    {"RNN", "hidden_sizes", "outputs of its own: an op is made for the node: test_recurrent.c"}, {"GRU", "hidden_sizes", "likewise"}, {"LSTM", "hidden_sizes", "likewise"},
    {0},
};

static const op_exemption no_port[] = {
    {"MatMul", "packed", "the pass layout puts it there: test_layout.c"},
    {0},
};

/* A block has a summary, a formula and a reference, and no way to tell more of its vars and ports. */
static const op_exemption no_doc[] = {
    {"RNNCell", NULL, "a block"}, {"GRUCell", NULL, "a block"}, {"LSTMCell", NULL, "a block"}, {"LSTMCell_init", NULL, "a block"},
    {0},
};

const char *op_refused_in_loops(const op_case *c)
{
    bool own = strstr(c->attrs, "track_running_stats=false") != NULL;
    return strcmp(c->op, "BatchNorm1d") == 0 && !own ? "each step would renew its running statistics: test_op_errors.c" : NULL;
}

/* ---- gaps ---- */

static void nothing_is_left_out(void)
{
    const gr_registry *r = op_registry_of(NULL);
    int gaps = 0;
    for (int i = 0; i < gr_registry_count(r); i++) {
        const gr_op *op = gr_registry_at(r, i);
        if (!op_exempt(no_case, op->name, NULL)) gaps += op_walk_gaps(op, op_cases, op_num_cases, no_attr, no_port, NULL);
    }
    for (int k = 0; k < op_num_cases; k++) {
        if (gr_registry_find(r, op_cases[k].op)) continue;
        printf("\n  no op is called %s\n", op_cases[k].op);
        gaps++;
    }
    CU_ASSERT_EQUAL(gaps, 0);
}

/* ---- broadcasting ---- */

/* The shape that shapes broadcast to, in the NumPy way. */
static gr_type broadcast_type(const operand *in, int n)
{
    gr_type t = {.rank = 0};
    for (int i = 0; i < n; i++) t.rank = in[i].type.rank > t.rank ? in[i].type.rank : t.rank;
    for (int k = 0; k < t.rank; k++) t.dim[k] = 1;
    for (int i = 0; i < n; i++)
        for (int k = 0, at = t.rank - in[i].type.rank; k < in[i].type.rank; k++)
            if (in[i].type.dim[k] != 1) t.dim[at + k] = in[i].type.dim[k];
    return t;
}

/* Element `flat` of space, in a tensor that broadcasts to it. */
static int64_t place(const gr_type *space, const gr_type *t, int64_t flat)
{
    int64_t at = 0, stride = 1;
    for (int k = space->rank - 1; k >= space->rank - t->rank; k--) {
        int64_t length = t->dim[k - (space->rank - t->rank)];
        at += length == 1 ? 0 : flat % space->dim[k] * stride;
        stride *= length;
        flat /= space->dim[k];
    }
    return at;
}

/* Each element of the output is the op's of the elements that NumPy would pair. */
static bool pairs_elements(const op_case *c)
{
    trial t = trial_begin(GR_FLOAT64, c, 0, 0, NULL);
    gr_type space = broadcast_type(t.in, t.num_in);
    bool good = trial_outside(&t) || trial_failed(&t, "is refused");
    gr_eval *e = eval_create(t.arena, t.graph);
    if (good) trial_fill(&t, e);
    good = good && eval_run(e) == 0;
    const gr_tensor *y = good ? eval_value(e, t.out[0]) : NULL;
    if (y && (y->rank != space.rank || memcmp(y->dim, space.dim, sizeof *y->dim * (size_t)y->rank))) good = trial_failed(&t, "has another shape than NumPy's");
    const char *scalars = "";
    for (int i = 0; i < t.num_in; i++)
        scalars = gr_arena_printf(t.arena, "%s%s%c%s", scalars, i ? "; " : "", t.in[i].kind, t.in[i].kind == 'i' ? gr_arena_printf(t.arena, "%d", t.in[i].classes) : "");
    op_case single = {c->op, c->attrs, scalars};
    trial u = trial_begin(GR_FLOAT64, &single, 0, 0, NULL);
    good = good && (trial_outside(&u) || trial_failed(&u, "is refused"));
    gr_eval *one = eval_create(u.arena, u.graph);
    for (int64_t k = 0; good && k < gr_numel(&space); k++) {
        for (int i = 0; i < t.num_in; i++) {
            gr_type type;
            const char *name = gr_arena_printf(t.arena, "in%d", i), *from = eval_memory(e, name, &type);
            memcpy(eval_memory(one, name, NULL), from + gr_dtype_size(type.dtype) * (size_t)place(&space, &type, k), gr_dtype_size(type.dtype));
        }
        double want = eval_run(one) == 0 ? eval_at(eval_value(one, u.out[0]), 0) : 0, got = eval_at(y, k);
        good = want == got || (want != want && got != got) || trial_failed(&t, "pairs other elements than NumPy");
    }
    trial_end(&u);
    trial_end(&t);
    return good;
}

static const char *shapes[][4] = {
    {"", "", "", ""}, {"1", "1", "1", "1"}, {"0", "0", "0", "0"}, {"2 3", "2 3", "2 3", "2 3"}, {"3 1", "1 4", "4", ""},
    {"", "3", "2 1", "1"}, {"2 1 3", "4 1", "1", "1 1 1"}, {"0 3", "3", "1 1", ""}, {"3 1", "0", "", "1"}, {"4", "", "2 3 4", "3 1"},
};

/* A case of every pointwise op, whatever the shapes. */
static void pointwise_ops_broadcast(void)
{
    gr_arena *a = gr_arena_create();
    const gr_registry *r = op_registry_of(NULL);
    int bad = 0, ops = 0;
    for (int i = 0; i < gr_registry_count(r); i++) {
        const gr_op *op = gr_registry_at(r, i);
        const op_case *c = NULL;
        for (int k = op_num_cases - 1; k >= 0; k--)
            if (strcmp(op_cases[k].op, op->name) == 0) c = &op_cases[k];
        if (!(op->traits & GR_POINTWISE) || !c) continue;
        ops++;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            operand in[MAX_IN];
            const char *why;
            int n = trial_operands(c->inputs, in, &why);
            const char *inputs = "";
            for (int k = 0; k < n; k++)
                inputs = gr_arena_printf(a, "%s%s%c%s %s", inputs, k ? "; " : "", in[k].kind, in[k].kind == 'i' ? gr_arena_printf(a, "%d", in[k].classes) : "", shapes[s][k % 4]);
            op_case made = {op->name, c->attrs, inputs};
            bad += !pairs_elements(&made) || !op_walk_case(&made, NULL);
        }
    }
    CU_ASSERT(ops > 30);
    CU_ASSERT_EQUAL(bad, 0);
    gr_arena_destroy(a);
}

/* ---- the reference ---- */

static int undocumented(const gr_op *op, const char *what, const char *name)
{
    printf("\n  %s: %s%s\n", op->name, what, name);
    return 1;
}

static bool is_sentence(const char *s) { return s && *s && strchr(".!?", s[strlen(s) - 1]); }

static int ports_without_shape(const gr_op *op, const gr_port *p)
{
    int gaps = 0;
    for (; p && p->name; p++)
        if (!p->doc || !strchr(p->doc, '[')) gaps += undocumented(op, "no shape in the doc of port ", p->name);
    return gaps;
}

static int doc_gaps(const gr_op *op)
{
    int gaps = ports_without_shape(op, op->inputs) + ports_without_shape(op, op->outputs);
    if (!is_sentence(op->summary)) gaps += undocumented(op, "the summary is no sentence", "");
    if (!(op->formula && *op->formula) && !(op->reference && *op->reference)) gaps += undocumented(op, "neither formula nor reference", "");
    if (!(op->outputs && op->outputs->name)) gaps += undocumented(op, "no outputs", "");
    for (int i = 0; i < gr_op_num_attrs(op); i++)
        if (!is_sentence(op->attrs[i].doc)) gaps += undocumented(op, "no sentence about attribute ", op->attrs[i].name);
    return gaps;
}

static void the_reference_is_complete(void)
{
    gr_arena *a = gr_arena_create();
    gr_registry *r = op_registry_create(a);
    gr_error e;
    CU_ASSERT_EQUAL(gr_registry_load(r, GR_BUILD_DIR "/graphs/plugins/minimal_gated.so", &e), 0);
    int gaps = 0;
    for (int i = 0; i < gr_registry_count(r); i++)
        if (!op_exempt(no_doc, gr_registry_at(r, i)->name, NULL)) gaps += doc_gaps(gr_registry_at(r, i));
    CU_ASSERT_EQUAL(gaps, 0);
    gr_arena_destroy(a);
}

void test_op_cases(void)
{
    CU_pSuite s = CU_add_suite("op_cases", NULL, NULL);
    CU_add_test(s, "every op has cases, with every attribute and input", nothing_is_left_out);
    CU_add_test(s, "pointwise ops broadcast as NumPy", pointwise_ops_broadcast);
    CU_add_test(s, "the reference says all of every op", the_reference_is_complete);
}
