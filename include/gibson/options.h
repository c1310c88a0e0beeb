/* How a client connects, waits and allocates. */
#ifndef GIBSON_OPTIONS_H
#define GIBSON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gibson/export.h>

GIBSON_BEGIN_DECLS

/* A duration that means: wait for ever. */
#define GIBSON_NO_DEADLINE INT64_C(-1)

#define GIBSON_DEFAULT_HOST "127.0.0.1"
#define GIBSON_DEFAULT_PORT 10128
#define GIBSON_DEFAULT_TIMEOUT_MS 60
#define GIBSON_DEFAULT_CONNECT_TIMEOUT_MS 1000
#define GIBSON_DEFAULT_MAX_REPLY_SIZE ((size_t)64 << 20)
#define GIBSON_DEFAULT_MAX_REQUEST_SIZE ((size_t)4 << 20)
#define GIBSON_DEFAULT_MAX_KEY_SIZE 1023
#define GIBSON_DEFAULT_MAX_SECONDS 32767
#define GIBSON_DEFAULT_PIPELINE_WINDOW 1024
#define GIBSON_DEFAULT_PIPELINE_BYTES ((size_t)16 << 20)
#define GIBSON_DEFAULT_TCP_KEEPALIVE_S 60
#define GIBSON_DEFAULT_RECONNECT_DELAY_MS 10
#define GIBSON_DEFAULT_RECONNECT_MAX_DELAY_MS 2000

/* gibson_allocator is where a handle gets its memory. All three functions are set, or none, which
   means those of the C library. They follow malloc, realloc and free, may return NULL, and get
   context as their last argument. They may be called from whichever thread uses the handle. */
typedef struct gibson_allocator {
    void *(*allocate)(size_t size, void *context);
    void *(*reallocate)(void *memory, size_t size, void *context);
    void (*release)(void *memory, void *context);
    void *context;
} gibson_allocator;

/* gibson_options says how a client connects, waits and allocates. Zero means the default for every
   member, so gibson_options_init alone gives a working set. Strings and what context pointers point
   to: see each member. */
typedef struct gibson_options {
    size_t struct_size; /* set by gibson_options_init; tells the version of the struct */

    /* Where. The strings are copied. unix_socket wins where both are set. */
    const char *host; /* name, IPv4 or IPv6 address; default 127.0.0.1 */
    uint16_t port;    /* default 10128 */
    /* Path of a unix socket, or '@' and a name for an abstract one (Linux). A path that does not
       fit a socket address is refused, not cut. */
    const char *unix_socket;

    /* Deadlines, in milliseconds from the start of the call. GIBSON_NO_DEADLINE waits for ever. */
    int64_t connect_timeout_ms; /* resolving the name and connecting, together; default 1000 */
    int64_t timeout_ms;         /* a whole operation, however the bytes trickle in, and with
                                   reconnecting and repeating where it has to; default 60. So with
                                   reconnect it has to be long enough to connect in. */

    /* Limits. What exceeds one is refused before anything is sent (INVALID), or for replies before
       anything is allocated (PROTOCOL). */
    size_t max_reply_size;   /* bytes of data in one reply to the caller; default 64 MiB. What the
                                client asks on its own account (see max_seconds, and client.h) may
                                be answered by up to 64 KiB whatever this is */
    size_t max_request_size; /* bytes of one request but for its size field; default 4 MiB, above
                                which a gibson server as shipped closes the connection */
    size_t max_key_size;     /* bytes of a key or prefix; default 1023 */
    size_t max_value_size;   /* bytes of a value; default: what max_request_size leaves */
    int64_t max_seconds;     /* of a ttl or lock time. By default 32767, which is what every server
                                can keep, unless the server at hand says what it keeps (the row
                                max_item_ttl of its STATS, as of gibson-server): it is asked when a
                                longer time is first used on a connection, and then that is the
                                limit, whether it is higher or lower */

    /* Pipelining: what may be queued and not yet answered. */
    uint32_t pipeline_window; /* requests; default 1024 */
    size_t pipeline_bytes;    /* bytes of requests; default 16 MiB */

    /* Reconnecting. Without it a connection that broke stays broken until gibson_client_connect. */
    bool reconnect; /* connect again before the next operation */
    /* After an attempt to connect failed, operations fail at once (UNREACHABLE) until a delay has
       passed: a random one between half and the whole of reconnect_delay_ms, doubled with every
       failure up to reconnect_max_delay_ms. Defaults 10 and 2000. */
    int64_t reconnect_delay_ms;
    int64_t reconnect_max_delay_ms;
    /* With reconnect, for single commands: repeat, once and before the same deadline, a request of
       effect READ or REPEATABLE whose connection was lost after some of it had been sent. Without
       it only a request of which no byte was sent is repeated. Never after a timeout. The lost
       request may still be on its way, and be carried out after the repeated one, and after what
       follows: a SET can come back over a later DEL. */
    bool retry_repeatable;

    /* TCP. Seconds of silence before the kernel probes the peer (0: 60; negative: off), and the
       milliseconds that sent data may stay unacknowledged (0: the system's default; Linux only). */
    int tcp_keepalive_s;
    unsigned int tcp_user_timeout_ms;

    /* Called when a signal interrupts a wait, and every 50 ms of it, so that a signal that arrived
       just before it is not missed. A result other than 0 ends the call with INTERRUPTED. It must
       not use the handle. */
    int (*interrupt)(void *context);
    void *interrupt_context;

    gibson_allocator allocator;
} gibson_options;

/* gibson_options_init sets every member to its default. Thread rule: any thread. Since 0.1. */
#define gibson_options_init(options) gibson_options_init_sized((options), sizeof(gibson_options))

/* gibson_options_init_sized does the work of gibson_options_init for the size of the struct that
   the caller was compiled with. */
GIBSON_API void gibson_options_init_sized(gibson_options *options, size_t struct_size);

GIBSON_END_DECLS

#endif
