/* When to try to connect again after failures. */
#ifndef GIB_BASE_BACKOFF_H
#define GIB_BASE_BACKOFF_H

#include <stdint.h>

typedef struct gib_backoff {
    int64_t delay_ms;     /* after the first failure */
    int64_t max_delay_ms; /* however many there were */
    unsigned int failures;
    int64_t not_before_ns; /* monotonic; 0 when there was no failure */
    uint64_t random;       /* state of the generator, not 0 */
} gib_backoff;

/* Starts without failures. The seed makes clients that fail together come back apart. */
void gib_backoff_init(gib_backoff *backoff, int64_t delay_ms, int64_t max_delay_ms, uint64_t seed);

/* Notes a failure at `now_ns` and sets not_before_ns: a random delay between half and the whole of
   delay_ms, doubled with every failure, up to max_delay_ms. */
void gib_backoff_failed(gib_backoff *backoff, int64_t now_ns);

/* Notes a success. */
void gib_backoff_succeeded(gib_backoff *backoff);

#endif
