/* cmd_new_op.c - graphrun new-op: writes the project of a plugin, from tools/templates.
 *
 * templates/<kind>/ and templates/common/ stand in the command as texts. In them the op is called OpName, in file
 * and function names op_name; a file of a kind takes the place of the common one of its name. */
#include "cli.h"
#include "model/body.h"
#include "model/builtin.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const gr_builtin_file new_op_files[]; /* "templates/kernel/op_name.c", ...; ends with name NULL */

enum { MOST_LETTERS = 60 };

typedef struct project {
    gr_arena *arena;
    const char *op, *file, *kind; /* "SoftSwish", "soft_swish" */
    const char *folder, *build;   /* build: of this very command, "" where it is installed */
} project;

/* ---- names ---- */

static bool upper(char c) { return isupper((unsigned char)c); }
static bool lower(char c) { return islower((unsigned char)c); }

/* "ReLU", "SiLU": two letters and two capitals that end the word are one. */
static bool is_mixed(const char *s)
{
    return upper(s[0]) && lower(s[1]) && upper(s[2]) && upper(s[3]) && !lower(s[4]) && (!upper(s[4]) || lower(s[5]));
}

/* Whether a word begins at s; one capital before a mixed word is part of it, as in "PReLU". */
static bool begins_word(const char *op, const char *s)
{
    if (s == op || !upper(*s)) return false;
    const bool alone = s - op == 1 || !upper(s[-2]);
    return !upper(s[-1]) || (lower(s[1]) && !(alone && is_mixed(s)));
}

/* "SoftSwish" -> "soft_swish", "SLSTM2" -> "slstm2", "RNNCell2" -> "rnn_cell2", "SquaredReLU" -> "squared_relu" */
static const char *file_name(gr_arena *a, const char *op)
{
    char *name = gr_arena_alloc(a, 2 * strlen(op) + 1), *to = name;
    const char *mixed = op; /* where a mixed word ends */
    for (const char *s = op; *s; s++) {
        if (s >= mixed && begins_word(op, s)) *to++ = '_';
        if (s >= mixed && is_mixed(s)) mixed = s + 4;
        *to++ = (char)tolower((unsigned char)*s);
    }
    return name;
}

/* As ops and data sources are called, in CamelCase. */
static bool is_camel(const char *s)
{
    const char *letter = s;
    if (!isascii((unsigned char)*s) || !isupper((unsigned char)*s)) return false;
    while (*letter && isascii((unsigned char)*letter) && isalnum((unsigned char)*letter)) letter++;
    return !*letter && letter - s <= MOST_LETTERS;
}

/* What of it could be an op's name: "my-op" -> "MyOp", "2fast" -> "Op2fast" */
static const char *similar_name(gr_arena *a, const char *s)
{
    char *name = gr_arena_alloc(a, MOST_LETTERS + 3), *to = name;
    bool word = true;
    for (; *s && to - name < MOST_LETTERS; s++) {
        bool good = isascii((unsigned char)*s) && isalnum((unsigned char)*s);
        if (to == name && good && isdigit((unsigned char)*s)) *to++ = 'O', *to++ = 'p';
        if (good) *to++ = (char)(word ? toupper((unsigned char)*s) : *s);
        word = !good;
    }
    return *name ? name : "MyOp";
}

/* What graphrun has of that name already; NULL: nothing. */
static const char *taken_by(const gr_registry *r, const char *name)
{
    if (gr_registry_find_source(r, name)) return "a data source";
    return gr_registry_find(r, name) ? "an op" : NULL;
}

/* -1: a fine name; else the exit code after a message. */
static int check_name(const cli_command *self, gr_arena *a, const char *name)
{
    gr_registry *r = gr_registry_create(a);
    gr_registry_add_cells(a, r, gr_diag_create(a));
    const char *by = taken_by(r, name);
    if (by) return cli_misuse(self, "graphrun has %s called '%s' (`graphrun ops %s`); write another name, My%s for one", by, name, name, name);
    if (is_camel(name)) return -1;
    const char *instead = similar_name(a, name);
    return cli_misuse(self, "'%s' cannot be an op's name, which is in CamelCase: a capital, then letters and digits, at most %d; write %s%s", name,
                      MOST_LETTERS, taken_by(r, instead) ? "My" : "", instead);
}

/* The build folder that this command runs from, where its headers are found by pkg-config; "": it is installed. */
static const char *build_folder(gr_arena *a)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (!slash) return "";
        *slash = 0;
    }
    return access(gr_arena_printf(a, "%s/meson-uninstalled/graphrun-uninstalled.pc", path), R_OK) == 0 ? gr_arena_strdup(a, path) : "";
}

/* ---- files ---- */

static void replace(FILE *to, const char *text, const project *p)
{
    const char *const word[][2] = {{"OpName", p->op}, {"op_name", p->file}, {"GRAPHRUN_BUILD_TREE", p->build}};
    while (*text) {
        size_t k = 0;
        while (k < 3 && strncmp(text, word[k][0], strlen(word[k][0])) != 0) k++;
        if (k < 3) fputs(word[k][1], to), text += strlen(word[k][0]);
        else fputc(*text++, to);
    }
}

/* The file's name in the project; NULL: it is not of this kind. */
static const char *project_name(const project *p, const gr_builtin_file *f)
{
    const char *folder = strchr(f->name, '/') + 1, *name = strchr(folder, '/') + 1;
    size_t n = (size_t)(name - folder - 1);
    bool own = strlen(p->kind) == n && strncmp(folder, p->kind, n) == 0;
    if (!own && strncmp(folder, "common/", 7) != 0) return NULL;
    const char *instead = gr_arena_printf(p->arena, "templates/%s/%s", p->kind, name);
    for (int i = 0; !own && new_op_files[i].name; i++)
        if (strcmp(new_op_files[i].name, instead) == 0) return NULL;
    if (strcmp(name, "gitignore") == 0) return ".gitignore";
    return strncmp(name, "op_name", 7) == 0 ? gr_arena_printf(p->arena, "%s%s", p->file, name + 7) : name;
}

static int write_one(const project *p, const char *name, const char *text, gr_error *e)
{
    const char *path = gr_arena_printf(p->arena, "%s/%s", p->folder, name);
    FILE *f = fopen(path, "wx");
    int why = f ? 0 : errno;
    if (f) {
        errno = 0;
        replace(f, text, p);
        if (fflush(f) != 0 || ferror(f)) why = errno ? errno : EIO;
        if (fclose(f) != 0 && !why) why = errno;
    }
    return why ? gr_set_error(e, GR_EIO, "cannot write '%s': %s", path, strerror(why)) : 0;
}

/* What was written, and the folder, which was made for it: so that the same command can be given again. */
static void remove_project(const project *p)
{
    for (const gr_builtin_file *f = new_op_files; f->name; f++) {
        const char *name = project_name(p, f);
        if (name) unlink(gr_arena_printf(p->arena, "%s/%s", p->folder, name));
    }
    rmdir(p->folder);
}

static int write_project(const project *p)
{
    gr_error e = {0};
    if (mkdir(p->folder, 0777) != 0) {
        if (errno == EEXIST) gr_set_error(&e, GR_EIO, "'%s' exists already, and was left alone; name another folder with -o FOLDER", p->folder);
        else gr_set_error(&e, GR_EIO, "cannot make the folder '%s': %s", p->folder, strerror(errno));
        return cli_fail(&e);
    }
    printf("%s/ holds the %s %s (%s):\n", p->folder, strcmp(p->kind, "data") ? "op" : "data source", p->op, p->kind);
    for (const gr_builtin_file *f = new_op_files; f->name; f++) {
        const char *name = project_name(p, f);
        if (!name) continue;
        if (write_one(p, name, f->text, &e) < 0) {
            remove_project(p);
            return cli_fail(&e);
        }
        if (*name != '.') printf("    %s\n", name);
    }
    printf("Next:\n    cd %s && make check\n", p->folder);
    return EXIT_DONE;
}

/* ---- the command ---- */

typedef struct new_op_args {
    const char *name, *kind, *folder;
} new_op_args;

static int make_project(const cli_command *self, gr_arena *a, const new_op_args *args)
{
    int code = check_name(self, a, args->name);
    if (code >= 0) return code;
    project p = {a, args->name, file_name(a, args->name), args->kind, args->folder, build_folder(a)};
    if (!p.folder) p.folder = p.file;
    return write_project(&p);
}

static int run(const cli_command *self, const new_op_args *args)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    gr_error e = {0};
    int code = EXIT_MODEL;
    if (!a) gr_set_error(&e, GR_ENOMEM, "out of memory");
    else if (gr_try(a, &frame)) {
        code = make_project(self, a, args);
        gr_end_try(a, &frame);
    } else gr_caught(a, &e);
    gr_arena_destroy(a);
    return e.status != GR_OK ? cli_fail(&e) : code;
}

int cmd_new_op(int argc, char **argv)
{
    const cli_command *self = cli_find("new-op");
    cli_common common = CLI_DEFAULTS;
    new_op_args args = {.kind = "composite"};
    const cli_option own[] = {
        {"kind", 0, CLI_TEXT, &args.kind, "composite|kernel|cell|data", "made of other ops (the default), with kernels of its own, a step of a recurrent layer, or a data source"},
        {"output", 'o', CLI_TEXT, &args.folder, "FOLDER", "make this one; by default soft_swish for SoftSwish"},
        {0},
    };
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done < 0 && count != 1) done = count ? cli_misuse(self, "one op at a time; '%s' is left over", argv[2]) : cli_misuse(self, "what is the op to be called?");
    if (done >= 0) return done;
    args.name = argv[1];
    return run(self, &args);
}
