/* A proxy that stands between clients and a server and makes things go wrong, the same way in every
   run. It runs in a thread of its own. docs/fault-injection.md tells what each fault does. */
#ifndef GIBP_PROXY_PROXY_H
#define GIBP_PROXY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/address.h"
#include "proxy/fault.h"

enum { GIBP_PROXY_MAX_FAULTS = 1024 }; /* in the list of one proxy */

typedef struct gibp_proxy gibp_proxy;

typedef struct gibp_proxy_options {
    const char *listen;  /* as in address.h; port 0 is any free one */
    const char *connect; /* where the server is; it need not run yet */

    /* If set, called for each connection that is accepted, counted from 1: writes up to `capacity`
       faults for it, and returns how many. It runs in the thread of the proxy, and must not call
       it. */
    size_t (*plan)(void *context, uint64_t connection, gibp_fault *faults, size_t capacity);
    void *context;
} gibp_proxy_options;

/* What has happened so far. */
typedef struct gibp_proxy_counters {
    uint64_t accepted;      /* connections */
    uint64_t open;          /* of these, how many are not over on both sides */
    uint64_t server_open;   /* how many the server has not closed */
    uint64_t struck;        /* faults that did */
    uint64_t request_bytes; /* that were passed on */
    uint64_t reply_bytes;
    uint64_t kept_back; /* bytes that have come and were not passed on yet, in open connections */
} gibp_proxy_counters;

/* Starts a proxy. Returns false, NULL in *proxy and a sentence in error where that fails. The
   thread blocks all signals. Thread rule of all functions: any thread. */
bool gibp_proxy_start(gibp_proxy **proxy, const gibp_proxy_options *options,
                      char error[GIBP_PROXY_ERROR_SIZE]);

/* Closes everything, ends the thread, and removes the unix socket. NULL is allowed. */
void gibp_proxy_stop(gibp_proxy *proxy);

/* Where clients connect to, such as "127.0.0.1:40213". It lives as long as the proxy. */
const char *gibp_proxy_listens_on(const gibp_proxy *proxy);

/* The TCP port, or 0 of a unix socket. */
uint16_t gibp_proxy_port(const gibp_proxy *proxy);

/* Adds a fault for connections to come, and for those that are open: there it counts bytes from now
   on. Returns false and a sentence in error if there are too many. */
bool gibp_proxy_add(gibp_proxy *proxy, const gibp_fault *fault, char error[GIBP_PROXY_ERROR_SIZE]);

/* Forgets all faults and ends what those that struck do. What was cut stays cut. The plan stays. */
void gibp_proxy_heal(gibp_proxy *proxy);

/* Passes on what holds keep back, and ends them. */
void gibp_proxy_release(gibp_proxy *proxy);

/* Cuts all connections, drops what they kept back, and waits until the server has closed its side
   of each: then nothing that came through the proxy is still to be carried out. Returns false if
   that takes longer than timeout_ms milliseconds. */
bool gibp_proxy_drop(gibp_proxy *proxy, int64_t timeout_ms);

gibp_proxy_counters gibp_proxy_count(gibp_proxy *proxy);

/* Waits until the counters satisfy a condition, for at most timeout_ms milliseconds. Returns
   whether they do. It runs in the calling thread, and must not call the proxy. */
bool gibp_proxy_await(gibp_proxy *proxy, bool (*is_met)(const gibp_proxy_counters *, void *context),
                      void *context, int64_t timeout_ms);

#endif
