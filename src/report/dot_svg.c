/* dot_svg.c - a picture through Graphviz's own program, and what is done to its SVG.
 *
 * The text goes to the program through a file without a name, and comes back through a pipe: neither can
 * wait for the other. No shell is involved. */
#include "report/dot.h"
#include "report/dot_colours.h"
#include "report/dot_picture.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- the program ---- */

static char *read_all(gr_arena *a, int fd, size_t *size)
{
    size_t room = 1 << 16, used = 0;
    char *text = gr_arena_alloc(a, room);
    for (;;) {
        ssize_t n = read(fd, text + used, room - used - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        used += (size_t)n;
        if (used + 1 < room) continue;
        char *more = gr_arena_alloc(a, 2 * room);
        memcpy(more, text, used);
        text = more;
        room *= 2;
    }
    text[used] = 0;
    *size = used;
    return text;
}

/* `dot -Tformat` with these files as its standard input and error; what it writes. */
static char *run(gr_arena *a, const char *format, int in, int err, size_t *size, int *status)
{
    char *const argv[] = {"dot", gr_arena_printf(a, "-T%s", format), NULL};
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    const int failed = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char *out = failed ? NULL : read_all(a, ends[0], size);
    close(ends[0]);
    while (!failed && waitpid(child, status, 0) < 0 && errno == EINTR) continue;
    return out;
}

/* What Graphviz wrote on standard error, without its last line feed. */
static const char *complaint(gr_arena *a, FILE *err)
{
    size_t size;
    rewind(err);
    char *text = read_all(a, fileno(err), &size);
    while (size && text[size - 1] == '\n') text[--size] = 0;
    return text;
}

/* ---- its SVG ---- */

/* Colours by the page's, found by value; the element's own class keeps them from anything else. */
static const char *style(gr_arena *a)
{
    static const char *const dark[] = {
#define X(name, light, dark) dark,
        GR_COLOURS(X)
#undef X
    };
    const char *text = "<style>@media (prefers-color-scheme: dark) {";
    for (int i = 0; i < GR_NUM_COLOURS; i++)
        text = gr_arena_printf(a, "%s\n.graphrun-dot [fill=\"%s\"] {fill: %s}", text, gr_light[i], dark[i]);
    for (int i = 0; i < GR_NUM_COLOURS; i++)
        text = gr_arena_printf(a, "%s\n.graphrun-dot [stroke=\"%s\"] {stroke: %s}", text, gr_light[i], dark[i]);
    return gr_arena_printf(a, "%s\n}</style>\n", text);
}

/* Leaves out ids and the titles that say how Graphviz calls a node. */
static char *without_names(gr_arena *a, const char *text, size_t *size)
{
    char *out = gr_arena_alloc(a, strlen(text) + 1);
    size_t n = 0;
    while (*text) {
        const char *end = strncmp(text, " id=\"", 5) == 0 ? strchr(text + 5, '"')
                        : strncmp(text, "<title>", 7) == 0 ? strstr(text, "</title>\n") : NULL;
        if (end) text = end + (*end == '"' ? 1 : strlen("</title>\n"));
        else out[n++] = *text++;
    }
    *size = n;
    return out;
}

static const char *xml(uint32_t c, uint32_t before, unsigned char after)
{
    (void)before, (void)after;
    return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : NULL;
}

/* The <svg> element, with a style that follows the page and a name for those who do not see it. */
static char *finish(const gr_picture *p, const char *text, size_t *size)
{
    gr_arena *a = p->arena;
    const char *from = strstr(text, "<svg"), *inside = from ? strchr(from, '>') : NULL;
    if (!inside) return NULL;
    const char *rest = without_names(a, inside + 1, size);
    char *out = gr_arena_printf(a, "<svg class=\"graphrun-dot\" role=\"img\" aria-label=\"%s\" style=\"max-width:100%%;height:auto\"%.*s>\n%s%s", gr_pic_escape(a, p->title, xml),
                                (int)(inside - from - 4), from + 4, style(a), rest);
    *size = strlen(out);
    return out;
}

static char *draw(const gr_picture *p, const char *format, size_t *size, gr_error *e)
{
    FILE *in = tmpfile(), *err = tmpfile();
    int status = 0;
    char *out = NULL;
    if (in && err) {
        gr_picture_write_dot(p, in);
        rewind(in);
    }
    if (!in || !err || fflush(in) || ferror(in)) gr_set_error(e, GR_EIO, "cannot write a temporary file: %s", strerror(errno));
    else if (!(out = run(p->arena, format, fileno(in), fileno(err), size, &status)))
        gr_set_error(e, GR_EIO, "a picture needs Graphviz, which is not installed: apt-get install graphviz; "
                     "without it there are `-o FILE.dot` and `--format mermaid`");
    else if (!WIFEXITED(status) || WEXITSTATUS(status) || !*size) {
        const char *why = complaint(p->arena, err);
        gr_set_error(e, GR_EIO, "Graphviz could not draw the picture%s%s", *why ? ": " : "", why);
        out = NULL;
    } else if (strcmp(format, "svg") == 0 && !(out = finish(p, out, size))) {
        gr_set_error(e, GR_EIO, "Graphviz wrote no SVG");
    }
    if (in) fclose(in);
    if (err) fclose(err);
    return out;
}

/* Of some graphs with many groups Graphviz 2.43 says "trouble in init_rank" or "triangulation failed". */
char *gr_graphviz(const gr_picture *p, const char *format, size_t *size, gr_error *e)
{
    enum { SIMPLEST = 2 };
    gr_picture now = *p;
    char *out = draw(&now, format, size, e);
    for (; !out && now.effort < SIMPLEST && !p->threads; now.effort++) {
        gr_picture simpler = now;
        gr_error again = {0};
        simpler.effort++;
        if ((out = draw(&simpler, format, size, &again))) *e = (gr_error){0};
    }
    return out;
}

const char *gr_dot_svg(gr_session *s, gr_error *e)
{
    gr_picture *p = gr_session_picture(s, &(gr_dot_request){0}, e);
    size_t size;
    return p ? gr_graphviz(p, "svg", &size, e) : NULL;
}
