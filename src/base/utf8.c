/* utf8.c - decoding UTF-8, and its width. */
#include "base/utf8.h"

/* How many bytes follow a first byte, and what it gives of the character; -1: none begins so. */
static int following(unsigned char first, uint32_t *bits)
{
    if (first < 0x80) return *bits = first, 0;
    if (first >= 0xc2 && first < 0xe0) return *bits = first & 0x1fu, 1;
    if (first >= 0xe0 && first < 0xf0) return *bits = first & 0x0fu, 2;
    if (first >= 0xf0 && first < 0xf5) return *bits = first & 0x07u, 3;
    return -1;
}

int gr_utf8_decode(const char *s, size_t n, uint32_t *c)
{
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)s;
    uint32_t v;
    int more = n ? following(u[0], &v) : -1;
    if (more < 0 || (size_t)more >= n) return 0;
    for (int i = 1; i <= more; i++) {
        if ((u[i] & 0xc0) != 0x80) return 0;
        v = v << 6 | (u[i] & 0x3fu);
    }
    if (v < least[more] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) return 0;
    if (c) *c = v;
    return more + 1;
}

size_t gr_utf8_check(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        int length = gr_utf8_decode(s + i, n - i, NULL);
        if (!length) return i;
        i += (size_t)length;
    }
    return n;
}

int gr_utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) return out[0] = (char)c, 1;
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* By blocks of Unicode: of the wide ones all, of the marks those that letters of Europe, Arabic and Hebrew bear. */
static int char_width(uint32_t c)
{
    static const struct { uint32_t first, last; int width; } blocks[] = {
        {0x0300, 0x036f, 0}, {0x0591, 0x05bd, 0}, {0x064b, 0x065f, 0}, {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0}, {0x2e80, 0x303e, 2},
        {0x3041, 0xa4cf, 2}, {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0}, {0xfe30, 0xfe6f, 2}, {0xff00, 0xff60, 2},
        {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i].first && c <= blocks[i].last) return blocks[i].width;
    return 1;
}

int gr_utf8_width(const char *s, size_t n)
{
    int width = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c = 0xfffd;
        const int length = gr_utf8_decode(s + i, n - i, &c);
        width += char_width(c);
        i += length ? (size_t)length : 1;
    }
    return width;
}
