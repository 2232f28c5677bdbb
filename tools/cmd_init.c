/* cmd_init.c - graphrun init: a starter model beside the user's data. */
#include "cli.h"
#include "base/path.h"
#include "base/utf8.h"
#include "init.h"
#include "io/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* English that every Debian machine has, for who gives no file. */
#define SOME_TEXT "/usr/share/common-licenses/GPL-3"
#define SUPPORTED "a text (UTF-8), a table (.csv, .tsv: cells with commas, semicolons or tabs between) or an array (.npy, .npz)"

/* ---- pieces of models ---- */

/* What libyaml refuses to read, and what ends a line or is no character to look at. */
static bool wants_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

const char *init_yaml(gr_arena *a, const char *text)
{
    size_t safe = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./");
    static const char *const words[] = {"true", "false", "null", NULL};
    bool plain = *text && !text[safe] && (isalpha((unsigned char)*text) || *text == '/' || *text == '_');
    for (int i = 0; words[i]; i++) plain = plain && strcasecmp(text, words[i]) != 0;
    if (plain) return text;
    const size_t length = strlen(text);
    char *quoted = gr_arena_alloc(a, 6 * length + 3), *to = quoted;
    *to++ = '"';
    for (size_t i = 0; i < length;) {
        uint32_t c = 0;
        int n = gr_utf8_decode(text + i, length - i, &c);
        if (n < 1) n = 1; /* no UTF-8: as it is */
        else if (wants_escape(c)) {
            to += c == '\n' ? sprintf(to, "\\n") : c == '\t' ? sprintf(to, "\\t") : sprintf(to, "\\u%04X", (unsigned)c);
            i += (size_t)n;
            continue;
        }
        if (c == '"' || c == '\\') *to++ = '\\';
        if (c == '$') *to++ = '$'; /* one alone is a var */
        memcpy(to, text + i, (size_t)n);
        to += n, i += (size_t)n;
    }
    *to++ = '"';
    *to = 0;
    return quoted;
}

const char *init_number(gr_arena *a, double v)
{
    const char *text = gr_arena_printf(a, "%.7g", v);
    return strpbrk(text, ".en") ? text : gr_arena_printf(a, "%s.0", text);
}

const char *init_count(gr_arena *a, int64_t n)
{
    return n < 1000 ? gr_arena_printf(a, "%lld", (long long)n) : gr_arena_printf(a, "%s,%03d", init_count(a, n / 1000), (int)(n % 1000));
}

int64_t init_power(int64_t n, int64_t most)
{
    int64_t p = 1;
    while (2 * p <= n && 2 * p <= most) p *= 2;
    return p;
}

int64_t init_epochs(int64_t steps_per_epoch, int64_t steps)
{
    int64_t n = steps / (steps_per_epoch > 0 ? steps_per_epoch : 1);
    return n < 2 ? 2 : n > 200 ? 200 : n;
}

void init_head(const init *x, const char *doc)
{
    fprintf(x->to, "# Written by `graphrun init`; yours to change. The data: %s.\n"
                   "# `graphrun ops NAME` says all about an op, `graphrun dot` draws the graph.\n"
                   "graphrun: 1\nname: %s\ndoc: %s\n\n", x->found, init_yaml(x->arena, x->name), doc);
}

void init_train(const init *x, const char *lr, int64_t epochs, const char *more)
{
    fprintf(x->to, "train:\n  minimize: loss\n  optimizer: {op: Adam, lr: %s}\n  clip_grad_norm: 1     # long products of derivatives explode now and then\n"
                   "  epochs: %lld\n%s\n", lr, (long long)epochs, more);
}

init_spread init_spread_of(const double *v, int64_t n, int64_t step)
{
    init_spread s = {0};
    double square = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = v[i * step], far = x - s.mean;
        if (isnan(x)) continue;
        s.mean += far / (double)++s.count;
        square += far * (x - s.mean);
    }
    s.std = s.count ? sqrt(square / (double)s.count) : 1;
    if (!(s.std > 0)) s.std = 1;
    return s;
}

/* ---- what a file is ---- */

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcasecmp(name + n - m, end) == 0;
}

static bool is_called_table(const char *path)
{
    return ends(path, ".csv") || ends(path, ".tsv") || ends(path, ".csv.gz") || ends(path, ".tsv.gz");
}

/* Behind ".npz" of "a.npz/x"; NULL: the path names no member of such an archive. */
static const char *member_of(const char *path)
{
    const char *archive = strstr(path, ".npz/");
    return archive ? archive + strlen(".npz") : NULL;
}

/* Nine of ten lines have one. */
static bool has_tabs(const char *text)
{
    int lines = 0, tabs = 0;
    for (size_t n; *text && lines < 1000; text += n + (text[n] != 0), lines++) {
        n = strcspn(text, "\n");
        tabs += memchr(text, '\t', n) != NULL;
    }
    return lines > 1 && tabs * 10 >= lines * 9;
}

/* What there are data sources for, but no starter models. */
static const struct { const char *ending, *source; } others[] = {
    {".ts", "Ts"}, {".conllu", "Conll"}, {".conll", "Conll"}, {"-ubyte", "Idx"}, {"-ubyte.gz", "Idx"}};

static int look_into(init *x, gr_error *e)
{
    char *text, delimiter = 0;
    size_t n;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ends(x->path, others[i].ending))
            return gr_set_error(e, GR_EINVAL, "there are no starter models for %s files; `graphrun ops %s` has an example of their data source", others[i].ending,
                                others[i].source);
    if (ends(x->path, ".npz")) return init_archive(x, e);
    if (ends(x->path, ".npy") || member_of(x->path)) return init_array(x, e);
    if (gr_file_read(x->arena, x->path, (size_t)1 << 31, &text, &n, e)) return e->status;
    if (n == 0) return gr_set_error(e, GR_EINVAL, "%s is empty", x->path);
    if (n > 6 && memcmp(text, "\x93NUMPY", 6) == 0) return gr_set_error(e, GR_EINVAL, "%s is a NumPy array: call it .npy", x->path);
    if (memchr(text, 0, n) || gr_utf8_check(text, n) < n)
        return gr_set_error(e, GR_EINVAL, "%s is none of what there are starter models for: " SUPPORTED "; `graphrun ops` lists more data sources, "
                            "for models written by hand", x->path);
    bool found = init_is_table(x->arena, text, n, &delimiter);
    if (!found && has_tabs(text))
        return gr_set_error(e, GR_EINVAL, "%s has texts with tabs between: `graphrun ops TextPairs` has an example for pairs of texts, `graphrun ops LabelledText` "
                            "one for texts with a class", x->path);
    if (found || is_called_table(x->path)) return init_table(x, text, n, delimiter ? delimiter : ends(x->path, ".tsv") || ends(x->path, ".tsv.gz") ? '\t' : ',', e);
    return init_text(x, text, n, e);
}

/* ---- where it goes ---- */

/* "data/my.txt" -> "data/my"; "data/my.npz/x" too */
static const char *without_ending(gr_arena *a, const char *path)
{
    const char *member = member_of(path);
    if (member) path = gr_arena_strndup(a, path, (size_t)(member - path));
    const char *name = gr_path_name(path), *dot = strchr(name + (*name != 0), '.');
    return gr_arena_strndup(a, path, dot ? (size_t)(dot - path) : strlen(path));
}

/* The file as a model at `model` finds it. */
static const char *as_seen_from(gr_arena *a, const char *path, const char *model)
{
    const char *p = strrchr(path, '/'), *m = strrchr(model, '/');
    size_t n = p ? (size_t)(p - path) : 0, k = m ? (size_t)(m - model) : 0;
    if (n == k && strncmp(path, model, n) == 0 && (p != NULL) == (m != NULL)) return p ? p + 1 : path;
    char *full = realpath(path, NULL);
    const char *seen = full ? gr_arena_strdup(a, full) : path;
    free(full);
    return seen;
}

const char *init_seen(const init *x, const char *path)
{
    const char *member = member_of(path), *file = member ? gr_arena_strndup(x->arena, path, (size_t)(member - path)) : path;
    return init_yaml(x->arena, gr_arena_printf(x->arena, "%s%s", as_seen_from(x->arena, file, x->model), member ? member : ""));
}

static int write_new(const char *path, const char *text, size_t n, gr_error *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) return gr_set_error(e, GR_EIO, "%s is there already and stays as it is; -o FILE.yaml writes another", path);
    if (fd < 0) return gr_set_error(e, GR_EIO, "cannot write %s: %s", path, strerror(errno));
    bool failed = write(fd, text, n) != (ssize_t)n;
    failed |= close(fd) != 0;
    if (!failed) return 0;
    unlink(path);
    return gr_set_error(e, GR_EIO, "cannot write %s: %s", path, strerror(errno));
}

static int write_model(init *x, gr_error *e)
{
    char *text = NULL;
    size_t n = 0;
    if (access(x->model, F_OK) == 0) return write_new(x->model, "", 0, e); /* says so before the data are read */
    x->written = init_seen(x, x->path);
    if (!(x->to = open_memstream(&text, &n))) return gr_set_error(e, GR_ENOMEM, "out of memory");
    gr_frame frame;
    int status = GR_ENOMEM;
    if (gr_try(x->arena, &frame)) {
        status = look_into(x, e);
        gr_end_try(x->arena, &frame);
    } else {
        gr_set_error(e, GR_ENOMEM, "out of memory");
    }
    if (fclose(x->to) && !status) status = gr_set_error(e, GR_ENOMEM, "out of memory");
    if (!status) status = write_new(x->model, text, n, e);
    free(text);
    return status;
}

static bool is_model_name(const char *name) { return ends(name, ".yaml") || ends(name, ".yml"); }

static void tell_user(const init *x)
{
    printf("%s: %s\n", x->model, x->found);
    if (x->left && *x->left) printf("left out, texts and row numbers: %s\n", x->left);
    if (x->few) printf("`one_hot: [%s]` in `data` makes each word of that column a feature\n", x->few);
    printf("next: graphrun %s\n", x->model);
}

int cmd_init(int argc, char **argv)
{
    const cli_command *self = cli_find("init");
    cli_common common = CLI_DEFAULTS;
    const char *model = NULL, *target = NULL;
    const cli_option own[] = {
        {"output", 'o', CLI_TEXT, &model, "FILE.yaml", "the model; where not given, beside the data and called like them"},
        {"target", 0, CLI_TEXT, &target, "COLUMN", "what is to be predicted: a column of a table by name or number, or a second .npy file or array of an .npz"},
        {0},
    };
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done >= 0) return done;
    if (count > 1) return cli_misuse(self, "one file at a time; '%s' is left over", argv[2]);
    if (model && !is_model_name(model)) return cli_misuse(self, "-o names the model, which ends in .yaml or .yml: '%s' does not", model);
    gr_error e = {0};
    gr_arena *a = gr_arena_create();
    if (!a) return cli_fail(&(gr_error){GR_ENOMEM, "out of memory"});
    init x = {.arena = a, .path = count ? argv[1] : SOME_TEXT, .target = target};
    const char *stem = without_ending(a, x.path);
    x.name = gr_path_name(stem);
    x.model = model ? model : count ? gr_arena_printf(a, "%s.yaml", stem) : "starter.yaml";
    int status = write_model(&x, &e);
    if (!status) tell_user(&x);
    gr_arena_destroy(a);
    return status ? cli_fail(&e) : EXIT_DONE;
}
