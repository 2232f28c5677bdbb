/* number.h - numbers that stand as text in a file. */
#ifndef GR_IO_NUMBER_H
#define GR_IO_NUMBER_H

typedef enum gr_number {
    GR_NUMBER_NOT,     /* a word, or a number with something behind it */
    GR_NUMBER_READ,
    GR_NUMBER_MISSING, /* empty, ?, NA, N/A, NaN or null, in any case of letters */
} gr_number;

/* The whole of `text`, without white space around it. Infinity and hexadecimal are no numbers.
 * A missing one gives NaN. */
gr_number gr_number_read(const char *text, double *x);
#endif
