/* How long requests take: a histogram whose bounds double. */
#ifndef GIBS_LATENCY_H
#define GIBS_LATENCY_H

#include <stdint.h>

#include "service/stats_rows.h"

enum {
    GIBS_FIRST_LATENCY_BOUND = 4, /* microseconds */
#define GIBS_COUNT_BOUND(bound) +1
    GIBS_LATENCY_BOUND_COUNT = 0 GIBS_LATENCY_BOUNDS(GIBS_COUNT_BOUND),
#undef GIBS_COUNT_BOUND
};

typedef struct gibs_latency {
    uint64_t below[GIBS_LATENCY_BOUND_COUNT + 1]; /* not below the bound before; the last: none */
    uint64_t sum_ns;
} gibs_latency;

/* Which of `below` a time counts in. */
static inline unsigned gibs_latency_bucket(uint64_t ns)
{
    uint64_t doublings = ns / 1000 / GIBS_FIRST_LATENCY_BOUND;
    unsigned bucket = 0;
#if defined(__GNUC__)
    bucket = doublings ? 64 - (unsigned)__builtin_clzll(doublings) : 0;
#else
    for (; doublings; doublings /= 2) {
        bucket++;
    }
#endif
    return bucket < GIBS_LATENCY_BOUND_COUNT ? bucket : GIBS_LATENCY_BOUND_COUNT;
}

/* Notes that so many requests took so long each. */
static inline void gibs_latency_note(gibs_latency *latency, int64_t ns, uint64_t requests)
{
    uint64_t took = ns > 0 ? (uint64_t)ns : 0;
    latency->below[gibs_latency_bucket(took)] += requests;
    latency->sum_ns += took * requests;
}

/* How many were noted. */
static inline uint64_t gibs_latency_count(const gibs_latency *latency)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= GIBS_LATENCY_BOUND_COUNT; i++) {
        count += latency->below[i];
    }
    return count;
}

#endif
