/* utf8.c - decoding UTF-8, and its width. */
#include "base/utf8.h"

#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <wchar.h>

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

/* As wide as the C library says, by its locale C.UTF-8 if there is one, whatever the process's is. */
static int char_width(uint32_t c, bool known)
{
    const int width = known ? wcwidth((wchar_t)c) : 1;
    return width < 0 ? 0 : width;
}

/* How many bytes, whole characters, are at most `most` wide, and *width: how wide they are. */
static size_t measure(const char *s, size_t n, int most, int *width)
{
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
    size_t i = 0;
    *width = 0;
    while (i < n) {
        uint32_t c;
        const int length = gr_utf8_decode(s + i, n - i, &c), wide = length ? char_width(c, utf8 != (locale_t)0) : 1;
        if (wide > most - *width) break;
        *width += wide;
        i += length ? (size_t)length : 1;
    }
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return i;
}

static bool is_plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < ' ' || s[i] > '~') return false;
    return true;
}

int gr_utf8_width(const char *s, size_t n)
{
    int width = (int)n;
    if (!is_plain(s, n)) measure(s, n, INT_MAX, &width);
    return width;
}

size_t gr_utf8_fit(const char *s, size_t n, int width)
{
    int used;
    if (!is_plain(s, n)) return measure(s, n, width, &used);
    return width < 0 ? 0 : n < (size_t)width ? n : (size_t)width;
}
