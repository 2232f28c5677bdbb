/* test_zip.c - members of zip archives read in place: which one is meant, and archives that are broken. */
#include "io/file.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

typedef struct member { const char *name, *text; } member;

static const char *make_zip(const char *name, const member *m, zip_int32_t method)
{
    const char *path = temp_path(name);
    unlink(path);
    zip_t *z = zip_open(path, ZIP_CREATE, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(z);
    for (; m->name; m++) {
        if (!m->text) {
            zip_dir_add(z, m->name, 0);
            continue;
        }
        zip_int64_t i = zip_file_add(z, m->name, zip_source_buffer(z, m->text, strlen(m->text), 0), 0);
        zip_set_file_compression(z, (zip_uint64_t)i, method, 0);
    }
    CU_ASSERT_EQUAL(zip_close(z), 0);
    return path;
}

typedef struct reading { gr_arena *arena; char *text; size_t length; gr_error error; int status; } reading;

static reading read_path(const char *path, size_t most)
{
    reading r = {.arena = gr_arena_create()};
    r.status = gr_file_read(r.arena, path, most, &r.text, &r.length, &r.error);
    return r;
}

static void gives(const char *path, const char *text)
{
    reading r = read_path(path, 1 << 20);
    CU_ASSERT_EQUAL(r.status, 0);
    if (r.status) fprintf(stderr, "\n%s -> %s\n", path, r.error.message);
    CU_ASSERT_TRUE(r.status == 0 && r.length == strlen(text) && memcmp(r.text, text, r.length) == 0);
    gr_arena_destroy(r.arena);
}

static void fails(const char *path, const char *words)
{
    reading r = read_path(path, 1 << 20);
    if (!strstr(r.error.message, words)) fprintf(stderr, "\n%s -> %s (expected %s)\n", path, r.error.message, words);
    CU_ASSERT_TRUE(r.status != 0 && strstr(r.error.message, words));
    gr_arena_destroy(r.arena);
}

static const char *in(const char *path, const char *name)
{
    static char full[512];
    snprintf(full, sizeof full, "%s/%s", path, name);
    return full;
}

static void members(void)
{
    static const member pairs[] = {{"fra-eng/", NULL}, {"__MACOSX/fra-eng/._fra.txt", "junk"}, {"fra-eng/_about.txt", "about"},
                                   {"fra-eng/fra.txt", "Go.\tVa !\n"}, {NULL, NULL}};
    const char *path = make_zip("pairs.zip", pairs, ZIP_CM_DEFLATE);
    gives(path, "Go.\tVa !\n");
    gives(in(path, "fra-eng/fra.txt"), "Go.\tVa !\n");
    gives(in(path, "fra.txt"), "Go.\tVa !\n");
    gives(in(path, "_about.txt"), "about");
    fails(in(path, "fre.txt"), "has no member 'fre.txt'; there are: fra-eng/fra.txt");
    static const member two[] = {{"a/x.txt", "1"}, {"b/x.txt", "2"}, {NULL, NULL}};
    path = make_zip("two.zip", two, ZIP_CM_STORE);
    fails(path, "is an archive; say which of its members");
    fails(path, "there are: a/x.txt, b/x.txt");
    fails(in(path, "x.txt"), "has more than one member 'x.txt'");
    gives(in(path, "b/x.txt"), "2");
    static const member none[] = {{"a/", NULL}, {NULL, NULL}};
    fails(make_zip("none.zip", none, ZIP_CM_STORE), "there are: none");
    static const member empty[] = {{"a.txt", ""}, {NULL, NULL}};
    gives(make_zip("empty.zip", empty, ZIP_CM_STORE), "");
    const char *plain = temp_file("plain.zip", "no archive");
    gives(plain, "no archive");
    fails(in(plain, "x"), "is a file and no zip archive");
    fails("/nowhere.zip/x", "No such file");
}

static const char *put_bytes(const char *name, const char *bytes, size_t n)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");
    fwrite(bytes, 1, n, f);
    fclose(f);
    return path;
}

/* Whatever is cut off or changed: never a crash, and never other contents. */
static void broken(const char *path, const char *name, const char *text)
{
    size_t n, changed = 0;
    char *bytes = read_text(path, &n);
    for (size_t i = 0; i < n; i += n / 200 + 1) {
        reading r = read_path(put_bytes(name, bytes, i), 1 << 20);
        bool same = i > 0 && r.status == 0 && r.length == strlen(text);
        CU_ASSERT_TRUE(!same && (r.status != 0 || r.length <= i));
        gr_arena_destroy(r.arena);
        bytes[i] ^= 0x20;
        r = read_path(put_bytes(name, bytes, n), 1 << 20);
        changed += r.status != 0;
        gr_arena_destroy(r.arena);
        bytes[i] ^= 0x20;
    }
    CU_ASSERT_TRUE(changed > 20);
    free(bytes);
}

static char *long_text(size_t n)
{
    char *text = calloc(n + 1, 1);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) text[i] = (char)('a' + ((x = x * 1664525u + 1013904223u) >> 28));
    return text;
}

static void broken_files(void)
{
    char *text = long_text(3000);
    const member one[] = {{"t.txt", text}, {NULL, NULL}};
    broken(make_zip("long.zip", one, ZIP_CM_DEFLATE), "broken.zip", text);
    broken(make_zip("stored.zip", one, ZIP_CM_STORE), "broken2.zip", text);
    const char *gz = temp_path("long.gz");
    gzFile f = gzopen(gz, "wb");
    gzputs(f, text);
    gzclose(f);
    broken(gz, "broken.gz", text);
    free(text);
}

/* A small archive of a large text: the bound is on what comes out. */
static void bomb(void)
{
    char *text = calloc(5000001, 1);
    memset(text, 'a', 5000000);
    const member one[] = {{"t.txt", text}, {NULL, NULL}};
    const char *path = make_zip("bomb.zip", one, ZIP_CM_DEFLATE);
    reading r = read_path(path, 4999999);
    CU_ASSERT_TRUE(r.status != 0 && strstr(r.error.message, "holds more than 4999999 bytes"));
    gr_arena_destroy(r.arena);
    r = read_path(path, 5000000);
    CU_ASSERT_EQUAL(r.status, 0);
    gr_arena_destroy(r.arena);
    free(text);
}

void test_zip(void)
{
    CU_pSuite s = CU_add_suite("zip", NULL, NULL);
    CU_add_test(s, "which member is meant", members);
    CU_add_test(s, "cut and changed archives", broken_files);
    CU_add_test(s, "a large text in a small archive", bomb);
}
