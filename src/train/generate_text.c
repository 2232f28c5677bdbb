/* generate_text.c - items as words, words as items, tables of attention. */
#include "train/generate_text.h"
#include "base/column.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- items ---- */

gr_words gr_words_of(gr_session *s, const gr_model_input *in)
{
    gr_words it = {.session = s, .field = in->from, .start = -1, .stop = -1, .unknown = -1};
    it.vocab = s->data ? gr_data_vocab(s->data, it.field, &it.words) : NULL;
    it.spaced = !it.vocab || gr_data_is_words(s->data, it.field);
    if (it.vocab) it.unknown = gr_data_special(s->data, it.field, GR_UNK);
    return it;
}

static int find_word(const gr_words *it, const char *word)
{
    for (int i = 0; i < it->words; i++)
        if (strcmp(it->vocab[i], word) == 0) return i;
    return -1;
}

static int read_special(const gr_words *it, const char *key, const char *text, int *item, gr_error *e)
{
    int32_t *ids;
    if (it->vocab) *item = find_word(it, text);
    else if (gr_words_read(it, text, &ids, e) == 1) *item = ids[0];
    if (e->status || *item >= 0) return e->status;
    return gr_set_error(e, GR_EINVAL, "generate: '%s' is '%s', which is not in the vocabulary", key, text);
}

int gr_words_specials(gr_words *it, const char *start, const char *stop, gr_error *e)
{
    gr_data *d = it->session->data;
    if (start) {
        if (read_special(it, "start", start, &it->start, e)) return e->status;
    } else if (it->vocab) {
        it->start = gr_data_special(d, it->field, GR_BOS);
        if (it->start < 0 && !it->session->recipe->generate.source) it->start = 0;
    }
    if (stop && *stop) return read_special(it, "stop", stop, &it->stop, e);
    if (!stop && it->vocab) it->stop = gr_data_special(d, it->field, GR_EOS);
    return 0;
}

/* "3 1 4" */
static int read_numbers(const gr_words *it, const char *text, int32_t **items, gr_error *e)
{
    int n = 0, cap = 0;
    *items = NULL;
    for (const char *at = text + strspn(text, " \t"); *at; at += strspn(at, " \t")) {
        char *end;
        errno = 0;
        long x = strtol(at, &end, 10);
        if (end == at || (*end && !strchr(" \t", *end)) || errno || x < 0 || x > INT32_MAX)
            return gr_set_error(e, GR_EINVAL, "'%s' is to be numbers with spaces between them, for the data source has no vocabulary", text);
        *GR_PUSH(it->session->arena, *items, n, cap) = (int32_t)x;
        at = end;
    }
    return n;
}

static bool holds(const int32_t *ids, int n, int item)
{
    for (int i = 0; i < n; i++)
        if (ids[i] == item) return true;
    return false;
}

/* Which words (or characters) of the text are unknown, "'x', 'y'"; "" if none. */
static const char *unknown_words(const gr_words *it, const char *text)
{
    gr_arena *a = it->session->arena;
    const char *list = "";
    for (const char *at = text + (it->spaced ? strspn(text, " \t\n") : 0); *at;) {
        size_t n = it->spaced ? strcspn(at, " \t\n") : (size_t)gr_utf8_decode(at, strlen(at), NULL);
        const char *word = gr_arena_strndup(a, at, n);
        int32_t *ids;
        gr_error ignored = {0};
        int count = gr_data_encode(it->session->data, a, it->field, word, &ids, &ignored);
        if (count > 0 && holds(ids, count, it->unknown) && !strstr(list, gr_arena_printf(a, "'%s'", word)))
            list = gr_arena_printf(a, "%s%s'%s'", list, *list ? ", " : "", word);
        at += n;
        if (it->spaced) at += strspn(at, " \t\n");
    }
    return list;
}

int gr_words_read(const gr_words *it, const char *text, int32_t **items, gr_error *e)
{
    gr_session *s = it->session;
    if (!it->vocab) return read_numbers(it, text, items, e);
    int n = gr_data_encode(s->data, s->arena, it->field, text, items, e);
    if (n > 0 && it->unknown >= 0 && holds(*items, n, it->unknown) && !s->options.quiet && !strstr(text, it->vocab[it->unknown]))
        gr_session_note(s, "the vocabulary has %s for %s", it->vocab[it->unknown], unknown_words(it, text));
    return n;
}

const char *gr_words_text(const gr_words *it, int32_t item)
{
    if (it->vocab) return item >= 0 && item < it->words ? it->vocab[item] : "?";
    return gr_arena_printf(it->session->arena, "%d", item);
}

/* ---- tables ---- */

gr_table gr_table_of(gr_arena *a, const gr_found *f, const gr_words *source, const int32_t *source_item, int n, const gr_words *feed)
{
    gr_table t = {.rows = f->rows, .columns = (int)f->row_size, .heads = 1, .value = f->row};
    t.row = GR_NEW_ARRAY(a, const char *, t.rows + 1);
    for (int i = 0; i < t.rows; i++) t.row[i] = gr_words_text(feed, i < f->count ? f->item[i] : feed->stop);
    if (!source || n < 1 || t.columns % n != 0) return t;
    t.heads = t.columns / n;
    t.columns = n;
    t.column = GR_NEW_ARRAY(a, const char *, n + 1);
    for (int i = 0; i < n; i++) t.column[i] = gr_words_text(source, source_item[i]);
    return t;
}

void gr_table_print(const gr_table *t, FILE *out)
{
    int left = 0;
    for (int i = 0; i < t->rows; i++) left = gr_wider(left, t->row[i]);
    for (int h = 0; h < t->heads; h++) {
        gr_put_right(out, "", left + 2);
        for (int c = 0; c < t->columns; c++) {
            char number[16];
            snprintf(number, sizeof number, "%d", c);
            fputs("  ", out);
            gr_put_right(out, t->column ? t->column[c] : number, 4);
        }
        fputc('\n', out);
        for (int r = 0; r < t->rows; r++) {
            gr_put_right(out, t->row[r], left + 2);
            for (int c = 0; c < t->columns; c++)
                fprintf(out, "  %*.2f", gr_wider(4, t->column ? t->column[c] : ""), t->value[(r * t->heads + h) * t->columns + c]);
            fputc('\n', out);
        }
    }
}

static const char *joined(gr_arena *a, const char **word, int n)
{
    const char *text = "";
    for (int i = 0; i < n; i++) text = gr_arena_printf(a, "%s%s%s", text, i ? " " : "", word[i]);
    return text;
}

static void add_pair(gr_attention *to, gr_arena *a, const char *key, const char *value)
{
    int n = to->tensors.num_metadata;
    *GR_PUSH(a, to->tensors.key, to->tensors.num_metadata, to->cap_keys) = key;
    *GR_PUSH(a, to->tensors.value, n, to->cap_values) = value;
}

void gr_attention_add(gr_attention *to, gr_arena *a, int which, const gr_table *t)
{
    int64_t n = (int64_t)t->rows * t->heads * t->columns;
    float *data = GR_NEW_ARRAY(a, float, n + 1);
    for (int64_t i = 0; i < n; i++) data[i] = (float)t->value[i];
    gr_named_tensor *tensor = GR_PUSH(a, to->tensors.tensor, to->tensors.count, to->cap_tensors);
    *tensor = (gr_named_tensor){.name = gr_arena_printf(a, "%d", which), .dtype = GR_FLOAT32, .rank = t->heads > 1 ? 3 : 2, .data = data};
    tensor->dim[0] = t->rows;
    tensor->dim[1] = t->heads > 1 ? t->heads : t->columns;
    tensor->dim[2] = t->columns;
    add_pair(to, a, gr_arena_printf(a, "%d.rows", which), joined(a, t->row, t->rows));
    if (t->column) add_pair(to, a, gr_arena_printf(a, "%d.columns", which), joined(a, t->column, t->columns));
}
