/* One direction of a connection: bytes that came and have not been passed on, and the faults that
   decide which of them may be, and when. It has no sockets and no clock. */
#ifndef GIBP_PROXY_FLOW_H
#define GIBP_PROXY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/fault.h"

enum {
    GIBP_FLOW_CAPACITY = 64 * 1024, /* bytes; when they are there, no more are read */
    GIBP_FLOW_FAULTS = 16,
    GIBP_FLOW_ARRIVALS = 64, /* how many times of arrival are known apart */
};

/* No time at all. */
#define GIBP_FLOW_NEVER INT64_MAX

/* How a direction ends. */
typedef enum gibp_ending {
    GIBP_ENDING_NONE,
    GIBP_ENDING_HALF_CLOSE,
    GIBP_ENDING_CUT,
    GIBP_ENDING_RESET,
} gibp_ending;

typedef struct gibp_flow {
    uint8_t *data; /* GIBP_FLOW_CAPACITY bytes; those from begin to end are there */
    size_t begin;
    size_t end;
    uint64_t passed; /* bytes that were passed on since the connection was made */

    /* Those that have not struck, the next one first. */
    gibp_fault faults[GIBP_FLOW_FAULTS];
    size_t fault_count;
    uint64_t struck; /* how many have */

    /* What those that have struck do. Times are nanoseconds. */
    int64_t delay_ns;
    int64_t dribble_ns; /* or -1 for none */
    int64_t next_byte_ns;
    bool holding;
    int64_t hold_ns; /* how long, or 0 until released */
    int64_t held_ns; /* since when there was something to hold, or GIBP_FLOW_NEVER */
    bool black_hole;
    gibp_ending ending;

    struct arrival {
        int64_t when_ns;
        size_t end; /* the bytes before that offset of data have come by then */
    } arrivals[GIBP_FLOW_ARRIVALS];
    size_t arrival_count;
} gibp_flow;

/* Makes a flow without faults. False if memory runs out. */
bool gibp_flow_init(gibp_flow *flow);
void gibp_flow_clear(gibp_flow *flow);

/* Adds a fault that strikes fault->at bytes after now. False if there are too many. */
bool gibp_flow_add(gibp_flow *flow, const gibp_fault *fault);

/* Forgets all faults, and ends what those that struck did, but for an ending. */
void gibp_flow_heal(gibp_flow *flow);

/* Ends a hold. */
void gibp_flow_release(gibp_flow *flow);

/* Where to put bytes that are read, and how many: 0 if it is full. */
uint8_t *gibp_flow_room(gibp_flow *flow, size_t *size);

/* Tells how many bytes were put there. */
void gibp_flow_received(gibp_flow *flow, size_t size, int64_t now_ns);

/* Lets faults strike that are due. Returns how many bytes, from data + begin on, may be passed on
   now; *wake_ns is when to ask again if nothing else happens, or GIBP_FLOW_NEVER. Look at ->ending
   afterwards: the bytes before it have all been passed on. */
size_t gibp_flow_ready(gibp_flow *flow, int64_t now_ns, int64_t *wake_ns);

/* Tells how many of them were. */
void gibp_flow_passed(gibp_flow *flow, size_t size, int64_t now_ns);

static inline bool gibp_flow_empty(const gibp_flow *flow)
{
    return flow->begin == flow->end;
}

#endif
