/* What tests ask of their own process. */
#ifndef SUPPORT_PROCESS_H
#define SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many descriptors are open. */
size_t process_open_descriptors(void);

/* Waits until so many are open, as threads that were given up close theirs a little later. False if
   that is not so within 10 seconds. */
bool process_await_descriptors(size_t expected);

/* Sends SIGALRM to this process every `interval_us` microseconds, to a handler that does nothing
   but interrupt system calls (no SA_RESTART); 0 ends that. Returns how many there were. */
size_t process_signal_storm(int64_t interval_us);

/* Sends SIGALRM once, in `delay_ms`; process_signal_storm(0) calls it off. */
void process_signal_once(int64_t delay_ms);

#endif
