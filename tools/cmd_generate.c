/* cmd_generate.c - graphrun generate. */
#include "cli.h"
#include "io/file.h"
#include "train/generate.h"

#include <math.h>
#include <string.h>

typedef struct arguments {
    const char *weights, *weights_dtype, *prompts_file;
    cli_list prompts;
    int64_t length, top_k, beam;          /* INT64_MIN: not given */
    double temperature, length_penalty;   /* -INFINITY: not given */
    bool show;
    const char *attention;
} arguments;

static int check_numbers(const cli_command *self, const arguments *a)
{
    const struct { const char *name; double value; } number[] = {
        {"temperature", a->temperature}, {"length-penalty", a->length_penalty}};
    for (int i = 0; i < 2; i++)
        if (number[i].value != -INFINITY && !(number[i].value >= 0 && number[i].value < INFINITY))
            return cli_misuse(self, "--%s takes a number of at least 0", number[i].name);
    if (a->top_k > 0 && a->temperature == 0)
        return cli_misuse(self, "--top-k draws among the likeliest, --temperature 0 draws nothing: leave out one of them");
    if (a->beam > 0 && (a->top_k > 0 || a->temperature > 0))
        return cli_misuse(self, "--beam looks for the likeliest and does not draw: leave out --temperature and --top-k");
    if (a->prompts.count && a->prompts_file) return cli_misuse(self, "give --prompt or --prompts, not both");
    return -1;
}

/* A prompt a line; behind a tab its reference, then for all. */
static int read_prompts(gr_session *s, const char *path, gr_generate_options *g, gr_error *e)
{
    char *text, *end;
    size_t length;
    int cap = 0, caps = 0;
    const char **prompts = NULL, **references = NULL;
    g->num_prompts = g->num_references = 0;
    if (gr_file_read(s->arena, path, (size_t)1 << 28, &text, &length, e)) return e->status;
    for (int line = 1; *text; text = end, line++) {
        end = text + strcspn(text, "\r\n");
        if (*end == '\r' && end[1] == '\n') *end++ = 0;
        if (*end) *end++ = 0;
        if (!*text) continue;
        char *tab = strchr(text, '\t');
        if (g->num_prompts && !tab != !g->num_references)
            return gr_set_error(e, GR_EINVAL, "%s: line %d has %s reference, others have %s; it stands behind a tab", path, line,
                                tab ? "a" : "no", tab ? "none" : "one");
        if (tab) {
            *tab = 0;
            *GR_PUSH(s->arena, references, g->num_references, caps) = tab + 1;
        }
        *GR_PUSH(s->arena, prompts, g->num_prompts, cap) = text;
    }
    g->prompts = prompts;
    g->references = references;
    return g->num_prompts ? 0 : gr_set_error(e, GR_EINVAL, "%s holds no prompts: one a line", path);
}

static void take_arguments(const arguments *a, gr_generate_options *g)
{
    if (a->prompts.count) {
        g->prompts = a->prompts.item;
        g->num_prompts = a->prompts.count;
        g->num_references = 0;
    }
    if (a->length >= 0) g->length = a->length;
    if (a->top_k >= 0) g->top_k = a->top_k;
    if (a->temperature >= 0) g->temperature = a->temperature;
    if (a->beam >= 0) g->beam = a->beam;
    if (a->length_penalty >= 0) g->length_penalty = a->length_penalty;
    if (a->beam > 0) g->temperature = 0, g->top_k = 0;              /* the command line wins over the section */
    if (a->top_k > 0 || a->temperature > 0) g->beam = 0;
    if (a->temperature == 0) g->top_k = 0;
    g->show = a->show;
    g->attention = a->attention;
}

static int generate(gr_session *s, void *data)
{
    const arguments *a = data;
    gr_generate_options g = gr_generate_defaults(s);
    gr_error e = {0};
    take_arguments(a, &g);
    if (a->length_penalty >= 0 && !g.beam)
        return cli_fail(&(gr_error){GR_EINVAL, "--length-penalty is of beam search: give --beam N, too"});
    if (a->attention && gr_writer_try(a->attention, &e)) return cli_fail(&e);
    if (a->prompts_file && read_prompts(s, a->prompts_file, &g, &e)) return cli_fail(&e);
    if (gr_generate(s, &g, &e)) return cli_fail(&e);
    cli_note_rounding(s);
    return EXIT_DONE;
}

int cmd_generate(int argc, char **argv)
{
    const cli_command *self = cli_find("generate");
    cli_common common = CLI_DEFAULTS;
    arguments a = {.length = INT64_MIN, .top_k = INT64_MIN, .beam = INT64_MIN, .temperature = -INFINITY, .length_penalty = -INFINITY};
    const cli_option own[] = {
        {"weights", 0, CLI_TEXT, &a.weights, "FILE", "the trained weights"},
        CLI_WEIGHTS_DTYPE(&a.weights_dtype),
        {"prompt", 0, CLI_LIST, &a.prompts, "TEXT", "what to continue or to answer; may be given again"},
        {"prompts", 0, CLI_TEXT, &a.prompts_file, "FILE", "a prompt a line; behind a tab what it should give"},
        {"length", 0, CLI_INT, &a.length, "N", "characters or words to add, at most"},
        {"temperature", 0, CLI_FLOAT, &a.temperature, "X", "above 0: draw by probability, sharper below 1"},
        {"top-k", 0, CLI_INT, &a.top_k, "K", "draw among the K likeliest"},
        {"beam", 0, CLI_INT, &a.beam, "N", "beam search: keep the N likeliest outputs side by side"},
        {"length-penalty", 0, CLI_FLOAT, &a.length_penalty, "A", "of beam search: compare by log p / length^A"},
        {"show", 0, CLI_FLAG, &a.show, NULL, "the table of what the section's `show` names (attention)"},
        {"attention", 0, CLI_TEXT, &a.attention, "FILE", "write these tables as safetensors"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &common);
    if (done >= 0) return done;
    if (!a.weights) return cli_misuse(self, "--weights FILE is needed");
    if ((done = check_numbers(self, &a)) >= 0) return done;
    gr_session_options o = cli_session_options(&common);
    if ((done = cli_weights_dtype(self, &common, a.weights_dtype, &o)) >= 0) return done;
    o.weights = a.weights;
    o.facts_only = true;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, generate, &a);
    gr_session_close(s);
    return code;
}
