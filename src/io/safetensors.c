/* safetensors.c - reading and writing the safetensors format.
 *
 *     8 bytes  n, little-endian
 *     n bytes  {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *     rest     the tensors; they cover it without gaps, which leaves no room for overlaps
 *
 * https://huggingface.co/docs/safetensors. Nothing is allocated for a tensor before its
 * offsets have been found to lie in the file and to fit its shape. */
#include "io/safetensors.h"
#include "base/count.h"
#include "io/element.h"
#include "io/file.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000 /* as the reference implementation has it */
#define ALIGN 8

static const struct { const char *name; gr_stored stored; } kinds[] = {
    {"F32", GR_STORED_F32}, {"F64", GR_STORED_F64}, {"I64", GR_STORED_I64}, {"I32", GR_STORED_I32},
    {"BOOL", GR_STORED_BOOL}, {"F16", GR_STORED_F16}, {"BF16", GR_STORED_BF16}, {"I16", GR_STORED_I16},
    {"I8", GR_STORED_I8}, {"U8", GR_STORED_U8}, {"U16", GR_STORED_U16}, {"U32", GR_STORED_U32},
    {"U64", GR_STORED_U64},
};

/* What the header says of a tensor. */
typedef struct entry {
    const char *name;
    gr_stored stored;
    int rank;
    int64_t dim[GR_MAX_RANK], count, begin, end;
} entry;

/* Reading: everything that a failure must give back. */
typedef struct reading {
    const gr_memory *memory;
    gr_reader file;
    char *header;
    json_t *root;
    int64_t data; /* where the tensors begin */
} reading;

/* ---- the header ---- */

static int read_header(reading *r, gr_error *e)
{
    unsigned char head[8];
    uint64_t n = 0;
    const char *path = r->file.path;
    if (r->file.size < 8) return gr_set_error(e, GR_EINVAL, "%s: is no safetensors file: it has only %lld byte%s", path,
                                              (long long)r->file.size, gr_s((int64_t)r->file.size));
    int status = gr_reader_get(&r->file, head, 8, 0, e);
    if (status != GR_OK) return status;
    for (int i = 7; i >= 0; i--) n = n << 8 | head[i];
    if (n > MAX_HEADER || (int64_t)n > r->file.size - 8)
        return gr_set_error(e, GR_EINVAL, "%s: is no safetensors file, or is cut off: its header would have %llu bytes, "
                            "the file has %lld", path, (unsigned long long)n, (long long)r->file.size);
    r->header = gr_allocate(r->memory, n + 1, 0);
    if (!r->header) return gr_set_error(e, GR_ENOMEM, "%s: not enough memory for its header", path);
    status = gr_reader_get(&r->file, r->header, (int64_t)n, 8, e);
    if (status != GR_OK) return status;
    json_error_t why;
    r->root = json_loadb(r->header, n, JSON_REJECT_DUPLICATES, &why);
    r->data = 8 + (int64_t)n;
    if (!r->root)
        return gr_set_error(e, GR_EINVAL, "%s: its header is no valid JSON: %s (byte %d)", path, why.text, why.position);
    if (!json_is_object(r->root)) return gr_set_error(e, GR_EINVAL, "%s: its header is no JSON object", path);
    return GR_OK;
}

static int parse_dtype(const reading *r, entry *t, const json_t *v, gr_error *e)
{
    const char *name = json_string_value(v);
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) t->stored = kinds[i].stored;
    if (t->stored) return GR_OK;
    return gr_set_error(e, GR_EINVAL, "%s: tensor '%s' has dtype %s, which graphrun does not read", r->file.path, t->name,
                        name ? name : "of no name");
}

static int parse_shape(const reading *r, entry *t, const json_t *v, gr_error *e)
{
    if (!json_is_array(v)) return gr_set_error(e, GR_EINVAL, "%s: tensor '%s' has no shape", r->file.path, t->name);
    if (json_array_size(v) > GR_MAX_RANK)
        return gr_set_error(e, GR_EINVAL, "%s: tensor '%s' has %zu axes; at most %d can be read", r->file.path, t->name,
                            json_array_size(v), GR_MAX_RANK);
    t->rank = (int)json_array_size(v);
    bool valid = true;
    for (int i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(v, (size_t)i);
        t->dim[i] = json_is_integer(d) ? json_integer_value(d) : -1;
        valid &= t->dim[i] >= 0;
    }
    if (valid && gr_stored_count(t->rank, t->dim, &t->count)) return GR_OK;
    return gr_set_error(e, GR_EINVAL, "%s: the shape of tensor '%s' is impossible", r->file.path, t->name);
}

static int parse_offsets(const reading *r, entry *t, const json_t *v, gr_error *e)
{
    const json_t *begin = json_array_get(v, 0), *end = json_array_get(v, 1);
    int64_t bytes;
    t->begin = json_is_integer(begin) ? json_integer_value(begin) : -1;
    t->end = json_is_integer(end) ? json_integer_value(end) : -1;
    if (json_array_size(v) != 2 || t->begin < 0 || t->end < t->begin)
        return gr_set_error(e, GR_EINVAL, "%s: tensor '%s' has no valid data_offsets", r->file.path, t->name);
    if (t->end > r->file.size - r->data)
        return gr_set_error(e, GR_EINVAL, "%s: is cut off: tensor '%s' would end at byte %lld of the data, which has %lld",
                            r->file.path, t->name, (long long)t->end, (long long)(r->file.size - r->data));
    if (__builtin_mul_overflow(t->count, (int64_t)gr_stored_size(t->stored), &bytes) || bytes != t->end - t->begin)
        return gr_set_error(e, GR_EINVAL, "%s: tensor '%s' has %lld bytes, which do not fit its shape", r->file.path,
                            t->name, (long long)(t->end - t->begin));
    return GR_OK;
}

static int parse_entry(const reading *r, entry *t, const char *name, const json_t *v, gr_error *e)
{
    memset(t, 0, sizeof *t);
    t->name = name;
    int status = parse_dtype(r, t, json_object_get(v, "dtype"), e);
    if (status == GR_OK) status = parse_shape(r, t, json_object_get(v, "shape"), e);
    if (status == GR_OK) status = parse_offsets(r, t, json_object_get(v, "data_offsets"), e);
    return status;
}

static int by_offset(const void *a, const void *b)
{
    const entry *x = *(const entry *const *)a, *y = *(const entry *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int check_coverage(gr_arena *a, const reading *r, const entry *t, int n, gr_error *e)
{
    const entry **order = GR_NEW_ARRAY(a, const entry *, n);
    for (int i = 0; i < n; i++) order[i] = &t[i];
    qsort(order, (size_t)n, sizeof *order, by_offset);
    int64_t end = 0;
    for (int i = 0; i < n; i++) {
        if (order[i]->begin != end)
            return gr_set_error(e, GR_EINVAL, "%s: tensor '%s' %s", r->file.path, order[i]->name,
                                order[i]->begin < end ? "overlaps another" : "has a gap before it");
        end = order[i]->end;
    }
    if (end == r->file.size - r->data) return GR_OK;
    return gr_set_error(e, GR_EINVAL, "%s: %lld bytes at the end belong to no tensor", r->file.path,
                        (long long)(r->file.size - r->data - end));
}

static int read_metadata(gr_arena *a, const reading *r, json_t *map, gr_tensors *out, gr_error *e)
{
    const char *key;
    json_t *v;
    if (!map) return GR_OK;
    if (!json_is_object(map)) return gr_set_error(e, GR_EINVAL, "%s: __metadata__ is no JSON object", r->file.path);
    out->key = GR_NEW_ARRAY(a, const char *, json_object_size(map));
    out->value = GR_NEW_ARRAY(a, const char *, json_object_size(map));
    json_object_foreach(map, key, v) {
        if (!json_is_string(v))
            return gr_set_error(e, GR_EINVAL, "%s: '%s' in __metadata__ is no string", r->file.path, key);
        out->key[out->num_metadata] = gr_arena_strdup(a, key);
        out->value[out->num_metadata++] = gr_arena_strdup(a, json_string_value(v));
    }
    return GR_OK;
}

/* ---- the tensors ---- */

static int read_tensor(gr_arena *a, reading *r, const entry *t, gr_named_tensor *to, gr_error *e)
{
    to->name = gr_arena_strdup(a, t->name);
    to->dtype = gr_stored_dtype(t->stored);
    to->rank = t->rank;
    memcpy(to->dim, t->dim, sizeof to->dim);
    void *data = GR_NEW_ARRAY(a, char, (size_t)t->count * gr_dtype_size(to->dtype));
    to->data = data;
    enum { PIECE = 4096 }; /* elements converted at a time */
    char room[PIECE * 8];
    const int64_t size = (int64_t)gr_stored_size(t->stored), to_size = (int64_t)gr_dtype_size(to->dtype);
    if (t->stored == GR_STORED_F32 || t->stored == GR_STORED_F64 || t->stored == GR_STORED_I32)
        return gr_reader_get(&r->file, data, t->end - t->begin, r->data + t->begin, e);
    for (int64_t i = 0; i < t->count; i += PIECE) {
        const int64_t n = t->count - i < PIECE ? t->count - i : PIECE;
        const int status = gr_reader_get(&r->file, room, n * size, r->data + t->begin + i * size, e);
        if (status != GR_OK) return status;
        const int64_t done = gr_stored_convert(t->stored, false, room, (char *)data + i * to_size, n);
        if (done < n)
            return gr_set_error(e, GR_EINVAL, "%s: element %lld of tensor '%s' does not fit into 32 bits", r->file.path,
                                (long long)(i + done), t->name);
    }
    return GR_OK;
}

static int read_all(gr_arena *a, reading *r, gr_tensors *out, gr_error *e)
{
    const char *name;
    json_t *v;
    int status = read_header(r, e);
    if (status != GR_OK) return status;
    const size_t most = json_object_size(r->root);
    entry *t = GR_NEW_ARRAY(a, entry, most);
    int n = 0;
    json_object_foreach(r->root, name, v) {
        if (strcmp(name, "__metadata__") == 0) continue;
        if ((status = parse_entry(r, &t[n], name, v, e)) != GR_OK) return status;
        n++;
    }
    status = check_coverage(a, r, t, n, e);
    if (status == GR_OK) status = read_metadata(a, r, json_object_get(r->root, "__metadata__"), out, e);
    out->tensor = GR_NEW_ARRAY(a, gr_named_tensor, n);
    for (int i = 0; i < n && status == GR_OK; i++) status = read_tensor(a, r, &t[i], &out->tensor[i], e);
    out->count = n;
    return status;
}

int gr_safetensors_read(gr_arena *a, const char *path, gr_tensors *out, gr_error *e)
{
    reading r = {.memory = gr_arena_memory(a)};
    gr_frame frame;
    memset(out, 0, sizeof *out);
    int status = gr_reader_open(&r.file, path, e);
    if (status != GR_OK) return status;
    if (gr_try(a, &frame)) {
        status = read_all(a, &r, out, e);
        gr_end_try(a, &frame);
    } else {
        status = gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", path);
    }
    gr_reader_close(&r.file);
    json_decref(r.root);
    gr_free(r.header);
    if (status != GR_OK) memset(out, 0, sizeof *out);
    return status;
}

/* ---- writing ---- */

static const char *kind_of(gr_dtype t)
{
    static const char *const name[GR_NUM_DTYPES] = {
        [GR_FLOAT32] = "F32", [GR_FLOAT64] = "F64", [GR_INT32] = "I32", [GR_BOOL] = "BOOL",
    };
    return name[t];
}

static int64_t bytes_of(const gr_named_tensor *t)
{
    int64_t n = (int64_t)gr_dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

/* Widest elements first, so that each tensor begins at a multiple of its element. */
static const size_t widths[] = {8, 4, 1};
enum { WIDTHS = sizeof widths / sizeof *widths };

static json_t *describe(const gr_named_tensor *t, int64_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer(t->dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", kind_of(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + bytes_of(t)));
}

/* The header's text, to be freed with free(); NULL: a name is no UTF-8, or no memory. */
static char *make_header(const gr_tensors *t)
{
    json_t *root = json_object(), *meta = json_object();
    int64_t at = 0;
    bool ok = root && meta;
    for (int i = 0; i < t->num_metadata && ok; i++)
        ok = json_object_set_new(meta, t->key[i], json_string(t->value[i])) == 0;
    if (t->num_metadata > 0 && ok) ok = json_object_set(root, "__metadata__", meta) == 0;
    for (int w = 0; w < WIDTHS; w++)
        for (int i = 0; i < t->count && ok; i++) {
            const gr_named_tensor *v = &t->tensor[i];
            if (gr_dtype_size(v->dtype) != widths[w]) continue;
            ok = json_object_set_new(root, v->name, describe(v, at)) == 0;
            at += bytes_of(v);
        }
    char *text = ok ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(meta);
    json_decref(root);
    return text;
}

int gr_safetensors_write(const char *path, const gr_tensors *t, gr_error *e)
{
    gr_writer w;
    unsigned char head[8];
    char *header = make_header(t);
    if (!header)
        return gr_set_error(e, GR_EINVAL, "%s: its header cannot be made: a name is no valid UTF-8, or no memory", path);
    const int status = gr_writer_open(&w, path, e);
    if (status == GR_OK) {
        const size_t length = strlen(header), n = (length + ALIGN - 1) / ALIGN * ALIGN;
        for (int i = 0; i < 8; i++) head[i] = (unsigned char)((uint64_t)n >> (8 * i));
        gr_writer_put(&w, head, 8);
        gr_writer_put(&w, header, length);
        gr_writer_put(&w, "        ", n - length);
        for (int k = 0; k < WIDTHS; k++)
            for (int i = 0; i < t->count; i++)
                if (gr_dtype_size(t->tensor[i].dtype) == widths[k])
                    gr_writer_put(&w, t->tensor[i].data, (size_t)bytes_of(&t->tensor[i]));
    }
    free(header);
    return status == GR_OK ? gr_writer_finish(&w, true, e) : status;
}

const gr_named_tensor *gr_tensors_find(const gr_tensors *t, const char *name)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->tensor[i].name, name) == 0) return &t->tensor[i];
    return NULL;
}

const char *gr_tensors_metadata(const gr_tensors *t, const char *key)
{
    for (int i = 0; i < t->num_metadata; i++)
        if (strcmp(t->key[i], key) == 0) return t->value[i];
    return NULL;
}
