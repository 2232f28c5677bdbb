/* ts.c - the .ts format of time series. */
#include "io/ts.h"
#include "base/count.h"
#include "io/number.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#define BLANK " \t\r"

typedef struct reader {
    gr_arena *arena;
    const char *name;
    const char *at;   /* the next line */
    char *text;       /* the line in hand, a copy that may be cut into pieces */
    int64_t line;     /* its number */
    gr_ts *t;
    gr_error *error;
    int64_t dimensions, series_length; /* as the header says; 0: it does not */
    bool equal_length;
    double *value;    /* where the next value goes */
    int cap, cap_classes;
} reader;

#define wrong(r, ...) gr_set_line_error((r)->error, (r)->name, (r)->line, __VA_ARGS__)

static char *trim(char *s)
{
    s += strspn(s, BLANK);
    size_t n = strlen(s);
    while (n && strchr(BLANK, s[n - 1])) n--;
    s[n] = 0;
    return s;
}

/* The next line that is neither empty nor a comment; false: there is none. `buffer` takes any. */
static bool next_line(reader *r, char *buffer)
{
    while (*r->at) {
        size_t n = strcspn(r->at, "\n");
        memcpy(buffer, r->at, n);
        buffer[n] = 0;
        r->at += n + (r->at[n] == '\n');
        r->line++;
        r->text = trim(buffer);
        if (*r->text && *r->text != '#' && *r->text != '%') return true;
    }
    return false;
}

/* ---- the header ---- */

static int read_truth(reader *r, const char *key, const char *word, bool *v)
{
    *v = word && strcasecmp(word, "true") == 0;
    if (*v || (word && strcasecmp(word, "false") == 0)) return GR_OK;
    return wrong(r, "%s takes true or false, not '%s'", key, word ? word : "");
}

static int read_count(reader *r, const char *key, const char *word, int64_t *v)
{
    double x = 0;
    if (word && gr_number_read(word, &x) == GR_NUMBER_READ && x >= 1 && x <= INT_MAX && x == (double)(int64_t)x) {
        *v = (int64_t)x;
        return GR_OK;
    }
    return wrong(r, "%s takes a count, not '%s'", key, word ? word : "");
}

static int read_classes(reader *r, const char *key, char *word, char **rest)
{
    bool labelled;
    if (read_truth(r, key, word, &labelled)) return -1;
    while (labelled && (word = strtok_r(NULL, BLANK, rest)))
        *GR_PUSH(r->arena, r->t->classes, r->t->num_classes, r->cap_classes) = gr_arena_strdup(r->arena, word);
    return labelled && !r->t->num_classes ? wrong(r, "%s true is followed by the classes", key) : GR_OK;
}

static int read_key(reader *r)
{
    char *rest, *key = strtok_r(r->text, BLANK, &rest), *word = strtok_r(NULL, BLANK, &rest);
    bool truth = false;
    if (!strcasecmp(key, "@timeStamps")) {
        if (read_truth(r, key, word, &truth)) return -1;
        return truth ? wrong(r, "series with time stamps are not read; write the values alone") : GR_OK;
    }
    if (!strcasecmp(key, "@univariate")) {
        if (read_truth(r, key, word, &truth)) return -1;
        if (truth) r->dimensions = 1;
        return GR_OK;
    }
    if (!strcasecmp(key, "@missing")) return read_truth(r, key, word, &truth);
    if (!strcasecmp(key, "@equalLength")) return read_truth(r, key, word, &r->equal_length);
    if (!strcasecmp(key, "@dimensions") || !strcasecmp(key, "@dimension")) return read_count(r, key, word, &r->dimensions);
    if (!strcasecmp(key, "@seriesLength")) return read_count(r, key, word, &r->series_length);
    if (!strcasecmp(key, "@classLabel")) return read_classes(r, key, word, &rest);
    if (!strcasecmp(key, "@targetLabel")) return read_truth(r, key, word, &r->t->has_targets);
    return !strcasecmp(key, "@problemName") ? GR_OK : wrong(r, "no key of a .ts file is called '%s'", key);
}

static int read_header(reader *r, char *buffer)
{
    while (next_line(r, buffer)) {
        if (!strcasecmp(r->text, "@data")) {
            if (!r->t->num_classes || !r->t->has_targets) return GR_OK;
            return wrong(r, "the header says both @classLabel true and @targetLabel true");
        }
        if (*r->text != '@') return wrong(r, "values before @data");
        if (read_key(r)) return -1;
    }
    return wrong(r, "the file ends without @data");
}

/* ---- cases ---- */

static int read_label(reader *r, gr_ts_case *c, const char *word)
{
    if (r->t->has_targets)
        return gr_number_read(word, &c->target) == GR_NUMBER_READ ? GR_OK : wrong(r, "'%s' is no number to predict", word);
    for (int i = 0; i < r->t->num_classes; i++)
        if (!strcmp(r->t->classes[i], word)) return c->label = i, GR_OK;
    return wrong(r, strchr(word, ',') ? "ends without a class" : "'%.40s' is none of the classes of @classLabel", word);
}

/* The values of one channel; their number, or -1. */
static int64_t read_channel(reader *r, char *text, int channel)
{
    int64_t n = 0;
    for (char *next = text; next; n++) {
        char *word = next, *comma = strchr(word, ',');
        if (comma) *comma = 0;
        next = comma ? comma + 1 : NULL;
        word = trim(word);
        if (!*word || gr_number_read(word, r->value++) == GR_NUMBER_NOT) {
            wrong(r, *word ? "channel %d, value %lld: '%.40s' is not a number" : "channel %d, value %lld is empty", channel + 1,
                  (long long)n + 1, word);
            return -1;
        }
    }
    return n;
}

static int check_steps(reader *r, gr_ts_case *c, int64_t steps, int channel)
{
    if (channel == 0) c->steps = steps;
    if (steps != c->steps)
        return wrong(r, "channel %d has %lld value%s, but channel 1 has %lld", channel + 1, (long long)steps, gr_s(steps),
                     (long long)c->steps);
    int64_t all = r->series_length;
    if (!all && r->equal_length && r->t->count) all = r->t->cases[0].steps;
    if (!r->equal_length || !all || steps == all) return GR_OK;
    return wrong(r, "a series of %lld value%s, but the header says that all are as long, and that is %lld",
                 (long long)steps, gr_s(steps), (long long)all);
}

static int count_channels(reader *r)
{
    int64_t parts = 1, labels = r->t->num_classes || r->t->has_targets;
    for (const char *p = r->text; (p = strchr(p, ':')); p++) parts++;
    int64_t channels = parts - labels;
    if (!r->t->channels) r->t->channels = (int)(r->dimensions ? r->dimensions : channels);
    if (channels == r->t->channels && channels > 0) return GR_OK;
    return wrong(r, "%lld channel%s%s, but %s", (long long)channels, gr_s(channels),
                 labels ? " and a class" : "",
                 r->dimensions ? gr_arena_printf(r->arena, "the header says %lld", (long long)r->dimensions)
                               : gr_arena_printf(r->arena, "the lines before have %d", r->t->channels));
}

static int read_case(reader *r)
{
    gr_ts_case c = {.line = r->line, .label = -1, .values = r->value};
    char *next = r->text;
    if (count_channels(r)) return -1;
    for (int k = 0; k < r->t->channels; k++) {
        char *part = next, *colon = strchr(part, ':');
        if (colon) *colon = 0;
        next = colon ? colon + 1 : NULL;
        int64_t steps = read_channel(r, part, k);
        if (steps < 0 || check_steps(r, &c, steps, k)) return -1;
    }
    if (next && read_label(r, &c, trim(next))) return -1;
    int count = (int)r->t->count;
    *GR_PUSH(r->arena, r->t->cases, count, r->cap) = c;
    r->t->count = count;
    return GR_OK;
}

/* Values have a ',' , ':' or line end behind them, the last of the file none. */
static size_t most_values(const char *text, size_t length)
{
    size_t n = 1;
    for (size_t i = 0; i < length; i++) n += text[i] == ',' || text[i] == ':' || text[i] == '\n';
    return n;
}

int gr_ts_parse(gr_arena *a, const char *name, const char *text, size_t length, gr_ts *out, gr_error *e)
{
    *out = (gr_ts){0};
    reader r = {.arena = a, .name = name, .at = text, .t = out, .error = e};
    if (strlen(text) != length) {
        for (const char *p = text; *p; p++) r.line += *p == '\n';
        r.line++;
        return wrong(&r, "a byte 0, which no text has");
    }
    char *buffer = gr_arena_alloc(a, length + 1);
    if (read_header(&r, buffer)) return GR_EINVAL;
    r.value = GR_NEW_ARRAY(a, double, most_values(text, length));
    while (next_line(&r, buffer))
        if (read_case(&r)) return GR_EINVAL;
    return out->count ? GR_OK : wrong(&r, "no series after @data");
}
