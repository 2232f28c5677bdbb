/* data_support.c - see data_support.h. */
#include "data_support.h"
#include "data/desc.h"
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

/* A source gives what it says it gives. */
static void check_fields(const bench *b)
{
    const gr_field *list;
    int n = b->data ? gr_data_fields(b->data, &list) : 0;
    for (int i = 0; i < n; i++) {
        const gr_port *p = b->data->desc->fields;
        while (p->name && !(p->flags & GR_PORT_VARIADIC) && strcmp(p->name, list[i].name)) p++;
        CU_ASSERT_PTR_NOT_NULL(p->name);
    }
}

bench open_with(const char *yaml, gr_data_options o)
{
    bench b = {.arena = gr_arena_create()};
    const char *path = write_file("model.yaml", yaml, strlen(yaml));
    b.diag = gr_diag_create(b.arena);
    b.model = gr_model_read(b.arena, path, NULL, b.diag, &b.error);
    unlink(path);
    if (b.model) b.data = gr_data_open(b.model, gr_model_section(b.model, "data"), &o, &b.error);
    check_fields(&b);
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

bool have(const char *path)
{
    if (access(path, R_OK) == 0) return true;
    fprintf(stderr, "\n  skipped: %s is not there\n", path);
    return false;
}

bench open_on(const char *text, const char *rest_of_model)
{
    const char *path = write_file("items.txt", text, strlen(text));
    char yaml[2048];
    snprintf(yaml, sizeof yaml, rest_of_model, path);
    bench b = open_data(yaml);
    unlink(path);
    if (!b.data) gr_diag_print(b.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    return b;
}

void refuses(const char *text, const char *rest_of_model, const char *words)
{
    const char *path = write_file("items.txt", text, strlen(text));
    char yaml[2048];
    snprintf(yaml, sizeof yaml, rest_of_model, path);
    complains(yaml, words);
    unlink(path);
}

const gr_tensor *first_batch(bench *b, const char *split)
{
    const gr_tensor *t = NULL;
    CU_ASSERT_EQUAL(gr_data_begin(b->data, split, 0, 0, &b->error), 0);
    CU_ASSERT_EQUAL_FATAL(gr_data_next(b->data, &t, &b->error), 1);
    return t;
}

void holds(const gr_tensor *t, int n, const int32_t *want)
{
    int64_t count = 1;
    for (int k = 0; k < t->rank; k++) count *= t->dim[k];
    CU_ASSERT_EQUAL_FATAL(count, n);
    for (int i = 0; i < n; i++) CU_ASSERT_EQUAL(((const int32_t *)t->data)[i], want[i]);
}

void holds_floats(const gr_tensor *t, int n, const double *want)
{
    int64_t count = 1;
    for (int k = 0; k < t->rank; k++) count *= t->dim[k];
    CU_ASSERT_EQUAL_FATAL(count, n);
    CU_ASSERT_EQUAL_FATAL(t->dtype, GR_FLOAT32);
    for (int i = 0; i < n; i++) CU_ASSERT_DOUBLE_EQUAL(((const float *)t->data)[i], want[i], 1e-6);
}
