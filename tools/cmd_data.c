/* cmd_data.c - graphrun data: what a model's data source gives, to look at or as .npy files. */
#include "cli.h"
#include "io/npy.h"
#include "print.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct data_args {
    const char *split, *folder;
    int64_t epoch, batches;
} data_args;

static void print_facts(gr_session *s)
{
    const gr_field *field;
    int n = gr_data_fields(s->data, &field);
    const char *split;
    for (int i = 0; (split = gr_data_split(s->data, i)); i++) {
        long long batches = gr_data_batches(s->data, split);
        printf("%s: %lld %s an epoch\n", split, batches, batches == 1 ? "batch" : "batches");
    }
    for (int i = 0; i < n; i++) {
        int words = 0;
        const char *const *vocab = gr_data_vocab(s->data, field[i].name, &words);
        printf("%s: %s in a full batch", field[i].name, gr_type_text(s->arena, &field[i].type));
        if (field[i].type.dtype == GR_INT32 && vocab) {
            printf(", numbers of %d:", words);
            for (int k = 0; k < words && k < 12; k++) printf(" '%s'", vocab[k]);
            fputs(words > 12 ? " ..." : "", stdout);
        }
        putchar('\n');
    }
}

static gr_type type_of(const gr_tensor *t)
{
    gr_type type = {.dtype = t->dtype, .rank = t->rank};
    memcpy(type.dim, t->dim, sizeof type.dim);
    return type;
}

static int write_batch(gr_session *s, const data_args *a, int64_t batch, const gr_tensor *value, gr_error *e)
{
    const gr_field *field;
    int n = gr_data_fields(s->data, &field);
    for (int i = 0; i < n; i++) {
        gr_type t = type_of(&value[i]);
        const char *name = gr_arena_printf(s->arena, "%s %lld", field[i].name, (long long)batch);
        if (!a->folder) print_tensor(name, &t, value[i].data);
        else if (gr_npy_write(gr_arena_printf(s->arena, "%s/%s_%lld.npy", a->folder, field[i].name, (long long)batch), &value[i], e))
            return e->status;
    }
    return 0;
}

static int write_batches(gr_session *s, const data_args *a, gr_error *e)
{
    const gr_tensor *value;
    int more = 1;
    if (a->folder && mkdir(a->folder, 0777) && errno != EEXIST)
        return gr_set_error(e, GR_EIO, "the folder %s cannot be made: %s", a->folder, strerror(errno));
    if (gr_data_begin(s->data, a->split, a->epoch, 0, e)) return e->status;
    for (int64_t i = 0; i < a->batches && more; i++) {
        if ((more = gr_data_next(s->data, &value, e)) < 0) return e->status;
        if (more && write_batch(s, a, i, value, e)) return e->status;
    }
    return 0;
}

static int show_data(gr_session *s, void *data)
{
    const data_args *a = data;
    gr_error e = {0};
    if (!s->data) {
        gr_set_error(&e, GR_EINVAL, "%s has no section `data`", gr_model_path(s->model));
        return cli_fail(&e);
    }
    print_facts(s);
    return write_batches(s, a, &e) ? cli_fail(&e) : EXIT_DONE;
}

int cmd_data(int argc, char **argv)
{
    const cli_command *self = cli_find("data");
    cli_common common = CLI_DEFAULTS;
    data_args a = {.split = "train", .batches = 1};
    const cli_option own[] = {
        {"split", 0, CLI_TEXT, &a.split, "SPLIT", "of this split; train where not given"},
        {"epoch", 0, CLI_INT, &a.epoch, "N", "as they come in this epoch, from 0"},
        {"batches", 0, CLI_INT, &a.batches, "N", "so many of them; 1 where not given"},
        {"output", 'o', CLI_TEXT, &a.folder, "FOLDER", "as FOLDER/FIELD_0.npy and so on"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &common);
    if (done >= 0) return done;
    if (a.epoch < 0 || a.batches < 0) return cli_misuse(self, "--epoch and --batches take a number of at least 0");
    gr_session_options o = cli_session_options(&common);
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, show_data, &a);
    gr_session_close(s);
    return code;
}
