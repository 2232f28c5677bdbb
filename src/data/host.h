/* host.h - the table of functions that sources get; private to src/data. */
#ifndef GR_DATA_HOST_H
#define GR_DATA_HOST_H

#include "data/desc.h"

extern const gr_source_host gr_source_host_functions;
#endif
