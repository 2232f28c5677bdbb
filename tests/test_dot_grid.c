/* test_dot_grid.c - the unrolled program as a grid of time by layer, with threads. */
#include "model/model.h"
#include "pass/pass.h"
#include "report/dot.h"
#include "report/dot_picture.h"
#include "tests.h"
#include "train/session.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char two_layers[] =
    "graphrun: 1\n"
    "vars: {time: 6, batch: 32, hidden: 64}\n"
    "graph:\n"
    "  x: {op: Input, shape: [time, batch, 8]}\n"
    "  rnn: {op: LSTM, in: x, hidden_size: $hidden, num_layers: 2}\n"
    "  y: {op: Linear, in: rnn.output, out_features: 4}\n"
    "  loss: {op: Mean, in: y}\n"
    "train: {minimize: loss, optimizer: {op: SGD, lr: 1}, epochs: 1}\n";

static gr_session *open_session(const char *model, int threads)
{
    gr_error e = {0};
    const gr_session_options o = {.model.real = GR_FLOAT32, .threads = threads, .seed = 1, .facts_only = true, .quiet = true};
    gr_session *s = gr_session_open(temp_file("grid.yaml", "%s", model), &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

/* To be freed. */
static char *written(const gr_picture *p, void (*write)(const gr_picture *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    write(p, f);
    fclose(f);
    return text;
}

static gr_picture *grid_of(gr_session *s, int64_t steps)
{
    gr_error e = {0};
    gr_picture *p = gr_session_picture(s, &(gr_dot_request){.steps = steps}, &e);
    if (!p) printf("\n%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

/* The n-th lane of that name and note, NULL: there are not so many. */
static const gr_pic_group *lane(const gr_picture *p, const char *name, const char *note, int n)
{
    for (const gr_pic_group *g = p->top.first; g; g = g->next)
        if (strcmp(g->name, name) == 0 && strcmp(g->note, note) == 0 && n-- == 0) return g;
    return NULL;
}

/* The column of a box: 0 for what begins where step 0 does. */
static int column(const gr_pic_box *b) { return (int)((b->x - 132) / 140 + 0.5); }

static bool has_arrow(const gr_picture *p, const gr_pic_group *from, int a, const gr_pic_group *to, int b)
{
    for (int i = 0; i < p->num_arrows; i++) {
        const gr_pic_arrow *x = p->arrow[i];
        if (x->from->group == from && x->to->group == to && column(x->from) == a && column(x->to) == b) return true;
    }
    return false;
}

static bool has_heading(const gr_picture *p, const char *text)
{
    for (int i = 0; i < p->top.num_boxes; i++)
        if (p->top.box[i]->look == GR_LOOK_HEADING && strcmp(p->top.box[i]->name, text) == 0) return true;
    return false;
}

static void columns_are_steps(void)
{
    gr_session *s = open_session(two_layers, 1);
    const gr_picture *all = grid_of(s, 6), *some = grid_of(s, 3);
    const gr_pic_group *l0 = lane(all, "rnn.l0", "step by step", 0), *back = lane(all, "rnn.l0", "last step first", 0);
    CU_ASSERT_FATAL(l0 && back && lane(all, "rnn.l1", "step by step", 0));
    CU_ASSERT_EQUAL(l0->num_boxes, 6);
    CU_ASSERT_EQUAL(back->num_boxes, 6);
    CU_ASSERT_EQUAL(l0->phase, GR_FORWARD);
    CU_ASSERT_EQUAL(back->phase, GR_BACKWARD);
    for (int t = 0; t < 5; t++) { /* the carry goes from column to column, its gradient the other way */
        CU_ASSERT(has_arrow(all, l0, t, l0, t + 1));
        CU_ASSERT(has_arrow(all, back, t + 1, back, t));
        CU_ASSERT(!has_arrow(all, l0, t + 1, l0, t));
    }
    CU_ASSERT_EQUAL(lane(some, "rnn.l0", "step by step", 0)->num_boxes, 4); /* and one for all that follow */
    CU_ASSERT_STRING_EQUAL(lane(some, "rnn.l0", "step by step", 0)->box[3]->name, "later steps");
    CU_ASSERT(strstr(some->note, "3 of 6 steps, 1 thread") != NULL);
    CU_ASSERT(has_heading(some, "t = 2") && has_heading(some, "t = 3 to 5"));
    CU_ASSERT(has_heading(grid_of(s, 5), "t = 5"));
    CU_ASSERT(has_heading(all, "t = 5") && !has_heading(all, "t = 6"));
    gr_session_close(s);
}

/* A page has room for 8 columns with names in them, and for 40 without. */
static void many_steps_are_narrow(void)
{
    char model[sizeof two_layers + 8];
    const size_t at = (size_t)(strstr(two_layers, "time: 6") - two_layers);
    snprintf(model, sizeof model, "%.*stime: 40%s", (int)at, two_layers, two_layers + at + strlen("time: 6"));
    gr_session *s = open_session(model, 2);
    const gr_picture *some = grid_of(s, 8), *all = grid_of(s, 40);
    const gr_pic_group *l0 = lane(all, "rnn.l0", "step by step", 0);
    CU_ASSERT_FATAL(l0 && l0->num_boxes == 40);
    CU_ASSERT(l0->box[39]->x + l0->box[39]->width < 1700);
    CU_ASSERT(l0->box[0]->brief && !lane(some, "rnn.l0", "step by step", 0)->box[0]->brief);
    const gr_pic_box *names = NULL;
    for (int i = 0; i < all->top.num_boxes; i++)
        if (all->top.box[i]->look == GR_LOOK_NAMES && all->top.box[i]->y == l0->box[0]->y) names = all->top.box[i];
    CU_ASSERT_FATAL(names && names->num_tasks == l0->box[0]->num_tasks);
    CU_ASSERT_STRING_EQUAL(names->task[0].name, l0->box[0]->task[0].name);
    char *out = written(all, gr_picture_write_dot);
    int named = 0;
    for (const char *at_name = out; (at_name = strstr(at_name, names->task[0].name)); at_name++) named++;
    CU_ASSERT(named >= 1 && named < 10); /* not once a step */
    free(out);
    gr_session_close(s);
}

/* Many threads are ranges of numbers: no box is too small for them. */
static void many_threads_are_ranges(void)
{
    gr_session *s = open_session(two_layers, 8);
    char *out = written(grid_of(s, 2), gr_picture_write_dot);
    CU_ASSERT(strstr(out, ">0-7<") || strstr(out, ">0-3<") || strstr(out, "-7<"));
    free(out);
    gr_session_close(s);
}

/* A colour that comes again has a frame. */
static void many_threads_have_frames(void)
{
    gr_session *s = open_session(two_layers, 16);
    const gr_picture *p = grid_of(s, 2);
    char *out = written(p, gr_picture_write_dot), *m = written(p, gr_picture_write_mermaid);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "<TD BGCOLOR=\"#e69f00\"><FONT COLOR=\"#000000\"> thread 0 <"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "<TD BGCOLOR=\"#e69f00\" BORDER=\"2\" COLOR=\"#000000\"><FONT COLOR=\"#000000\"> thread 7 <"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "<TD BGCOLOR=\"#e69f00\" BORDER=\"2\" COLOR=\"#000000\" STYLE=\"DASHED\"><FONT COLOR=\"#000000\"> thread 14 <"));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "classDef thread7 fill:#e69f00,stroke:#1b1f24,color:#000000,stroke-width:3px\n"));
    free(out);
    free(m);
    gr_session_close(s);
}

static void threads_are_those_of_the_schedule(void)
{
    gr_session *s = open_session(two_layers, 3);
    const gr_picture *p = grid_of(s, 2);
    bool runs[3] = {false};
    CU_ASSERT_EQUAL(p->threads, 3);
    for (const gr_pic_group *g = p->top.first; g; g = g->next)
        for (int b = 0; b < g->num_boxes; b++)
            for (int t = 0; t < g->box[b]->num_tasks; t++) {
                const gr_pic_task *task = &g->box[b]->task[t];
                CU_ASSERT(task->num_shares >= 1 && task->num_shares <= 3);
                for (int k = 0; k < task->num_shares; k++) {
                    CU_ASSERT_FATAL(task->share[k] >= 0 && task->share[k] < 3);
                    runs[task->share[k]] = true;
                }
            }
    CU_ASSERT(runs[0] && runs[1] && runs[2]);
    gr_session_close(s);
}

/* Nothing is said by colour alone. */
static void threads_have_colours_and_numbers(void)
{
    gr_session *s = open_session(two_layers, 2);
    char *out = written(grid_of(s, 2), gr_picture_write_dot);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "layout=neato"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "> thread 1 <"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "<TD BGCOLOR=\"#56b4e9\"><FONT COLOR=\"#000000\">1</FONT></TD>"));
    free(out);
    out = written(grid_of(s, 2), gr_picture_write_mermaid);
    CU_ASSERT_EQUAL(strncmp(out, "block-beta\n", 11), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, " - thread "));
    free(out);
    gr_session_close(s);
}

static void what_has_no_loop_is_drawn(void)
{
    gr_session *s = open_session("graphrun: 1\ngraph:\n  x: {op: Input, shape: [2, 3]}\n  y: {op: Linear, in: x, out_features: 2}\n", 1);
    const gr_picture *p = grid_of(s, 4);
    CU_ASSERT(strstr(p->note, "forward pass, unrolled, no loop over time") != NULL);
    CU_ASSERT_PTR_NOT_NULL(lane(p, "y", "all steps at once", 0));
    gr_session_close(s);
}

void test_dot_grid(void)
{
    CU_pSuite s = CU_add_suite("dot_grid", NULL, NULL);
    CU_add_test(s, "columns are steps, rows are layers", columns_are_steps);
    CU_add_test(s, "many steps are narrow columns", many_steps_are_narrow);
    CU_add_test(s, "many threads are ranges", many_threads_are_ranges);
    CU_add_test(s, "colours that come again have frames", many_threads_have_frames);
    CU_add_test(s, "threads are those of the schedule", threads_are_those_of_the_schedule);
    CU_add_test(s, "threads have colours and numbers", threads_have_colours_and_numbers);
    CU_add_test(s, "a model without a loop is drawn", what_has_no_loop_is_drawn);
}
