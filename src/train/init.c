/* init.c - the initialisers of torch.nn.init, on counter-based random numbers. */
#include "train/init.h"
#include "base/map.h"
#include "base/tensor.h"
#include "kernel/kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INIT_ARGS 3
#define INIT_CHUNK 256

typedef struct filler {
    uint64_t key[2];
    const gr_type *type;
    void *data;
    double arg[INIT_ARGS];
    gr_error *error;
    const char *name;
    const gr_memory *memory;
} filler;

typedef struct initialiser {
    const char *name;
    const char *arg[INIT_ARGS + 1]; /* names; NULL: no more */
    double fallback[INIT_ARGS]; /* NAN: must be given */
    int (*fill)(filler *f);
    bool fans;                    /* has a meaning for two axes or more alone */
} initialiser;

static void put(const filler *f, int64_t i, double x) { gr_put_element(f->data, f->type->dtype, i, x); }

static int fill_value(filler *f, double x)
{
    for (int64_t i = 0, n = gr_numel(f->type); i < n; i++) put(f, i, x);
    return 0;
}

/* Numbers are drawn as float for every dtype, so that a model starts alike in double. */
static int fill_uniform(filler *f, double low, double high)
{
    float u[INIT_CHUNK];
    for (int64_t i = 0, n = gr_numel(f->type); i < n; i += INIT_CHUNK) {
        int64_t m = n - i < INIT_CHUNK ? n - i : INIT_CHUNK;
        gr_math_get()->uniform_f32(f->key, 0, i, u, m);
        for (int64_t j = 0; j < m; j++) put(f, i + j, (float)(low + (high - low) * (double)u[j]));
    }
    return 0;
}

/* Normal numbers [first, first + INIT_CHUNK) of the stream, two from each pair of uniform
 * ones (Box and Muller 1958). first is even. */
static void draw_normal(const filler *f, int64_t first, double *out)
{
    float u[INIT_CHUNK];
    gr_math_get()->uniform_f32(f->key, 0, first, u, INIT_CHUNK);
    for (int j = 0; j < INIT_CHUNK; j += 2) {
        double r = sqrt(-2 * log(1 - (double)u[j])), angle = 2 * M_PI * (double)u[j + 1];
        out[j] = r * cos(angle);
        out[j + 1] = r * sin(angle);
    }
}

static int fill_normal(filler *f, double mean, double std)
{
    double x[INIT_CHUNK];
    for (int64_t i = 0, n = gr_numel(f->type); i < n; i += INIT_CHUNK) {
        draw_normal(f, i, x);
        for (int64_t j = 0; j < INIT_CHUNK && i + j < n; j++) put(f, i + j, (float)(mean + std * x[j]));
    }
    return 0;
}

/* [out, in, receptive field...] as PyTorch counts. */
static void fans(const filler *f, double *in, double *out)
{
    const gr_type *t = f->type;
    double field = 1;
    for (int i = 2; i < t->rank; i++) field *= (double)t->dim[i];
    *in = (double)t->dim[1] * field;
    *out = (double)t->dim[0] * field;
}

static int init_uniform(filler *f) { return fill_uniform(f, f->arg[0], f->arg[1]); }

/* zero_row: a row that stays 0, for padding; -1: none. */
static int init_normal(filler *f)
{
    int64_t row = (int64_t)f->arg[2], rows = f->type->rank ? f->type->dim[0] : 0, width = rows ? gr_numel(f->type) / rows : 0;
    if (fill_normal(f, f->arg[0], f->arg[1]) < 0) return -1;
    for (int64_t i = 0; row >= 0 && row < rows && i < width; i++) put(f, row * width + i, 0);
    return 0;
}

static int init_zeros(filler *f) { return fill_value(f, 0); }
static int init_ones(filler *f) { return fill_value(f, 1); }
static int init_constant(filler *f) { return fill_value(f, f->arg[0]); }

static int init_xavier_uniform(filler *f)
{
    double in, out;
    fans(f, &in, &out);
    double bound = f->arg[0] * sqrt(6 / (in + out));
    return fill_uniform(f, -bound, bound);
}

static int init_xavier_normal(filler *f)
{
    double in, out;
    fans(f, &in, &out);
    return fill_normal(f, 0, f->arg[0] * sqrt(2 / (in + out)));
}

static int init_kaiming_uniform(filler *f)
{
    double in, out;
    fans(f, &in, &out);
    double bound = sqrt(2 / (1 + f->arg[0] * f->arg[0])) * sqrt(3 / in);
    return fill_uniform(f, -bound, bound);
}

/* Rows of q [rows, cols], rows <= cols, become orthonormal (modified Gram-Schmidt, twice
 * so that rounding does not add up). The sign is that of the first projection, as a QR
 * with a positive diagonal has it. */
static void orthonormalise(double *q, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows; i++) {
        double *row = q + i * cols;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t j = 0; j < i; j++) {
                const double *other = q + j * cols;
                double dot = 0;
                for (int64_t k = 0; k < cols; k++) dot += row[k] * other[k];
                for (int64_t k = 0; k < cols; k++) row[k] -= dot * other[k];
            }
        double norm = 0;
        for (int64_t k = 0; k < cols; k++) norm += row[k] * row[k];
        norm = sqrt(norm);
        for (int64_t k = 0; k < cols; k++) row[k] /= norm;
    }
}

static int init_orthogonal(filler *f)
{
    int64_t m = f->type->dim[0], n = m ? gr_numel(f->type) / m : 0;
    int64_t rows = m < n ? m : n, cols = m < n ? n : m, all = rows * cols;
    double *q = gr_allocate(f->memory, (size_t)(all + INIT_CHUNK) * sizeof *q, 0);
    if (!q) return gr_set_error(f->error, GR_ENOMEM, "out of memory");
    for (int64_t i = 0; i < all; i += INIT_CHUNK) draw_normal(f, i, q + i);
    orthonormalise(q, rows, cols);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            put(f, i * n + j, f->arg[0] * (m < n ? q[i * cols + j] : q[j * cols + i]));
    gr_free(q);
    return 0;
}

static const initialiser initialisers[] = {
    {"Uniform", {"low", "high"}, {0, 1}, init_uniform, false},
    {"Normal", {"mean", "std", "zero_row"}, {0, 1, -1}, init_normal, false},
    {"XavierUniform", {"gain"}, {1}, init_xavier_uniform, true},
    {"XavierNormal", {"gain"}, {1}, init_xavier_normal, true},
    {"KaimingUniform", {"a"}, {0}, init_kaiming_uniform, true},
    {"Orthogonal", {"gain"}, {1}, init_orthogonal, true},
    {"Zeros", {0}, {0}, init_zeros, false},
    {"Ones", {0}, {0}, init_ones, false},
    {"Constant", {"value"}, {NAN}, init_constant, false},
};
#define NUM_INITIALISERS ((int)(sizeof initialisers / sizeof *initialisers))

const char *gr_init_name(int i, const char *const **arguments)
{
    if (i >= NUM_INITIALISERS) return NULL;
    *arguments = initialisers[i].arg;
    return initialisers[i].name;
}

static const initialiser *find_initialiser(const char *name, size_t length)
{
    for (int i = 0; i < NUM_INITIALISERS; i++)
        if (strlen(initialisers[i].name) == length && !strncmp(initialisers[i].name, name, length))
            return &initialisers[i];
    return NULL;
}

static int unknown_initialiser(const char *text, size_t length, const char *state, gr_error *e)
{
    char list[256] = "", name[64];
    const char *names[NUM_INITIALISERS + 1] = {NULL};
    for (int i = 0; i < NUM_INITIALISERS; i++) {
        size_t used = strlen(list);
        names[i] = initialisers[i].name;
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", initialisers[i].name);
    }
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    const char *near = gr_nearest_term(name, names);
    if (near)
        return gr_set_error(e, GR_EINVAL, "parameter %s: no initialiser is called '%s'; did you mean '%s'?", state, name, near);
    return gr_set_error(e, GR_EINVAL, "parameter %s: no initialiser is called '%s'; there are: %s", state, name, list);
}

static int wrong_argument(const initialiser *in, const char *text, const filler *f)
{
    char takes[64] = "nothing";
    for (int i = 0, n = 0; in->arg[i]; i++) n += snprintf(takes + n, sizeof takes - (size_t)n, "%s%s", n ? ", " : "", in->arg[i]);
    return gr_set_error(f->error, GR_EINVAL, "parameter %s: %s does not understand '%s'; it takes %s", f->name, in->name, text, takes);
}

/* " low=-1 high=1" into f->arg. */
static int parse_args(const initialiser *in, const char *text, filler *f)
{
    memcpy(f->arg, in->fallback, sizeof f->arg);
    while (*(text += strspn(text, " ,\t\n"))) {
        size_t length = strcspn(text, "= ");
        int i = 0;
        while (in->arg[i] && (strlen(in->arg[i]) != length || strncmp(in->arg[i], text, length))) i++;
        char *end = NULL;
        if (in->arg[i] && text[length] == '=') f->arg[i] = strtod(text + length + 1, &end);
        if (!end || end == text + length + 1)
            return wrong_argument(in, text, f);
        text = end;
    }
    for (int i = 0; in->arg[i]; i++)
        if (isnan(f->arg[i]))
            return gr_set_error(f->error, GR_EINVAL, "parameter %s: %s needs %s", f->name, in->name, in->arg[i]);
    return 0;
}

/* The initialiser that the text names, its arguments in f; NULL with the error filled. */
static const initialiser *read_text(const char *text, filler *f)
{
    size_t length = strcspn(text, " ,");
    const initialiser *in = find_initialiser(text, length);
    if (!in) unknown_initialiser(text, length, f->name, f->error);
    if (!in || parse_args(in, text + length, f)) return NULL;
    if (!in->fans || f->type->rank >= 2) return in;
    gr_set_error(f->error, GR_EINVAL, "%s needs two axes or more; parameter %s has %d", in->name, f->name, f->type->rank);
    return NULL;
}

int gr_init_check(const char *text, const char *name, const gr_type *t, gr_error *e)
{
    filler f = {{0}, t, NULL, {0}, e, name, NULL};
    return read_text(text, &f) ? 0 : -1;
}

int gr_init_fill(const gr_memory *m, const char *text, uint64_t seed, const char *name, const gr_type *t, void *data, gr_error *e)
{
    filler f = {{seed, gr_hash(name)}, t, data, {0}, e, name, m};
    const initialiser *in = read_text(text, &f);
    return in ? in->fill(&f) : -1;
}
