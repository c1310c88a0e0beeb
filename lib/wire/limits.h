/* What may go over the wire. */
#ifndef GIB_WIRE_LIMITS_H
#define GIB_WIRE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* All sizes are in bytes, at most UINT32_MAX, and for keys and values at most max_request_size.
   Their meaning is told in gibson/options.h. */
typedef struct gib_limits {
    size_t max_reply_size;
    size_t max_request_size;
    size_t max_key_size;
    size_t max_value_size;
    int64_t max_seconds;
} gib_limits;

#endif
