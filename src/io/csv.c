/* csv.c - tables of text, read by libcsv.
 *
 * libcsv does not count lines, so it is given one at a time. All cells stand in one buffer, each
 * with a 0 behind it: a cell ends with a delimiter or a line end, so that they never take more than
 * the text and one byte. */
#include "io/csv.h"
#include "base/count.h"
#include "io/number.h"

#include <csv.h>
#include <string.h>

typedef struct reader {
    struct csv_parser parser;
    gr_csv *t;
    char *to;          /* where the next cell goes */
    int64_t count;     /* cells so far */
    int64_t line;      /* being read */
    int64_t cell_line; /* where the cell in hand began */
    int64_t row_line;  /* where the row in hand began */
    int row_cells;     /* of the row in hand */
    int fault;         /* cells of a row that has another number of them; 0: none */
    bool zero;         /* a cell holds a byte 0 */
} reader;

static void free_parser(void *p) { csv_free(p); }

static void take_cell(void *bytes, size_t n, void *data)
{
    reader *r = data;
    if (r->fault || r->zero) return;
    if (n) memcpy(r->to, bytes, n);
    r->to[n] = 0;
    r->zero = n && memchr(bytes, 0, n) != NULL;
    if (!r->row_cells++) r->row_line = r->cell_line;
    r->t->cell[r->count++] = r->to;
    r->to += n + 1;
    r->cell_line = r->line;
}

static void end_row(int terminator, void *data)
{
    reader *r = data;
    (void)terminator;
    if (r->fault || r->zero) return;
    if (!r->t->columns) r->t->columns = r->row_cells;
    if (r->row_cells != r->t->columns) r->fault = r->row_cells;
    else r->t->line[r->t->rows++] = r->row_line;
    r->row_cells = 0;
}

/* Room for as many cells and rows as the text can hold. */
static void make_room(gr_arena *a, reader *r, const char *text, size_t length, char delimiter)
{
    size_t cells = 1, rows = 1;
    for (size_t i = 0; i < length; i++) {
        bool end = text[i] == '\n' || text[i] == '\r';
        cells += end || text[i] == delimiter;
        rows += end;
    }
    r->t->cell = GR_NEW_ARRAY(a, const char *, cells);
    r->t->line = GR_NEW_ARRAY(a, int64_t, rows);
    r->to = gr_arena_alloc(a, length + 1);
}

static int row_fault(const reader *r, gr_error *e)
{
    if (r->zero)
        return gr_set_error(e, GR_EINVAL, "%s: line %lld: a byte 0, which no text has", r->t->name, (long long)r->line);
    return gr_set_error(e, GR_EINVAL, "%s: line %lld has %d column%s, but line %lld has %d", r->t->name,
                        (long long)r->row_line, r->fault, gr_s(r->fault), (long long)r->t->line[0],
                        r->t->columns);
}

/* What libcsv stopped at, `byte` of the line. */
static int parse_fault(reader *r, size_t byte, gr_error *e)
{
    if (csv_error(&r->parser) != CSV_EPARSE)
        return gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", r->t->name);
    return gr_set_error(e, GR_EINVAL, "%s: line %lld, byte %zu: a quote in the middle of a cell; a cell with quotes "
                        "stands between quotes, those in it twice: \"a \"\"b\"\" c\"", r->t->name, (long long)r->line,
                        byte);
}

static int read_rows(reader *r, const char *text, size_t length, gr_error *e)
{
    for (size_t at = 0; at < length; r->line++) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t n = newline ? (size_t)(newline - text) + 1 - at : length - at;
        if (!r->row_cells && !r->parser.quoted) r->cell_line = r->line;
        size_t done = csv_parse(&r->parser, text + at, n, take_cell, end_row, r);
        if (r->fault || r->zero) return row_fault(r, e);
        if (done < n) return parse_fault(r, done + 1, e);
        at += n;
    }
    r->line--; /* the last one */
    if (csv_fini(&r->parser, take_cell, end_row, r) != 0)
        return gr_set_error(e, GR_EINVAL, "%s: line %lld: a quote that is never closed", r->t->name,
                            (long long)r->cell_line);
    return r->fault || r->zero ? row_fault(r, e) : GR_OK;
}

static bool looks_like_header(const gr_csv *t)
{
    double x;
    for (int i = 0; i < t->columns; i++)
        if (gr_number_read(t->cell[i], &x) != GR_NUMBER_NOT) return false;
    return true;
}

int gr_csv_parse(gr_arena *a, const char *name, const char *text, size_t length, char delimiter, gr_csv_header header,
                 gr_csv *out, gr_error *e)
{
    reader *r = GR_NEW(a, reader);
    *out = (gr_csv){.name = name};
    r->t = out;
    r->line = r->cell_line = 1;
    make_room(a, r, text, length, delimiter);
    if (csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI))
        return gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", name);
    gr_arena_defer(a, free_parser, &r->parser);
    csv_set_delim(&r->parser, (unsigned char)delimiter);
    csv_set_blk_size(&r->parser, (size_t)1 << 16);
    int status = read_rows(r, text, length, e);
    if (status) return status;
    if (!out->rows) return gr_set_error(e, GR_EINVAL, "%s: holds no rows", name);
    if (header == GR_CSV_HEADER_NO || (header == GR_CSV_HEADER_AUTO && !looks_like_header(out))) return GR_OK;
    out->header = out->cell;
    out->cell += out->columns;
    out->line++;
    out->rows--;
    return GR_OK;
}

int gr_csv_find(const gr_csv *t, const char *name)
{
    int found = -1;
    for (int i = 0; t->header && i < t->columns; i++)
        if (!strcmp(t->header[i], name)) found = found < 0 ? i : -2;
    return found;
}
