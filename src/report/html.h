/* html.h - pieces of a page: text that means itself, numbers as people read them.
 *
 * Whatever a user can name passes through gr_html_text, so no name can end a tag, an
 * attribute or a script. */
#ifndef GR_REPORT_HTML_H
#define GR_REPORT_HTML_H

#include "base/arena.h"
#include "model/builtin.h"
#include <stdio.h>

/* The style sheet and the script of reports: report.css, report.js. */
extern const gr_builtin_file gr_report_files[]; /* ends with name NULL */

/* Text as it is, in an element or in a quoted attribute. Bytes that are no UTF-8, and control characters
 * other than line breaks and tabs, become U+FFFD. NULL is "". */
void gr_html_text(FILE *to, const char *text);

enum { GR_NUMBER_TEXT = 64 };
/* "12,345.68", "−0.310" with a true minus sign; "not finite" for what is not. Gives `room`. */
const char *gr_number_text(double value, int decimals, char room[GR_NUMBER_TEXT]);
/* How many decimals show two significant digits of `width`, or, where that is 0 or not finite, five of `value`. */
int gr_number_decimals(double value, double width);
/* "512 bytes", "3.4 MiB" */
const char *gr_bytes_text(double bytes, char room[GR_NUMBER_TEXT]);
/* "0.42 s", "12 s", "3 min 20 s", "2 h 5 min" */
const char *gr_duration_text(double seconds, char room[GR_NUMBER_TEXT]);
#endif
