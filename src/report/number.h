/* number.h - numbers as people read them, for terminals and pages. */
#ifndef GR_REPORT_NUMBER_H
#define GR_REPORT_NUMBER_H

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
