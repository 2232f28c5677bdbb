/* column.h - text in columns of a terminal, for tables whose names anybody chooses: long ones, and any of Unicode. */
#ifndef GR_BASE_COLUMN_H
#define GR_BASE_COLUMN_H

#include <stddef.h>
#include <stdio.h>

/* How many columns UTF-8 text takes: two for a wide character (East Asian ones, pictures), none for one that joins the one
 * before. What is no UTF-8 takes one a byte. */
int gr_columns(const char *text);
int gr_columns_of(const char *text, size_t bytes);
/* The larger of `width` and the text's columns: the width of a column of a table, of all its texts in turn. */
int gr_wider(int width, const char *text);
/* The text, and spaces behind or before it up to `width` columns. */
void gr_put_left(FILE *to, const char *text, int width);
void gr_put_right(FILE *to, const char *text, int width);
#endif
