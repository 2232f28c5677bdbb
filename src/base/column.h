/* column.h - text in columns of a terminal, for tables whose names anybody chooses: long ones, and any of Unicode. */
#ifndef GR_BASE_COLUMN_H
#define GR_BASE_COLUMN_H

#include <stdio.h>

/* How many columns UTF-8 text takes: its gr_utf8_width(). */
int gr_columns(const char *text);
/* The larger of `width` and the text's columns: the width of a column of a table, of all its texts in turn. */
int gr_wider(int width, const char *text);
/* The text, and spaces behind or before it up to `width` columns. */
void gr_put_left(FILE *to, const char *text, int width);
void gr_put_right(FILE *to, const char *text, int width);
#endif
