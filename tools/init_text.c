/* init_text.c - starter models for running text: by characters where there is little, else by words. */
#include "init.h"
#include "base/map.h"
#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

enum { SMALL_TEXT = 1000000, LEAST = 40 }; /* characters */

typedef struct text_facts {
    int64_t characters, different, words, different_words;
    bool ascii; /* nearly all of it */
} text_facts;

static text_facts count_all(gr_arena *a, const char *text, size_t length)
{
    static unsigned char seen[0x110000 / 8];
    gr_map *words = gr_map_create(a);
    text_facts f = {0};
    int64_t plain = 0;
    uint32_t c;
    memset(seen, 0, sizeof seen);
    for (size_t at = 0, start = 0; at < length;) {
        int n = gr_utf8_decode(text + at, length - at, &c);
        plain += c < 128;
        f.characters++;
        if (!(seen[c / 8] & 1u << c % 8)) f.different++, seen[c / 8] |= (unsigned char)(1u << c % 8);
        at += (size_t)n;
        bool space = c < 128 && isspace((int)c);
        if (space || at == length) {
            size_t end = space ? at - 1 : at;
            if (end > start) {
                const char *word = gr_arena_strndup(a, text + start, end - start);
                f.words++;
                if (!gr_map_get(words, word)) gr_map_set(words, word, a), f.different_words++;
            }
            start = at;
        }
    }
    f.ascii = plain * 100 >= f.characters * 98;
    return f;
}

typedef struct sizes {
    int64_t batch, time, hidden, layers, epochs;
    bool valid; /* there is enough for a split of its own */
} sizes;

/* tokens: of the text. A batch takes a small part of it, and an epoch has some. */
static sizes choose(int64_t tokens, int64_t steps)
{
    sizes s = {.batch = 32, .time = 32, .layers = tokens < 2000000 ? 1 : 2};
    while (s.batch > 1 && s.batch * (s.time + 1) * 8 > tokens) s.batch /= 2;
    while (s.time > 4 && s.batch * (s.time + 1) * 8 > tokens) s.time /= 2;
    s.hidden = tokens < 5000 ? 64 : tokens < 100000 ? 128 : 256;
    s.valid = tokens / 10 > 2 * s.batch * (s.time + 1);
    s.epochs = init_epochs((s.valid ? tokens * 9 / 10 : tokens) / (s.batch * s.time), steps);
    return s;
}

/* A word that the text has, to begin generated text with. */
static const char *prompt_of(gr_arena *a, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        size_t n = 0;
        while (i + n < length && isalpha((unsigned char)text[i + n])) n++;
        bool whole = i + n == length || isspace((unsigned char)text[i + n]);
        if (n >= 2 && n < 16 && whole && (i == 0 || isspace((unsigned char)text[i - 1]))) return gr_arena_strndup(a, text + i, n);
        i += n;
    }
    return NULL;
}

static void write_vars(const init *x, const sizes *s)
{
    fprintf(x->to, "vars:                # change one for a run: --set hidden=%lld\n", (long long)s->hidden * 2);
    fprintf(x->to, "  batch: %-11lld # pieces of text side by side\n", (long long)s->batch);
    fprintf(x->to, "  time: %-12lld # how far a gradient reaches back\n", (long long)s->time);
    fprintf(x->to, "  hidden: %-10lld # width of the LSTM's state\n", (long long)s->hidden);
    fprintf(x->to, "  layers: %lld\n\n", (long long)s->layers);
}

static void write_data(const init *x, const text_facts *f, const sizes *s, bool words)
{
    fprintf(x->to, "data:\n  op: %s\n  path: %s\n", words ? "WordText" : "CharText", x->written);
    if (words) fprintf(x->to, "  lower: true\n%s  min_freq: 2          # rarer words are <unk>\n  max_vocab: 20000\n",
                       f->ascii ? "  keep: letters        # all else is a space\n" : "");
    fprintf(x->to, "  partition: sequential   # a batch goes on where the one before ended\n");
    if (s->valid) fprintf(x->to, "  split: {train: 0.9, valid: 0.1}\n");
    fputc('\n', x->to);
}

static void write_graph(const init *x, bool words)
{
    fprintf(x->to,
            "graph:\n"
            "  tokens:  {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
            "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}   # the %s after each\n"
            "%s"
            "  rnn:     {op: LSTM, in: letters, hidden_size: $hidden, num_layers: $layers}   # or GRU, RNN\n"
            "  logits:  {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
            "  loss:    {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n\n",
            words ? "word" : "character",
            words ? "  letters: {op: Embedding, in: tokens, num_embeddings: $data.vocab, embedding_dim: $hidden}\n"
                  : "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n");
}

int init_text(init *x, const char *text, size_t length, gr_error *e)
{
    const text_facts f = count_all(x->arena, text, length);
    const bool words = f.characters >= SMALL_TEXT && f.words > f.characters / 20;
    if (f.characters < LEAST)
        return gr_set_error(e, GR_EINVAL, "%s has %lld characters, and a model of a text needs some %d to learn anything", x->path,
                            (long long)f.characters, LEAST);
    if (x->target) return gr_set_error(e, GR_EINVAL, "--target names a column of a table or a second array; %s is a text", x->path);
    const sizes s = choose(words ? f.words : f.characters, words ? 2000 : 1200);
    const char *prompt = prompt_of(x->arena, text, length);
    x->found = words ? gr_arena_printf(x->arena, "a text of %s words, %s different", init_count(x->arena, f.words), init_count(x->arena, f.different_words))
                     : gr_arena_printf(x->arena, "a text of %s characters, %s different", init_count(x->arena, f.characters),
                                       init_count(x->arena, f.different));
    init_head(x, words ? "An LSTM predicts the next word of a text." : "An LSTM predicts the next character of a text.");
    write_vars(x, &s);
    write_data(x, &f, &s, words);
    write_graph(x, words);
    init_train(x, words ? "0.002" : "0.005", s.epochs,
               s.valid ? "  carry: rnn            # its state goes on from batch to batch\n  keep: best            # the weights of the best validation\n"
                       : "  carry: rnn            # its state goes on from batch to batch\n");
    fprintf(x->to, "metrics: [perplexity]   # of how many, on average, the next one is guessed\n");
    fprintf(x->to, "generate: {feed: tokens, from: logits, prompt: %s, length: %d, temperature: 0.7}\n",
            init_yaml(x->arena, prompt ? words ? "the" : prompt : gr_arena_strndup(x->arena, text, (size_t)gr_utf8_decode(text, length, NULL))),
            words ? 30 : 100);
    return 0;
}
