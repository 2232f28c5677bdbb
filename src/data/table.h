/* table.h - csv files as sources see them: chosen columns, numbers in their cells. */
#ifndef GR_DATA_TABLE_H
#define GR_DATA_TABLE_H

#include "data/desc.h"
#include "io/csv.h"

#define GR_TABLE_ATTRS                                                                                          \
    {"header", GR_ATTR_CHOICE, "auto", 0, 0, "auto|true|false",                                                 \
     "whether the first row names the columns; auto: where none of its cells is a number"},                     \
    {"delimiter", GR_ATTR_STRING, ",", 0, 0, NULL, "what stands between cells, one character or `tab`"}

typedef struct gr_table {
    gr_csv csv;
    const gr_part *part;
} gr_table;

/* The table of a file. 0, or -1 after a diagnostic. */
int gr_table_read(gr_data *d, const gr_part *part, gr_table *t);
/* Whether all tables have the columns of the first. 0, or -1 after a diagnostic. */
int gr_table_check_alike(gr_data *d, const gr_table *t, int n);
/* The columns that a value of the model file names: a name, a number from 0 (from the end if
 * negative), a range "0:64" (without 64), or a list of these. Their number, or -1 after a diagnostic. */
int gr_table_columns(gr_data *d, const gr_table *t, gr_doc *doc, int **column);
/* The number in a cell. 0, or -1 after a diagnostic with the line and the column. */
int gr_table_number(gr_data *d, const gr_table *t, int64_t row, int column, double *x);
const char *gr_table_cell(const gr_table *t, int64_t row, int column);
/* "FILE: line 5, column 'price'" */
const char *gr_table_place(gr_data *d, const gr_table *t, int64_t row, int column);
#endif
