/* facts.h - what sources know besides vocabularies: counts, means; told to the model and kept with
 * the weights. */
#ifndef GR_DATA_FACTS_H
#define GR_DATA_FACTS_H

#include "data/desc.h"

/* Numbers for the metadata of the weights; name and x live as long as the source. */
void gr_data_add_numbers(gr_data *d, const char *name, int n, const double *x);

/* A count that the data have: tells $data.NAME and keeps it. -1 after a diagnostic: the attribute of
 * that name says otherwise. */
int gr_data_count(gr_data *d, const char *name, int64_t n);
/* Without the data: tells what the weights or else the attribute say. False: neither does. */
bool gr_data_known_count(gr_data *d, const char *name);

/* Whether facts alone are asked for and a file is not there. */
bool gr_data_absent(const gr_data *d, const gr_part *parts, int n);
#endif
