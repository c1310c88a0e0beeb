/* A proxy that stands between clients and a server and makes things go wrong, the same way in every
   run. It runs in a thread of its own. docs/fault-injection.md tells what each fault does. */
#ifndef GIB_PROXY_PROXY_H
#define GIB_PROXY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "fault.h"

enum { GIB_PROXY_MAX_FAULTS = 1024 }; /* in the list of one proxy */

typedef struct gib_proxy gib_proxy;

typedef struct gib_proxy_options {
    const char *listen;  /* as in address.h; port 0 is any free one */
    const char *connect; /* where the server is; it need not run yet */

    /* If set, called for each connection that is accepted, counted from 1: writes up to `capacity`
       faults for it, and returns how many. It runs in the thread of the proxy, and must not call
       it. */
    size_t (*plan)(void *context, uint64_t connection, gib_fault *faults, size_t capacity);
    void *context;
} gib_proxy_options;

/* What has happened so far. */
typedef struct gib_proxy_counters {
    uint64_t accepted;      /* connections */
    uint64_t open;          /* of these, how many are not over on both sides */
    uint64_t server_open;   /* how many the server has not closed */
    uint64_t struck;        /* faults that did */
    uint64_t request_bytes; /* that were passed on */
    uint64_t reply_bytes;
    uint64_t kept_back; /* bytes that have come and were not passed on yet, in open connections */
} gib_proxy_counters;

/* Starts a proxy. Returns false, NULL in *proxy and a sentence in error where that fails. The
   thread blocks all signals. Thread rule of all functions: any thread. */
bool gib_proxy_start(gib_proxy **proxy, const gib_proxy_options *options,
                     char error[GIB_PROXY_ERROR_SIZE]);

/* Closes everything, ends the thread, and removes the unix socket. NULL is allowed. */
void gib_proxy_stop(gib_proxy *proxy);

/* Where clients connect to, such as "127.0.0.1:40213". It lives as long as the proxy. */
const char *gib_proxy_listens_on(const gib_proxy *proxy);

/* The TCP port, or 0 of a unix socket. */
uint16_t gib_proxy_port(const gib_proxy *proxy);

/* Adds a fault for connections to come, and for those that are open: there it counts bytes from now
   on. Returns false and a sentence in error if there are too many. */
bool gib_proxy_add(gib_proxy *proxy, const gib_fault *fault, char error[GIB_PROXY_ERROR_SIZE]);

/* Forgets all faults and ends what those that struck do. What was cut stays cut. The plan stays. */
void gib_proxy_heal(gib_proxy *proxy);

/* Passes on what holds keep back, and ends them. */
void gib_proxy_release(gib_proxy *proxy);

/* Cuts all connections, drops what they kept back, and waits until the server has closed its side
   of each: then nothing that came through the proxy is still to be carried out. Returns false if
   that takes longer than timeout_ms milliseconds. */
bool gib_proxy_drop(gib_proxy *proxy, int64_t timeout_ms);

gib_proxy_counters gib_proxy_count(gib_proxy *proxy);

/* Waits until the counters satisfy a condition, for at most timeout_ms milliseconds. Returns
   whether they do. It runs in the calling thread, and must not call the proxy. */
bool gib_proxy_await(gib_proxy *proxy, bool (*is_met)(const gib_proxy_counters *, void *context),
                     void *context, int64_t timeout_ms);

#endif
