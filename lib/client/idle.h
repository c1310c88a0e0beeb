/* When a connection has to be looked at before it is used, so that nothing which arrived before a
   call began is taken for its answer: after any pause of GIB_IDLE_NS or more, and at least once in
   GIB_IDLE_USES uses.

   A pause begins when a use ends, but to read the clock twice a use is to pay for a case that is
   rare: so it is taken to begin when the use began. Where that makes a pause of what was a slow
   reply, the ends of the next uses are timed too. */
#ifndef GIB_CLIENT_IDLE_H
#define GIB_CLIENT_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/likely.h"

enum {
    GIB_IDLE_NS = 1000000, /* a millisecond */
    GIB_IDLE_USES = 32,
    GIB_IDLE_TIMED_USES = 64, /* after a use that took GIB_IDLE_NS or more */
};

typedef struct gib_idle {
    int64_t since_ns;    /* when the last use began, or ended if that was timed */
    int32_t uses_left;   /* before the connection is looked at, however short the pauses */
    uint32_t timed_left; /* uses whose end is to be timed */
} gib_idle;

static inline bool gib_idle_is_pause(const gib_idle *idle, int64_t now_ns)
{
    return now_ns - idle->since_ns >= GIB_IDLE_NS;
}

/* Begins a use. Returns whether the connection has to be looked at first. */
static inline bool gib_idle_begin(gib_idle *idle, int64_t now_ns)
{
    const bool pause = gib_idle_is_pause(idle, now_ns);
    idle->since_ns = now_ns;
    if (GIB_LIKELY(!pause) && GIB_LIKELY(--idle->uses_left >= 0)) {
        return false;
    }
    idle->timed_left = pause ? GIB_IDLE_TIMED_USES : 0;
    idle->uses_left = GIB_IDLE_USES - 1;
    return true;
}

/* Makes the next use look at the connection. */
static inline void gib_idle_distrust(gib_idle *idle)
{
    idle->uses_left = 0;
}

/* Ends a use. */
static inline void gib_idle_end(gib_idle *idle)
{
    if (GIB_UNLIKELY(idle->timed_left)) {
        idle->timed_left--;
        idle->since_ns = gib_now_ns();
    }
}

#endif
