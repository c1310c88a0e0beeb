/* One direction of a connection: bytes that came and have not been passed on, and the faults that
   decide which of them may be, and when. It has no sockets and no clock. */
#ifndef GIB_PROXY_FLOW_H
#define GIB_PROXY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

enum {
    GIB_FLOW_CAPACITY = 64 * 1024, /* bytes; when they are there, no more are read */
    GIB_FLOW_FAULTS = 16,
    GIB_FLOW_ARRIVALS = 64, /* how many times of arrival are known apart */
};

/* No time at all. */
#define GIB_FLOW_NEVER INT64_MAX

/* How a direction ends. */
typedef enum gib_ending {
    GIB_ENDING_NONE,
    GIB_ENDING_HALF_CLOSE,
    GIB_ENDING_CUT,
    GIB_ENDING_RESET,
} gib_ending;

typedef struct gib_flow {
    uint8_t *data; /* GIB_FLOW_CAPACITY bytes; those from begin to end are there */
    size_t begin;
    size_t end;
    uint64_t passed; /* bytes that were passed on since the connection was made */

    /* Those that have not struck, the next one first. */
    gib_fault faults[GIB_FLOW_FAULTS];
    size_t fault_count;
    uint64_t struck; /* how many have */

    /* What those that have struck do. Times are nanoseconds. */
    int64_t delay_ns;
    int64_t dribble_ns; /* or -1 for none */
    int64_t next_byte_ns;
    bool holding;
    int64_t hold_ns; /* how long, or 0 until released */
    int64_t held_ns; /* since when there was something to hold, or GIB_FLOW_NEVER */
    bool black_hole;
    gib_ending ending;

    struct arrival {
        int64_t when_ns;
        size_t end; /* the bytes before that offset of data have come by then */
    } arrivals[GIB_FLOW_ARRIVALS];
    size_t arrival_count;
} gib_flow;

/* Makes a flow without faults. False if memory runs out. */
bool gib_flow_init(gib_flow *flow);
void gib_flow_clear(gib_flow *flow);

/* Adds a fault that strikes fault->at bytes after now. False if there are too many. */
bool gib_flow_add(gib_flow *flow, const gib_fault *fault);

/* Forgets all faults, and ends what those that struck did, but for an ending. */
void gib_flow_heal(gib_flow *flow);

/* Ends a hold. */
void gib_flow_release(gib_flow *flow);

/* Where to put bytes that are read, and how many: 0 if it is full. */
uint8_t *gib_flow_room(gib_flow *flow, size_t *size);

/* Tells how many bytes were put there. */
void gib_flow_received(gib_flow *flow, size_t size, int64_t now_ns);

/* Lets faults strike that are due. Returns how many bytes, from data + begin on, may be passed on
   now; *wake_ns is when to ask again if nothing else happens, or GIB_FLOW_NEVER. Look at ->ending
   afterwards: the bytes before it have all been passed on. */
size_t gib_flow_ready(gib_flow *flow, int64_t now_ns, int64_t *wake_ns);

/* Tells how many of them were. */
void gib_flow_passed(gib_flow *flow, size_t size, int64_t now_ns);

static inline bool gib_flow_empty(const gib_flow *flow)
{
    return flow->begin == flow->end;
}

#endif
