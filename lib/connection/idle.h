/* When a connection is not to be trusted without a look, so that nothing which arrived before a
   call began is taken for its answer:

   After a pause of GIB_IDLE_NS or more, what has arrived is seen by looking. In a loop without
   pauses there may be nothing to see: the reply that is one too many is still on its way whenever a
   call begins. So once in GIB_IDLE_USES uses a question is asked to which the answer is known
   (question.h). The number is odd, so that calls which take turns are each met.

   A pause begins when a use ends, but to read the clock twice a use is to pay for a case that is
   rare: so it is taken to begin when the use began. Where that makes a pause of what was a slow
   reply, the ends of the next uses are timed too. */
#ifndef GIB_CONNECTION_IDLE_H
#define GIB_CONNECTION_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/likely.h"

enum {
    GIB_IDLE_NS = 1000000, /* a millisecond */
    GIB_IDLE_USES = 127,
    GIB_IDLE_TIMED_USES = 64, /* after a use that took GIB_IDLE_NS or more */
};

typedef struct gib_idle {
    int64_t since_ns;    /* when the last use began, or ended if that was timed */
    int32_t uses_left;   /* before a question is asked */
    uint32_t timed_left; /* uses whose end is to be timed */
} gib_idle;

static inline bool gib_idle_is_pause(const gib_idle *idle, int64_t now_ns)
{
    return now_ns - idle->since_ns >= GIB_IDLE_NS;
}

/* What to do before a use. */
typedef enum gib_idle_check { GIB_IDLE_TRUST, GIB_IDLE_LOOK, GIB_IDLE_ASK } gib_idle_check;

/* What is rare when a use begins: a pause, or one use too many. */
static GIB_NOINLINE gib_idle_check gib_idle_begin_rarely(gib_idle *idle, bool pause)
{
    if (pause) {
        idle->timed_left = GIB_IDLE_TIMED_USES;
        idle->uses_left--;
    }
    if (idle->uses_left >= 0) {
        return GIB_IDLE_LOOK;
    }
    idle->uses_left = GIB_IDLE_USES - 1;
    return GIB_IDLE_ASK;
}

/* Begins a use. */
static inline gib_idle_check gib_idle_begin(gib_idle *idle, int64_t now_ns)
{
    const bool pause = gib_idle_is_pause(idle, now_ns);
    idle->since_ns = now_ns;
    if (GIB_LIKELY(!pause) && GIB_LIKELY(--idle->uses_left >= 0)) {
        return GIB_IDLE_TRUST;
    }
    return gib_idle_begin_rarely(idle, pause);
}

/* Begins a use if that is no more than to begin it: as gib_idle_begin where that returns
   GIB_IDLE_TRUST. Else nothing has changed. */
static inline bool gib_idle_begin_trusted(gib_idle *idle, int64_t now_ns)
{
    if (GIB_UNLIKELY(gib_idle_is_pause(idle, now_ns)) || GIB_UNLIKELY(idle->uses_left <= 0)) {
        return false;
    }
    idle->since_ns = now_ns;
    idle->uses_left--;
    return true;
}

/* Takes that back, where the use was none. */
static inline void gib_idle_unused(gib_idle *idle)
{
    idle->uses_left++;
}

/* Takes back that a use began: nothing came of it, and what came before it is still a pause. */
static inline void gib_idle_refused(gib_idle *idle)
{
    idle->since_ns = 0;
}

/* Tells whether the end of this use is to be timed, by gib_idle_end. */
static inline bool gib_idle_is_timed(const gib_idle *idle)
{
    return idle->timed_left;
}

static inline void gib_idle_end(gib_idle *idle, int64_t now_ns)
{
    idle->timed_left--;
    idle->since_ns = now_ns;
}

#endif
