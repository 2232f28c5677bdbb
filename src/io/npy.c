/* npy.c - NumPy's file of one array.
 *
 *     \x93NUMPY  major minor  length (2 bytes in 1.0, 4 later)
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   spaces, newline
 *     the elements
 *
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. The header is a Python
 * literal, of which only this one form is understood. */
#include "io/npy.h"
#include "base/count.h"
#include "base/tensor.h"
#include "io/element.h"
#include "io/file.h"
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 65536
#define MOST_UNPACKED ((size_t)1 << 33) /* bytes of a member of an archive, which may be of a few and claim to be many */

typedef struct header {
    gr_stored stored;
    bool swapped, fortran;
    int rank;
    int64_t dim[GR_MAX_RANK], count;
    bool has_descr, has_order, has_shape;
} header;

/* ---- the header's text ---- */

static const char *skip(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\t') p++;
    return p;
}

/* After 'text' in quotes of either kind; NULL if something else stands there. */
static const char *quoted(const char *p, char *to, size_t room)
{
    const char q = *p;
    if (q != '\'' && q != '"') return NULL;
    const char *end = strchr(p + 1, q);
    if (!end || (size_t)(end - p - 1) >= room) return NULL;
    memcpy(to, p + 1, (size_t)(end - p - 1));
    to[end - p - 1] = 0;
    return end + 1;
}

static void parse_descr(header *h, const char *d)
{
    static const struct { const char *code; gr_stored stored; } codes[] = {
        {"f2", GR_STORED_F16}, {"f4", GR_STORED_F32}, {"f8", GR_STORED_F64}, {"b1", GR_STORED_BOOL},
        {"i1", GR_STORED_I8},  {"i2", GR_STORED_I16}, {"i4", GR_STORED_I32}, {"i8", GR_STORED_I64},
        {"u1", GR_STORED_U8},  {"u2", GR_STORED_U16}, {"u4", GR_STORED_U32}, {"u8", GR_STORED_U64},
    };
    h->swapped = *d == '>';
    if (*d == '<' || *d == '>' || *d == '|' || *d == '=') d++;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].code, d) == 0) h->stored = codes[i].stored;
}

/* "(3, 4)", "(3,)", "()". */
static const char *parse_shape(header *h, const char *p)
{
    if (*p++ != '(') return NULL;
    for (p = skip(p); *p != ')'; p = skip(p)) {
        if (!isdigit((unsigned char)*p) || h->rank == GR_MAX_RANK) return NULL;
        int64_t d = 0;
        for (; isdigit((unsigned char)*p); p++)
            if (__builtin_mul_overflow(d, 10, &d) || __builtin_add_overflow(d, *p - '0', &d)) return NULL;
        h->dim[h->rank++] = d;
        p = skip(p);
        if (*p == ',') p++;
        else if (*p != ')') return NULL;
    }
    return gr_stored_count(h->rank, h->dim, &h->count) ? p + 1 : NULL;
}

/* One 'key': value; NULL if it is not understood. */
static const char *parse_item(header *h, const char *p)
{
    char key[24], descr[24];
    p = quoted(p, key, sizeof key);
    if (!p || *(p = skip(p)) != ':') return NULL;
    p = skip(p + 1);
    if (strcmp(key, "descr") == 0 && !h->has_descr) {
        h->has_descr = true;
        if ((p = quoted(p, descr, sizeof descr))) parse_descr(h, descr);
        return p;
    }
    if (strcmp(key, "fortran_order") == 0 && !h->has_order) {
        h->has_order = true;
        h->fortran = strncmp(p, "True", 4) == 0;
        return h->fortran ? p + 4 : strncmp(p, "False", 5) == 0 ? p + 5 : NULL;
    }
    if (strcmp(key, "shape") == 0 && !h->has_shape) {
        h->has_shape = true;
        return parse_shape(h, p);
    }
    return NULL;
}

static bool parse_header(header *h, const char *p)
{
    p = skip(p);
    if (*p++ != '{') return false;
    for (p = skip(p); *p != '}'; p = skip(p)) {
        p = parse_item(h, p);
        if (!p) return false;
        p = skip(p);
        if (*p == ',') p++;
        else if (*p != '}') return false;
    }
    return h->has_descr && h->has_order && h->has_shape && *skip(p + 1) == 0;
}

/* ---- reading ---- */

static int read_header(gr_reader *r, header *h, int64_t *data, gr_error *e)
{
    unsigned char head[12] = {0};
    char text[MAX_HEADER + 1];
    const int64_t have = r->size < 12 ? r->size : 12;
    if (gr_reader_get(r, head, have, 0, e) != GR_OK) return GR_EIO;
    if (have < 10 || memcmp(head, "\x93NUMPY", 6) != 0)
        return gr_set_error(e, GR_EINVAL, "%s: is no .npy file (numpy.save writes one)", r->path);
    if (head[6] < 1 || head[6] > 3)
        return gr_set_error(e, GR_EINVAL, "%s: .npy format %d.%d is not known; versions 1 to 3 are", r->path, head[6],
                            head[7]);
    const int64_t at = head[6] == 1 ? 10 : 12;
    int64_t n = head[8] | head[9] << 8;
    if (head[6] > 1) n |= (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    if (at + n > r->size || n > MAX_HEADER)
        return gr_set_error(e, GR_EINVAL, "%s: is cut off, or its header of %lld bytes is too long", r->path, (long long)n);
    if (gr_reader_get(r, text, n, at, e) != GR_OK) return GR_EIO;
    text[n] = 0;
    if (strlen(text) != (size_t)n || !parse_header(h, text))
        return gr_set_error(e, GR_EINVAL, "%s: its header is not understood: %.200s", r->path, text);
    if (!h->stored)
        return gr_set_error(e, GR_EINVAL, "%s: holds elements other than floats, integers and bools: %.200s", r->path, text);
    *data = at + n;
    return GR_OK;
}

static void set_dense(gr_tensor *t, const header *h)
{
    memset(t, 0, sizeof *t);
    t->dtype = gr_stored_dtype(h->stored);
    t->rank = h->rank;
    int64_t stride = 1;
    for (int i = h->rank - 1; i >= 0; i--) {
        t->dim[i] = h->dim[i];
        t->stride[i] = stride;
        stride *= h->dim[i] > 0 ? h->dim[i] : 1;
    }
}

/* Calls for each element of t in row-major order: the index of each, by its strides. */
static void next_index(const gr_tensor *t, int64_t index[GR_MAX_RANK], int64_t *offset)
{
    for (int d = t->rank - 1; d >= 0; d--) {
        *offset += t->stride[d];
        if (++index[d] < t->dim[d]) return;
        *offset -= t->stride[d] * t->dim[d];
        index[d] = 0;
    }
}

/* from: the same array with its first axis innermost. */
static void transpose(const gr_tensor *to, const char *from)
{
    gr_tensor columns = *to;
    int64_t stride = 1, index[GR_MAX_RANK] = {0}, offset = 0;
    const size_t size = gr_dtype_size(to->dtype);
    for (int d = 0; d < to->rank; d++) {
        columns.stride[d] = stride;
        stride *= to->dim[d];
    }
    for (int64_t i = 0; i < stride; i++) {
        memcpy((char *)to->data + (size_t)i * size, from + (size_t)offset * size, size);
        next_index(&columns, index, &offset);
    }
}

static int read_array(gr_arena *a, gr_reader *r, gr_tensor *out, gr_error *e)
{
    header h = {.stored = GR_STORED_NONE};
    int64_t data, bytes;
    int status = read_header(r, &h, &data, e);
    if (status != GR_OK) return status;
    if (__builtin_mul_overflow(h.count, (int64_t)gr_stored_size(h.stored), &bytes) || bytes != r->size - data)
        return gr_set_error(e, GR_EINVAL, "%s: has %lld byte%s of elements, which do not fit its shape", r->path,
                            (long long)(r->size - data), gr_s(r->size - data));
    set_dense(out, &h);
    char *stored = GR_NEW_ARRAY(a, char, bytes);
    if ((status = gr_reader_get(r, stored, bytes, data, e)) != GR_OK) return status;
    char *values = GR_NEW_ARRAY(a, char, (size_t)h.count * gr_dtype_size(out->dtype));
    const int64_t done = gr_stored_convert(h.stored, h.swapped, stored, values, h.count);
    if (done < h.count)
        return gr_set_error(e, GR_EINVAL, "%s: element %lld does not fit into 32 bits", r->path, (long long)done);
    out->data = values;
    if (h.fortran && h.rank > 1) {
        out->data = GR_NEW_ARRAY(a, char, (size_t)h.count * gr_dtype_size(out->dtype));
        transpose(out, values);
    }
    return GR_OK;
}

/* "a.npz/x": savez calls the member x.npy. */
static const char *full_name(const char *path, char room[PATH_MAX])
{
    const char *archive = strstr(path, ".npz/");
    const size_t n = strlen(path);
    if (!archive || !archive[5] || (n > 4 && strcmp(path + n - 4, ".npy") == 0)) return path;
    snprintf(room, PATH_MAX, "%s.npy", path);
    return room;
}

int gr_npy_read(gr_arena *a, const char *path, gr_tensor *out, gr_error *e)
{
    char room[PATH_MAX];
    gr_reader r;
    gr_frame frame;
    int status = gr_reader_unpack(&r, a, full_name(path, room), MOST_UNPACKED, e);
    if (status != GR_OK) return status;
    if (gr_try(a, &frame)) {
        status = read_array(a, &r, out, e);
        gr_end_try(a, &frame);
    } else {
        status = gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", path);
    }
    gr_reader_close(&r);
    return status;
}

/* ---- writing ---- */

/* A header of 1.0, so long that the elements begin at a multiple of 64. */
static size_t make_header(char *text, size_t room, const gr_tensor *t)
{
    static const char *const descr[GR_NUM_DTYPES] = {
        [GR_FLOAT32] = "<f4", [GR_FLOAT64] = "<f8", [GR_INT32] = "<i4", [GR_BOOL] = "|b1",
    };
    memcpy(text, "\x93NUMPY\1\0", 8);
    int n = 10 + snprintf(text + 10, room - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[t->dtype]);
    for (int i = 0; i < t->rank; i++)
        n += snprintf(text + n, room - (size_t)n, i + 1 < t->rank ? "%lld, " : "%lld", (long long)t->dim[i]);
    n += snprintf(text + n, room - (size_t)n, t->rank == 1 ? ",), }" : "), }");
    const int all = (n + 1 + 63) / 64 * 64;
    memset(text + n, ' ', (size_t)(all - n));
    text[all - 1] = '\n';
    text[8] = (char)((all - 10) & 255);
    text[9] = (char)((all - 10) >> 8);
    return (size_t)all;
}

int gr_npy_write(const char *path, const gr_tensor *t, gr_error *e)
{
    gr_writer w;
    char text[512];
    const int status = gr_writer_open(&w, path, e);
    if (status != GR_OK) return status;
    gr_writer_put(&w, text, make_header(text, sizeof text, t));
    const int64_t count = gr_tensor_numel(t);
    const bool dense = gr_tensor_dense(t);
    int64_t index[GR_MAX_RANK] = {0}, offset = 0;
    const size_t size = gr_dtype_size(t->dtype);
    if (dense) gr_writer_put(&w, t->data, (size_t)count * size);
    for (int64_t i = 0; i < count && !dense; i++) {
        gr_writer_put(&w, (const char *)t->data + offset * (int64_t)size, size);
        next_index(t, index, &offset);
    }
    return gr_writer_finish(&w, true, e);
}
