/* train_support.c - small models and files for the tests of training. */
#include "train_support.h"
#include "io/npy.h"

#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];

static void remove_folder(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) fprintf(stderr, "could not remove %s\n", folder);
}

const char *temp_path(const char *name)
{
    static char path[64][256];
    static int next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/graphrun-tests-XXXXXX");
        if (!mkdtemp(folder)) abort();
        atexit(remove_folder);
    }
    char *to = path[next++ % 64];
    snprintf(to, sizeof path[0], "%s/%s", folder, name);
    return to;
}

const char *temp_file(const char *name, const char *fmt, ...)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "w");
    if (!f) abort();
    va_list args;
    va_start(args, fmt);
    vfprintf(f, fmt, args);
    va_end(args);
    fclose(f);
    return path;
}

const char *temp_integers(const char *name, int rank, const int64_t *dim, const int32_t *data)
{
    const char *path = temp_path(name);
    gr_tensor t = {.data = (void *)(uintptr_t)data, .dtype = GR_INT32, .rank = rank};
    gr_error e;
    int64_t stride = 1;
    for (int k = rank - 1; k >= 0; k--) {
        t.dim[k] = dim[k];
        t.stride[k] = stride;
        stride *= dim[k];
    }
    CU_ASSERT_EQUAL_FATAL(gr_npy_write(path, &t, &e), 0);
    return path;
}

char *read_text(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = NULL;
    size_t n = 0, cap = 0;
    for (size_t got = 1; got > 0; n += got) {
        if (cap < n + 4096) text = realloc(text, (cap = 2 * cap + 8192));
        if (!text) abort();
        got = fread(text + n, 1, 4095, f);
    }
    text[n] = 0;
    fclose(f);
    if (length) *length = n;
    return text;
}

bool same_files(const char *a, const char *b)
{
    size_t n = 0, m = 0;
    char *x = read_text(a, &n), *y = read_text(b, &m);
    bool same = x && y && n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

void say_in_file(void *file, gr_tone tone, const char *text)
{
    (void)tone;
    fputs(text, file);
}

gr_session *open_model(const char *path, int threads)
{
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = threads, .quiet = true, .say = {say_in_file, stderr}};
    gr_error e = {0};
    gr_session *s = gr_session_open(path, &o, &e);
    if (!s) fprintf(stderr, "%s: %s\n", path, e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

gr_program *training_program(gr_arena *a, gr_session *s, int workers)
{
    const gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    gr_program *p = gr_program_create_for(a, gr_session_graph(s, &want, NULL), workers, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

size_t working_bytes(const char *path)
{
    gr_session *s = open_model(path, 1);
    const gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    const size_t bytes = x->program->arena_bytes;
    gr_session_close(s);
    return bytes;
}

void write_states(const gr_store *s, FILE *to)
{
    for (int i = 0; i < gr_store_count(s); i++) {
        gr_type t;
        const void *data = gr_store_data(s, i, &t);
        fwrite(data, gr_dtype_size(t.dtype), (size_t)gr_numel(&t), to);
    }
}

int train_model(const char *path, int threads, gr_train_options o, gr_error *e)
{
    gr_session *s = open_model(path, threads);
    FILE *out = fopen("/dev/null", "w");
    gr_train_result r;
    o.quiet = true;
    o.out = out;
    int status = gr_train(s, &o, &r, e);
    if (status) fprintf(stderr, "%s: %s\n", path, e->message);
    fclose(out);
    gr_session_close(s);
    return status;
}

const char *recurrent_model(const char *name, const char *train)
{
    return temp_file(name,
        "graphrun: 1\n"
        "name: small\n"
        "data:\n"
        "  op: Inline\n"
        "  vocab: [a, b, c, d, e]\n"
        "  values:\n"
        "    x: [[1, 0, 2], [2, 3, 1], [0, 0, 4], [4, 1, 1], [3, 2, 0], [1, 4, 2]]\n"
        "    y: [[2, 3, 1], [0, 0, 4], [4, 1, 1], [3, 2, 0], [1, 4, 2], [0, 2, 3]]\n"
        "graph:\n"
        "  x: {op: Input, shape: [time, batch], dtype: int32, from: data.x}\n"
        "  y: {op: Input, shape: [time, batch], dtype: int32, from: data.y}\n"
        "  e: {op: Embedding, in: x, num_embeddings: $data.vocab, embedding_dim: 6}\n"
        "  d: {op: Dropout, in: e, p: 0.2}\n"
        "  rnn: {op: LSTM, in: d, hidden_size: 7, num_layers: 2}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}}\n"
        "train: {minimize: loss, %s}\n"
        "metrics: [perplexity, accuracy]\n", train);
}

/* What `check` says of the model, to be freed. */
static char *check_output(const char *model)
{
    char command[512], part[4096], *text = NULL;
    size_t size, n;
    snprintf(command, sizeof command, GR_BUILD_DIR "/tools/graphrun check %s 2>&1", model);
    FILE *from = popen(command, "r"), *to = open_memstream(&text, &size);
    if (!from || !to) abort();
    while ((n = fread(part, 1, sizeof part, from)) > 0) fwrite(part, 1, n, to);
    pclose(from);
    fclose(to);
    return text;
}

bool mistake_is_told(const char *model, const char *words, const char *at, const char *after)
{
    char *said = check_output(model), *file = read_text(model, NULL), place[64];
    char *spot = file ? strstr(file, after) : NULL, *start = file;
    int line = 1;
    spot = spot ? strstr(spot, at) : NULL;
    for (char *s = file; spot && s < spot; s++)
        if (*s == '\n') line++, start = s + 1;
    snprintf(place, sizeof place, ".yaml:%d:%d: error: ", line, (int)(spot ? spot - start : 0) + 1);
    char *error = strstr(said, ": error: ");
    bool good = spot && error && strstr(said, place) && strstr(error, words) && !strstr(error + 1, ": error: ");
    if (!good) fprintf(stderr, "\n  not \"%s\" at %s but\n%s", words, place, said);
    free(said);
    free(file);
    return good;
}
