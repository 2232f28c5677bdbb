/* char_text.c - CharText: a text, character by character; targets are the next ones.
 *
 * The two partitions are those of "Dive into Deep Learning" (d2l.ai, 9.3):
 *
 *     sequential   an offset in [0, steps]; then `batch` rows, each a contiguous piece of the
 *                  text, and batch i is steps [i * steps, (i + 1) * steps) of every row, so
 *                  that a row goes on from batch to batch
 *     random       an offset in [0, steps); then pieces of `steps`, shuffled
 *
 * The offset is drawn anew each epoch, for the split `train` alone. So that every epoch has
 * as many batches, their number is that of the largest offset. The vocabulary is of the whole
 * text, before `max_chars` cuts it: <unk>, then characters from the most frequent on (equally
 * frequent: the one that comes first in the text), or in order of their code points. */
#include "base/utf8.h"
#include "data/desc.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

static const gr_attr_spec char_text_attrs[] = {
    {"lower", GR_ATTR_BOOL, "false", 0, 0, NULL, "turn capital letters into small ones"},
    {"keep", GR_ATTR_CHOICE, "all", 0, 0, "all|letters", "letters: what is not A-Z or a-z becomes one space a run"},
    {"max_chars", GR_ATTR_INT, "-1", -1, 9e15, NULL, "how many characters are used, from the start; -1: all"},
    {"partition", GR_ATTR_CHOICE, "random", 0, 0, "random|sequential", "how the text is cut into batches"},
    {"order", GR_ATTR_CHOICE, "frequency", 0, 0, "frequency|character", "of the vocabulary"},
    {"unk", GR_ATTR_BOOL, "true", 0, 0, NULL, "the vocabulary begins with <unk>, for characters that it lacks"},
    {"vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "its size, where the text is not at hand"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const char_text_keys[] = {"path", "split", NULL};

enum { TIME, BATCH, AXES };
static const char *const axis_names[AXES] = {"time", "batch"};

typedef struct char_text {
    gr_vocab *vocab;     /* NULL: its size alone is known */
    int32_t *ids;
    int64_t count;
    int64_t length[AXES];
    int order[2][AXES];  /* of tokens, targets */
    int64_t offset;      /* of the epoch in hand, from the split's begin */
    int64_t row;         /* sequential: characters from row to row */
    int64_t *piece;      /* random: the pieces in their order */
} char_text;

/* ---- the text ---- */

static size_t keep_letters(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter) text[to++] = c;
        else if (i == 0 || to == 0 || text[to - 1] != ' ') text[to++] = ' ';
    }
    return to;
}

static void free_locale_of(void *p) { freelocale((locale_t)p); }

/* Small letters by Unicode, which may take more or fewer bytes. */
static char *lower(gr_data *d, const char *text, size_t *n)
{
    locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    char *out = gr_arena_alloc(d->arena, 4 * *n + 1);
    size_t to = 0;
    if (unicode) gr_arena_defer(d->arena, free_locale_of, unicode);
    for (size_t i = 0; i < *n;) {
        uint32_t c = 0;
        i += (size_t)gr_utf8_decode(text + i, *n - i, &c);
        if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
        else if (c >= 0x80 && unicode) c = (uint32_t)towlower_l((wint_t)c, unicode);
        to += (size_t)gr_utf8_encode(c, out + to);
    }
    *n = to;
    return out;
}

/* As the text itself is prepared, so is a prompt. */
static char *prepare(gr_data *d, char *text, size_t *n)
{
    if (gr_data_attr(d, "keep")->i) *n = keep_letters(text, *n);
    return gr_data_attr(d, "lower")->i ? lower(d, text, n) : text;
}

/* ---- the vocabulary ---- */

typedef struct tally {
    uint32_t c;
    int64_t count, first; /* where it comes first */
} tally;

static int more_frequent(const void *pa, const void *pb)
{
    const tally *a = pa, *b = pb;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static int smaller_character(const void *pa, const void *pb)
{
    const tally *a = pa, *b = pb;
    return a->c < b->c ? -1 : a->c > b->c;
}

enum { CODE_POINTS = 0x110000 };

static gr_vocab *count_characters(gr_data *d, const char *text, size_t n)
{
    int32_t *number = GR_NEW_ARRAY(d->arena, int32_t, CODE_POINTS); /* in `all`, from 1 */
    tally *all = NULL;
    int count = 0, cap = 0, size = 0;
    int64_t at = 0;
    for (size_t i = 0; i < n; at++) {
        uint32_t c = 0;
        i += (size_t)gr_utf8_decode(text + i, n - i, &c);
        if (!number[c]) {
            *GR_PUSH(d->arena, all, count, cap) = (tally){c, 0, at};
            number[c] = count;
        }
        all[number[c] - 1].count++;
    }
    qsort(all, (size_t)count, sizeof *all, gr_data_attr(d, "order")->i ? smaller_character : more_frequent);
    const char **item = GR_NEW_ARRAY(d->arena, const char *, count + 1);
    if (gr_data_attr(d, "unk")->i) item[size++] = "<unk>";
    for (int i = 0; i < count; i++) {
        char bytes[5] = {0};
        gr_utf8_encode(all[i].c, bytes);
        item[size++] = gr_arena_strdup(d->arena, bytes);
    }
    return gr_vocab_create(d->arena, size, item);
}

/* Numbers of the characters; one that the vocabulary lacks is <unk> or a mistake. */
static int number_characters(gr_data *d, const char *path, const char *text, size_t n)
{
    char_text *t = d->state;
    int64_t most = gr_data_attr(d, "max_chars")->i;
    if (most < 0 || most > (int64_t)n) most = (int64_t)n;
    t->ids = GR_NEW_ARRAY(d->arena, int32_t, most);
    for (size_t i = 0; i < n && t->count < most;) {
        char bytes[5] = {0};
        int length = gr_utf8_decode(text + i, n - i, NULL);
        memcpy(bytes, text + i, (size_t)length);
        int id = gr_vocab_find(t->vocab, bytes);
        if (id < 0) id = t->vocab->special[GR_UNK];
        if (id < 0) {
            gr_diag_error(d->diag, d->section->key_at, "'%s' holds the character '%s', which the vocabulary of the "
                          "weights lacks", path, bytes);
            return -1;
        }
        t->ids[t->count++] = id;
        i += (size_t)length;
    }
    return 0;
}

/* ---- opening ---- */

static int read_text(gr_data *d)
{
    gr_doc *path_doc = gr_doc_get(d->section, "path");
    char_text *t = d->state;
    size_t n = 0;
    if (!path_doc) {
        gr_diag_error(d->diag, d->section->key_at, "CharText needs 'path', a text file");
        return -1;
    }
    const char *path = gr_model_file(d->model, path_doc);
    const gr_attr *size = gr_data_attr(d, "vocab");
    if (!path) return -1;
    if (d->options.facts_only && (t->vocab || size->present)) return 0;
    char *text = gr_text_read(d, path, path_doc->at, &n);
    if (!text) return -1;
    text = prepare(d, text, &n);
    if (!t->vocab) t->vocab = count_characters(d, text, n);
    return number_characters(d, path, text, n);
}

static int tell_vocab(gr_data *d)
{
    gr_vocab *v = ((char_text *)d->state)->vocab;
    const gr_attr *size = gr_data_attr(d, "vocab");
    int64_t count = v ? v->count : size->i;
    if (size->present && size->i != count) {
        gr_diag_error(d->diag, gr_data_attr_at(d, "vocab"), "'vocab' is %lld here, but %lld of the text",
                      (long long)size->i, (long long)count);
        return -1;
    }
    if (v) gr_data_add_vocab(d, "vocab", v);
    else gr_data_tell(d, "vocab", count);
    return 0;
}

static int read_lengths(gr_data *d)
{
    char_text *t = d->state;
    static const char *const names[] = {"tokens", "targets"};
    int64_t other[AXES];
    gr_loc at = gr_data_axes(d, names[0], AXES, axis_names, t->length, t->order[0]);
    gr_loc at_targets = gr_data_axes(d, names[1], AXES, axis_names, other, t->order[1]);
    for (int k = 0; k < AXES; k++) {
        if (t->length[k] < 0) t->length[k] = other[k];
        if (t->length[k] > 0 && (other[k] < 0 || other[k] == t->length[k])) continue;
        if (d->options.facts_only) return 1;
        if (other[k] > 0)
            gr_diag_error(d->diag, at_targets, "targets have another length of '%s' than tokens, %lld and %lld",
                          axis_names[k], (long long)other[k], (long long)t->length[k]);
        else
            gr_diag_error(d->diag, at, "CharText needs to know how many steps and how many rows a batch has: vars: "
                          "{time: 35, batch: 32}");
        return -1;
    }
    for (int f = 0; f < 2; f++) {
        int64_t dim[AXES];
        for (int k = 0; k < AXES; k++) dim[k] = t->length[t->order[f][k]];
        gr_data_add_field(d, names[f], GR_INT32, AXES, dim);
    }
    return 0;
}

static bool is_random(const gr_data *d) { return gr_data_attr(d, "partition")->i == 0; }

/* The largest offset of an epoch: d2l's, or less where the text is that short. */
static int64_t largest_offset(const gr_data *d, const gr_split *s)
{
    const char_text *t = d->state;
    int64_t most = is_random(d) ? t->length[TIME] - 1 : t->length[TIME];
    int64_t spare = s->end - s->begin - 1 - t->length[TIME] * t->length[BATCH];
    if (!gr_split_is_train(s) || spare < 0) return 0;
    return spare < most ? spare : most;
}

static int64_t count_batches(const gr_data *d, const gr_split *s)
{
    const char_text *t = d->state;
    int64_t n = s->end - s->begin - 1 - largest_offset(d, s);
    if (n <= 0) return 0;
    return is_random(d) ? n / t->length[TIME] / t->length[BATCH] : n / t->length[BATCH] / t->length[TIME];
}

static int cut_splits(gr_data *d)
{
    char_text *t = d->state;
    if (gr_data_read_splits(d, t->count) < 0) return -1;
    for (int i = 0; i < d->num_splits; i++) {
        gr_split *s = &d->splits[i];
        s->batches = count_batches(d, s);
        if (s->batches) continue;
        gr_doc *at = gr_doc_get(d->section, "split");
        gr_diag_error(d->diag, at ? at->at : d->section->key_at, "the split '%s' has %lld characters; one batch of %lld "
                      "rows of %lld takes %lld", s->name, (long long)(s->end - s->begin), (long long)t->length[BATCH],
                      (long long)t->length[TIME], (long long)(t->length[BATCH] * t->length[TIME] + 1));
        return -1;
    }
    t->piece = GR_NEW_ARRAY(d->arena, int64_t, t->count / t->length[TIME] + 1);
    return 0;
}

static int char_text_open(gr_data *d, gr_error *e)
{
    (void)e;
    char_text *t = GR_NEW(d->arena, char_text);
    d->state = t;
    if (d->options.metadata) t->vocab = gr_vocab_from_json(d->arena, d->options.metadata, "vocab");
    if (read_text(d) < 0 || tell_vocab(d) < 0) return -1;
    int r = read_lengths(d);
    if (r < 0) return -1;
    if (t->ids && r == 0 && !d->options.facts_only) return cut_splits(d);
    gr_doc *split = gr_doc_get(d->section, "split");
    return split ? gr_data_read_splits(d, t->count) : 0;
}

/* ---- batches ---- */

static void char_text_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    char_text *t = d->state;
    int64_t most = largest_offset(d, s), offset = most ? gr_order_number(d, epoch, most + 1) : 0;
    int64_t n = s->end - s->begin - offset - 1;
    t->offset = s->begin + offset;
    t->row = n / t->length[BATCH];
    if (!is_random(d)) return;
    int64_t pieces = n / t->length[TIME];
    for (int64_t i = 0; i < pieces; i++) t->piece[i] = i;
    if (gr_split_is_train(s)) gr_order_shuffle(d, epoch, 0, t->piece, pieces);
}

static void char_text_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    const char_text *t = d->state;
    int64_t rows = t->length[BATCH], steps = t->length[TIME];
    (void)s;
    for (int64_t r = 0; r < rows; r++) {
        int64_t at = is_random(d) ? t->piece[batch * rows + r] * steps : r * t->row + batch * steps;
        const int32_t *from = t->ids + t->offset + at;
        for (int f = 0; f < 2; f++) {
            bool time_first = t->order[f][0] == TIME;
            int32_t *to = (int32_t *)field[f].data + (time_first ? r : r * steps);
            for (int64_t k = 0; k < steps; k++) to[time_first ? k * rows : k] = from[k + f];
        }
    }
}

const gr_source_desc gr_source_char_text = {
    .name = "CharText",
    .summary = "A text, character by character: tokens, and as targets the next ones; the vars time and batch say how many.",
    .attrs = char_text_attrs,
    .keys = char_text_keys,
    .open = char_text_open,
    .begin = char_text_begin,
    .fill = char_text_fill,
    .prepare = prepare,
};
