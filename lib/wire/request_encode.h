/* Checking requests and turning them into frames: the client's half. */
#ifndef GIB_WIRE_REQUEST_ENCODE_H
#define GIB_WIRE_REQUEST_ENCODE_H

#include <gibson/request.h>
#include <gibson/status.h>

#include "base/buffer.h"
#include "wire/limits.h"

/* Where the value of a request goes: SET and MSET have one, as the last field of the frame. */
typedef enum gib_value_place {
    GIB_VALUE_COPIED,   /* into the buffer, behind the other fields */
    GIB_VALUE_BORROWED, /* nowhere: the caller sends it from where it is, after the buffer */
} gib_value_place;

/* What a request has become. */
typedef struct gib_encoded {
    size_t frame_size; /* bytes of the whole frame, header and value included */
    size_t value_size; /* bytes of the value at its end, 0 if it has none */
} gib_encoded;

/* Checks a request and appends its frame to a buffer. Returns GIBSON_OK; GIBSON_INVALID where the
   protocol or the limits do not allow the request, with an error that names the argument;
   GIBSON_WOULD_BLOCK where nothing is wrong with it but a time that is above a max_seconds of
   GIB_SECONDS_UNKNOWN: ask the server first; GIBSON_NOMEM. After a failure the buffer holds what it
   held before. */
gibson_status gib_request_encode(const gibson_request *request, const gib_limits *limits,
                                 gib_value_place place, gib_buffer *out, gib_encoded *encoded,
                                 gibson_error *error);

#endif
