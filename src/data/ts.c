/* ts.c - Ts: labelled series of unequal lengths, in .ts files.
 *
 *     series    float32 [time, batch, channels]
 *     lengths   int32 [batch]
 *     labels    int32 [batch]     the class, in the order of @classLabel
 *     targets   float32 [batch]   with @targetLabel in place of it */
#include "base/count.h"
#include "data/items.h"
#include "data/scale.h"
#include "io/ts.h"

#include <math.h>
#include <string.h>

static const gr_attr_spec ts_attrs[] = {
    GR_ITEM_ATTRS("true", "true"),
    GR_RAGGED_ATTRS,
    GR_SCALE_ATTRS,
    {"channels", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many values a step has, where no file is at hand"},
    {"classes", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many classes there are, where no file is at hand"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const ts_keys[] = {"path", "split", NULL};
static const char *const ts_numbering[] = {"standardize", "missing", NULL};

enum { SERIES, LENGTHS, LABELS };

typedef struct ts {
    gr_items items;
    gr_ts *files;
    const gr_ts_case **cases; /* [items] */
    int channels;
    const float **values;     /* [items][steps][channels], standardized */
    int32_t *label;
    float *target;
} ts;

static int read_files(gr_data *d, ts *s, gr_part *parts, int n)
{
    for (int i = 0; i < n; i++) {
        size_t length;
        gr_error e = {0};
        const char *text = gr_source_read_text(d, &parts[i], &length);
        if (!text) return -1;
        if (gr_ts_parse(d->arena, parts[i].path, text, length, &s->files[i], &e)) {
            gr_source_fail_part(d, &parts[i], "%s", e.message);
            return -1;
        }
        parts[i].end = s->items.count += s->files[i].count;
        const gr_ts *a = &s->files[0], *b = &s->files[i];
        if (a->channels == b->channels && a->has_targets == b->has_targets && !a->num_classes == !b->num_classes) continue;
        gr_source_fail_part(d, &parts[i], "%s: has %d channel%s and %s, but '%s' has %d and %s", parts[i].path, b->channels, gr_s(b->channels),
                      b->num_classes ? "classes" : b->has_targets ? "targets" : "no labels", parts[0].path, a->channels,
                      a->num_classes ? "classes" : a->has_targets ? "targets" : "no labels");
        return -1;
    }
    s->channels = s->files[0].channels;
    return gr_source_count(d, "channels", s->channels);
}

static int wrong_case(gr_data *d, const gr_part *part, const gr_ts_case *c, const char *what)
{
    gr_source_fail_part(d, part, "%s: line %lld: %s", part->path, (long long)c->line, what);
    return -1;
}

/* The classes are those of the weights or of the first file; others may list them in another order. */
static int read_labels(gr_data *d, ts *s, const gr_part *parts, int n)
{
    gr_vocab *v = gr_vocab_of_weights(d, "classes");
    const gr_ts *first = &s->files[0];
    if (!first->num_classes) return 0;
    if (!v) v = gr_vocab_create(d->arena, first->num_classes, first->classes);
    v->words = true;
    if (gr_data_add_vocab(d, "classes", v) < 0) return -1;
    gr_source_add_text(d, "labels", v, false, false);
    for (int64_t p = 0, item = 0; p < n; p++)
        for (int64_t i = 0; i < s->files[p].count; i++, item++) {
            const gr_ts_case *c = &s->files[p].cases[i];
            const char *name = s->files[p].classes[c->label];
            if ((s->label[item] = gr_vocab_find(v, name)) >= 0) continue;
            return wrong_case(d, &parts[p], c, gr_arena_printf(d->arena, "'%s' is no class of %s", name,
                              d->options.metadata ? "the weights" : parts[0].path));
        }
    return 0;
}

/* Missing values by the attribute; lengths, targets. */
static int read_cases(gr_data *d, ts *s, const gr_part *parts, int n)
{
    const gr_attr *missing = gr_source_attr(d, "missing");
    for (int64_t p = 0, item = 0; p < n; p++)
        for (int64_t i = 0; i < s->files[p].count; i++, item++) {
            const gr_ts_case *c = s->cases[item] = &s->files[p].cases[i];
            double *values = (double *)(uintptr_t)c->values; /* the parser's, which are in the arena */
            if (c->steps > INT32_MAX) return wrong_case(d, &parts[p], c, "more than 2147483647 steps");
            s->items.length[0][item] = (int32_t)c->steps;
            s->target[item] = (float)c->target;
            for (int64_t k = 0; k < c->steps * s->channels; k++) {
                if (!isnan(values[k])) continue;
                if (!missing->present)
                    return wrong_case(d, &parts[p], c, gr_arena_printf(d->arena, "channel %d, value %d is missing; `missing: 0` "
                                      "says what it counts as", (int)(k / c->steps) + 1, (int)(k % c->steps) + 1));
                values[k] = missing->f;
            }
        }
    return 0;
}

static void standardize_case(gr_data *d, ts *s, const gr_scale *scale, int64_t item)
{
    const gr_ts_case *c = s->cases[item];
    float *to = GR_NEW_ARRAY(d->arena, float, c->steps * s->channels);
    for (int k = 0; k < s->channels; k++)
        for (int64_t t = 0; t < c->steps; t++)
            to[t * s->channels + k] = (float)gr_scale_apply(scale, k, c->values[k * c->steps + t]);
    s->values[item] = to;
}

static int standardize(gr_data *d, ts *s)
{
    gr_scale *scale = gr_scale_create(d, "series", s->channels);
    int64_t n;
    const int64_t *item = gr_source_items_of(d, NULL, &n);
    if (!scale) return -1;
    for (int64_t i = 0; i < n; i++) {
        const gr_ts_case *c = s->cases[item[i]];
        for (int64_t k = 0; k < c->steps * s->channels; k++) gr_scale_learn(scale, (int)(k / c->steps), c->values[k]);
    }
    gr_scale_finish(d, scale);
    for (int k = 0; k < d->num_splits; k++) {
        item = gr_source_items_of(d, &d->splits[k], &n);
        for (int64_t i = 0; i < n; i++) standardize_case(d, s, scale, item[i]);
    }
    return 0;
}

static const void *ts_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const ts *s = gr_source_state(d);
    (void)scratch;
    if (field == SERIES) return s->values[item];
    return s->files[0].has_targets ? (const void *)(s->target + item) : s->label + item;
}

static void add_fields(ts *s)
{
    gr_item_field *f = gr_items_field(&s->items, "series", GR_ITEM_RAGGED, 0, GR_FLOAT32);
    f->dim[f->rank++] = s->channels;
    gr_items_field(&s->items, "lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    if (s->files[0].has_targets) gr_items_field(&s->items, "targets", GR_ITEM_FIXED, 0, GR_FLOAT32);
    else if (s->files[0].num_classes) gr_items_field(&s->items, "labels", GR_ITEM_FIXED, 0, GR_INT32);
}

static bool known_facts(gr_data *d)
{
    bool channels = gr_source_known_count(d, "channels");
    gr_vocab *classes = gr_vocab_of_weights(d, "classes");
    return gr_data_add_vocab(d, "classes", classes) == 0 && (channels || classes || gr_source_attr(d, "classes")->present);
}

static int ts_open(gr_data *d)
{
    gr_part *parts;
    ts *s = GR_NEW(d->arena, ts);
    int n = gr_source_paths(d, "path", "a .ts file", &parts);
    gr_source_set_state(d, s);
    if (!n) return -1;
    if (gr_source_absent(d, parts, n) && known_facts(d)) return 1;
    s->files = GR_NEW_ARRAY(d->arena, gr_ts, n);
    if (read_files(d, s, parts, n)) return -1;
    int64_t count = s->items.count;
    s->cases = GR_NEW_ARRAY(d->arena, const gr_ts_case *, count);
    s->values = GR_NEW_ARRAY(d->arena, const float *, count);
    s->label = GR_NEW_ARRAY(d->arena, int32_t, count);
    s->target = GR_NEW_ARRAY(d->arena, float, count);
    s->items.length[0] = GR_NEW_ARRAY(d->arena, int32_t, count);
    s->items.num_axes = 1;
    s->items.parts = parts;
    s->items.num_parts = n;
    s->items.get = ts_get;
    if (read_labels(d, s, parts, n) || read_cases(d, s, parts, n)) return -1;
    add_fields(s);
    return gr_source_open_items(d, &s->items) < 0 ? -1 : standardize(d, s);
}

static const gr_port ts_fields[] = {
    {"series", 0, "float32 [time, batch, channels]: a series"},
    {"lengths", 0, "int32 [batch]: of series"},
    {"labels", GR_PORT_OPTIONAL, "int32 [batch]: classes, where the file has classes"},
    {"targets", GR_PORT_OPTIONAL, "float32 [batch]: numbers, where it has numbers"},
    {NULL, 0, NULL},
};
static const gr_port ts_facts[] = {
    {"channels", 0, "values of a step"},
    {"classes", 0, "how many classes there are"},
    {NULL, 0, NULL},
};

const gr_source gr_source_ts = {
    GR_SOURCE_HEADER,
    .name = "Ts", .reference = "timeseriesclassification.com; Bagnall et al. 2018",
    .summary = "Series of unequal lengths with a class each, in .ts files.",
    .attrs = ts_attrs,
    .fields = ts_fields,
    .facts = ts_facts,
    .keys = ts_keys,
    .numbering = ts_numbering,
    .open = ts_open,
    .example =
        "# vowels.ts:\n"
        "#   @problemName vowels\n"
        "#   @timeStamps false\n"
        "#   @univariate false\n"
        "#   @dimensions 2\n"
        "#   @equalLength false\n"
        "#   @classLabel true a e\n"
        "#   @data\n"
        "#   0.1,0.2,0.3:1.1,1.2,1.3:a\n"
        "#   0.5,0.4:1.5,1.4:e\n"
        "vars: {batch: 2}\n"
        "data: {op: Ts, path: vowels.ts}\n"
        "graph:\n"
        "  series: {op: Input, shape: [time, batch, $data.channels], from: data.series}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
        "  label: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n",
};
