/* Whether a server of a cluster is to be used. One that fails a number of times in a row is
   ejected: nobody asks it any more but one caller at a time, after a delay that grows with jitter,
   who finds out whether it is back. No sockets, and no clock: it is told the time. Callers share a
   lock. */
#ifndef GIB_CLUSTER_HEALTH_H
#define GIB_CLUSTER_HEALTH_H

#include <stdbool.h>

#include "base/backoff.h"

typedef struct gib_health {
    uint32_t limit;    /* failures in a row that eject it */
    uint32_t failures; /* in a row, up to the limit */
    bool is_ejected;
    bool is_probed;      /* somebody is asking it, though it is ejected */
    gib_backoff backoff; /* not_before_ns is when the next may */
    uint64_t ejections;
} gib_health;

typedef enum gib_health_use {
    GIB_HEALTH_USE,   /* it is fine, as far as is known */
    GIB_HEALTH_PROBE, /* it is ejected, and this caller is to find out: he has to tell how it went
                       */
    GIB_HEALTH_AVOID, /* it is ejected */
} gib_health_use;

/* Begins without failures. Delays are in milliseconds. */
void gib_health_init(gib_health *health, uint32_t limit, int64_t delay_ms, int64_t max_delay_ms,
                     uint64_t seed);

/* What to do with a server for a request. */
gib_health_use gib_health_ask(gib_health *health, int64_t now_ns);

/* The server could not be reached, or did not answer; `probe` tells whether that was a probe.
   Returns whether it is ejected by this. */
bool gib_health_failed(gib_health *health, bool probe, int64_t now_ns);

/* The server has answered, whatever it said. Returns whether it has come back. */
bool gib_health_answered(gib_health *health, bool probe);

/* The probe ended without a verdict: nothing was sent. */
void gib_health_withdrawn(gib_health *health);

#endif
