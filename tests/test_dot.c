/* test_dot.c - pictures of graphs: what is in them, at every stage and depth. */
#include "model/model.h"
#include "pass/pass.h"
#include "report/dot.h"
#include "rig.h"
#include "tests.h"
#include "train_support.h"
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

static int write_all(int fd, const char *what) { return write(fd, what, strlen(what)) == (ssize_t)strlen(what) ? 0 : -1; }

static char *picture_of(const char *model, const char *last, int depth, const char *title, void (*write)(const gr_picture *, FILE *))
{
    char path[] = "/tmp/graphrun-dot-XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write_all(fd, model), 0);
    close(fd);
    gr_arena *a = gr_arena_create();
    gr_diag *d = gr_diag_create(a);
    gr_error e = {0};
    gr_model *m = gr_model_read(a, path, &(gr_model_options){.real = GR_FLOAT32}, d, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    gr_request r = {.train = true, .minimize = "loss", .update = update};
    gr_graph *g = gr_run_passes(gr_model_graph(m), &r, last), *before = NULL;
    if (last && strcmp(last, "hoist") == 0) before = gr_run_passes(gr_model_graph(m), &r, "merge");
    if (!g) gr_diag_print(d, stdout);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    const gr_dot_options o = {.title = title, .depth = depth, .inside = strcmp(last, "infer") != 0, .before = before, .minimize = "loss"};
    write(gr_picture_of_graph(g, &o), f);
    fclose(f);
    gr_arena_destroy(a);
    remove(path);
    return out;
}

static char *picture(const char *last, int depth) { return picture_of(text, last, depth, NULL, gr_picture_write_dot); }

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

/* Boxes whose label has the name, in bold as names are. */
static int boxes(const char *in, const char *name)
{
    char what[128];
    snprintf(what, sizeof what, "label=<<B>%s</B>", name);
    return count(in, what);
}

static void a_node_is_a_box(void)
{
    char *p = picture("infer", 0);
    CU_ASSERT_EQUAL(boxes(p, "x"), 1);
    CU_ASSERT_EQUAL(boxes(p, "rnn"), 1);
    CU_ASSERT_EQUAL(boxes(p, "y"), 1);
    CU_ASSERT_EQUAL(boxes(p, "loss"), 1);
    CU_ASSERT_EQUAL(count(p, "shape="), 4);
    CU_ASSERT_EQUAL(count(p, " -> "), 3);
    CU_ASSERT(has(p, "<B>rnn</B><BR/>GRU<BR/>"));
    CU_ASSERT(has(p, "hidden_size=5, num_layers=2"));
    CU_ASSERT(has(p, "8 parameters: 330 numbers"));
    CU_ASSERT(has(p, "weight &#91;2, 5&#93;"));
    CU_ASSERT(has(p, ">&#91;time 4, batch 2, 3&#93;<"));
    free(p);
}

static void depth_opens_layers(void)
{
    char *closed = picture("infer", 0), *one = picture("infer", 1), *all = picture("infer", GR_DOT_ALL);
    CU_ASSERT_EQUAL(count(closed, "subgraph"), 0);
    CU_ASSERT_EQUAL(boxes(one, "l0"), 1);
    CU_ASSERT_EQUAL(boxes(one, "l1"), 1);
    CU_ASSERT_EQUAL(boxes(one, "rnn"), 1); /* the frame */
    CU_ASSERT(has(all, "each of 4 steps"));
    CU_ASSERT_EQUAL(count(all, ">weight_hh_l1 &#91;15, 5&#93;<"), 1); /* in the box that reads it */
    CU_ASSERT_EQUAL(count(all, "shape=cylinder"), 0);
    CU_ASSERT(strlen(closed) < strlen(one) && strlen(one) < strlen(all));
    free(closed);
    free(one);
    free(all);
}

static void a_step_is_opened_as_it_is_written(void)
{
    char *p = picture_of(stacked, "infer", 0, NULL, gr_picture_write_dot);
    CU_ASSERT(has(p, "<B>two</B>&#160;&#160;Scan, each of 4 steps"));
    CU_ASSERT_EQUAL(boxes(p, "h"), 1);
    CU_ASSERT_EQUAL(boxes(p, "a"), 1);
    CU_ASSERT_EQUAL(boxes(p, "b"), 1);
    CU_ASSERT_EQUAL(count(p, "arrowhead=empty, penwidth=2"), 2); /* carries go round */
    free(p);
}

static void what_is_shared_is_drawn_once(void)
{
    char *p = picture_of("graphrun: 1\nvars: {time: 4, batch: 2}\ngraph:\n  x: {op: Input, shape: [time, batch, 5]}\n"
                         "  a: {op: Linear, in: x, out_features: 5}\n  b: {op: Linear, in: a, out_features: 5, weight: a.weight}\n"
                         "  loss: {op: Mean, in: b}\n", "infer", 0, NULL, gr_picture_write_dot);
    CU_ASSERT_EQUAL(count(p, "weight &#91;"), 1);
    CU_ASSERT_EQUAL(count(p, "shape=cylinder"), 1);
    CU_ASSERT_EQUAL(boxes(p, "shared"), 1);
    CU_ASSERT_EQUAL(count(p, "a.weight &#91;5, 5&#93;"), 1);
    CU_ASSERT_EQUAL(count(p, "bias &#91;5&#93;"), 2);
    free(p);
}

static void the_gradient_stands_beside(void)
{
    char *p = picture("differentiate", GR_DOT_FIT);
    CU_ASSERT(has(p, "forward, solid"));
    CU_ASSERT(has(p, "backward, dashed"));
    CU_ASSERT(has(p, "update, bold"));
    CU_ASSERT(has(p, "style=\"filled,dashed,rounded\""));
    CU_ASSERT(has(p, "style=\"filled,bold,rounded\""));
    CU_ASSERT_EQUAL(count(p, "gradient of GRUCell"), 2);
    CU_ASSERT_EQUAL(count(p, "style=invis, minlen=0"), 4); /* l0, l1, y, loss beside what derives from them */
    CU_ASSERT(has(p, "dir=back")); /* the gradient runs up */
    CU_ASSERT_EQUAL(boxes(p, "update"), 1); /* of all parameters */
    CU_ASSERT(has(p, "subgraph cluster_forward {"));
    CU_ASSERT(has(p, "subgraph cluster_backward {"));
    CU_ASSERT_EQUAL(count(p, "{"), count(p, "}"));
    free(p);
}

/* Opened, the update is drawn once for all parameters that are updated alike; their gradients say so where they are made. */
static void what_is_updated_alike_is_drawn_once(void)
{
    char *p = picture("differentiate", GR_DOT_ALL), *one = picture("differentiate", 1), *m = picture_of(text, "differentiate", GR_DOT_ALL, NULL, gr_picture_write_mermaid);
    CU_ASSERT_EQUAL(boxes(p, "each of 10 parameters"), 1);
    CU_ASSERT_EQUAL(boxes(p, "next"), 1);
    CU_ASSERT_EQUAL(boxes(p, "gradients"), 1);
    CU_ASSERT(has(p, ">gradient of weight_hh_l0<"));
    CU_ASSERT(has(p, ">10 parameters: "));
    CU_ASSERT_EQUAL(boxes(one, "each of 10 parameters"), 1);
    CU_ASSERT(has(one, ">rnn.weight_ih_l0<"));
    CU_ASSERT(has(m, "gradient of weight"));
    free(p);
    free(one);
    free(m);
}

/* Of two kinds each is drawn. */
static void what_is_updated_otherwise_is_drawn_apart(void)
{
    static const char model[] = "graphrun: 1\nvars: {batch: 2}\ngraph:\n  x: {op: Input, shape: [batch, 5]}\n"
                                "  a: {op: Linear, in: x, out_features: 5}\n  b: {op: Linear, in: a, out_features: 5, bias: false}\n"
                                "  loss: {op: Mean, in: b}\n"
                                "train: {minimize: loss, optimizer: {op: SGD, lr: 1, groups: [{params: b.weight, momentum: 0.9}]}, steps: 1}\n";
    gr_error e = {0};
    gr_session *s = gr_session_open(temp_file("kinds.yaml", "%s", model), &(gr_session_options){.model.real = GR_FLOAT32, .facts_only = true, .quiet = true}, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    gr_picture_write_dot(gr_session_picture(s, &(gr_dot_request){.after = "fuse", .depth = GR_DOT_ALL}, &e), f);
    fclose(f);
    CU_ASSERT_EQUAL(boxes(out, "each of 2 parameters"), 1);
    CU_ASSERT_EQUAL(boxes(out, "b.weight"), 1);
    CU_ASSERT_EQUAL(boxes(out, "momentum_buffer"), 1);
    free(out);
    gr_session_close(s);
}

/* A weight's gradient, which a loop only adds to, and the slices that one node reads. */
static void sums_and_slices_are_boxes(void)
{
    char *p = picture("differentiate", GR_DOT_ALL), *fused = picture("fuse", GR_DOT_ALL);
    CU_ASSERT_EQUAL(count(p, "<BR/>sum over the steps<"), 8); /* two weights and two biases of two layers */
    CU_ASSERT_EQUAL(count(p, ".sum</B>"), 0);
    CU_ASSERT(has(fused, "<BR/>slices>"));
    free(p);
    free(fused);
}

/* All that derives from one node is a box, but where everything is opened. */
static void a_gradient_is_a_box(void)
{
    static const char model[] = "graphrun: 1\nvars: {time: 4, batch: 2}\ngraph:\n  x: {op: Input, shape: [time, batch, 5]}\n"
                                "  a: {op: Linear, in: x, out_features: 5}\n  m: {op: Max, in: a, dim: 1}\n  loss: {op: Mean, in: m}\n";
    char *p = picture_of(model, "differentiate", GR_DOT_FIT, NULL, gr_picture_write_dot), *all = picture_of(model, "differentiate", GR_DOT_ALL, NULL, gr_picture_write_dot);
    CU_ASSERT(has(p, "<B>m</B><BR/>gradient of Max<BR/>"));
    CU_ASSERT_EQUAL(count(p, "<B>m&#39;</B>") + count(p, "<B>m'</B>"), 0);
    CU_ASSERT(count(all, "<B>m'</B>") > 1);
    free(p);
    free(all);
}

/* A gradient is of the type of what it is the gradient of, which runs beside it. */
static void types_are_said_once(void)
{
    static const char model[] = "graphrun: 1\nvars: {time: 4, batch: 2}\ngraph:\n  x: {op: Input, shape: [time, batch, 5]}\n"
                                "  a: {op: Linear, in: x, out_features: 6}\n  b: {op: Linear, in: a, out_features: 7}\n  loss: {op: Mean, in: b}\n";
    char *p = picture_of(model, "differentiate", GR_DOT_FIT, NULL, gr_picture_write_dot);
    CU_ASSERT(has(p, "gradient of Linear"));
    CU_ASSERT_EQUAL(count(p, ">&#91;time, batch, 6&#93;<"), 1);
    CU_ASSERT_EQUAL(count(p, ">&#91;time, batch, 7&#93;<"), 1);
    free(p);
}

/* What is in a group is drawn near to each other, so that pictures get long rather than wide. */
static void a_group_stands_together(void)
{
    char *p = picture("hoist", GR_DOT_FIT), *flat = picture("infer", 0);
    CU_ASSERT(count(p, "[weight=") + count(p, ", weight=9,") > 0);
    CU_ASSERT(has(p, "weight=17, ")); /* before the loop, in it and after it, in a layer, in the GRU */
    CU_ASSERT_EQUAL(count(flat, "weight="), 0);
    free(p);
    free(flat);
}

/* How many arrows that are not drawn say that one box stands above another. */
static int orders(const char *in) { return count(in, "[style=invis];"); }

/* The layers of an RNN stand below each other, and below them what reads the last one. */
static void what_follows_a_group_stands_below(void)
{
    char *closed = picture("infer", 0), *all = picture("infer", GR_DOT_ALL), *m = picture_of(text, "infer", GR_DOT_ALL, NULL, gr_picture_write_mermaid);
    CU_ASSERT_EQUAL(orders(closed), 0);
    CU_ASSERT(orders(all) > 0);
    CU_ASSERT_EQUAL(count(m, "invis"), 0);
    free(closed);
    free(all);
    free(m);
}

/* Of two groups that read each other's parts neither can. */
static void groups_in_a_circle_stand_as_they_can(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val v = rig_input(&r, "x", "2, 3");
    static const char *const names[] = {"a.first", "b.m", "a.second", "c"};
    for (int i = 0; i < 4; i++) v = gr_emit(r.c, "Tanh", names[i], 1, &v, NULL);
    rig_result(&r, "out", v);
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    gr_picture_write_dot(gr_picture_of_graph(r.g, &(gr_dot_options){.depth = 1}), f);
    fclose(f);
    CU_ASSERT_EQUAL(boxes(out, "first") + boxes(out, "second") + boxes(out, "m") + boxes(out, "c"), 4);
    CU_ASSERT_EQUAL(orders(out), 1); /* a.first above c */
    free(out);
    rig_destroy(&r);
}

/* The picture of two chains of n nodes, in a group each. */
static char *two_chains(int n)
{
    rig r = rig_create(GR_FLOAT32);
    for (int k = 0; k < 2; k++) {
        gr_val v = rig_input(&r, k ? "x" : "y", "2, 3");
        for (int i = 0; i < n; i++) v = gr_emit(r.c, "Tanh", gr_arena_printf(r.a, "%s.n%d", k ? "one" : "other", i), 1, &v, NULL);
        rig_result(&r, k ? "out" : "other_out", v);
    }
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    gr_picture_write_dot(gr_picture_of_graph(r.g, &(gr_dot_options){.depth = 1}), f);
    fclose(f);
    rig_destroy(&r);
    return out;
}

static void large_groups_are_piled_up(void)
{
    char *small = two_chains(3), *large = two_chains(8);
    CU_ASSERT_EQUAL(orders(small), 0);
    CU_ASSERT_EQUAL(orders(large), 1);
    free(small);
    free(large);
}

/* The title says how long axes are, so that arrows need not. */
static void axes_keep_their_names(void)
{
    static const char *const passes[] = {"differentiate", "hoist", "fuse"};
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        char *p = picture(passes[i], GR_DOT_FIT), *m = picture_of(text, passes[i], GR_DOT_FIT, NULL, gr_picture_write_mermaid);
        CU_ASSERT(has(p, "<BR/>time 4, batch 2<"));
        CU_ASSERT(has(m, "lengths[\"time 4, batch 2\"]"));
        CU_ASSERT(has(p, ">&#91;time, batch, 5&#93;<"));
        CU_ASSERT_EQUAL(count(p, ">&#91;4, "), 0);
        CU_ASSERT_EQUAL(count(p, ", 2, 5&#93;"), 0);
        free(p);
        free(m);
    }
}

/* Masks of lengths too: of a loop, of attention, of a loss. */
static void masks_name_their_axes(void)
{
    static const char ragged[] = "graphrun: 1\nvars: {time: 4, batch: 2}\ngraph:\n  x: {op: Input, shape: [time, batch, 3]}\n"
                                 "  n: {op: Input, shape: [batch], dtype: int32}\n  t: {op: Input, shape: [time, batch], dtype: int32}\n"
                                 "  rnn: {op: GRU, in: x, hidden_size: 6, lengths: n}\n"
                                 "  mha: {op: MultiheadAttention, in: rnn.output, num_heads: 2, lengths: n}\n"
                                 "  loss: {op: CrossEntropyLoss, in: {input: mha, target: t}, lengths: n}\n";
    static const char *const passes[] = {"expand", "hoist", "fuse"};
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        char *p = picture_of(ragged, passes[i], GR_DOT_ALL, NULL, gr_picture_write_dot);
        CU_ASSERT(has(p, "bool &#91;time, batch"));
        CU_ASSERT(has(p, "bool &#91;batch, "));
        CU_ASSERT_EQUAL(count(p, "bool &#91;4") + count(p, "bool &#91;batch, 4") + count(p, "bool &#91;batch, 1, 4") + count(p, "bool &#91;batch, 1, 1, 4"), 0);
        free(p);
    }
}

static void what_is_hoisted_shows(void)
{
    char *p = picture("hoist", GR_DOT_FIT), *q = picture("merge", GR_DOT_FIT);
    CU_ASSERT_EQUAL(boxes(p, "before the loop"), 2);
    CU_ASSERT_EQUAL(boxes(p, "after the loop"), 2);
    CU_ASSERT_EQUAL(boxes(p, "each of 4 steps"), 2);
    CU_ASSERT_EQUAL(boxes(p, "each of 4 steps, last first"), 2);
    CU_ASSERT(has(p, "all 4 steps at once"));
    CU_ASSERT_EQUAL(boxes(q, "before the loop"), 0);
    free(p);
    free(q);
}

static void loops_taken_apart_are_apart(void)
{
    char *p = picture_of(stacked, "hoist", GR_DOT_ALL, NULL, gr_picture_write_dot);
    CU_ASSERT_EQUAL(count(p, "<B>each of 4 steps</B>"), 2);
    CU_ASSERT_EQUAL(count(p, "<B>each of 4 steps, last first</B>"), 2);
    free(p);
}

static void fused_groups_are_listed(void)
{
    char *p = picture("fuse", GR_DOT_FIT), *all = picture("fuse", GR_DOT_ALL);
    CU_ASSERT(has(p, "sigmoid\xc2\xa0x"));
    CU_ASSERT(has(all, ", then fused<BR/>"));
    CU_ASSERT(has(all, "peripheries=2"));
    free(p);
    free(all);
}

static void every_stage_is_drawn(void)
{
    for (const gr_pass *s = gr_passes; s->name; s++)
        for (int depth = GR_DOT_FIT; depth < 3; depth++) {
            char *p = picture(s->name, depth), *m = picture_of(text, s->name, depth, NULL, gr_picture_write_mermaid);
            CU_ASSERT(has(p, "rnn"));
            CU_ASSERT(has(m, "rnn"));
            free(p);
            free(m);
        }
}

void test_dot(void)
{
    CU_pSuite s = CU_add_suite("dot", NULL, NULL);
    CU_add_test(s, "a node is a box, with its op, attributes and parameters", a_node_is_a_box);
    CU_add_test(s, "depth opens layers and blocks", depth_opens_layers);
    CU_add_test(s, "a Scan's step is opened as it is written", a_step_is_opened_as_it_is_written);
    CU_add_test(s, "a weight that nodes share is drawn once", what_is_shared_is_drawn_once);
    CU_add_test(s, "the gradient stands beside the forward graph", the_gradient_stands_beside);
    CU_add_test(s, "what is updated alike is drawn once", what_is_updated_alike_is_drawn_once);
    CU_add_test(s, "what is updated otherwise is drawn apart", what_is_updated_otherwise_is_drawn_apart);
    CU_add_test(s, "sums over steps and slices of one reader are boxes", sums_and_slices_are_boxes);
    CU_add_test(s, "a gradient is one box", a_gradient_is_a_box);
    CU_add_test(s, "types are said once", types_are_said_once);
    CU_add_test(s, "a group stands together", a_group_stands_together);
    CU_add_test(s, "what follows a group stands below it", what_follows_a_group_stands_below);
    CU_add_test(s, "groups in a circle stand as they can", groups_in_a_circle_stand_as_they_can);
    CU_add_test(s, "large groups are piled up", large_groups_are_piled_up);
    CU_add_test(s, "axes keep their names through the passes", axes_keep_their_names);
    CU_add_test(s, "masks of lengths name their axes", masks_name_their_axes);
    CU_add_test(s, "what is hoisted stands before or after its loop", what_is_hoisted_shows);
    CU_add_test(s, "loops that hoisting takes apart are drawn apart", loops_taken_apart_are_apart);
    CU_add_test(s, "fused groups are listed", fused_groups_are_listed);
    CU_add_test(s, "every stage is drawn", every_stage_is_drawn);
}
