/* The monotonic clock, and deadlines on it. */
#ifndef GIB_BASE_CLOCK_H
#define GIB_BASE_CLOCK_H

#include <stdint.h>

/* An absolute time on CLOCK_MONOTONIC, in nanoseconds. */
typedef int64_t gib_deadline;

#define GIB_NO_DEADLINE INT64_MAX

/* The time now. */
int64_t gib_now_ns(void);

/* The deadline that is `duration_ms` milliseconds after `now_ns`; GIBSON_NO_DEADLINE gives
   GIB_NO_DEADLINE, and so does a duration of more than 146 years. */
gib_deadline gib_deadline_after(int64_t now_ns, int64_t duration_ms);

/* Milliseconds left, rounded up so that a wait does not end before the deadline: 0 when it has
   passed, at most INT_MAX, and -1, which is what poll calls for ever, for GIB_NO_DEADLINE. */
int gib_deadline_left_ms(gib_deadline deadline);

#endif
