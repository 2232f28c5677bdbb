/* cmd_dot.c - graphrun dot: a picture of the model, of its graph at any arrow of the pipeline, of the
 * unrolled program. */
#include "cli.h"
#include "io/file.h"
#include "report/dot.h"

#include <stdlib.h>
#include <string.h>

enum { NO_STEPS = -1 };

typedef struct dot_args {
    cli_common common;
    gr_dot_request request;
    const char *file, *format, *depth;
} dot_args;

/* ---- what is written ---- */

static const struct { const char *end, *format; } ends[] = {
    {".dot", "dot"}, {".gv", "dot"}, {".svg", "svg"}, {".png", "png"}, {".pdf", "pdf"}, {".mmd", "mermaid"}, {".mermaid", "mermaid"}, {".md", "markdown"}};

static const char *format_of(const char *file)
{
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i].end) == 0) return ends[i].format;
    return NULL;
}

static int write_picture(const gr_picture *p, const char *format, FILE *to, gr_error *e)
{
    const bool fenced = strcmp(format, "markdown") == 0;
    if (strcmp(format, "dot") == 0) {
        gr_picture_write_dot(p, to);
    } else if (fenced || strcmp(format, "mermaid") == 0) {
        if (fenced) fputs("```mermaid\n", to);
        gr_picture_write_mermaid(p, to);
        if (fenced) fputs("```\n", to);
    } else {
        size_t size;
        const char *text = gr_graphviz(p, format, &size, e);
        if (!text) return e->status;
        fwrite(text, 1, size, to);
    }
    return 0;
}

static int write_out(const gr_picture *p, const char *format, const char *file, gr_error *e)
{
    gr_writer w;
    if (!file) return write_picture(p, format, stdout, e);
    if (gr_writer_open(&w, file, e)) return e->status;
    const int made = write_picture(p, format, w.file, e);
    gr_error late = {0};
    if (gr_writer_finish(&w, !made, &late) && !made) *e = late;
    return e->status;
}

static int draw(gr_session *s, void *data)
{
    const dot_args *a = data;
    gr_error e = {0};
    if (a->file && gr_writer_try(a->file, &e)) return cli_fail(&e);
    gr_picture *p = gr_session_picture(s, &a->request, &e);
    if (!p && !*e.message) gr_diag_print(s->diag, stderr);
    e.status = p ? 0 : e.status;
    return !p || write_out(p, a->format, a->file, &e) ? cli_fail(&e) : EXIT_DONE;
}

/* ---- the command line ---- */

static int check_pass(const cli_command *self, const char *name)
{
    char list[256] = "";
    for (const gr_pass *p = gr_passes; p->name; p++) {
        if (strcmp(p->name, name) == 0) return -1;
        strncat(list, p == gr_passes ? "" : ", ", sizeof list - strlen(list) - 1);
        strncat(list, p->name, sizeof list - strlen(list) - 1);
    }
    return cli_misuse(self, "no pass is called '%s'; there are: %s; --steps T draws the schedule", name, list);
}

/* At most what a picture can show. */
static int check_steps(const cli_command *self, const dot_args *a)
{
    if (a->request.steps == NO_STEPS && a->common.threads)
        return cli_misuse(self, "--threads says who runs what in the picture that --steps T draws: give --steps, or leave it out");
    if (a->request.steps == NO_STEPS) return -1;
    if (a->request.after || a->depth) return cli_misuse(self, "--steps draws the finished program: leave out --%s", a->request.after ? "after" : "depth");
    if (a->request.steps < 1 || a->request.steps > 200) return cli_misuse(self, "--steps takes a number from 1 to 200");
    return -1;
}

static int check_depth(const cli_command *self, dot_args *a)
{
    char *end = NULL;
    a->request.depth = a->request.after ? GR_DOT_FIT : 0;
    if (!a->depth) return -1;
    if (strcmp(a->depth, "all") == 0) {
        a->request.depth = GR_DOT_ALL;
        return -1;
    }
    const long depth = strtol(a->depth, &end, 10);
    if (*end || end == a->depth || depth < 0 || depth >= GR_DOT_ALL)
        return cli_misuse(self, "--depth takes a number from 0, the model as it is written, or 'all', not '%s'", a->depth);
    a->request.depth = (int)depth;
    return -1;
}

/* The format that is asked for, else the file's. */
static int check_format(const cli_command *self, dot_args *a)
{
    const char *of_file = a->file ? format_of(a->file) : "dot";
    if (!a->format && !of_file)
        return cli_misuse(self, "'%s' ends in none of .dot, .svg, .png, .pdf, .mmd, .md; --format says what else it is", a->file);
    if (!a->format) a->format = of_file;
    if (strcmp(a->format, "mermaid") == 0 && of_file && strcmp(of_file, "markdown") == 0) a->format = of_file;
    size_t i = 0;
    while (strcmp(ends[i].format, a->format) != 0) i++;
    if (a->file && of_file && strcmp(of_file, a->format) != 0)
        return cli_misuse(self, "--format %s does not belong into '%s'; leave it out, or let the file end in %s", a->format, a->file, ends[i].end);
    return -1;
}

int cmd_dot(int argc, char **argv)
{
    const cli_command *self = cli_find("dot");
    dot_args a = {.common = CLI_DEFAULTS, .request.steps = NO_STEPS};
    const cli_option own[] = {
        {"after", 0, CLI_TEXT, &a.request.after, "PASS", "the training step after this pass; without it, the model itself"},
        {"depth", 0, CLI_TEXT, &a.depth, "N", "open so many levels below what you wrote, or all; by default none, but the layers with --after"},
        {"steps", 0, CLI_INT, &a.request.steps, "T", "the program unrolled: the first T steps by layer; with --threads N: who runs what"},
        {"format", 0, CLI_TEXT, &a.format, "dot|svg|png|pdf|mermaid", "what is written; by default what FILE ends in, else dot"},
        {"output", 'o', CLI_TEXT, &a.file, "FILE", "write .dot, .svg, .png, .pdf, .mmd or .md; pictures need Graphviz"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &a.common);
    if (done < 0 && a.request.after) done = check_pass(self, a.request.after);
    if (done < 0) done = check_steps(self, &a);
    if (done < 0) done = check_depth(self, &a);
    if (done < 0) done = check_format(self, &a);
    if (done >= 0) return done;
    if (a.request.steps == NO_STEPS) a.request.steps = 0;
    gr_session_options o = cli_session_options(&a.common);
    o.facts_only = true;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, draw, &a);
    gr_session_close(s);
    return code;
}
