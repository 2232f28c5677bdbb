/* html.h - pieces of a page: text that means itself.
 *
 * Whatever a user can name passes through gr_html_text, so no name can end a tag, an
 * attribute or a script. */
#ifndef GR_REPORT_HTML_H
#define GR_REPORT_HTML_H

#include "base/arena.h"
#include "model/builtin.h"
#include "report/number.h"
#include <stdio.h>

/* The style sheet and the script of reports: report.css, report.js. */
extern const gr_builtin_file gr_report_files[]; /* ends with name NULL */

/* Text as it is, in an element or in a quoted attribute. Bytes that are no UTF-8, and control characters
 * other than line breaks and tabs, become U+FFFD. NULL is "". */
void gr_html_text(FILE *to, const char *text);
#endif
