/* test_validate.c - what is made of validations: the best weights are kept, training stops
 * early, and going on from a checkpoint changes nothing of it. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 10, TIME = 4, CLASSES = 5 };

/* Numbers of which a third follows no rule, so that what is learned too well of one split harms the other. */
static const char *noise_model(const char *name, const char *train)
{
    const int64_t dim[] = {ROWS, TIME};
    int32_t token[ROWS * TIME], next[ROWS * TIME];
    for (int i = 0; i < ROWS * TIME; i++) {
        token[i] = (i * 7 + i / 5 + i * i) % CLASSES;
        next[i] = i % 3 ? (token[i] + 1) % CLASSES : (i * 3 + i / 2 + i * i / 7) % CLASSES;
    }
    return temp_file(name,
        "graphrun: 1\nname: noise\n"
        "data:\n  op: Npy\n  files: {token: %s, next: %s}\n  batch_size: 2\n  shuffle: true\n  split: {train: 0.6, valid: 0.4}\n"
        "graph:\n"
        "  token: {op: Input, shape: [batch, time], dtype: int32, from: data.token}\n"
        "  next: {op: Input, shape: [batch, time], dtype: int32, from: data.next}\n"
        "  e: {op: Embedding, in: token, num_embeddings: 5, embedding_dim: 6}\n"
        "  d: {op: Dropout, in: e, p: 0.1}\n"
        "  rnn: {op: GRU, in: d, hidden_size: 12, batch_first: true}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 5}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: next}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.02}, %s}\n"
        "metrics: [perplexity, accuracy]\n",
        temp_integers("token.npy", 2, dim, token), temp_integers("next.npy", 2, dim, next), train);
}

/* What each validation of a run gave, in order; *end: its last line. */
static int read_validations(const char *log, double *loss, double *accuracy, json_t **end)
{
    char *text = read_text(log, NULL), *next = text;
    int n = 0;
    *end = NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        json_t *object = json_loads(line, 0, NULL), *valid = json_object_get(object, "valid");
        if (valid && n < 64) {
            loss[n] = json_real_value(json_object_get(valid, "loss"));
            accuracy[n++] = json_real_value(json_object_get(json_object_get(valid, "metrics"), "accuracy"));
        }
        if (strcmp(json_string_value(json_object_get(object, "event")), "end") == 0) *end = json_incref(object);
        json_decref(object);
    }
    free(text);
    return n;
}

static double valid_loss(const char *model, const char *weights, double *accuracy)
{
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true, .weights = weights};
    gr_error e = {0};
    gr_session *s = gr_session_open(model, &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    gr_meter *m = gr_meter_create(s);
    CU_ASSERT_EQUAL(gr_evaluate(s, "valid", m, NULL, &e), 0);
    double loss = gr_meter_loss(m);
    *accuracy = gr_meter_value(m, s->recipe, 1);
    gr_session_close(s);
    return loss;
}

static int best_of(const double *value, int n, double sign)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (sign * value[i] > sign * value[best]) best = i;
    return best;
}

static int64_t best_number(json_t *end, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(end, "best"), key));
}

static void the_best_are_saved(void)
{
    const char *log = temp_path("best.jsonl"), *best = temp_path("best.safetensors"), *last = temp_path("last.safetensors");
    const char *model = noise_model("best.yaml", "epochs: 20, keep: best");
    double loss[64], accuracy[64], right;
    gr_error e;
    json_t *end;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log, .save = best}, &e), 0);
    int n = read_validations(log, loss, accuracy, &end), k = best_of(loss, n, -1);
    CU_ASSERT_EQUAL(n, 20);
    CU_ASSERT_TRUE(k > 0 && k < n - 1); /* else this tests nothing */
    CU_ASSERT_EQUAL(valid_loss(model, best, &right), loss[k]);
    CU_ASSERT_EQUAL(best_number(end, "epoch"), k + 1);
    CU_ASSERT_EQUAL(best_number(end, "step"), 3 * (k + 1));
    json_decref(end);
    model = noise_model("last.yaml", "epochs: 20");
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = last}, &e), 0);
    CU_ASSERT_EQUAL(valid_loss(model, last, &right), loss[n - 1]);

    model = noise_model("accurate.yaml", "epochs: 20, best: accuracy");
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = best}, &e), 0);
    valid_loss(model, best, &right);
    CU_ASSERT_EQUAL(right, accuracy[best_of(accuracy, n, 1)]);
}

/* Reads a log's reports: the loss of each step and of each epoch, and which of these lines tell of a validation. */
static void read_losses(const char *log, double *step, double *epoch, char *validated)
{
    char *text = read_text(log, NULL), *next = text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (char *line; (line = strsep(&next, "\n")) && strstr(line, "\"report\"");) {
        json_t *object = json_loads(line, 0, NULL);
        const bool of_epoch = strcmp(json_string_value(json_object_get(object, "over")), "epoch") == 0;
        const int64_t n = json_integer_value(json_object_get(object, of_epoch ? "epoch" : "step"));
        CU_ASSERT_FATAL(n <= 6);
        (of_epoch ? epoch : step)[n] = json_real_value(json_object_get(object, "loss"));
        if (json_object_get(object, "valid")) sprintf(validated + strlen(validated), "%c%d ", of_epoch ? 'e' : 's', (int)n);
        json_decref(object);
    }
    free(text);
}

/* An epoch has 3 batches of one size, every second step is validated. */
static void an_epochs_line_is_of_all_of_it(void)
{
    const char *log = temp_path("parts.jsonl"), *model = noise_model("parts.yaml", "epochs: 2, valid_every: 2");
    double step[7] = {0}, part[7] = {0}, epoch[7] = {0}, again[7] = {0};
    char validated[64] = "", each[64] = "";
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log, .report = 1}, &e), 0);
    read_losses(log, step, again, each);
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log}, &e), 0);
    read_losses(log, part, epoch, validated);
    CU_ASSERT_DOUBLE_EQUAL(part[2], (step[1] + step[2]) / 2, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(epoch[1], (step[1] + step[2] + step[3]) / 3, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(part[4], step[4], 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(epoch[2], (step[4] + step[5] + step[6]) / 3, 1e-6);
    CU_ASSERT_EQUAL(again[1], 0); /* reports take its place, but for a validation */
    CU_ASSERT_EQUAL(again[2], epoch[2]);
    CU_ASSERT_STRING_EQUAL(validated, "s2 s4 e2 ");
    CU_ASSERT_STRING_EQUAL(each, validated);
}

static void training_stops_early(void)
{
    const char *log = temp_path("early.jsonl");
    double loss[64], accuracy[64];
    gr_error e;
    json_t *end;
    const char *model = noise_model("early.yaml", "epochs: 60, early_stopping: {metric: loss, patience: 4}");
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log}, &e), 0);
    int n = read_validations(log, loss, accuracy, &end), k = best_of(loss, n, -1);
    CU_ASSERT_TRUE(n < 60);
    CU_ASSERT_EQUAL(n, k + 1 + 4);
    CU_ASSERT_TRUE(json_is_true(json_object_get(end, "early")));
    CU_ASSERT_FALSE(json_is_true(json_object_get(end, "stopped")));
    json_decref(end);
    /* A first validation that is best by more than min_delta stays it: patience + 1 validations. */
    model = noise_model("delta.yaml", "steps: 60, valid_every: 2, early_stopping: {patience: 3, min_delta: 100}, keep: last");
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log}, &e), 0);
    n = read_validations(log, loss, accuracy, &end);
    CU_ASSERT_EQUAL(n, 4);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(end, "steps")), 8);
    json_decref(end);
}

/* ---- the same bits ---- */

static void going_on_changes_no_bit(void)
{
    static const char *const trains[] = {"steps: 24, carry: rnn, valid_every: 2, early_stopping: {patience: 50}",
                                         "epochs: 8, best: {metric: accuracy, mode: max}"};
    const char *whole = temp_path("whole.ckpt"), *part = temp_path("part.ckpt"), *rest = temp_path("rest.ckpt");
    const char *whole_save = temp_path("whole.safetensors"), *rest_save = temp_path("rest.safetensors");
    gr_error e;
    for (int i = 0; i < 2; i++) {
        const char *model = noise_model("whole.yaml", trains[i]);
        gr_train_options o = {.epochs = -1, .steps = -1, .checkpoint = whole, .save = whole_save};
        CU_ASSERT_EQUAL(train_model(model, 1, o, &e), 0);
        for (int64_t steps = 5; steps <= 23; steps += 9) {
            CU_ASSERT_EQUAL(train_model(model, 3, (gr_train_options){.epochs = -1, .steps = steps, .checkpoint = part}, &e), 0);
            o = (gr_train_options){.epochs = -1, .steps = -1, .resume = part, .checkpoint = rest, .save = rest_save};
            CU_ASSERT_EQUAL(train_model(model, 2, o, &e), 0);
            CU_ASSERT_TRUE(same_files(whole_save, rest_save));
            if (i == 0) CU_ASSERT_TRUE(same_files(whole, rest));
        }
    }
}

/* Results that ask to stop when the n-th line is written. */
typedef struct stopping { volatile sig_atomic_t stop; int lines, at; } stopping;

static ssize_t write_line(void *cookie, const char *text, size_t size)
{
    stopping *s = cookie;
    (void)text;
    if (++s->lines == s->at) s->stop = 1;
    return (ssize_t)size;
}

static int train_until(const char *model, int at, gr_train_options o, bool *stopped, gr_error *e)
{
    stopping s = {.at = at};
    FILE *out = fopencookie(&s, "w", (cookie_io_functions_t){.write = write_line});
    gr_session *session = open_model(model, 2);
    gr_train_result r;
    o.out = out;
    o.stop = &s.stop;
    o.quiet = true;
    int status = gr_train(session, &o, &r, e);
    *stopped = r.stopped;
    fclose(out);
    gr_session_close(session);
    return status;
}

/* Whether every report of a run was made at that learning rate. */
static bool reports_rate(const char *log, double lr)
{
    char *text = read_text(log, NULL), *next = text;
    int reports = 0, same = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        json_t *object = json_loads(line, 0, NULL), *rate = json_object_get(object, "lr");
        reports += rate != NULL;
        same += rate && json_real_value(rate) == lr;
        json_decref(object);
    }
    free(text);
    return reports > 0 && same == reports;
}

/* Of 12 steps each is reported: a stop at the third line comes before the epoch's validation. */
static void a_validation_broken_off_is_made_up_for(void)
{
    const char *model = noise_model("stop.yaml", "steps: 12, early_stopping: 3");
    const char *whole = temp_path("whole.ckpt"), *part = temp_path("part.ckpt"), *rest = temp_path("rest.ckpt");
    gr_error e;
    bool stopped;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .checkpoint = whole}, &e), 0);
    const char *log = temp_path("rest.jsonl");
    for (int line = 1; line <= 5; line++) {
        CU_ASSERT_EQUAL(train_until(model, line, (gr_train_options){.epochs = -1, .steps = -1, .checkpoint = part}, &stopped, &e), 0);
        CU_ASSERT_TRUE(stopped);
        CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .resume = part, .checkpoint = rest,
                                                                         .log = log}, &e), 0);
        CU_ASSERT_TRUE(same_files(whole, rest));
        CU_ASSERT_TRUE(reports_rate(log, 0.02)); /* also where nothing was trained before the first report */
        remove(log);
    }
}

/* Sums of a report that was begun are of the metrics of then. */
static void other_metrics_begin_anew(void)
{
    const char *model = noise_model("swapped.yaml", "steps: 7"), *part = temp_path("swapped.ckpt"), *report = temp_path("swapped.jsonl");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 7, .report = 5, .checkpoint = part}, &e), 0);
    char *text = read_text(model, NULL), *metrics = strstr(text, "perplexity, accuracy");
    memcpy(metrics, "accuracy, perplexity", strlen("accuracy, perplexity"));
    model = temp_file("swapped.yaml", "%s", text);
    free(text);
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 10, .report = 5, .resume = part, .log = report}, &e), 0);
    text = read_text(report, NULL);
    json_t *line = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL), *measured = json_object_get(line, "metrics");
    double accuracy = json_real_value(json_object_get(measured, "accuracy")), loss = json_real_value(json_object_get(line, "loss"));
    CU_ASSERT(accuracy > 0 && accuracy < 1);
    CU_ASSERT_DOUBLE_EQUAL(log(json_real_value(json_object_get(measured, "perplexity"))), loss, 1e-6);
    json_decref(line);
    free(text);
}

/* ---- mistakes ---- */

static void expect_mistake(const char *train, const char *says)
{
    gr_error e;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true, .say = {say_in_file, to}};
    gr_session *s = gr_session_open(noise_model("mistake.yaml", train), &o, &e);
    fclose(to);
    CU_ASSERT_PTR_NULL(s);
    if (!strstr(text, says)) fprintf(stderr, "'%s' is not said, but: %s\n", says, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, says));
    gr_session_close(s);
    free(text);
}

static void mistakes_are_told(void)
{
    expect_mistake("epochs: 1, best: acuracy", "did you mean 'accuracy'?");
    expect_mistake("epochs: 1, early_stopping: {metric: bleu, patience: 2}", "there are: loss, perplexity, accuracy");
    expect_mistake("epochs: 1, early_stopping: {metric: loss}", "patience");
    expect_mistake("epochs: 1, early_stopping: {patience: 1, mode: least}", "min");
    expect_mistake("epochs: 1, early_stopping: {patience: 1, metric: loss}, best: accuracy", "the best is of the same metric");
    expect_mistake("epochs: 1, keep: first", "'keep' is best or last, not 'first'");
    expect_mistake("epochs: 1, keep: last, best: loss", "leave one out");
    expect_mistake("epochs: 1, valid_every: 0", "valid_every");
    const char *model = recurrent_model("unvalidated.yaml", "optimizer: SGD, epochs: 1, keep: best");
    CU_ASSERT_TRUE(mistake_is_told(model, "the data have no split 'valid'", "best", "keep: "));
    gr_session *s = open_model(model, 1);
    gr_train_result r;
    gr_error e;
    const gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = stdout};
    CU_ASSERT_NOT_EQUAL(gr_train(s, &o, &r, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "the data have no split 'valid'"));
    gr_session_close(s);
}

void test_validate(void)
{
    CU_pSuite s = CU_add_suite("validate", NULL, NULL);
    CU_add_test(s, "the best weights are saved", the_best_are_saved);
    CU_add_test(s, "an epoch's line is of all of it, whatever is reported between", an_epochs_line_is_of_all_of_it);
    CU_add_test(s, "training stops early", training_stops_early);
    CU_add_test(s, "going on changes no bit of what is kept", going_on_changes_no_bit);
    CU_add_test(s, "a validation that was broken off is made up for", a_validation_broken_off_is_made_up_for);
    CU_add_test(s, "sums of other metrics begin anew", other_metrics_begin_anew);
    CU_add_test(s, "mistakes are told at their keys", mistakes_are_told);
}
