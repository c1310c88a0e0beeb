/* A single request by the short way, in two system calls and few instructions: its frame and its
   reply are at the beginning of the session's buffers, and the session knows nothing of them.
   Whatever is uncommon is handed over to the session, and goes on by the long way. */
#ifndef GIB_CLIENT_SINGLE_H
#define GIB_CLIENT_SINGLE_H

#include "base/likely.h"
#include "client/client.h"
#include "net/fork.h"
#include "net/socket.h"

/* What the kernel said to a request. */
typedef struct gib_single {
    size_t size;      /* bytes of the frame */
    ssize_t sent;     /* what send returned */
    ssize_t received; /* what recv returned, if all was sent; errno tells of the last of the two */
} gib_single;

/* Begins an operation. False if the client is not settled, and the request has to go the long way.
 */
static inline bool gib_single_begin(gibson_client *client)
{
    if (GIB_UNLIKELY(!client->settled || client->fork_generation != gib_fork_generation())) {
        return false;
    }
    const int64_t now_ns = gib_now_ns();
    if (GIB_UNLIKELY(now_ns - client->last_used_ns > GIB_IDLE_CHECK_NS)) {
        return false;
    }
    client->last_used_ns = now_ns;
    gib_session *session = &client->session;
    session->out.begin = session->out.end = session->unsent = 0;
    session->in.begin = session->in.end = session->next = 0;
    return true;
}

/* Sends the frame that is in the output buffer, and reads a reply, or what there is of it. */
static inline void gib_single_exchange(gibson_client *client, gib_single *single)
{
    gib_session *session = &client->session;
    single->size = session->out.end;
    single->received = 0;
    single->sent = send(client->descriptor, session->out.data, single->size, GIB_SEND_FLAGS);
    if (GIB_LIKELY(single->sent == (ssize_t)single->size)) {
        /* Why this waits in recv is told in exchange.c. */
        single->received = recv(client->descriptor, session->in.data, session->in.capacity, 0);
    }
}

/* Tells whether some of the reply was read. */
static inline size_t gib_single_received(const gib_single *single)
{
    return single->received > 0 ? (size_t)single->received : 0;
}

/* Notes that the reply is the first `size` bytes of the input buffer, and all that was read. */
static inline void gib_single_answered(gibson_client *client, size_t size)
{
    client->session.in.end = client->session.next = size;
}

/* Ends a request by the long way if need be. Returns the status of the reply. */
gibson_status gib_single_finish(gibson_client *client, const gibson_request *request,
                                gibson_reply *reply, const gib_single *single);

#endif
