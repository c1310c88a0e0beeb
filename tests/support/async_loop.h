/* A handle of gibson/async.h in a loop of a test, and what its requests have come to. */
#ifndef SUPPORT_ASYNC_LOOP_H
#define SUPPORT_ASYNC_LOOP_H

#include <gibson/async.h>

#include "support/peer.h"

/* What became of a request: give it as the context of async_note. */
typedef struct async_result {
    int calls; /* of the callback: one, unless something is wrong */
    gibson_status status;
    gibson_opcode opcode;
    bool matches;      /* the sample's reply */
    char value[64];    /* of the reply, as far as it fits; a number in decimal */
    char message[256]; /* of gibson_async_error */
} async_result;

void async_note(gibson_async *async, const gibson_reply *reply, void *context);

/* What the hooks have told. */
typedef struct async_told {
    int changed;
    int connected; /* connection: GIBSON_OK */
    int lost;      /* connection: another status */
    int room;
    void (*on_room)(gibson_async *async); /* what is done then; or NULL */
    gibson_status status;                 /* the last */
    char message[256];                    /* of that */
    bool freed;                           /* set it when the handle is freed */
} async_told;

/* Makes a handle of the peer with hooks that fill in *told. options may be NULL. Aborts if that
   fails. */
gibson_async *async_new(const peer *owner, const gibson_options *options, async_told *told);

/* One turn: waits for what the handle waits for, but no longer than that, and runs it. */
void async_turn(gibson_async *async, int most_ms);

/* Turns until the condition holds; fails the test after 20 seconds. */
#define async_until(async, condition)                                                              \
    do {                                                                                           \
        const int64_t until_ = suite_now_ms() + 20000;                                             \
        while (!(condition)) {                                                                     \
            ck_assert_msg(suite_now_ms() < until_, "never true: %s", #condition);                  \
            async_turn((async), 100);                                                              \
        }                                                                                          \
    } while (0)

/* Connects, and waits for it. */
void async_connect(gibson_async *async, const async_told *told);

/* Submits a request whose result is noted. */
gibson_status async_submit(gibson_async *async, const gibson_request *request, int64_t timeout_ms,
                           async_result *result);

/* Submits, and waits for the result. */
async_result async_call(gibson_async *async, const gibson_request *request);

#endif
