/* test_io.c - files: round trips, and what broken or hostile ones lead to. */
#include "base/arena.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64];
static char path[128];

static int make_folder(void)
{
    strcpy(folder, "/tmp/graphrun-io-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void)
{
    unlink(path);
    return rmdir(folder); /* fails, and with it the suite, where a temporary file was left */
}

static int files_in_folder(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *f; (f = readdir(d));) n += f->d_name[0] != '.';
    closedir(d);
    return n;
}

static void put(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static size_t get(char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = fread(bytes, 1, room, f);
    fclose(f);
    return n;
}

/* ---- safetensors ---- */

static const float floats[6] = {1, -2.5f, 3e-38f, INFINITY, 0, 6};
static const double doubles[2] = {1e300, -0.1};
static const int32_t ints[3] = {-5, INT32_MAX, INT32_MIN};
static const uint8_t bools[5] = {1, 0, 1, 1, 0};
static gr_named_tensor some[] = {
    {.name = "mask", .dtype = GR_BOOL, .rank = 1, .dim = {5}, .data = bools},
    {.name = "rnn.weight_ih_l0", .dtype = GR_FLOAT32, .rank = 2, .dim = {2, 3}, .data = floats},
    {.name = "größe", .dtype = GR_INT32, .rank = 1, .dim = {3}, .data = ints},
    {.name = "double", .dtype = GR_FLOAT64, .rank = 3, .dim = {1, 2, 1}, .data = doubles},
    {.name = "scalar", .dtype = GR_FLOAT32, .rank = 0, .data = floats},
    {.name = "empty", .dtype = GR_FLOAT32, .rank = 2, .dim = {0, 4}, .data = floats},
};
static const char *keys[] = {"vocab", "source"}, *values[] = {"[\"a\", \"\\n\"]", "CharText"};
static const gr_tensors sample = {6, some, 2, keys, values};

static void weights_round_trip(void)
{
    gr_error e;
    gr_arena *a = gr_arena_create();
    gr_tensors t;
    CU_ASSERT_EQUAL(gr_safetensors_write(path, &sample, &e), GR_OK);
    CU_ASSERT_EQUAL(gr_safetensors_write(path, &sample, &e), GR_OK); /* over itself */
    CU_ASSERT_EQUAL(files_in_folder(), 1);
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, path, &t, &e), GR_OK);
    CU_ASSERT_EQUAL(t.count, 6);
    for (int i = 0; i < 6; i++) {
        const gr_named_tensor *x = gr_tensors_find(&t, some[i].name), *y = &some[i];
        CU_ASSERT_PTR_NOT_NULL_FATAL(x);
        CU_ASSERT_TRUE(x->dtype == y->dtype && x->rank == y->rank && !memcmp(x->dim, y->dim, sizeof x->dim));
        size_t n = gr_dtype_size(x->dtype);
        for (int d = 0; d < x->rank; d++) n *= (size_t)x->dim[d];
        CU_ASSERT_EQUAL(memcmp(x->data, y->data, n), 0);
    }
    CU_ASSERT_STRING_EQUAL(gr_tensors_metadata(&t, "vocab"), values[0]);
    CU_ASSERT_PTR_NULL(gr_tensors_metadata(&t, "nothing"));
    CU_ASSERT_PTR_NULL(gr_tensors_find(&t, "nothing"));
    gr_arena_destroy(a);
}

/* Reads `path`; a failure must have a message that names the file. */
static int read_weights(void)
{
    gr_error e = {.message = ""};
    gr_tensors t;
    gr_arena *a = gr_arena_create();
    const int status = gr_safetensors_read(a, path, &t, &e);
    CU_ASSERT_TRUE(status == GR_OK || (strstr(e.message, path) && strlen(e.message) > strlen(path) + 10));
    CU_ASSERT_TRUE(status == GR_OK || t.count == 0);
    gr_arena_destroy(a);
    return status;
}

static void broken_weights(void)
{
    gr_error e;
    char bytes[2048], copy[2048];
    gr_safetensors_write(path, &sample, &e);
    const size_t n = get(bytes, sizeof bytes);
    CU_ASSERT_EQUAL(read_weights(), GR_OK);
    for (size_t i = 0; i < n; i++) {
        put(bytes, i);
        CU_ASSERT_NOT_EQUAL(read_weights(), GR_OK);
    }
    put(bytes, n + 1 < sizeof bytes ? n + 1 : n);
    CU_ASSERT_NOT_EQUAL(read_weights(), GR_OK);
    uint32_t state = 3;
    for (int i = 0; i < 3000; i++) { /* any answer but a crash */
        memcpy(copy, bytes, n);
        for (int k = 0; k < 1 + i % 3; k++) {
            state = state * 1664525u + 1013904223u;
            copy[(state >> 8) % n] = (char)(state >> 3);
        }
        put(copy, n);
        read_weights();
    }
}

static void put_header(const char *json, size_t data)
{
    char bytes[4096] = {0};
    const size_t n = strlen(json);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(n >> 8 * i);
    memcpy(bytes + 8, json, n);
    put(bytes, 8 + n + data);
}

static void hostile_weights(void)
{
    static const struct { const char *json; size_t data; } hostile[] = {
        {"", 0}, {"[]", 0}, {"{", 0}, {"{\"a\": 1}", 0}, {"{\"a\": {}}", 0},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,4],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8},
        {"{\"__metadata__\":{\"a\":1}}", 0}, {"{\"__metadata__\":[]}", 0},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        put_header(hostile[i].json, hostile[i].data);
        CU_ASSERT_NOT_EQUAL(read_weights(), GR_OK);
    }
    char deep[4001] = {0};
    memset(deep, '[', 4000);
    put_header(deep, 0);
    CU_ASSERT_NOT_EQUAL(read_weights(), GR_OK);
    put("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    CU_ASSERT_NOT_EQUAL(read_weights(), GR_OK);
    put_header("{}  ", 0);
    CU_ASSERT_EQUAL(read_weights(), GR_OK);
}

/* One tensor [n] of that kind, whose bytes are given. */
static int read_kind(const char *kind, const void *bytes, size_t size, int n, void *to, gr_dtype *dtype)
{
    char all[512];
    const int length = snprintf(all + 8, 400, "{\"x\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%zu]}}", kind,
                                n, size);
    memset(all, 0, 8);
    all[0] = (char)length;
    memcpy(all + 8 + length, bytes, size);
    put(all, 8 + (size_t)length + size);
    gr_tensors t;
    gr_error e;
    gr_arena *a = gr_arena_create();
    const int status = gr_safetensors_read(a, path, &t, &e);
    if (status == GR_OK) {
        *dtype = t.tensor[0].dtype;
        memcpy(to, t.tensor[0].data, (size_t)n * gr_dtype_size(*dtype));
    }
    gr_arena_destroy(a);
    return status;
}

static void kinds_are_converted(void)
{
    static const int64_t wide[3] = {-7, INT32_MAX, INT32_MIN};
    static const int64_t too_wide[2] = {1, (int64_t)INT32_MAX + 1};
    static const uint16_t half[6] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000}, brain[2] = {0x3f80, 0xc040};
    static const uint8_t small[3] = {0, 200, 255};
    float f[6];
    int32_t i[3];
    uint8_t b[3];
    gr_dtype t;
    CU_ASSERT_EQUAL(read_kind("I64", wide, sizeof wide, 3, i, &t), GR_OK);
    CU_ASSERT_TRUE(t == GR_INT32 && i[0] == -7 && i[1] == INT32_MAX && i[2] == INT32_MIN);
    CU_ASSERT_EQUAL(read_kind("I64", too_wide, sizeof too_wide, 2, i, &t), GR_EINVAL);
    CU_ASSERT_EQUAL(read_kind("F16", half, sizeof half, 6, f, &t), GR_OK);
    CU_ASSERT_TRUE(f[0] == 1 && f[1] == -2 && f[2] == 0x1p-24f && f[3] == 65504 && isinf(f[4]) && signbit(f[5]));
    CU_ASSERT_EQUAL(read_kind("BF16", brain, sizeof brain, 2, f, &t), GR_OK);
    CU_ASSERT_TRUE(f[0] == 1 && f[1] == -3);
    CU_ASSERT_EQUAL(read_kind("U8", small, sizeof small, 3, i, &t), GR_OK);
    CU_ASSERT_TRUE(i[1] == 200 && i[2] == 255);
    CU_ASSERT_EQUAL(read_kind("I8", small, sizeof small, 3, i, &t), GR_OK);
    CU_ASSERT_TRUE(i[1] == -56 && i[2] == -1);
    CU_ASSERT_EQUAL(read_kind("BOOL", small, sizeof small, 3, b, &t), GR_OK);
    CU_ASSERT_TRUE(t == GR_BOOL && b[0] == 0 && b[1] == 1 && b[2] == 1);
}

/* ---- writing where it cannot be done ---- */

static void full_disk_loses_nothing(void)
{
    gr_error e = {.message = ""};
    char before[2048], after[2048];
    CU_ASSERT_EQUAL(gr_safetensors_write("/dev/full", &sample, &e), GR_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "No space left"));
    struct stat st;
    CU_ASSERT_TRUE(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
    CU_ASSERT_EQUAL(gr_safetensors_write("/nowhere/at/all", &sample, &e), GR_EIO);
    CU_ASSERT_EQUAL(gr_safetensors_write(path, &sample, &e), GR_OK);
    const size_t n = get(before, sizeof before);
    struct rlimit old, small = {100, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const int status = gr_safetensors_write(path, &sample, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    CU_ASSERT_EQUAL(status, GR_EIO);
    CU_ASSERT_TRUE(get(after, sizeof after) == n && memcmp(before, after, n) == 0);
    CU_ASSERT_EQUAL(files_in_folder(), 1);
}

static void links_and_modes_stay(void)
{
    gr_error e;
    char link[140];
    struct stat st;
    snprintf(link, sizeof link, "%s/link", folder);
    put("old", 3);
    chmod(path, 0640);
    CU_ASSERT_EQUAL(symlink(path, link), 0);
    CU_ASSERT_EQUAL(gr_safetensors_write(link, &sample, &e), GR_OK);
    CU_ASSERT_TRUE(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    CU_ASSERT_TRUE(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    CU_ASSERT_EQUAL(read_weights(), GR_OK);
    gr_writer w;
    CU_ASSERT_EQUAL(gr_writer_open(&w, path, &e), GR_OK);
    gr_writer_put(&w, "x", 1);
    CU_ASSERT_EQUAL(gr_writer_finish(&w, false, &e), GR_OK); /* thrown away */
    CU_ASSERT_EQUAL(read_weights(), GR_OK);
    unlink(link);
}

/* ---- npy ---- */

static int read_npy(gr_arena *a, gr_tensor *t)
{
    gr_error e = {.message = ""};
    const int status = gr_npy_read(a, path, t, &e);
    CU_ASSERT_TRUE(status == GR_OK || strstr(e.message, path));
    return status;
}

/* A file of format `version` with that header and those bytes. */
static size_t make_npy(char *to, int version, const char *header, const void *data, size_t size)
{
    const size_t n = strlen(header), at = version == 1 ? 10 : 12;
    memset(to, 0, at);
    memcpy(to, "\x93NUMPY", 6);
    to[6] = (char)version;
    to[8] = (char)n;
    memcpy(to + at, header, n);
    memcpy(to + at + n, data, size);
    return at + n + size;
}

static void arrays_round_trip(void)
{
    gr_error e;
    gr_arena *a = gr_arena_create();
    gr_tensor t;
    for (int i = 0; i < 6; i++) {
        gr_tensor x = {.data = (void *)(uintptr_t)some[i].data, .dtype = some[i].dtype, .rank = some[i].rank};
        memcpy(x.dim, some[i].dim, sizeof x.dim);
        for (int64_t d = x.rank - 1, s = 1; d >= 0; s *= x.dim[d--]) x.stride[d] = s;
        CU_ASSERT_EQUAL(gr_npy_write(path, &x, &e), GR_OK);
        CU_ASSERT_EQUAL_FATAL(read_npy(a, &t), GR_OK);
        CU_ASSERT_TRUE(t.dtype == x.dtype && t.rank == x.rank && !memcmp(t.dim, x.dim, sizeof t.dim));
        size_t n = gr_dtype_size(t.dtype);
        for (int d = 0; d < t.rank; d++) n *= (size_t)t.dim[d];
        CU_ASSERT_EQUAL(memcmp(t.data, x.data, n), 0);
    }
    const gr_tensor turned = {.data = (void *)(uintptr_t)floats, .dtype = GR_FLOAT32, .rank = 2, .dim = {3, 2},
                              .stride = {1, 3}};
    CU_ASSERT_EQUAL(gr_npy_write(path, &turned, &e), GR_OK);
    CU_ASSERT_EQUAL_FATAL(read_npy(a, &t), GR_OK);
    CU_ASSERT_TRUE(((float *)t.data)[1] == floats[3] && ((float *)t.data)[2] == floats[1]);
    CU_ASSERT_EQUAL(gr_npy_write("/dev/full", &turned, &e), GR_EIO);
    gr_arena_destroy(a);
}

static void arrays_of_other_forms(void)
{
    char bytes[512];
    gr_tensor t;
    gr_arena *a = gr_arena_create();
    const float six[6] = {0, 1, 2, 3, 4, 5};
    put(bytes, make_npy(bytes, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }   \n", six, 24));
    CU_ASSERT_EQUAL_FATAL(read_npy(a, &t), GR_OK);
    CU_ASSERT_TRUE(((float *)t.data)[0] == 0 && ((float *)t.data)[1] == 2 && ((float *)t.data)[3] == 1);
    put(bytes, make_npy(bytes, 2, "{\"shape\": (2,), 'fortran_order': False, 'descr': '>i2'}", "\1\2\xff\xfe", 4));
    CU_ASSERT_EQUAL_FATAL(read_npy(a, &t), GR_OK);
    CU_ASSERT_TRUE(t.dtype == GR_INT32 && ((int32_t *)t.data)[0] == 258 && ((int32_t *)t.data)[1] == -2);
    put(bytes, make_npy(bytes, 3, "{'descr': '|b1', 'fortran_order': False, 'shape': ()}", "\1", 1));
    CU_ASSERT_EQUAL_FATAL(read_npy(a, &t), GR_OK);
    CU_ASSERT_TRUE(t.dtype == GR_BOOL && t.rank == 0 && *(uint8_t *)t.data == 1);
    const int64_t big[1] = {INT64_C(1) << 40};
    put(bytes, make_npy(bytes, 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", big, 8));
    CU_ASSERT_EQUAL(read_npy(a, &t), GR_EINVAL);
    gr_arena_destroy(a);
}

static void broken_arrays(void)
{
    static const char *const hostile[] = {
        "", "{", "{}", "nonsense", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} more",
    };
    char bytes[512];
    gr_tensor t;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        gr_arena *a = gr_arena_create();
        put(bytes, make_npy(bytes, 1, hostile[i], "\0\0\0\0", 4));
        CU_ASSERT_EQUAL(read_npy(a, &t), GR_EINVAL);
        gr_arena_destroy(a);
    }
}

/* Cut off anywhere, or with bytes that changed. */
static void damaged_arrays(void)
{
    char bytes[512], copy[512];
    gr_tensor t;
    const size_t n = make_npy(bytes, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }\n", "12345678", 8);
    uint32_t state = 5;
    for (size_t i = 0; i < n + 3000; i++) {
        gr_arena *a = gr_arena_create();
        memcpy(copy, bytes, n);
        for (size_t k = 0; i >= n && k < 1 + i % 3; k++) {
            state = state * 1664525u + 1013904223u;
            copy[(state >> 8) % n] = (char)(state >> 3);
        }
        put(copy, i < n ? i : n);
        const int status = read_npy(a, &t);
        CU_ASSERT_TRUE(i >= n || status != GR_OK);
        gr_arena_destroy(a);
    }
}

/* ---- whole files ---- */

static void texts_plain_and_packed(void)
{
    enum { N = 300000 };
    char *text, *expected = gr_malloc(N);
    size_t length;
    gr_error e = {.message = ""};
    gr_arena *a = gr_arena_create();
    for (int i = 0; i < N; i++) expected[i] = (char)(' ' + i * 7 % 90);
    for (int packed = 0; packed < 2; packed++) {
        gzFile f = gzopen(path, packed ? "wb" : "wbT");
        gzwrite(f, expected, N);
        gzclose(f);
        CU_ASSERT_EQUAL_FATAL(gr_file_read(a, path, N, &text, &length, &e), GR_OK);
        CU_ASSERT_TRUE(length == N && memcmp(text, expected, N) == 0 && text[N] == 0);
        CU_ASSERT_EQUAL(gr_file_read(a, path, N - 1, &text, &length, &e), GR_EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "299999"));
    }
    struct stat st;
    stat(path, &st);
    CU_ASSERT_TRUE(st.st_size < N / 2);
    CU_ASSERT_EQUAL(truncate(path, st.st_size / 2), 0);
    CU_ASSERT_EQUAL(gr_file_read(a, path, N, &text, &length, &e), GR_EINVAL);
    CU_ASSERT_EQUAL(gr_file_read(a, folder, N, &text, &length, &e), GR_EIO);
    CU_ASSERT_EQUAL(gr_file_read(a, "/nowhere/at/all", N, &text, &length, &e), GR_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "No such file"));
    put("", 0);
    CU_ASSERT_EQUAL(gr_file_read(a, path, N, &text, &length, &e), GR_OK);
    CU_ASSERT_TRUE(length == 0 && text[0] == 0);
    CU_ASSERT_EQUAL(gr_file_read(a, "/dev/zero", 100000, &text, &length, &e), GR_EINVAL);
    gr_free(expected);
    gr_arena_destroy(a);
}

/* Every allocation of every reader and writer fails once: a status, no leak, no crash. */
static void no_memory(void)
{
    gr_error e;
    put("some text", 9);
    for (int which = 0; which < 4; which++) {
        if (which == 1) gr_safetensors_write(path, &sample, &e);
        if (which == 2) gr_npy_write(path, &(gr_tensor){.data = (void *)(uintptr_t)floats, .dtype = GR_FLOAT32, .rank = 1,
                                                       .dim = {6}, .stride = {1}}, &e);
        int status = GR_ENOMEM;
        for (long n = 1; n < 100 && status != GR_OK; n++) {
            gr_arena *a = gr_arena_create();
            char *text;
            size_t length;
            gr_tensors weights;
            gr_tensor array;
            gr_fail_allocation(n);
            if (which == 0) status = gr_file_read(a, path, 1000, &text, &length, &e);
            else if (which == 1) status = gr_safetensors_read(a, path, &weights, &e);
            else if (which == 2) status = gr_npy_read(a, path, &array, &e);
            else status = gr_safetensors_write(path, &sample, &e);
            gr_fail_allocation(0);
            CU_ASSERT_TRUE(status == GR_OK || status == GR_ENOMEM);
            gr_arena_destroy(a);
        }
        CU_ASSERT_EQUAL(status, GR_OK);
    }
    CU_ASSERT_EQUAL(files_in_folder(), 1);
}

void test_io(void)
{
    CU_pSuite s = CU_add_suite("io", make_folder, remove_folder);
    CU_add_test(s, "weights survive a round trip", weights_round_trip);
    CU_add_test(s, "broken weights give a message", broken_weights);
    CU_add_test(s, "hostile weights give a message", hostile_weights);
    CU_add_test(s, "other kinds are converted", kinds_are_converted);
    CU_add_test(s, "a full disk loses nothing", full_disk_loses_nothing);
    CU_add_test(s, "links and modes stay", links_and_modes_stay);
    CU_add_test(s, "arrays survive a round trip", arrays_round_trip);
    CU_add_test(s, "Fortran order, other byte order, other versions", arrays_of_other_forms);
    CU_add_test(s, "broken arrays give a message", broken_arrays);
    CU_add_test(s, "damaged arrays give a message", damaged_arrays);
    CU_add_test(s, "texts, plain and gzipped", texts_plain_and_packed);
    CU_add_test(s, "no memory", no_memory);
}
