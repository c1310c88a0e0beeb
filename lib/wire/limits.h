/* What may go over the wire. */
#ifndef GIB_WIRE_LIMITS_H
#define GIB_WIRE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* All sizes are in bytes and fit their fields on the wire: a request of nothing but the longest key
   or value has no more than max_request_size. No key is longer than GIB_MOST_KEY_SIZE, so that the
   sum of a key and what else is in memory does not overflow. The meaning is told in
   gibson/options.h. */
#define GIB_MOST_KEY_SIZE ((size_t)1 << 30)

/* The largest ttl and lock time that the reference server keeps: it has 16 bits for them. */
#define GIB_SAFE_SECONDS 32767

/* Bytes of a reply that the client has asked for on its own account, STATS for one, at the most. */
enum { GIB_SAFE_REPLY_SIZE = 64 * 1024 };

/* Where max_seconds comes from. */
typedef enum gib_seconds_source {
    GIB_SECONDS_GIVEN,    /* the options, or a server's own configuration */
    GIB_SECONDS_UNKNOWN,  /* GIB_SAFE_SECONDS, until the server has been asked */
    GIB_SECONDS_TOLD,     /* what the server at hand says that it keeps */
    GIB_SECONDS_NOT_TOLD, /* GIB_SAFE_SECONDS: it was asked, and says nothing of it */
} gib_seconds_source;

typedef struct gib_limits {
    size_t max_reply_size;
    size_t max_request_size;
    size_t max_key_size;
    size_t max_value_size;
    int64_t max_seconds;
    gib_seconds_source seconds_source;
} gib_limits;

#endif
