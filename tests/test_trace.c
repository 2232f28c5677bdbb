/* test_trace.c - a recorded step: every task once, in order, and nothing else changed. */
#include "cli_support.h"
#include "report/trace.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 3 };

typedef struct recorded {
    gr_session *session;
    gr_exec *exec;
    gr_trace *trace;
} recorded;

static const char *model(void)
{
    return temp_file("traced.yaml",
                     "graphrun: 1\n"
                     "vars: {time: 9, batch: 40}\n"
                     "data: {op: CharText, path: %s, partition: sequential}\n"
                     "graph:\n"
                     "  x: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
                     "  y: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
                     "  hot: {op: OneHot, in: x, num_classes: $data.vocab}\n"
                     "  rnn: {op: LSTM, in: hot, hidden_size: 96, num_layers: 2}\n"
                     "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
                     "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}}\n",
                     temp_file("traced.txt", "%s%s", "the quick brown fox jumps over the lazy dog and back again, "
                               "as often as it takes to fill a batch of forty rows with nine letters each, which is not "
                               "little: three hundred and sixty letters, and one more for the targets of the last step. ",
                               "so there is a second sentence that goes on and on, and a third one of words without any "
                               "meaning but their length, until at last the text is long enough for what it must do here."));
}

/* steps are run with a trace if `on`. */
static recorded run(int threads, bool on)
{
    recorded r = {.session = open_model(model(), threads)};
    const gr_want want = {.update = true, .training = true};
    const gr_tensor *field;
    gr_error e = {0};
    r.exec = gr_session_compile(r.session, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.exec);
    CU_ASSERT_EQUAL_FATAL(gr_data_begin(r.session->data, "train", 0, 0, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_data_next(r.session->data, &field, &e), 1);
    r.exec = gr_exec_for_batch(r.exec, field, &e);
    CU_ASSERT_EQUAL_FATAL(gr_exec_feed_batch(r.exec, field, &e), 0);
    r.trace = gr_trace_create(r.exec->program, r.exec->schedule, STEPS, &e);
    if (on) gr_run_set_trace(r.exec->run, r.trace);
    for (int i = 0; i < STEPS; i++) CU_ASSERT_EQUAL(gr_exec_step(r.exec, i, &e), 0);
    gr_run_set_trace(r.exec->run, NULL);
    CU_ASSERT_EQUAL(gr_exec_step(r.exec, STEPS, &e), 0); /* and one that is not recorded */
    gr_trace_stop(r.trace);
    return r;
}

static void end(recorded *r)
{
    gr_trace_free(r->trace);
    gr_session_close(r->session);
}

static double predicted(const recorded *r, const gr_event *v)
{
    const gr_template *t = &r->exec->program->templates[v->template_index];
    return t->cost * (double)(v->units_end - v->units_begin) / (double)t->units;
}

static void every_task_is_there(void)
{
    for (int threads = 1; threads <= 3; threads++) {
        recorded r = run(threads, true);
        const gr_schedule *s = r.exec->schedule;
        CU_ASSERT_EQUAL(r.trace->steps, STEPS);
        for (int w = 0; w < s->threads; w++) {
            gr_trace_reader reader = {.trace = r.trace, .worker = w};
            gr_event v;
            int64_t before = r.trace->started[0], count = 0, together = 0;
            int step = -1;
            for (; gr_trace_next(&reader, &v); count++) {
                CU_ASSERT_TRUE(before <= v.arrived && v.arrived <= v.begin && v.begin <= v.end);
                CU_ASSERT_TRUE(r.trace->started[v.step] <= v.arrived && v.end <= r.trace->ended[v.step]);
                CU_ASSERT_TRUE(v.timed >= 1 && (v.timed == 1 || predicted(&r, &v) < GR_TRACE_NS));
                CU_ASSERT_TRUE(v.arrived == before || v.step != step);
                before = v.end;
                step = v.step;
                together += v.timed > 1;
            }
            CU_ASSERT_EQUAL(count, s->worker[w].tasks * STEPS);
            if (threads == 1) CU_ASSERT_TRUE(0 < together && together < count);
            CU_ASSERT_EQUAL(reader.tick, r.trace->tick[w] + STEPS * r.trace->each[w] - 1);
        }
        end(&r);
    }
}

/* Of one thread, whose tasks wait for nobody: as many readings as the predicted time allows. */
static void short_tasks_share_readings(void)
{
    recorded r = run(1, true);
    double ns = 0;
    gr_event v;
    for (gr_trace_reader reader = {.trace = r.trace}; gr_trace_next(&reader, &v) && v.step == 0;) ns += predicted(&r, &v);
    CU_ASSERT_TRUE((double)r.trace->each[0] < 2 + 2 * ns / GR_TRACE_NS);
    CU_ASSERT_TRUE(r.trace->each[0] < r.exec->schedule->worker[0].tasks);
    end(&r);
}

static void tracing_changes_no_bit(void)
{
    recorded on = run(2, true), off = run(2, false);
    for (int i = 0; i < gr_store_count(on.session->store); i++) {
        gr_type t;
        const void *a = gr_store_data(on.session->store, i, &t), *b = gr_session_state(off.session, gr_store_name(on.session->store, i), NULL);
        CU_ASSERT_EQUAL(memcmp(a, b, (size_t)gr_numel(&t) * gr_dtype_size(t.dtype)), 0);
    }
    CU_ASSERT_EQUAL(off.trace->steps, 0);
    end(&on);
    end(&off);
}

static void the_timeline_is_json(void)
{
    recorded r = run(2, true);
    char *text, *summary;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    CU_ASSERT_EQUAL(gr_trace_write(r.trace, "a \"title\"", to), 0);
    fclose(to);
    json_t *root = json_loads(text, 0, NULL), *v;
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    size_t i;
    int64_t tasks = 0;
    bool step_of_loop = false;
    json_array_foreach(json_object_get(root, "traceEvents"), i, v) {
        const char *kind = json_string_value(json_object_get(v, "cat"));
        tasks += kind && strcmp(kind, "wait") != 0;
        step_of_loop |= json_object_get(json_object_get(v, "args"), "time step") != NULL;
    }
    int64_t expected = 0;
    for (int w = 0; w < r.exec->schedule->threads; w++) expected += r.exec->schedule->worker[w].tasks * STEPS;
    CU_ASSERT_EQUAL(tasks, expected);
    CU_ASSERT_TRUE(step_of_loop);
    json_decref(root);
    free(text);
    to = open_memstream(&summary, &size);
    gr_trace_print(r.trace, "a title", to);
    fclose(to);
    CU_ASSERT_PTR_NOT_NULL(strstr(summary, "3 steps, "));
    CU_ASSERT_PTR_NOT_NULL(strstr(summary, "waiting"));
    CU_ASSERT_PTR_NOT_NULL(strstr(summary, "share   predicted"));
    CU_ASSERT_PTR_NOT_NULL(strstr(summary, "GFLOP/s"));
    CU_ASSERT_PTR_NOT_NULL(strstr(summary, "timed together"));
    CU_ASSERT_PTR_NOT_NULL(strstr(summary, " product   MatMul "));
    free(summary);
    end(&r);
}

/* What its author looks for. */
static void ops_of_plugins_are_named(void)
{
    CU_ASSERT_EQUAL(graphrun("trace '" GR_SOURCE_DIR "/graphs/plugins/ctc.yaml' --plugin '" GR_BUILD_DIR "/graphs/plugins/ctc.so' --threads 1"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, " kernel    CTCEachGradient "));
}

void test_trace(void)
{
    CU_pSuite s = CU_add_suite("trace", NULL, NULL);
    CU_add_test(s, "the table names ops, those of plugins too", ops_of_plugins_are_named);
    CU_add_test(s, "every task is there, in order", every_task_is_there);
    CU_add_test(s, "short tasks share readings of the clock", short_tasks_share_readings);
    CU_add_test(s, "tracing changes no bit", tracing_changes_no_bit);
    CU_add_test(s, "the timeline is JSON", the_timeline_is_json);
}
