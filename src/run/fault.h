/* fault.h - what a kernel found wrong in a run, told after it.
 *
 * Workers may find several; which one is kept is a function of the program and what it was
 * fed, not of who was first. */
#ifndef GR_RUN_FAULT_H
#define GR_RUN_FAULT_H

#include "program/program.h"

#include <stdatomic.h>

typedef struct gr_faults {
    atomic_bool any;
    atomic_flag busy;
    const gr_template *at;
    int64_t row, place;  /* the step of the loops around, the kernel's own number */
    char text[256];
} gr_faults;

void gr_faults_clear(gr_faults *f);
/* Keeps what comes first by template, row and place. */
void gr_faults_add(gr_faults *f, const gr_template *at, int64_t row, int64_t place, const char *fmt, va_list args);
/* After the run: "'rnn.l0.mask' (LengthMask): ..."; NULL: all was well. */
const char *gr_faults_text(const gr_faults *f, const gr_program *p, char *to, size_t room);
#endif
