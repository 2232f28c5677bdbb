/* test_dot.c - pictures of graphs: clusters, types, phases, escaped labels, closed clusters. */
#include "model/model.h"
#include "pass/pass.h"
#include "report/dot.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char text[] =
    "graphrun: 1\n"
    "vars: {time: 4, batch: 2}\n"
    "graph:\n"
    "  x: {op: Input, shape: [time, batch, 3]}\n"
    "  rnn: {op: GRU, in: x, hidden_size: 5, num_layers: 2}\n"
    "  y: {op: Linear, in: rnn.output, out_features: 2}\n"
    "  loss: {op: Mean, in: y}\n";

/* Two cells in one Scan, which hoisting takes apart. */
static const char stacked[] =
    "graphrun: 1\n"
    "vars: {time: 4, batch: 2}\n"
    "graph:\n"
    "  x: {op: Input, shape: [time, batch, 3]}\n"
    "  two:\n"
    "    op: Scan\n"
    "    over: time\n"
    "    in: {x: x}\n"
    "    carry: {h: {init: zeros, size: 5, next: a}, g: {init: zeros, size: 5, next: b}}\n"
    "    step:\n"
    "      a: {op: RNNCell, in: {input: x, h: h}, hidden_size: 5}\n"
    "      b: {op: RNNCell, in: {input: a, h: g}, hidden_size: 5}\n"
    "    out: {output: b}\n"
    "  loss: {op: Mean, in: two.output}\n";

/* The update that the picture needs: a parameter's next is its gradient. */
static int update(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss)
{
    (void)data, (void)loss;
    for (int i = 0; i < n; i++) {
        gr_emitter_at(e, params[i]->name, (gr_loc){0});
        gr_val next = gr_emit1(gr_emitter_ctx(e), "Neg", grads[i]);
        params[i]->next = (gr_value *)(uintptr_t)next;
    }
    return 0;
}

static char *picture_of(const char *model, const char *last, int depth, const char *title)
{
    char path[] = "/tmp/graphrun-dot-XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, model, strlen(model)), (ssize_t)strlen(model));
    close(fd);
    gr_arena *a = gr_arena_create();
    gr_diag *d = gr_diag_create(a);
    gr_error e = {0};
    gr_model *m = gr_model_read(a, path, &(gr_model_options){.real = GR_FLOAT32}, d, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    gr_request r = {.train = true, .minimize = "loss", .update = update};
    gr_graph *g = gr_model_graph(m);
    if (last) g = gr_run_passes(g, &r, last);
    if (!g) gr_diag_print(d, stdout);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    gr_dot_write(g, &(gr_dot_options){.title = title, .depth = depth}, f);
    fclose(f);
    gr_arena_destroy(a);
    remove(path);
    return out;
}

static char *picture(const char *last, int depth, const char *title) { return picture_of(text, last, depth, title); }

static bool has(const char *in, const char *what)
{
    bool found = strstr(in, what) != NULL;
    if (!found) printf("\nnot in the picture: %s\n", what);
    return found;
}

static int count(const char *in, const char *what)
{
    int n = 0;
    for (const char *s = in; (s = strstr(s, what)); s += strlen(what)) n++;
    return n;
}

static void raw_graph_is_drawn(void)
{
    char *p = picture(NULL, 0, "say \"hello\"");
    CU_ASSERT(has(p, "label=\"say \\\"hello\\\"\""));
    CU_ASSERT(has(p, "label=\"rnn\\nGRU\""));
    CU_ASSERT_EQUAL(count(p, " -> "), 3);
    free(p);
}

static void phases_and_clusters(void)
{
    char *p = picture("differentiate", 0, NULL);
    CU_ASSERT(has(p, "label=\"l0\""));
    CU_ASSERT(has(p, "label=\"each of 4 steps\""));
    CU_ASSERT(has(p, "label=\"each of 4 steps, last first\""));
    CU_ASSERT(has(p, "label=\"[time 4, batch 2, 5]\""));
    CU_ASSERT(has(p, "forward: blue, solid   backward: orange, dashed   update: green, bold"));
    CU_ASSERT(has(p, "style=\"filled,dashed,rounded\""));
    CU_ASSERT(has(p, "style=\"filled,bold,rounded\""));
    CU_ASSERT_EQUAL(count(p, "{"), count(p, "}"));
    CU_ASSERT_EQUAL(count(p, "subgraph"), count(p, "style=\"rounded,filled"));
    free(p);
}

static void deep_clusters_close(void)
{
    char *all = picture("expand", 0, NULL), *one = picture("expand", 1, NULL);
    CU_ASSERT(has(one, "shape=box3d"));
    CU_ASSERT_PTR_NULL(strstr(all, "shape=box3d"));
    CU_ASSERT_PTR_NULL(strstr(one, "each of 4 steps"));
    CU_ASSERT(strlen(one) < strlen(all));
    free(all);
    free(one);
}

static void loops_taken_apart_are_apart(void)
{
    char *p = picture_of(stacked, "hoist", 0, NULL);
    CU_ASSERT_EQUAL(count(p, "\"each of 4 steps\""), 2);
    CU_ASSERT_EQUAL(count(p, "\"each of 4 steps, last first\""), 2);
    free(p);
}

static void every_stage_is_drawn(void)
{
    for (const gr_pass *s = gr_passes; s->name; s++) {
        char *p = picture(s->name, 0, s->name);
        CU_ASSERT(has(p, "rnn"));
        free(p);
    }
}

void test_dot(void)
{
    CU_pSuite s = CU_add_suite("dot", NULL, NULL);
    CU_add_test(s, "the raw graph is drawn", raw_graph_is_drawn);
    CU_add_test(s, "phases and clusters", phases_and_clusters);
    CU_add_test(s, "deep clusters close", deep_clusters_close);
    CU_add_test(s, "loops that hoisting takes apart are drawn apart", loops_taken_apart_are_apart);
    CU_add_test(s, "every stage is drawn", every_stage_is_drawn);
}
