/* cmd_dot.c - graphrun dot: the graph at any arrow of the pipeline, for Graphviz. */
#include "cli.h"
#include "io/file.h"
#include "report/dot.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct dot_args {
    cli_common common;
    const char *after, *file;
    int64_t depth;
} dot_args;

/* "svg" of "net.svg"; NULL where the text itself is wanted. */
static const char *picture_format(const char *file)
{
    const char *dot = file ? strrchr(file, '.') : NULL;
    if (!dot || strcmp(dot, ".dot") == 0 || strcmp(dot, ".gv") == 0) return NULL;
    return dot + 1;
}

static int write_file(gr_graph *g, const gr_dot_options *o, const char *file)
{
    FILE *to = file ? fopen(file, "w") : stdout;
    if (to) gr_dot_write(g, o, to);
    bool failed = !to || ferror(to);
    if (to && file) failed |= fclose(to) != 0;
    if (!failed) return EXIT_DONE;
    fprintf(stderr, "graphrun: error: cannot write %s: %s\n", file ? file : "standard output", strerror(errno));
    return EXIT_MODEL;
}

/* Through Graphviz's own program. */
static int write_picture(gr_graph *g, const gr_dot_options *o, const char *file, const char *format)
{
    char type[32];
    snprintf(type, sizeof type, "-T%s", format);
    char *const argv[] = {"dot", type, "-o", (char *)(uintptr_t)file, NULL};
    int ends[2], status = 0;
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) return cli_fail(&(gr_error){GR_EIO, "cannot make a pipe"});
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    int failed = posix_spawnp(&child, "dot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    if (failed) {
        close(ends[1]);
        return cli_fail(&(gr_error){GR_EIO, "a picture needs Graphviz: apt-get install graphviz, or write a .dot file"});
    }
    signal(SIGPIPE, SIG_IGN);
    FILE *to = fdopen(ends[1], "w");
    if (to) gr_dot_write(g, o, to), fclose(to);
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EXIT_DONE : EXIT_MODEL;
}

static int draw(gr_session *s, void *data)
{
    const dot_args *a = data;
    const bool train = a->after && s->recipe->minimize;
    const gr_want want = {.update = train, .training = train, .metrics = train, .assume_axes = true};
    gr_graph *g = gr_session_graph(s, &want, a->after ? a->after : "infer");
    if (!g) {
        gr_diag_print(s->diag, stderr);
        return EXIT_MODEL;
    }
    gr_error e = {0};
    if (a->file && gr_writer_try(a->file, &e)) return cli_fail(&e);
    const gr_dot_options o = {.title = gr_model_name(s->model), .depth = (int)a->depth,
                              .made_up = gr_assumed_lengths, .num_made_up = s->num_assumed};
    const char *format = picture_format(a->file);
    return format ? write_picture(g, &o, a->file, format) : write_file(g, &o, a->file);
}

static int check_pass(const cli_command *self, const char *name)
{
    char list[256] = "";
    for (const gr_pass *p = gr_passes; p->name; p++) {
        if (strcmp(p->name, name) == 0) return -1;
        strncat(list, p == gr_passes ? "" : ", ", sizeof list - strlen(list) - 1);
        strncat(list, p->name, sizeof list - strlen(list) - 1);
    }
    return cli_misuse(self, "no pass is called '%s'; there are: %s", name, list);
}

int cmd_dot(int argc, char **argv)
{
    const cli_command *self = cli_find("dot");
    dot_args a = {.common = CLI_DEFAULTS};
    const cli_option own[] = {
        {"after", 0, CLI_TEXT, &a.after, "PASS", "the training step after this pass; without it, the model itself"},
        {"output", 'o', CLI_TEXT, &a.file, "FILE", "write .dot, or .svg, .png, .pdf through Graphviz"},
        {"depth", 0, CLI_INT, &a.depth, "N", "draw what is nested deeper as one box; 0: open all"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &a.common);
    if (done < 0 && a.after) done = check_pass(self, a.after);
    if (done >= 0) return done;
    gr_session_options o = cli_session_options(&a.common);
    o.facts_only = true;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, draw, &a);
    gr_session_close(s);
    return code;
}
