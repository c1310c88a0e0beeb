/* What a program with tests of gibson/async.h has: a peer, a handle, and what that was told. To be
   included by the program itself, and once. */
#ifndef SUPPORT_ASYNC_FIXTURE_H
#define SUPPORT_ASYNC_FIXTURE_H

#include "support/async_loop.h"
#include "support/samples.h"

static peer *server;
static gibson_async *async;
static gibson_options options; /* of the handle; to be changed before there is one */
static async_told told;

static inline void begin(peer_kind kind, peer_script *script, void *context)
{
    gibson_options_init(&options);
    options.timeout_ms = 5000;
    server = peer_start(kind, script, context);
}

static inline void connect_handle(void)
{
    async = async_new(server, &options, &told);
    async_connect(async, &told);
}

static inline void end(void)
{
    gibson_async_free(async);
    peer_stop(server);
}

static inline const gibson_request *get(void)
{
    return &sample_of(GIBSON_OP_GET)->request;
}

#endif
