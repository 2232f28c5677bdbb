/* cli.c - the command line: option tables, help, sessions. */
#include "cli.h"
#include "model/body.h"
#include "train/rounding.h"

#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_OPTIONS = 40, FIRST = 256 }; /* FIRST: of the options' numbers for getopt_long; letters are smaller */

static gr_arena *memory;

static void free_memory(void) { gr_arena_destroy(memory); }

gr_arena *cli_memory(void)
{
    if (memory) return memory;
    if (!(memory = gr_arena_create())) exit(EXIT_MODEL);
    atexit(free_memory);
    return memory;
}

/* ---- tables ---- */

enum { COMMON = 6, LEFT = 32 /* column of names in help */ };

/* Those of `which`; gives how many. */
static int common_options(cli_common *c, unsigned which, cli_option *to)
{
    const struct { unsigned bit; cli_option option; } list[COMMON] = {
        {CLI_SETS, {"set", 0, CLI_LIST, &c->sets, "KEY=VALUE", "a var or a dotted key of the model, as in train.optimizer.lr=0.1"}},
        {CLI_THREADS, {"threads", 0, CLI_INT, &c->threads, "N", "at most so many workers; as many as pay where 0 or not given; results do not depend on it"}},
        {CLI_SEED, {"seed", 0, CLI_INT, &c->seed, "N", "of initial weights, data order and Dropout"}},
        {CLI_DTYPE, {"dtype", 0, CLI_TEXT, &c->dtype, "float32|float64", "of the arithmetic"}},
        {CLI_PLUGINS, {"plugin", 0, CLI_LIST, &c->plugins, "FILE.so", "a plugin with more ops"}},
        {CLI_QUIET, {"quiet", 'q', CLI_FLAG, &c->quiet, NULL, "no notes on standard error, errors apart"}},
    };
    int n = 0;
    for (int i = 0; i < COMMON; i++)
        if (which & list[i].bit) to[n++] = list[i].option;
    return n;
}

static int count_own(const cli_option *own)
{
    int n = 0;
    while (own && own[n].name) n++;
    return n;
}

static void print_options(const cli_option *o, int n)
{
    for (int i = 0; i < n; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o[i].letter ? "-" : " ", o[i].letter ? o[i].letter : ' ',
                 o[i].letter ? ", " : "  ", o[i].name, o[i].value ? " " : "", o[i].value ? o[i].value : "");
        const bool long_one = strlen(left) > LEFT; /* its text begins on a line of its own */
        printf("  %-*s%s%*s %s\n", LEFT, left, long_one ? "\n  " : "", long_one ? LEFT : 0, "", o[i].doc);
    }
}

static void print_help(const cli_command *self, const cli_option *all, int own, int total)
{
    cli_print_usage(self, all, total, stdout);
    printf("%s\n", self->summary);
    if (own) printf("\noptions:\n");
    print_options(all, own);
    printf("\ncommon options:\n");
    print_options(all + own, total - own);
    printf("      --help                       this page\n      --version\n");
}

/* ---- telling the table ---- */

static cli_visit_fn visitor; /* set while cli_visit waits for a command to come to cli_parse */
static void *visitor_data;

void cli_visit(const cli_command *c, cli_visit_fn fn, void *data)
{
    char *argv[] = {(char *)(uintptr_t)c->name, NULL};
    visitor = fn;
    visitor_data = data;
    c->run(1, argv);
    visitor = NULL;
}

/* ---- values ---- */

static bool is_choice(const char *list, const char *text)
{
    for (size_t n = strlen(text), m; *list; list += m + (list[m] == '|')) {
        m = strcspn(list, "|");
        if (m == n && strncmp(list, text, n) == 0) return true;
    }
    return false;
}

static int set_option(const cli_command *self, const cli_option *o, const char *text)
{
    char *end = NULL;
    switch (o->kind) {
    case CLI_FLAG: *(bool *)o->to = true; return -1;
    case CLI_TEXT:
        if (!*text) return cli_misuse(self, "--%s wants %s, not ''", o->name, o->value);
        if (strchr(o->value, '|') && !is_choice(o->value, text)) return cli_misuse(self, "--%s is %s, not '%s'", o->name, o->value, text);
        *(const char **)o->to = text;
        return -1;
    case CLI_INT:
        errno = 0;
        *(int64_t *)o->to = strtoll(text, &end, 10);
        if (!*text || *end || *(int64_t *)o->to < 0)
            return cli_misuse(self, "--%s wants a whole number from 0 up, such as 100, not '%s'", o->name, text);
        if (errno == ERANGE) return cli_misuse(self, "--%s %s is more than a whole number holds: %lld at most", o->name, text, LLONG_MAX);
        return -1;
    case CLI_FLOAT:
        *(double *)o->to = strtod(text, &end);
        if (!*text || *end || isnan(*(double *)o->to)) return cli_misuse(self, "--%s wants a number, such as 0.5, not '%s'", o->name, text);
        if (isinf(*(double *)o->to)) return cli_misuse(self, "--%s %s is more than a number holds: %.1e at most", o->name, text, DBL_MAX);
        return -1;
    case CLI_LIST: {
        cli_list *l = o->to;
        const char **grown = GR_NEW_ARRAY(cli_memory(), const char *, l->count + 2);
        if (l->count) memcpy(grown, l->item, (size_t)l->count * sizeof *grown);
        l->item = grown;
        l->item[l->count++] = text;
        return -1;
    }
    }
    return -1;
}

/* --NAME or --NAME=VALUE that the command's table does not have. */
static int unknown_option(const cli_command *self, const cli_option *all, int total, const char *text)
{
    const char *names[MAX_OPTIONS + 1] = {NULL};
    char name[64];
    cli_common none;
    cli_option common[COMMON];
    const int n = common_options(&none, ~0u, common);
    const char *start = text + strspn(text, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
    for (int i = 0; i < n; i++)
        if (strcmp(common[i].name, name) == 0) return cli_misuse(self, "there is nothing that --%s could change here: leave it out", name);
    for (int i = 0; i < total; i++) names[i] = all[i].name;
    const char *near = gr_nearest(name, names);
    if (near) return cli_misuse(self, "there is no option '%s' here; did you mean --%s?", text, near);
    return cli_misuse(self, "there is no option '%s' here; --help lists those that are%s", text,
                      self->common & CLI_SETS ? ", and --set KEY=VALUE changes the model, as in --set train.optimizer.lr=0.1" : "");
}

/* What getopt_long could not take. It leaves in optopt which option it was, by its letter or its place in the table; 0: unknown. */
static int wrong_option(const cli_command *self, const cli_option *all, int total, const char *text)
{
    const cli_option *o = optopt >= FIRST ? &all[optopt - FIRST] : NULL;
    for (int i = 0; i < total && !o; i++)
        if (optopt && all[i].letter == optopt) o = &all[i];
    if (o && o->value) return cli_misuse(self, "%s needs a value: %s %s", text, text, o->value);
    if (o) return cli_misuse(self, "--%s takes no value: leave out '%s'", o->name, strchr(text, '=') ? strchr(text, '=') : "");
    if (optopt == 'h' || optopt == 'V') return cli_misuse(self, "'%s' takes no value", text);
    return optopt ? cli_misuse(self, "there is no option '-%c' here; --help lists those that are", optopt) : unknown_option(self, all, total, text);
}

static int check_common(const cli_command *self, const cli_common *c)
{
    for (int i = 0; i < c->sets.count; i++)
        if (!strchr(c->sets.item[i], '=') || c->sets.item[i][0] == '=') return cli_misuse(self, "--set wants KEY=VALUE, not '%s'", c->sets.item[i]);
    if (c->threads > 4096) return cli_misuse(self, "--threads %lld are more than any machine has", (long long)c->threads);
    return -1;
}

int cli_parse(const cli_command *self, int argc, char **argv, const cli_option *own, cli_common *common, int *count)
{
    cli_option all[MAX_OPTIONS];
    struct option table[MAX_OPTIONS + 3] = {{0}};
    char letters[2 * MAX_OPTIONS + 3] = "h";
    int mine = count_own(own), total, used = 1;
    memcpy(all, own, (size_t)mine * sizeof *own);
    total = mine + common_options(common, self->common | CLI_QUIET, all + mine);
    if (visitor) return visitor(visitor_data, self, all, mine, total), EXIT_DONE;
    for (int i = 0; i < total; i++) {
        table[i] = (struct option){all[i].name, all[i].value ? required_argument : no_argument, NULL, FIRST + i};
        if (all[i].letter) {
            letters[used++] = all[i].letter;
            if (all[i].value) letters[used++] = ':';
        }
    }
    table[total] = (struct option){"help", no_argument, NULL, 'h'};
    table[total + 1] = (struct option){"version", no_argument, NULL, 'V'};
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, letters, table, NULL)) != -1;) {
        if (c == 'h') return print_help(self, all, mine, total), EXIT_DONE;
        if (c == 'V') return printf("graphrun %s\n", GR_VERSION), EXIT_DONE;
        if (c == '?') return wrong_option(self, all, total, argv[optind - 1]);
        int i = c - FIRST;
        for (int k = 0; c < FIRST && k < total; k++)
            if (all[k].letter == c) i = k;
        int done = set_option(self, &all[i], optarg);
        if (done >= 0) return done;
    }
    *count = argc - optind;
    memmove(argv + 1, argv + optind, (size_t)*count * sizeof *argv);
    return check_common(self, common);
}

int cli_parse_model(const cli_command *self, int argc, char **argv, const cli_option *own, cli_common *common)
{
    int count, done = cli_parse(self, argc, argv, own, common, &count);
    if (done >= 0) return done;
    if (count == 1) return -1;
    return count ? cli_misuse(self, "one model at a time; '%s' is left over", argv[2]) : cli_misuse(self, "which model?");
}

/* ---- messages ---- */

int cli_fail(const gr_error *e)
{
    if (e->message[0]) fprintf(stderr, "graphrun: error: %s\n", e->message);
    return EXIT_MODEL;
}

static void tell_usage(void *data, const cli_command *c, const cli_option *list, int own, int total)
{
    (void)data, (void)own;
    cli_print_usage(c, list, total, stderr);
}

int cli_misuse(const cli_command *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("graphrun: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    cli_visit(self, tell_usage, NULL);
    return EXIT_USAGE;
}

/* ---- sessions ---- */

/* In $XDG_CACHE_HOME or ~/.cache; NULL: there is no such folder. */
static const char *costs_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char host[128] = "";
    const bool own = cache && *cache == '/';
    if (!own && !(home && *home == '/')) return NULL;
    gethostname(host, sizeof host - 1);
    const char *folder = gr_arena_printf(cli_memory(), "%s%s", own ? cache : home, own ? "" : "/.cache");
    return gr_arena_printf(cli_memory(), "%s/graphrun-%s-costs-%s", folder, GR_VERSION, host);
}

static void say_on_stderr(void *data, gr_tone tone, const char *text)
{
    (void)data, (void)tone;
    fputs(text, stderr);
}

gr_session_options cli_session_options(const cli_common *c)
{
    return (gr_session_options){
        .model = {.sets = c->sets.item, .plugins = c->plugins.item,
                  .real = c->dtype && strcmp(c->dtype, "float64") == 0 ? GR_FLOAT64 : GR_FLOAT32},
        .threads = (int)c->threads, .seed = (uint64_t)c->seed, .quiet = c->quiet, .say = {say_on_stderr, NULL}, .costs = costs_path()};
}

gr_registry *cli_registry(gr_arena *a, const cli_common *c, gr_error *e)
{
    gr_registry *r = gr_registry_create(a);
    gr_registry_add_cells(a, r, gr_diag_create(a));
    for (int i = 0; i < c->plugins.count; i++)
        if (gr_registry_load(r, c->plugins.item[i], e) < 0) return NULL;
    return r;
}

int cli_weights_dtype(const cli_command *self, const cli_common *c, const char *name, gr_session_options *to)
{
    to->inference = true;
    if (!name || strcmp(name, "float32") == 0) return -1;
    to->weights_dtype = gr_half_by_name(name);
    if (c->dtype && strcmp(c->dtype, "float64") == 0)
        return cli_misuse(self, "--weights-dtype %s is for arithmetic in float32: leave out --dtype float64", name);
    return -1;
}

void cli_note_rounding(gr_session *s)
{
    const char *text = s->options.quiet ? NULL : gr_rounding_text(s);
    if (text) fprintf(stderr, "graphrun: %s\n", text);
}

gr_session *cli_open(const char *model, const gr_session_options *o)
{
    gr_error e;
    gr_session *s = gr_session_open(model, o, &e);
    if (!s) cli_fail(&e);
    return s;
}

int cli_guard(gr_session *s, int (*fn)(gr_session *s, void *data), void *data)
{
    gr_frame frame;
    gr_error e;
    if (!gr_try(s->arena, &frame)) {
        gr_caught(s->arena, &e);
        return cli_fail(&e);
    }
    int code = fn(s, data);
    gr_end_try(s->arena, &frame);
    return code;
}

void cli_split(const char *text, char **name, const char **file)
{
    const char *at = strchr(text, '=');
    *name = at ? gr_arena_strndup(cli_memory(), text, (size_t)(at - text)) : gr_arena_strdup(cli_memory(), text);
    *file = at ? at + 1 : NULL;
}

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number)
{
    (void)signal_number;
    __atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
}

const volatile sig_atomic_t *cli_catch_interrupt(void)
{
    struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    return &interrupted;
}
