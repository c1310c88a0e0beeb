/* Checking requests and turning them into frames: the client's half. */
#ifndef GIB_WIRE_REQUEST_ENCODE_H
#define GIB_WIRE_REQUEST_ENCODE_H

#include <gibson/request.h>
#include <gibson/status.h>

#include "base/buffer.h"
#include "wire/command.h"
#include "wire/frame.h"
#include "wire/key.h"
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

/* The hot path of gib_request_encode: a request of nothing but a key or a prefix, for which the
   buffer has room. The frame has GIB_REQUEST_HEADER + key_size bytes. False where
   gib_request_encode has to look. */
static inline bool gib_request_encode_key(gibson_opcode opcode, const void *key, size_t key_size,
                                          const gib_limits *limits, gib_buffer *out)
{
    if (key_size - 1 >= limits->max_key_size || !key) {
        return false;
    }
    const size_t end = out->end + GIB_REQUEST_HEADER + key_size; /* see gib_limits: no overflow */
    if (end > out->capacity) {
        return false;
    }
    uint8_t *frame = out->data + out->end;
    if (!gib_key_copy(frame + GIB_REQUEST_HEADER, key, key_size)) {
        return false;
    }
    gib_store_u32(frame, (uint32_t)(GIB_OPCODE_FIELD + key_size));
    gib_store_u16(frame + GIB_SIZE_FIELD, (uint16_t)opcode);
    out->end = end;
    return true;
}

/* Tells whether a command has a value, as the last field of its frame. */
static inline bool gib_command_takes_value(const gibson_command *command)
{
    return command->arguments == GIBSON_ARGUMENTS_KEY_VALUE_TTL ||
           command->arguments == GIBSON_ARGUMENTS_PREFIX_VALUE;
}

#endif
