/* Finding requests in a stream of bytes and reading their payloads: the server's half. */
#ifndef GIB_WIRE_REQUEST_DECODE_H
#define GIB_WIRE_REQUEST_DECODE_H

#include <stdbool.h>

#include <gibson/request.h>

#include "wire/frame.h"
#include "wire/limits.h"

typedef enum gib_frame_state {
    GIB_FRAME_WHOLE,   /* the frame is there */
    GIB_FRAME_PARTIAL, /* bytes are missing */
    GIB_FRAME_INVALID, /* the size field is one that no request can have */
} gib_frame_state;

/* The frame of a request. The payload is a view of the bytes it was found in. */
typedef struct gib_request_frame {
    uint16_t opcode;
    gibson_bytes payload;
    size_t frame_size; /* bytes of the whole frame, or as far as that is known: its header */
} gib_request_frame;

/* Looks for a frame at the beginning of `size` bytes. max_request_size counts what the size field
   counts. frame_size is set in every case; the other members only where the frame is WHOLE. */
gib_frame_state gib_request_find(const uint8_t *data, size_t size, size_t max_request_size,
                                 gib_request_frame *frame);

/* What happens to a key, value or time above its limit. */
typedef enum gib_excess {
    GIB_EXCESS_REFUSED, /* it is an error */
    GIB_EXCESS_CUT,     /* it is cut, as the reference server does: a value and a time to the limit;
                           a key to one byte below it, and what is cut off begins the next field */
} gib_excess;

/* Reads the payload of a command into *request, whose views borrow from it. Returns GIB_CODE_OK, or
   the code that answers the request: ERR where a field is missing, empty, one too many or above its
   limit, NAN where a number is none. Of the limits, those of key, value and seconds count. */
gib_code gib_request_decode(const gibson_command *command, gibson_bytes payload,
                            const gib_limits *limits, gib_excess excess, gibson_request *request);

#endif
