/* test_op_golden.c - values of ops, and gradients where they have kinks, against PyTorch's, which
 * tools/golden/ops.py wrote down. */
#include "eval.h"
#include "op_trial.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

/* "2 3:0.5 1 ...": whether v has these dims and values. */
static bool equals_text(const gr_tensor *v, char *text)
{
    char *values = strchr(text, ':'), *at = text;
    int rank = 0;
    double near = v->dtype == GR_FLOAT32 ? 2e-6 : 1e-12;
    *values++ = 0;
    while (*at) {
        int64_t d = strtol(at, &at, 10);
        if (rank >= v->rank || v->dim[rank++] != d) return false;
    }
    if (rank != v->rank) return false;
    for (int64_t i = 0; i < eval_numel(v); i++) {
        double want = strtod(values, &values), got = eval_at(v, i);
        if (want == got || (isnan(want) && isnan(got))) continue;
        if (fabs(want - got) <= near * (1 + fabs(want))) continue;
        printf("\n  element %lld is %.17g, PyTorch has %.17g", (long long)i, got, want);
        return false;
    }
    return true;
}

/* Evaluates a line of tests/golden/ops.txt: op|attributes|inputs|output... */
static bool try_golden(gr_dtype real, char *line)
{
    char *op = strsep(&line, "|"), *attrs = strsep(&line, "|"), *inputs = strsep(&line, "|");
    op_case c = {op, attrs, inputs};
    trial t = trial_begin(real, &c, 0, 0, NULL);
    bool good = trial_outside(&t);
    gr_eval *e = eval_create(t.arena, t.graph);
    trial_fill(&t, e);
    good = (good && eval_run(e) == 0) || trial_failed(&t, "does not run");
    for (int i = 0; good && line; i++)
        good = (i < t.num_out && equals_text(eval_value(e, t.out[i]), strsep(&line, "|"))) || trial_failed(&t, "has another value than PyTorch's");
    trial_end(&t);
    return good;
}

/* Hands every line of a file to fn, twice: for float and for double. Gives how many. */
static int each_line(const char *path, bool (*fn)(gr_dtype real, char *line), int *bad)
{
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    char *line = NULL;
    size_t size = 0;
    int count = 0;
    while (getline(&line, &size, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *copy = strdup(line);
        *bad += !fn(GR_FLOAT64, line) + !fn(GR_FLOAT32, copy);
        free(copy);
        count++;
    }
    free(line);
    fclose(f);
    return count;
}

static void golden(void)
{
    int bad = 0;
    CU_ASSERT(each_line(GR_SOURCE_DIR "/tests/golden/ops.txt", try_golden, &bad) > 500);
    CU_ASSERT_EQUAL(bad, 0);
}

/* "3:1 2 3;3:0 0 0" becomes the inputs of a case of kind f (or i, b), and their values. */
static const char *edge_inputs(gr_arena *a, const char *op, const char *text, const double **values)
{
    const char *inputs = "";
    for (int i = 0; *text; i++) {
        char *end;
        size_t dims = strcspn(text, ":");
        bool classes = i == 1 && (strcmp(op, "CrossEntropyLoss") == 0 || strcmp(op, "NLLLoss") == 0), flags = i == 0 && strcmp(op, "Where") == 0;
        inputs = gr_arena_printf(a, "%s%s%s%.*s", inputs, i ? "; " : "", classes ? "i9 " : flags ? "b" : "f", (int)dims, text);
        double *v = GR_NEW_ARRAY(a, double, 64);
        text += dims + 1;
        for (int k = 0; *text && *text != ';'; k++, text = end) v[k] = strtod(text, &end);
        values[i] = v;
        text += *text == ';';
    }
    return inputs;
}

/* A line of tests/golden/op_edges.txt: op|attributes|inputs|output|gradients. */
static bool try_edge(gr_dtype real, char *line)
{
    gr_arena *a = gr_arena_create();
    const double *values[MAX_IN];
    char *op = strsep(&line, "|"), *attrs = strsep(&line, "|"), *text = strsep(&line, "|"), *output = strsep(&line, "|");
    op_case c = {op, attrs, edge_inputs(a, op, text, values)};
    trial t = trial_begin(real, &c, 0, 0, NULL);
    bool good = (trial_outside(&t) && t.num_out > 0 && trial_differentiate(&t, t.out, 1)) || trial_failed(&t, "cannot be differentiated");
    gr_eval *e = eval_create(t.arena, t.graph);
    for (int i = 0; i < t.num_in; i++) eval_set(e, t.input[i]->node->name, values[i]);
    gr_type type;
    void *w = eval_memory(e, "w0", &type);
    double *ones = GR_NEW_ARRAY(a, double, gr_numel(&type) + 1);
    for (int64_t k = 0; w && k < gr_numel(&type); k++) ones[k] = 1;
    eval_set(e, "w0", ones);
    good = good && eval_run(e) == 0 && (equals_text(eval_result(e, "out0"), output) || trial_failed(&t, "has another value than PyTorch's"));
    for (int i = 0; good && i < t.num_in; i++) {
        char *want = strsep(&line, ";");
        const gr_tensor *g = eval_result(e, gr_arena_printf(a, "grad:in%d", i));
        if (*want) good = (g && equals_text(g, want)) || trial_failed(&t, gr_arena_printf(a, "has another gradient %d than PyTorch's", i));
    }
    trial_end(&t);
    gr_arena_destroy(a);
    return good;
}

static void edges(void)
{
    int bad = 0;
    CU_ASSERT(each_line(GR_SOURCE_DIR "/tests/golden/op_edges.txt", try_edge, &bad) > 40);
    CU_ASSERT_EQUAL(bad, 0);
}

void test_op_golden(void)
{
    CU_pSuite s = CU_add_suite("op_golden", NULL, NULL);
    CU_add_test(s, "values are PyTorch's", golden);
    CU_add_test(s, "values and gradients at kinks and extremes are PyTorch's", edges);
}
