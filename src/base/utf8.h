/* utf8.h - decoding UTF-8, strictly: no overlong forms, no surrogates; and how wide it is. */
#ifndef GR_BASE_UTF8_H
#define GR_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character that s[0..n) begins with and its length in bytes, 1 to 4; 0 if the bytes are
 * not UTF-8 (or n is 0). *c may be NULL. */
int gr_utf8_decode(const char *s, size_t n, uint32_t *c);
/* The first byte of s[0..n) that begins no character; n if all is well. */
size_t gr_utf8_check(const char *s, size_t n);
/* Writes 1 to 4 bytes and gives their number. */
int gr_utf8_encode(uint32_t c, char out[4]);
/* How wide the text is, in letters or columns of a terminal: a character of East Asia and an emoji are two, a mark that
 * joins the character before it and a control character none. A byte that is not UTF-8 is one. */
int gr_utf8_width(const char *s, size_t n);
/* How many bytes at the start of the text, whole characters, are at most so wide. */
size_t gr_utf8_fit(const char *s, size_t n, int width);
#endif
