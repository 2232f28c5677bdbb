/* csv.h - tables of text: rows of cells with something between them (RFC 4180). */
#ifndef GR_IO_CSV_H
#define GR_IO_CSV_H

#include "base/diag.h"

typedef enum gr_csv_header {
    GR_CSV_HEADER_AUTO, /* the first row is one if none of its cells is a number or missing */
    GR_CSV_HEADER_YES,
    GR_CSV_HEADER_NO,
} gr_csv_header;

typedef struct gr_csv {
    const char *name;    /* of the file, for messages */
    int64_t rows;        /* without the header; 0 is possible */
    int columns;         /* at least 1 */
    const char **header; /* [columns]; NULL: there is none */
    const char **cell;   /* [rows][columns], without the quotes and the white space around it */
    int64_t *line;       /* [rows]: where each begins, from 1 */
} gr_csv;

/* All cells of text[0..length), which ends with a 0. Rows of unequal numbers of cells, a quote that
 * is never closed or stands in the middle of a cell, and an empty table are errors with their line.
 * Blank lines are left out. 0 or a status. */
int gr_csv_parse(gr_arena *a, const char *name, const char *text, size_t length, char delimiter, gr_csv_header header,
                 gr_csv *out, gr_error *e);
/* The column of that name, or -1; -2: there are several. */
int gr_csv_find(const gr_csv *t, const char *name);
#endif
