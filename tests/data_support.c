/* data_support.c - see data_support.h. */
#include "data_support.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *write_file(const char *name, const void *bytes, size_t n)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fwrite(bytes, 1, n, f);
    fclose(f);
    return path;
}

bench open_with(const char *yaml, gr_data_options o)
{
    bench b = {.arena = gr_arena_create()};
    const char *path = write_file("model.yaml", yaml, strlen(yaml));
    b.diag = gr_diag_create(b.arena);
    b.model = gr_model_read(b.arena, path, NULL, b.diag, &b.error);
    unlink(path);
    if (b.model) b.data = gr_data_open(b.model, gr_model_section(b.model, "data"), &o, &b.error);
    return b;
}

bench open_data(const char *yaml) { return open_with(yaml, (gr_data_options){.seed = 1}); }

void done(bench *b)
{
    gr_data_close(b->data);
    gr_arena_destroy(b->arena);
}

void complains(const char *yaml, const char *words)
{
    bench b = open_data(yaml);
    gr_loc at;
    const char *message = gr_diag_message(b.diag, 0, &at);
    bool fine = !b.data && message && strstr(message, words) && b.error.status == GR_OK;
    if (!fine) fprintf(stderr, "\n%s-> %s (expected %s)\n", yaml, message ? message : "no message", words);
    CU_ASSERT_TRUE(fine);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 1);
    done(&b);
}

const char *vocab_text(bench *b, const char *field)
{
    int n = 0;
    const char *const *v = b->data ? gr_data_vocab(b->data, field, &n) : NULL, *text = "";
    for (int i = 0; i < n; i++) text = gr_arena_printf(b->arena, "%s%s|", text, v[i]);
    return text;
}
