/* op_name.c - OpName, a data source: it says how many items there are and hands one out; graphrun cuts
 * them into splits and batches, shuffles, pads, and reads ahead.
 *
 * These are waves with noise, of a long or a short period, which is the class to tell. An item is a function
 * of its number alone, so nothing has to be kept. To read a file instead: "path" among the keys, then in
 * `open` gr_source_paths() and gr_source_read(). */
#include <graphrun/source.h>

/* The attributes that every source of items has, then one's own. Default and range are as in a model file; no
 * default: must be given. `split: {train: 0.9, valid: 0.1}` is a key, which graphrun reads. */
static const gr_attr_spec op_name_attrs[] = {
    GR_ITEM_ATTRS("true", "false"),
    GR_RAGGED_ATTRS,
    {"items", GR_ATTR_INT, "1000", 2, 1e8, NULL, "how many waves there are"},
    {"length", GR_ATTR_INT, "24", 8, 1e6, NULL, "steps of the longest; the shortest has half"},
    {"noise", GR_ATTR_FLOAT, "0.3", 0, 10, NULL, "the most that is added to a value, or taken from it"},
    GR_END_ATTRS,
};
static const char *const op_name_keys[] = {"split", NULL};

enum { WAVE, LENGTHS, LABELS };            /* fields, in the order in which they are added */
enum { STEPS, PERIOD, PHASE, NOISE };      /* what is drawn for an item: numbers of this position on */

typedef struct op_name {
    gr_items items;
    int64_t length;
    double noise;
} op_name;

/* One item of one field, into scratch. This runs on the thread that is one batch ahead: no static variables, no
 * allocation, and nothing that depends on which item came before. */
static const void *op_name_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const op_name *s = gr_source_state(d);
    int32_t label = (int32_t)gr_source_draw(d, item, PERIOD, 2);
    int64_t period = label ? 12 : 8, phase = gr_source_draw(d, item, PHASE, period);
    if (field == LABELS) {
        *(int32_t *)scratch = label;
        return scratch;
    }
    float *to = scratch;
    for (int64_t t = 0; t < s->items.length[0][item]; t++) { /* 1 down to -1 and up again */
        double way = 4.0 * (double)((t + phase) % period) / (double)period, wave = way < 2 ? 1 - way : way - 3;
        to[t] = (float)(wave + s->noise * (2 * gr_source_uniform(d, item, NOISE + t) - 1));
    }
    return to;
}

/* What is wrong is told by gr_source_fail(), which returns -1, at the attribute in the model file. */
static int op_name_open(gr_data *d)
{
    op_name *s = gr_source_alloc(d, sizeof *s); /* zeros; lives as long as d */
    gr_items *x = &s->items;
    gr_source_set_state(d, s);
    s->length = gr_source_int(d, "length");
    s->noise = gr_source_float(d, "noise");
    if (s->length % 2) return gr_source_fail(d, GR_AT_ATTR, "length", "'length' is to be even: write %d", (int)s->length + 1);
    x->count = gr_source_int(d, "items");
    x->get = op_name_get;
    x->num_axes = 1; /* of unlike lengths; graphrun pads what is shorter than the longest of a batch */
    x->length[0] = gr_source_alloc(d, (size_t)x->count * sizeof *x->length[0]);
    for (int64_t i = 0; i < x->count; i++)
        x->length[0][i] = (int32_t)(s->length / 2 + gr_source_draw(d, i, STEPS, s->length / 2 + 1));
    gr_item_field *wave = gr_items_field(x, "wave", GR_ITEM_RAGGED, 0, GR_FLOAT32);
    wave->rank = 1; /* of a step */
    wave->dim[0] = 1;
    gr_items_field(x, "lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    gr_items_field(x, "labels", GR_ITEM_FIXED, 0, GR_INT32);
    gr_source_tell(d, "classes", 2); /* $data.classes */
    return gr_source_open_items(d, x);
}

static const gr_port op_name_fields[] = {
    {"wave", 0, "float32 [time, batch, 1]: its values"},
    {"lengths", 0, "int32 [batch]: its steps"},
    {"labels", 0, "int32 [batch]: 1 where the period is long"},
    GR_END_PORTS,
};
static const gr_port op_name_facts[] = {{"classes", 0, "how many classes there are"}, GR_END_PORTS};

static const gr_source op_name_source = {
    GR_SOURCE_HEADER,
    .name = "OpName",
    .summary = "Noisy waves of two periods, to be told apart.",
    .attrs = op_name_attrs,
    .keys = op_name_keys,
    .fields = op_name_fields,
    .facts = op_name_facts,
    .open = op_name_open,
    /* On the page of `graphrun ops OpName`; `graphrun test-plugin` reads the data of it. */
    .example = "vars: {batch: 4}\n"
               "data: {op: OpName, items: 50, length: 16, bucket: 2, split: {train: 0.8, valid: 0.2}}\n"
               "graph:\n"
               "  wave: {op: Input, shape: [time, batch, 1], from: data.wave}\n"
               "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
               "  labels: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
               "  rnn: {op: GRU, in: {input: wave, lengths: lengths}, hidden_size: 4}\n"
               "  last: {op: Select, in: rnn.h_n, dim: 0, index: 0}\n"
               "  logits: {op: Linear, in: last, out_features: $data.classes}\n"
               "  loss: {op: CrossEntropyLoss, in: {input: logits, target: labels}}\n"
               "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 1}\n",
};

/* All sources of this file, which may be several; ops may stand beside them. */
static const gr_source *const sources[] = {&op_name_source, NULL};
GR_PLUGIN(.sources = sources)
