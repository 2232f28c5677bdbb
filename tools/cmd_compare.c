/* cmd_compare.c - graphrun compare: which model is better for some data, and how sure that is. */
#include "cli.h"
#include "base/path.h"
#include "compare_page.h"
#include "io/file.h"
#include "report/comparison.h"
#include "train/compare.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct compare_args {
    cli_common common;
    gr_compare_options o;
    int64_t steps, tokens;
    double seconds;
    const char *page, *sweep;
    gr_arena *arena;
} compare_args;

/* As a shell gives it back: in quotes unless each character means itself everywhere. */
static const char *shell_text(gr_arena *a, const char *text)
{
    if (*text && !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=.,:/@%")]) return text;
    const char *quoted = "";
    for (size_t n; n = strcspn(text, "'"), text[n]; text += n + 1) quoted = gr_arena_printf(a, "%s%.*s'\\''", quoted, (int)n, text);
    return gr_arena_printf(a, "'%s%s'", quoted, text);
}

static const char *command_text(gr_arena *a, int argc, char **argv)
{
    const char *text = "graphrun";
    for (int i = 0; i < argc; i++) text = gr_arena_printf(a, "%s %s", text, shell_text(a, argv[i]));
    return text;
}

static const char *date_text(gr_arena *a)
{
    char text[40];
    const time_t now = time(NULL);
    struct tm t;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &t));
    return gr_arena_strdup(a, text);
}

/* How far a setting goes: to the comma that is in no brackets and no quotes. An apostrophe in a word opens none. */
static size_t setting_length(const char *text)
{
    int depth = 0;
    char quote = 0;
    size_t n = 0;
    for (; text[n] && (text[n] != ',' || depth || quote); n++) {
        const char c = text[n];
        if (quote == '"' && c == '\\' && text[n + 1]) n++;
        else if (quote) quote = c == quote ? 0 : quote;
        else if ((c == '\'' || c == '"') && n && strchr("=[{(,: ", text[n - 1])) quote = c;
        else if (strchr("[{(", c)) depth++;
        else if (strchr("]})", c) && depth) depth--;
    }
    return n;
}

/* "lstm.yaml,hidden=64,layers=2": a file and settings of its own. A file of that name is that file. */
static void split_model(gr_arena *a, const char *text, const char **path, const char *const **sets)
{
    const char **list = NULL, *comma = strchr(text, ',');
    int n = 0, cap = 0;
    const bool plain = !comma || access(text, F_OK) == 0;
    *path = plain ? text : gr_arena_strndup(a, text, (size_t)(comma - text));
    for (const char *at = plain ? "" : comma; *at;) {
        const size_t length = setting_length(at + 1);
        *GR_PUSH(a, list, n, cap) = gr_arena_strndup(a, at + 1, length);
        at += 1 + length;
    }
    *GR_PUSH(a, list, n, cap) = NULL;
    *sets = list;
}

static int take_models(const cli_command *self, compare_args *a, int count, char **argv)
{
    const char **path = GR_NEW_ARRAY(a->arena, const char *, count);
    const char *const **sets = GR_NEW_ARRAY(a->arena, const char *const *, count);
    for (int i = 0; i < count; i++) {
        split_model(a->arena, argv[1 + i], &path[i], &sets[i]);
        for (int k = 0; sets[i][k]; k++)
            if (!strchr(sets[i][k], '=')) return cli_misuse(self, "after a model's comma stands KEY=VALUE, not '%s'", sets[i][k]);
    }
    a->o.path = path;
    a->o.sets = sets;
    a->o.num_models = count;
    return -1;
}

static bool is_setting_of(const char *setting, const char *name)
{
    const size_t n = strlen(name);
    return strncmp(setting, name, n) == 0 && setting[n] == '=';
}

/* The setting that gives what is swept already; NULL: there is none. */
static const char *given_already(const compare_args *a)
{
    for (int i = 0; i < a->common.sets.count; i++)
        if (is_setting_of(a->common.sets.item[i], a->o.sweep)) return a->common.sets.item[i];
    for (int i = 0; i < a->o.num_models; i++)
        for (int k = 0; a->o.sets[i][k]; k++)
            if (is_setting_of(a->o.sets[i][k], a->o.sweep)) return a->o.sets[i][k];
    return NULL;
}

/* What a comparison does not take from the models' files would give the same rows over and over. */
static int check_swept_key(const cli_command *self, const compare_args *a)
{
    const char *sweep = a->o.sweep, *instead = gr_compare_instead(sweep);
    if (instead) return cli_misuse(self, "--sweep %s would change nothing: %s", sweep, instead);
    if (a->o.tune && strcmp(sweep, "train.optimizer.lr") == 0)
        return cli_misuse(self, "--sweep %s and --tune-lr both give the learning rate: leave out one of them", sweep);
    return -1;
}

static int check_sweep(const cli_command *self, const compare_args *a)
{
    const gr_compare_options *o = &a->o;
    const char *given = given_already(a);
    if (given) return cli_misuse(self, "%s is swept, so leave out %s", o->sweep, given);
    if (o->num_values < 2) return cli_misuse(self, "--sweep %s names one value, which --set gives: name two or more, as in %s=A,B", a->sweep, o->sweep);
    if (o->num_values > GR_COMPARE_MAX_VALUES) return cli_misuse(self, "--sweep takes at most %d values, not %d", GR_COMPARE_MAX_VALUES, o->num_values);
    for (int i = 0; i < o->num_values; i++) {
        if (!*o->value[i]) return cli_misuse(self, "--sweep %s has an empty value", a->sweep);
        for (int k = 0; k < i; k++)
            if (strcmp(o->value[i], o->value[k]) == 0) return cli_misuse(self, "--sweep %s has the value %s twice", a->sweep, o->value[i]);
    }
    return check_swept_key(self, a);
}

/* "delay=5,10,20": a setting and its values. */
static int take_sweep(const cli_command *self, compare_args *a)
{
    gr_compare_options *o = &a->o;
    const char *equals = a->sweep ? strchr(a->sweep, '=') : NULL, **list = NULL;
    int cap = 0;
    if (!a->sweep) return -1;
    if (!equals || equals == a->sweep) return cli_misuse(self, "--sweep names a var and its values, as in --sweep hidden=32,64,128, not '%s'", a->sweep);
    o->sweep = gr_arena_strndup(a->arena, a->sweep, (size_t)(equals - a->sweep));
    for (const char *at = equals; at == equals || *at;) {
        const char *value = at + 1 + strspn(at + 1, " ");
        const size_t length = setting_length(value);
        *GR_PUSH(a->arena, list, o->num_values, cap) = gr_arena_strndup(a->arena, value, length);
        at = value + length;
    }
    o->value = list;
    return check_sweep(self, a);
}

/* Of one model a sweep compares what it makes of it with the first value. */
static void spread_sweep(compare_args *a)
{
    gr_compare_options *o = &a->o;
    const char **path = GR_NEW_ARRAY(a->arena, const char *, o->num_values);
    const char *const **sets = GR_NEW_ARRAY(a->arena, const char *const *, o->num_values);
    int own = 0;
    while (o->sets[0][own]) own++;
    for (int i = 0; i < o->num_values; i++) {
        const char **list = GR_NEW_ARRAY(a->arena, const char *, own + 2);
        for (int k = 0; k < own; k++) list[k] = o->sets[0][k];
        list[own] = gr_arena_printf(a->arena, "%s=%s", o->sweep, o->value[i]);
        path[i] = o->path[0];
        sets[i] = list;
    }
    o->path = path;
    o->sets = sets;
    o->num_models = o->num_values;
    o->sweep = NULL;
    o->value = NULL;
    o->num_values = 0;
}

static int take_budget(const cli_command *self, compare_args *a)
{
    gr_compare_options *o = &a->o;
    const int given = (a->steps >= 0) + (a->tokens >= 0) + !isnan(a->seconds);
    if (given > 1) return cli_misuse(self, "one budget: --steps, --seconds or --tokens");
    if (a->steps == 0 || a->tokens == 0 || a->seconds <= 0 || isinf(a->seconds)) return cli_misuse(self, "a budget is above 0");
    o->budget = a->tokens > 0 ? GR_BUDGET_TOKENS : isnan(a->seconds) ? GR_BUDGET_STEPS : GR_BUDGET_SECONDS;
    o->amount = a->tokens > 0 ? (double)a->tokens : a->steps > 0 ? (double)a->steps : isnan(a->seconds) ? 0 : a->seconds;
    return -1;
}

static int check(const cli_command *self, compare_args *a, int count)
{
    double rate[GR_COMPARE_MAX_RATES];
    gr_error e = {0};
    if (count < 2 && !(count && a->sweep))
        return cli_misuse(self, "%s", count ? "compare it with which model? Or with itself under other settings: --sweep VAR=A,B" : "which models?");
    if (a->o.seeds < 1 || a->o.seeds > GR_COMPARE_MAX_SEEDS) return cli_misuse(self, "--seeds is a number from 1 to %d", GR_COMPARE_MAX_SEEDS);
    if (a->o.points < 1 || a->o.points > 10000) return cli_misuse(self, "--points is a number from 1 to 10000");
    if (a->o.at_once > 4096) return cli_misuse(self, "--jobs %lld are more than any machine has threads", (long long)a->o.at_once);
    if (a->o.tune && gr_compare_rates(a->o.tune, 1, rate, &e) < 0) return cli_misuse(self, "--tune-lr: %s", e.message);
    return take_budget(self, a);
}

/* Where results go that a page is made of, so that an interrupted comparison can be gone on with: "report.html" has its
 * own in "report.json". A page that goes into a pipe has none. */
static const char *beside(gr_arena *a, const char *page)
{
    struct stat s;
    const size_t stem = gr_path_stem(page);
    if (stat(page, &s) == 0 && !S_ISREG(s.st_mode)) return NULL;
    return gr_arena_printf(a, "%.*s.json", (int)(strcasecmp(page + stem, ".json") == 0 ? strlen(page) : stem), page);
}

static const char *folder_of(gr_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? gr_arena_strndup(a, path, (size_t)(slash - path) + 1) : ".";
}

/* Files that are not there yet are the same by name and folder. What is no file, as /dev/null, may be written twice. */
static bool is_same_file(gr_arena *a, const char *x, const char *y)
{
    struct stat s, t;
    const bool is_x = stat(x, &s) == 0, is_y = stat(y, &t) == 0;
    if (is_x != is_y || (is_x && !S_ISREG(s.st_mode))) return false;
    if (!is_x && (strcmp(gr_path_name(x), gr_path_name(y)) != 0 || stat(folder_of(a, x), &s) || stat(folder_of(a, y), &t))) return false;
    return s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* Nothing that is read or written is written over. */
static int check_files(const cli_command *self, const compare_args *a)
{
    const char *page = a->page, *results = a->o.file;
    if (page && results && is_same_file(a->arena, page, results))
        return cli_misuse(self, "-o and --json are both '%s': the page and the results are two files, as in -o report.html --json report.json", page);
    for (int i = 0; i < a->o.num_models; i++) {
        if (page && is_same_file(a->arena, page, a->o.path[i]))
            return cli_misuse(self, "-o %s would write over that model; name the page, as in -o report.html", page);
        if (results && is_same_file(a->arena, results, a->o.path[i]))
            return cli_misuse(self, "--json %s would write over that model; name the results, as in --json report.json", results);
    }
    return -1;
}

static int run(compare_args *a)
{
    gr_error e;
    gr_comparison *c;
    a->o.stop = cli_catch_interrupt();
    if (a->page && gr_writer_try(a->page, &e)) return cli_fail(&e);
    if (gr_compare(a->arena, &a->o, &c, &e)) return cli_fail(&e);
    if (c->complete && gr_comparison_print(c, stdout, &e)) return cli_fail(&e);
    if (a->page && compare_page_write(a->arena, c, &a->o.session, a->page, &e)) return cli_fail(&e);
    if (c->complete) return EXIT_DONE;
    fprintf(stderr, "graphrun: stopped; %s%s\n", a->o.file ? "the same command goes on with what is missing: what is done is in " :
            "-o FILE or --json FILE would have kept what was done, to go on with", a->o.file ? a->o.file : "");
    return EXIT_MODEL;
}

/* -1: go on; else the exit code. */
static int parse(const cli_command *self, compare_args *a, int argc, char **argv)
{
    gr_compare_options *o = &a->o;
    const cli_option own[] = {
        {"seeds", 0, CLI_INT, &o->seeds, "N", "runs of each model, with the seeds --seed and on (5)"},
        {"steps", 0, CLI_INT, &a->steps, "N", "training steps of a run (those of the first model's file, 1000 at most)"},
        {"seconds", 0, CLI_FLOAT, &a->seconds, "S", "the steps that each model makes in so long, by its measured speed"},
        {"tokens", 0, CLI_INT, &a->tokens, "N", "the steps that read so many tokens"},
        {"points", 0, CLI_INT, &o->points, "N", "validations of a run, the last at its end (20)"},
        {"sweep", 0, CLI_TEXT, &a->sweep, "VAR=A,B,...", "compare the models with each of these values: one report, what is judged by the value; of one model: with the first value"},
        {"gradient", 0, CLI_TEXT, &o->gradient, "VALUE", "also how much of the loss's gradient reaches VALUE at each of its steps before training"},
        {"metric", 0, CLI_TEXT, &o->metric, "METRIC", "what is judged; else what the first file's `best` or `early_stopping` is of (of `keep: best` the loss), its first metric, or the loss"},
        {"match-parameters", 0, CLI_TEXT, &o->match, "VAR", "scale this var of the other models to the first one's number of parameters"},
        {"tune-lr", 0, CLI_TEXT, &o->tune, "LIST", "choose each model's learning rate: 0.01,0.1 or factors x0.3,x1,x3; auto: x0.1,x0.3,x1,x3"},
        {"allow-different-data", 0, CLI_FLAG, &o->allow_different_data, NULL, "compare models that read other data, or other batches of them"},
        {"jobs", 0, CLI_INT, &o->at_once, "N", "runs side by side, each on one thread (as many as threads); 1: each on all; results do not depend on it"},
        {"output", 'o', CLI_TEXT, &a->page, "FILE", "write a page with tables, curves, pictures and settings: report.html, and its --json beside it: report.json"},
        {"json", 0, CLI_TEXT, &o->file, "FILE", "write the results as JSON, after every run; what the file has already is gone on with"},
        {0},
    };
    int count, done;
    o->command = command_text(a->arena, argc, argv);
    o->date = date_text(a->arena);
    o->version = GR_VERSION;
    done = cli_parse(self, argc, argv, own, &a->common, &count);
    if (done < 0) done = check(self, a, count);
    if (done < 0) done = take_models(self, a, count, argv);
    if (done < 0) done = take_sweep(self, a);
    if (done < 0 && o->sweep && o->num_models == 1) spread_sweep(a);
    return done < 0 ? check_files(self, a) : done;
}

int cmd_compare(int argc, char **argv)
{
    compare_args a = {.common = CLI_DEFAULTS, .o = {.seeds = 5, .points = GR_COMPARE_POINTS, .round_seconds = GR_COMPARE_ROUND}, .steps = -1, .tokens = -1, .seconds = NAN};
    if (!(a.arena = gr_arena_create())) return cli_fail(&(gr_error){GR_ENOMEM, "out of memory"});
    gr_frame frame;
    int done;
    if (gr_try(a.arena, &frame)) {
        done = parse(cli_find("compare"), &a, argc, argv);
        if (done < 0) {
            a.o.session = cli_session_options(&a.common);
            if (a.page && !a.o.file) a.o.file = beside(a.arena, a.page);
            done = run(&a);
        }
        gr_end_try(a.arena, &frame);
    } else {
        done = cli_fail(&(gr_error){GR_ENOMEM, "out of memory"});
    }
    gr_arena_destroy(a.arena);
    return done;
}
