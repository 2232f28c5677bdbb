/* wrong_source.c - a plugin whose data sources each break one promise, to see that the walk finds it. */
#include <graphrun/source.h>

enum { ROWS = 4, TRAIN_BATCHES = 6 };

typedef struct state {
    int64_t epoch, begun, filled;
} state;

static const gr_attr_spec wrong_attrs[] = {
    {"size", GR_ATTR_INT, "3", 1, 10, NULL, "columns"},
    GR_END_ATTRS,
};
static const gr_port wrong_fields[] = {{"x", 0, "float32 [batch, size]: numbers"}, GR_END_PORTS};
static const char *const wrong_keys[] = {"split", NULL};

static int wrong_open(gr_data *d)
{
    int n;
    int64_t dim[2] = {ROWS, gr_source_int(d, "size")};
    gr_split *s = gr_source_splits(d, 2 * TRAIN_BATCHES, NULL, 0, &n);
    gr_source_set_state(d, gr_source_alloc(d, sizeof(state)));
    if (!s || gr_source_add_field(d, "x", GR_FLOAT32, 2, dim) < 0) return -1;
    for (int i = 0; i < n; i++) s[i].batches = s[i].end - s[i].begin;
    return 0;
}

static void good_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    state *t = gr_source_state(d);
    (void)s;
    t->epoch = gr_source_number(d, epoch, 1000);
}

static void good_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    const state *t = gr_source_state(d);
    float *x = (float *)field->data;
    for (int64_t i = 0; i < field->dim[0] * field->dim[1]; i++) x[i] = (float)((s->begin + batch) * 100 + i + t->epoch);
}

/* ---- each wrong in one way ---- */

static void counting_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    state *t = gr_source_state(d);
    (void)s;
    (void)epoch;
    t->epoch = t->begun++; /* of how often it was called */
}

static void counting_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    state *t = gr_source_state(d);
    good_fill(d, s, batch, field);
    ((float *)field->data)[0] = (float)t->filled++;
}

static void lazy_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    const float *x = (const float *)field->data;
    float last = x[field->dim[0] * field->dim[1] - 1]; /* stays as it was */
    good_fill(d, s, batch, field);
    ((float *)field->data)[field->dim[0] * field->dim[1] - 1] = last;
}

static void greedy_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    gr_source_alloc(d, 64);
    good_fill(d, s, batch, field);
}

static void greedy_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    good_begin(d, s, epoch);
    gr_source_alloc(d, 64);
}

static void failing_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    good_fill(d, s, batch, field);
    gr_source_fail(d, GR_AT_NODE, NULL, "row %d is not there", 7);
}

static void failing_later(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    good_fill(d, s, batch, field);
    if (batch >= 3) gr_source_fail(d, GR_AT_NODE, NULL, "batch %d cannot be read", (int)batch);
}

/* The first time alone: what is asked for again is given. */
static void failing_once_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    state *t = gr_source_state(d);
    good_begin(d, s, epoch);
    if (epoch == 1 && !t->begun++) gr_source_fail(d, GR_AT_NODE, NULL, "epoch 1 cannot begin yet");
}

static void failing_once(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    state *t = gr_source_state(d);
    good_fill(d, s, batch, field);
    if (batch == 3 && !t->filled++) gr_source_fail(d, GR_AT_NODE, NULL, "batch 3 cannot be read yet");
}

static void adding_later(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    good_fill(d, s, batch, field);
    if (batch == 3) gr_source_add_token(d, gr_source_lexicon(d), "x", 1, true);
}

static void asking_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    good_fill(d, s, batch, field);
    ((float *)field->data)[0] += (float)(gr_source_int(d, "siez") + *gr_source_string(d, "siez"));
}

static void large_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    good_fill(d, s, batch, field);
    field->dim[0] = ROWS - 1;
    field->dim[1]++;
}

static int overlapping_open(gr_data *d)
{
    int n;
    int64_t dim[2] = {ROWS, gr_source_int(d, "size")};
    gr_split *s = gr_source_splits(d, 2 * TRAIN_BATCHES, NULL, 0, &n);
    gr_source_set_state(d, gr_source_alloc(d, sizeof(state)));
    if (!s || gr_source_add_field(d, "x", GR_FLOAT32, 2, dim) < 0) return -1;
    for (int i = 0; i < n; i++) s[i].batches = 2;
    if (n > 1) s[1].begin--;
    return 0;
}

static int nameless_open(gr_data *d)
{
    int64_t dim[1] = {ROWS};
    return wrong_open(d) < 0 ? -1 : gr_source_add_field(d, "y", GR_INT32, 1, dim);
}

static int empty_open(gr_data *d)
{
    (void)d;
    return 0;
}

static int asking_open(gr_data *d)
{
    return gr_source_bool(d, "sort") ? -1 : wrong_open(d);
}

static int refusing_open(gr_data *d)
{
    return gr_source_fail(d, GR_AT_ATTR, "size", "size is %lld, which does not please", (long long)gr_source_int(d, "size"));
}

/* ---- items, each wrong as `wrong` says ---- */

static const gr_attr_spec item_attrs[] = {
    {"wrong", GR_ATTR_CHOICE, "fields", 0, 0, "fields|dim|size|length|end|order", "what is wrong"},
    GR_END_ATTRS,
};
typedef enum wrong { FIELDS, DIM, SIZE, LENGTH, END, ORDER } wrong;

static const void *no_item(gr_data *d, int64_t item, int field, void *scratch)
{
    (void)d;
    (void)item;
    (void)field;
    return scratch;
}

static const void *no_third_item(gr_data *d, int64_t item, int field, void *scratch)
{
    (void)d;
    (void)field;
    return item == 3 ? NULL : scratch;
}

static int no_item_open(gr_data *d)
{
    gr_items *x = gr_source_alloc(d, sizeof *x);
    x->get = no_third_item;
    x->count = 5;
    gr_items_field(x, "x", GR_ITEM_FIXED, 0, GR_FLOAT32);
    return gr_source_open_items(d, x);
}

static int wrong_items_open(gr_data *d)
{
    gr_items *x = gr_source_alloc(d, sizeof *x);
    wrong w = (wrong)gr_source_int(d, "wrong");
    x->get = no_item;
    x->count = 4;
    x->num_axes = 1;
    x->length[0] = gr_source_alloc(d, (size_t)x->count * sizeof **x->length);
    if (w == LENGTH) x->length[0][2] = -7;
    for (int i = 0; i < (w == FIELDS ? GR_MAX_FIELDS + 3 : 1); i++) {
        gr_item_field *f = gr_items_field(x, "x", GR_ITEM_FIXED, 0, GR_FLOAT32);
        f->rank = 2;
        f->dim[0] = f->dim[1] = w == SIZE ? (int64_t)1 << 40 : 1;
        if (w == DIM) f->dim[1] = -3;
    }
    x->num_parts = w == END ? 1 : w == ORDER ? 2 : 0;
    x->parts = gr_source_alloc(d, 2 * sizeof *x->parts);
    x->parts[0].end = w == END ? 5 : 4;
    x->parts[1].end = 3;
    return gr_source_open_items(d, x);
}

static const gr_source wrong_items = {GR_SOURCE_HEADER, .name = "WrongItems", .summary = "A source for tests.", .attrs = item_attrs, .fields = wrong_fields,
                                      .open = wrong_items_open, .example = "vars: {batch: 2}\ndata: {op: WrongItems}\n"};

static const gr_source no_items = {GR_SOURCE_HEADER, .name = "NoItem", .summary = "A source for tests.", .fields = wrong_fields, .open = no_item_open,
                                   .example = "vars: {batch: 1}\ndata: {op: NoItem}\n"};

#define SOURCE(id, title, opens, begins, fills)                                                                          \
    static const gr_source id = {GR_SOURCE_HEADER, .name = title, .summary = "A source for tests.", .attrs = wrong_attrs,  \
                                 .keys = wrong_keys, .fields = wrong_fields, .open = opens, .begin = begins, .fill = fills, \
                                 .example = "data: {op: " title ", split: {train: 0.5, valid: 0.5}}\n"}
SOURCE(good, "GoodSource", wrong_open, good_begin, good_fill);
SOURCE(counting_epochs, "CountsEpochs", wrong_open, counting_begin, good_fill);
SOURCE(counting_batches, "CountsBatches", wrong_open, good_begin, counting_fill);
SOURCE(lazy, "WritesNotAll", wrong_open, good_begin, lazy_fill);
SOURCE(greedy, "Allocates", wrong_open, good_begin, greedy_fill);
SOURCE(large, "WritesMore", wrong_open, good_begin, large_fill);
SOURCE(overlapping, "Overlaps", overlapping_open, good_begin, good_fill);
SOURCE(nameless, "GivesUndeclared", nameless_open, good_begin, good_fill);
SOURCE(empty, "GivesNothing", empty_open, good_begin, good_fill);
SOURCE(asking, "AsksInFill", wrong_open, good_begin, asking_fill);
SOURCE(asking_early, "AsksInOpen", asking_open, good_begin, good_fill);
SOURCE(refusing, "Refuses", refusing_open, good_begin, good_fill);
SOURCE(greedy_early, "AllocatesEarly", wrong_open, greedy_begin, good_fill);
SOURCE(failing, "FailsInFill", wrong_open, good_begin, failing_fill);
SOURCE(late_failing, "FailsLater", wrong_open, good_begin, failing_later);
SOURCE(once_failing, "FailsOnce", wrong_open, failing_once_begin, failing_once);
SOURCE(late_adding, "AddsTextLater", wrong_open, good_begin, adding_later);

static const gr_source *const sources[] = {&good, &counting_epochs, &counting_batches, &lazy, &greedy, &large,
                                               &overlapping, &nameless, &empty, &asking, &asking_early, &refusing, &wrong_items, &no_items,
                                               &greedy_early, &failing, &late_failing, &once_failing, &late_adding, NULL};
GR_PLUGIN(.sources = sources)
