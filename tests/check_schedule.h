/* check_schedule.h - proves a schedule: every conflict is ordered, whatever the timing. */
#ifndef GR_CHECK_SCHEDULE_H
#define GR_CHECK_SCHEDULE_H

#include "program/schedule.h"

/* Walks all lists with vector clocks and notes who touched each element last. NULL, or what is
 * wrong (static memory): two tasks that touch the same memory without an order between them,
 * an order that is not the sequential one, lists that wait for each other for ever, or a
 * template whose units are not all computed once. For small programs: it keeps a record for
 * each element. */
const char *check_schedule(const gr_program *p, const gr_schedule *s);
#endif
