/* element.c - conversion of stored numbers. */
#include "io/element.h"
#include "base/half.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian, and read as they are");

static const struct { size_t size; gr_dtype dtype; } info[] = {
    [GR_STORED_NONE] = {0, GR_UNKNOWN},   [GR_STORED_BOOL] = {1, GR_BOOL},
    [GR_STORED_I8] = {1, GR_INT32},       [GR_STORED_I16] = {2, GR_INT32},
    [GR_STORED_I32] = {4, GR_INT32},      [GR_STORED_I64] = {8, GR_INT32},
    [GR_STORED_U8] = {1, GR_INT32},       [GR_STORED_U16] = {2, GR_INT32},
    [GR_STORED_U32] = {4, GR_INT32},      [GR_STORED_U64] = {8, GR_INT32},
    [GR_STORED_F16] = {2, GR_FLOAT32},    [GR_STORED_BF16] = {2, GR_FLOAT32},
    [GR_STORED_F32] = {4, GR_FLOAT32},    [GR_STORED_F64] = {8, GR_FLOAT64},
};

size_t gr_stored_size(gr_stored s) { return info[s].size; }
gr_dtype gr_stored_dtype(gr_stored s) { return info[s].dtype; }

bool gr_stored_count(int rank, const int64_t *dim, int64_t *count)
{
    int64_t n = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        empty |= dim[i] == 0;
        if (__builtin_mul_overflow(n, dim[i] > 0 ? dim[i] : 1, &n)) return false;
    }
    *count = empty ? 0 : n;
    return true;
}

static uint64_t raw(const unsigned char *p, size_t size, bool swapped)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v |= (uint64_t)p[swapped ? size - 1 - i : i] << (8 * i);
    return v;
}

/* false: does not fit. */
static bool convert_integer(gr_stored s, uint64_t v, int32_t *to)
{
    int64_t x;
    switch (s) {
    case GR_STORED_I8: x = (int8_t)v; break;
    case GR_STORED_I16: x = (int16_t)v; break;
    case GR_STORED_I32: x = (int32_t)v; break;
    case GR_STORED_I64: x = (int64_t)v; break;
    default:
        if (v > INT32_MAX) return false;
        x = (int64_t)v;
    }
    if (x < INT32_MIN || x > INT32_MAX) return false;
    *to = (int32_t)x;
    return true;
}

static void convert_float(gr_stored s, uint64_t v, void *to)
{
    if (s == GR_STORED_F64) {
        memcpy(to, &v, 8);
    } else if (s == GR_STORED_F16) {
        const float f = gr_from_f16((uint16_t)v);
        memcpy(to, &f, 4);
    } else {
        const uint32_t bits = (uint32_t)(s == GR_STORED_BF16 ? v << 16 : v);
        memcpy(to, &bits, 4);
    }
}

int64_t gr_stored_convert(gr_stored s, bool swapped, const void *src, void *dst, int64_t n)
{
    const size_t size = info[s].size, to_size = gr_dtype_size(info[s].dtype);
    const unsigned char *p = src;
    char *q = dst;
    if (!swapped && (s == GR_STORED_F32 || s == GR_STORED_F64 || s == GR_STORED_I32)) {
        if (n > 0) memcpy(dst, src, (size_t)n * size);
        return n;
    }
    for (int64_t i = 0; i < n; i++, p += size, q += to_size) {
        const uint64_t v = raw(p, size, swapped);
        if (s == GR_STORED_BOOL) *q = v != 0;
        else if (info[s].dtype != GR_INT32) convert_float(s, v, q);
        else if (!convert_integer(s, v, (int32_t *)(void *)q)) return i;
    }
    return n;
}
