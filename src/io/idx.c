/* idx.c - the IDX format of arrays. */
#include "io/idx.h"
#include "base/count.h"

static gr_stored type_of(unsigned char code)
{
    switch (code) {
    case 0x08: return GR_STORED_U8;
    case 0x09: return GR_STORED_I8;
    case 0x0b: return GR_STORED_I16;
    case 0x0c: return GR_STORED_I32;
    case 0x0d: return GR_STORED_F32;
    case 0x0e: return GR_STORED_F64;
    default: return GR_STORED_NONE;
    }
}

static int check_head(const char *name, const unsigned char *b, size_t length, gr_error *e)
{
    if (length < 4) return gr_set_error(e, GR_EINVAL, "%s: %zu bytes are too few for an IDX file", name, length);
    if (b[0] || b[1])
        return gr_set_error(e, GR_EINVAL, "%s: is no IDX file: it begins with 0x%02x 0x%02x, not with two bytes 0", name,
                            b[0], b[1]);
    if (!type_of(b[2]))
        return gr_set_error(e, GR_EINVAL, "%s: byte 2 is 0x%02x, which is no element type of IDX (0x08 to 0x0e)", name, b[2]);
    if (b[3] < 1 || b[3] > GR_MAX_RANK)
        return gr_set_error(e, GR_EINVAL, "%s: byte 3 says that it has %d axes; 1 to %d are possible", name, b[3], GR_MAX_RANK);
    if (length < 4 + 4 * (size_t)b[3])
        return gr_set_error(e, GR_EINVAL, "%s: ends after %zu bytes, in the middle of the sizes of its %d axes", name, length,
                            b[3]);
    return GR_OK;
}

int gr_idx_head(const char *name, const char *bytes, size_t length, gr_idx *out, gr_error *e)
{
    const unsigned char *b = (const unsigned char *)bytes;
    int64_t count = 0;
    if (check_head(name, b, length, e)) return GR_EINVAL;
    *out = (gr_idx){.type = type_of(b[2]), .rank = b[3]};
    for (int i = 0; i < out->rank; i++) {
        const unsigned char *s = b + 4 + 4 * i;
        out->dim[i] = (int64_t)s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3];
    }
    size_t head = 4 + 4 * (size_t)out->rank, size = gr_stored_size(out->type);
    if (!gr_stored_count(out->rank, out->dim, &count) || (uint64_t)count > (SIZE_MAX - head) / size)
        return gr_set_error(e, GR_EINVAL, "%s: its header says more than any file holds", name);
    out->bytes = head + (size_t)count * size;
    return GR_OK;
}

int gr_idx_parse(const char *name, const char *bytes, size_t length, gr_idx *out, gr_error *e)
{
    if (gr_idx_head(name, bytes, length, out, e)) return GR_EINVAL;
    size_t head = 4 + 4 * (size_t)out->rank, size = gr_stored_size(out->type);
    if (out->bytes != length)
        return gr_set_error(e, GR_EINVAL, "%s: holds %zu bytes of elements; its header says %zu of %zu byte%s", name, length - head,
                            (out->bytes - head) / size, size, gr_s(size));
    out->data = bytes + head;
    return GR_OK;
}
