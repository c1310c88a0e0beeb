/* The way of a single request: in two system calls and few instructions where nothing is uncommon,
   and by the long way otherwise. */
#ifndef GIB_CLIENT_CALL_H
#define GIB_CLIENT_CALL_H

#include <sys/socket.h>

#include "base/likely.h"
#include "client/client.h"
#include "net/fork.h"
#include "net/socket.h"
#include "session/single.h"

/* What the kernel said to a request. */
typedef struct gib_exchanged {
    ssize_t sent;     /* what send returned */
    ssize_t received; /* what recv returned, if all was sent; errno tells of the last of the two */
} gib_exchanged;

/* Begins an operation on a session that is settled. False where the long way has to look. */
static inline bool gib_call_begin(gibson_client *client)
{
    if (GIB_UNLIKELY(!gib_session_is_settled(&client->session) ||
                     client->fork_generation != gib_fork_generation())) {
        return false;
    }
    if (GIB_UNLIKELY(gib_idle_begin(&client->idle, gib_now_ns())) && !gib_client_is_quiet(client)) {
        return false;
    }
    gib_single_begin(&client->session);
    return true;
}

/* Sends the frame that was pushed, and reads a reply, or what there is of it. */
static inline void gib_call_exchange(gibson_client *client, gib_exchanged *exchanged)
{
    const gibson_bytes frame = gib_single_output(&client->session);
    exchanged->received = 0;
    exchanged->sent = send(client->descriptor, frame.data, frame.size, GIB_SEND_FLAGS);
    if (GIB_LIKELY(exchanged->sent == (ssize_t)frame.size)) {
        size_t size;
        uint8_t *room = gib_single_input(&client->session, &size);
        exchanged->received = recv(client->descriptor, room, size, 0); /* see exchange.c */
    }
}

/* Ends a request, by the long way if need be. Returns the status of the reply. */
gibson_status gib_call_finish(gibson_client *client, const gibson_request *request,
                              gibson_reply *reply, const gib_exchanged *exchanged);

/* The long way, which any request can go. */
gibson_status gib_call_long(gibson_client *client, const gibson_request *request,
                            gibson_reply *reply);

#endif
