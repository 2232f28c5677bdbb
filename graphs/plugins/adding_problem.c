/* adding_problem.c - a data source as a plugin: the adding problem.
 *
 * A step has two numbers: a value in [-1, 1], and a marker. The marker is 1 at two steps, -1 at the
 * first and the last (unless marked) and else 0; what is asked for is 0.5 + (X1 + X2) / 4 of the two
 * marked values. The first marked step is one of the first ten, the second one of the first half. A
 * sequence has `length` steps to a tenth more. A value that is marked in the first step counts as 0.
 *
 *     inputs     float32 [time, batch, 2]
 *     lengths    int32 [batch]
 *     targets    float32 [batch]
 *
 * Item i is a function of i alone, so nothing is kept but the lengths. */
#include <graphrun/source.h>

static const gr_attr_spec adding_attrs[] = {
    GR_ITEM_ATTRS("true", "false"),
    GR_RAGGED_ATTRS,
    {"items", GR_ATTR_INT, "10000", 1, 1e8, NULL, "how many sequences there are"},
    {"length", GR_ATTR_INT, "100", 10, 1e6, NULL, "steps of the shortest; the longest has a tenth more"},
    GR_END_ATTRS,
};
static const char *const adding_keys[] = {"split", NULL};

enum { INPUTS, LENGTHS, TARGETS };          /* fields */
enum { LENGTH, FIRST_MARK, SECOND_MARK, VALUES }; /* positions of what is drawn for an item */

typedef struct adding {
    gr_items items;
    int64_t length;
} adding;

static int32_t steps_of(const gr_data *d, int64_t item, int64_t length)
{
    return (int32_t)(length + gr_source_draw(d, item, LENGTH, length / 10 + 1));
}

/* The two marked steps. */
static void draw_marks(const gr_data *d, int64_t item, int64_t length, int64_t mark[2])
{
    mark[0] = gr_source_draw(d, item, FIRST_MARK, 10);
    mark[1] = gr_source_draw(d, item, SECOND_MARK, length / 2 - 1);
    if (mark[1] >= mark[0]) mark[1]++; /* another one */
}

static double value_at(const gr_data *d, int64_t item, int64_t step, const int64_t mark[2])
{
    if (step == 0 && (mark[0] == 0 || mark[1] == 0)) return 0;
    return 2 * gr_source_uniform(d, item, VALUES + step) - 1;
}

static const void *adding_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const adding *s = gr_source_state(d);
    int64_t mark[2], steps = steps_of(d, item, s->length);
    float *to = scratch;
    draw_marks(d, item, s->length, mark);
    if (field == TARGETS) {
        to[0] = (float)(0.5 + (value_at(d, item, mark[0], mark) + value_at(d, item, mark[1], mark)) / 4);
        return to;
    }
    for (int64_t t = 0; t < steps; t++) {
        bool marked = t == mark[0] || t == mark[1], end = t == 0 || t == steps - 1;
        to[2 * t] = (float)value_at(d, item, t, mark);
        to[2 * t + 1] = marked ? 1 : end ? -1 : 0;
    }
    return to;
}

static int adding_open(gr_data *d)
{
    adding *s = gr_source_alloc(d, sizeof *s);
    gr_items *x = &s->items;
    gr_source_set_state(d, s);
    s->length = gr_source_int(d, "length");
    x->count = gr_source_int(d, "items");
    x->get = adding_get;
    x->num_axes = 1;
    x->length[0] = gr_source_alloc(d, (size_t)x->count * sizeof *x->length[0]);
    for (int64_t i = 0; i < x->count; i++) x->length[0][i] = steps_of(d, i, s->length);
    gr_item_field *inputs = gr_items_field(x, "inputs", GR_ITEM_RAGGED, 0, GR_FLOAT32);
    inputs->rank = 1;
    inputs->dim[0] = 2;
    gr_items_field(x, "lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    gr_items_field(x, "targets", GR_ITEM_FIXED, 0, GR_FLOAT32);
    return gr_source_open_items(d, x);
}

static const gr_port adding_fields[] = {
    {"inputs", 0, "float32 [time, batch, 2]: a value and a marker"},
    {"lengths", 0, "int32 [batch]: of inputs"},
    {"targets", 0, "float32 [batch]: 0.5 + the sum of the marked values / 4"},
    GR_END_PORTS,
};
static const char adding_example[] =
    "vars: {batch: 5}\n"
    "data: {op: AddingProblem, items: 64, length: 20, bucket: 4, split: {train: 0.8, valid: 0.2}}\n"
    "graph:\n"
    "  x: {op: Input, shape: [time, batch, 2], from: data.inputs}\n"
    "  n: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
    "  y: {op: Input, shape: [batch], from: data.targets}\n"
    "  rnn: {op: LSTM, in: {input: x, lengths: n}, hidden_size: 8}\n"
    "  sum: {op: Linear, in: rnn.h_n, out_features: 1}\n"
    "  flat: {op: Reshape, in: sum, shape: [-1]}\n"
    "  loss: {op: MSELoss, in: {input: flat, target: y}}\n"
    "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 1}\n";

static const gr_source adding_problem = {
    GR_SOURCE_HEADER,
    .name = "AddingProblem",
    .summary = "Sequences of numbers, two of them marked, whose sum is asked for at the end.",
    .reference = "Hochreiter and Schmidhuber, Long Short-Term Memory, 1997, section 5.4",
    .attrs = adding_attrs,
    .keys = adding_keys,
    .fields = adding_fields,
    .open = adding_open,
    .example = adding_example,
};

static const gr_source *const sources[] = {&adding_problem, NULL};
GR_PLUGIN(.sources = sources)
