/* task.c - Task: made-up problems that tell models apart, as many items as asked for.
 *
 *     copy      source  a c b          targets  a c b <eos>      shifted  <bos> a c b
 *     reverse   source  a c b          targets  b c a <eos>      shifted  <bos> b c a
 *     addition  source  45+321         targets  366              shifted  <bos> 3 6
 *               both filled up with spaces; written from the end where `reversed` says so. No
 *               pair of numbers comes twice, in either order
 *     recall    tokens  c . : . . ?    labels  c                 the first, `delay` others later
 *     parity    tokens  1 0 1 1        labels  1                 targets  1 1 0 1, so far
 *
 * Item i is a function of the task and i alone; addition's besides of the pairs before it. */
#include <graphrun/source.h>

#include <stdio.h>
#include <string.h>

static const gr_attr_spec task_attrs[] = {
    GR_ITEM_ATTRS("true", "false"),
    GR_RAGGED_ATTRS,
    {"task", GR_ATTR_CHOICE, NULL, 0, 0, "copy|reverse|addition|recall|parity", "which problem"},
    {"items", GR_ATTR_INT, "10000", 1, 1e8, NULL, "how many there are"},
    {"length", GR_ATTR_INT, "5", 1, 1e6, NULL, "symbols of copy and reverse, bits of parity, most digits of a number to add"},
    {"min_length", GR_ATTR_INT, "~", 1, 1e6, NULL, "copy, reverse, parity: lengths vary from this to `length`"},
    {"symbols", GR_ATTR_INT, "8", 2, 26, NULL, "how many different ones copy, reverse and recall have"},
    {"delay", GR_ATTR_INT, "10", 0, 1e6, NULL, "recall: how many others stand between a symbol and the question for it"},
    {"reversed", GR_ATTR_CHOICE, "none", 0, 0, "none|question|both", "addition: what is written from its end"},
    GR_END_ATTRS,
};
static const char *const task_keys[] = {"split", NULL};
static const char *const task_numbering[] = {"task", "symbols", "reversed", NULL};

typedef enum kind { COPY, REVERSE, ADDITION, RECALL, PARITY } kind;
enum { PAD, BOS, EOS, FIRST };          /* of the vocabulary of copy, reverse, addition */
enum { PLUS = FIRST + 10, SPACE, MAX_DIGITS = 4 };

typedef struct task {
    const gr_data *data;
    gr_items items;
    kind kind;
    int64_t length, least, symbols, delay;
    int64_t reversed; /* how many of question and sum */
    int32_t (*pair)[2]; /* addition: by item */
} task;

/* ---- one item ---- */

static int64_t item_length(const task *t, int64_t item)
{
    return t->least + (t->least < t->length ? gr_source_draw(t->data, item, 0, t->length - t->least + 1) : 0);
}

static int32_t symbol(const task *t, int64_t item, int64_t i) { return FIRST + (int32_t)gr_source_draw(t->data, item, 1 + i, t->symbols); }

static void write_sequence(const task *t, int64_t item, int field, int32_t *to)
{
    int64_t n = item_length(t, item);
    int at = 0;
    if (field == 1) to[at++] = BOS;
    for (int64_t i = 0; i < n; i++) to[at++] = symbol(t, item, field > 0 && t->kind == REVERSE ? n - 1 - i : i);
    if (field == 2) to[at] = EOS;
}

/* text, filled up with spaces to n, then turned round if asked. */
static void write_digits(const char *text, int64_t n, bool reversed, int32_t *to)
{
    int64_t length = (int64_t)strlen(text);
    for (int64_t i = 0; i < n; i++) {
        char c = i < length ? text[i] : ' ';
        to[reversed ? n - 1 - i : i] = c == '+' ? PLUS : c == ' ' ? SPACE : FIRST + (c - '0');
    }
}

static void write_addition(const task *t, int64_t item, int field, int32_t *to)
{
    char text[32];
    const int32_t *p = t->pair[item];
    if (field == 0) snprintf(text, sizeof text, "%d+%d", p[0], p[1]);
    else snprintf(text, sizeof text, "%d", p[0] + p[1]);
    if (field == 1) *to++ = BOS;
    int32_t all[2 * MAX_DIGITS + 2];
    int64_t n = field == 0 ? 2 * t->length + 1 : t->length + 1;
    write_digits(text, n, t->reversed > (field > 0), all);
    memcpy(to, all, (size_t)(field == 1 ? n - 1 : n) * sizeof *to);
}

/* The vocabulary: symbols, then two distractors, then the question. */
static void write_recall(const task *t, int64_t item, int field, int32_t *to)
{
    to[0] = (int32_t)gr_source_draw(t->data, item, 0, t->symbols);
    if (field == 1) return;
    for (int64_t i = 1; i <= t->delay; i++) to[i] = (int32_t)(t->symbols + gr_source_draw(t->data, item, i, 2));
    to[t->delay + 1] = (int32_t)t->symbols + 2;
}

static void write_parity(const task *t, int64_t item, int field, int32_t *to)
{
    int64_t n = item_length(t, item);
    int32_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t bit = (int32_t)gr_source_draw(t->data, item, 1 + i, 2);
        sum ^= bit;
        if (field != 1) to[i] = field == 0 ? bit : sum;
    }
    if (field == 1) to[0] = sum;
}

static const void *task_get(gr_data *d, int64_t item, int field, void *scratch)
{
    static void (*const write[])(const task *, int64_t, int, int32_t *) = {
        [COPY] = write_sequence, [REVERSE] = write_sequence, [ADDITION] = write_addition,
        [RECALL] = write_recall, [PARITY] = write_parity};
    const task *t = gr_source_state(d);
    write[t->kind](t, item, field, scratch);
    return scratch;
}

/* ---- opening ---- */

/* A number of 1 to `digits` digits, as many of each length. */
static int32_t number(const task *t, int64_t item, int64_t position)
{
    int64_t n = 1 + gr_source_draw(t->data, item, position, t->length), x = 0;
    for (int64_t i = 0; i < n; i++) x = 10 * x + gr_source_draw(t->data, item, position + 1 + i, 10);
    return (int32_t)x;
}

static int draw_pairs(gr_data *d, task *t)
{
    int64_t bound = 1, tries = 0;
    if (t->length > MAX_DIGITS) {
        gr_source_fail(d, GR_AT_ATTR, "length", "addition has numbers of at most %d digits", MAX_DIGITS);
        return -1;
    }
    for (int64_t i = 0; i < t->length; i++) bound *= 10;
    if (t->items.count > bound * bound / 4) {
        gr_source_fail(d, GR_AT_ATTR, "items", "numbers of up to %lld digits give fewer pairs than %lld; ask for at "
                      "most %lld", (long long)t->length, (long long)t->items.count, (long long)(bound * bound / 4));
        return -1;
    }
    uint8_t *seen = gr_source_alloc(d, (size_t)(bound * bound / 8 + 1) * sizeof(uint8_t));
    t->pair = gr_source_alloc(d, (size_t)t->items.count * sizeof *t->pair);
    for (int64_t i = 0; i < t->items.count; tries++) {
        int32_t a = number(t, tries, 0), b = number(t, tries, 100);
        int64_t key = a < b ? a * bound + b : b * bound + a;
        if (seen[key / 8] & (1u << (key % 8))) continue;
        seen[key / 8] |= (uint8_t)(1u << (key % 8));
        t->pair[i][0] = a;
        t->pair[i++][1] = b;
    }
    return 0;
}

static int tell_vocabulary(gr_data *d, const task *t, const char *const *fields)
{
    static const char digits[] = "0123456789", letters[] = "abcdefghijklmnopqrstuvwxyz";
    bool numbers = t->kind == ADDITION || t->kind == PARITY;
    const char *more = t->kind == ADDITION ? "+ " : t->kind == RECALL ? ".:?" : "", *item[64];
    char text[64][2] = {{0}};
    int n = 0, symbols = t->kind == PARITY ? 2 : t->kind == ADDITION ? 10 : (int)t->symbols;
    for (int i = 0; t->kind < RECALL && i < FIRST; i++) item[n++] = (const char *const[]){"<pad>", "<bos>", "<eos>"}[i];
    for (int i = 0; i < symbols; i++, n++) text[n][0] = (numbers ? digits : letters)[i], item[n] = text[n];
    for (; *more; more++, n++) text[n][0] = *more, item[n] = text[n];
    const gr_vocab *v = gr_source_add_vocab(d, "vocab", n, item, false);
    for (int i = 0; v && fields[i]; i++)
        gr_source_add_text(d, fields[i], v, i == 1 && t->kind < RECALL, i == 2 && t->kind < ADDITION);
    gr_source_tell(d, "classes", t->kind == PARITY ? 2 : t->kind == RECALL ? t->symbols : n);
    return v ? 0 : -1;
}

static void add_lengths(gr_data *d, task *t)
{
    gr_items *x = &t->items;
    bool sequences = t->kind < ADDITION;
    for (int k = 0; k < x->num_axes; k++) x->length[k] = gr_source_alloc(d, (size_t)x->count * sizeof **x->length);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t n = t->kind == ADDITION ? 2 * t->length + 1 : t->kind == RECALL ? t->delay + 2 : item_length(t, i);
        x->length[0][i] = (int32_t)n;
        if (x->num_axes > 1) x->length[1][i] = (int32_t)(sequences ? n + 1 : t->length + 1);
    }
}

static int add_fields(gr_data *d, task *t)
{
    static const char *const pairs[] = {"source", "shifted", "targets", NULL}, *const labelled[] = {"tokens", "labels", "targets", NULL};
    gr_items *x = &t->items;
    bool to_label = t->kind >= RECALL;
    const char *const *name = to_label ? labelled : pairs;
    if (tell_vocabulary(d, t, name) < 0) return -1;
    x->num_axes = to_label ? 1 : 2;
    add_lengths(d, t);
    for (int i = 0; i < (t->kind == RECALL ? 2 : 3); i++)
        gr_items_field(x, name[i], to_label && i == 1 ? GR_ITEM_FIXED : GR_ITEM_RAGGED, to_label ? 0 : i > 0, GR_INT32);
    gr_items_field(x, to_label ? "lengths" : "source_lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    if (!to_label) gr_items_field(x, "target_lengths", GR_ITEM_LENGTHS, 1, GR_INT32);
    return 0;
}

/* What another task would have used. */
static int check_unused(gr_data *d, const task *t)
{
    static const struct { const char *name; unsigned tasks; } uses[] = {
        {"length", ~(1u << RECALL)}, {"min_length", 1u << COPY | 1u << REVERSE | 1u << PARITY},
        {"symbols", 1u << COPY | 1u << REVERSE | 1u << RECALL}, {"delay", 1u << RECALL}, {"reversed", 1u << ADDITION}};
    int r = 0;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        if (!gr_source_attr(d, uses[i].name)->given || (uses[i].tasks >> t->kind & 1)) continue;
        gr_source_fail(d, GR_AT_ATTR, uses[i].name, "the task %s does not use '%s'", gr_source_attr(d, "task")->s,
                      uses[i].name);
        r = -1;
    }
    return r;
}

static int task_open(gr_data *d)
{
    task *t = gr_source_alloc(d, sizeof(task));
    const gr_attr *least = gr_source_attr(d, "min_length");
    gr_source_set_state(d, t);
    *t = (task){.data = d, .kind = (kind)gr_source_attr(d, "task")->i, .length = gr_source_attr(d, "length")->i,
                .symbols = gr_source_attr(d, "symbols")->i, .delay = gr_source_attr(d, "delay")->i,
                .reversed = gr_source_attr(d, "reversed")->i};
    if (check_unused(d, t) < 0) return -1;
    t->least = least->present ? least->i : t->length;
    if (t->least > t->length) {
        gr_source_fail(d, GR_AT_ATTR, "min_length", "min_length is %lld, but length only %lld", (long long)t->least,
                      (long long)t->length);
        return -1;
    }
    t->items.count = gr_source_attr(d, "items")->i;
    t->items.get = task_get;
    if (t->kind == ADDITION && draw_pairs(d, t) < 0) return -1;
    return add_fields(d, t) < 0 ? -1 : gr_source_open_items(d, &t->items);
}

static const gr_port task_fields[] = {
    {"source", GR_PORT_OPTIONAL, "int32 [source_time, batch]: copy, reverse, addition: what is given"},
    {"source_lengths", GR_PORT_OPTIONAL, "int32 [batch]: of source"},
    {"shifted", GR_PORT_OPTIONAL, "int32 [time, batch]: <bos> and what is asked for"},
    {"targets", GR_PORT_OPTIONAL, "int32 [time, batch]: what is asked for; parity: of the bits so far"},
    {"target_lengths", GR_PORT_OPTIONAL, "int32 [batch]: of shifted and targets"},
    {"tokens", GR_PORT_OPTIONAL, "int32 [time, batch]: recall, parity: what is given"},
    {"labels", GR_PORT_OPTIONAL, "int32 [batch]: recall, parity: the answer"},
    {"lengths", GR_PORT_OPTIONAL, "int32 [batch]: of tokens"},
    GR_END_PORTS,
};
static const gr_port task_facts[] = {
    {"vocab", 0, "items of the vocabulary"},
    {"classes", 0, "how many answers there are"},
    {"pad", 0, "the number of <pad>"},
    GR_END_PORTS,
};

const gr_source gr_source_task = {
    GR_SOURCE_HEADER,
    .name = "Task", .reference = "Graves et al. 2014 (copy); Zaremba and Sutskever 2014 (addition)",
    .summary = "Made-up problems: copy, reverse, addition of numbers as text, delayed recall, parity.",
    .attrs = task_attrs,
    .fields = task_fields,
    .facts = task_facts,
    .keys = task_keys,
    .open = task_open,
    .numbering = task_numbering,
    .example =
        "vars: {batch: 4}\n"
        "data: {op: Task, task: reverse, items: 8, length: 5}\n"
        "graph:\n"
        "  source: {op: Input, shape: [source_time, batch], dtype: int32, from: data.source}\n"
        "  shifted: {op: Input, shape: [target_time, batch], dtype: int32, from: data.shifted}\n"
        "  targets: {op: Input, shape: [target_time, batch], dtype: int32, from: data.targets}\n",
};
