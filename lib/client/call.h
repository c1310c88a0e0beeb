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

/* What the kernel said to a request: what send returned, and recv, if all was sent. errno tells of
   the last of the two. */
typedef struct gib_exchanged {
    size_t size; /* bytes of the frame */
    ssize_t sent;
    ssize_t received;
} gib_exchanged;

/* Begins an operation on a session that is settled. False where the long way has to look. */
static inline bool gib_call_begin(gibson_client *client)
{
    if (GIB_UNLIKELY(!gib_session_is_settled(&client->session) ||
                     client->fork_generation != gib_fork_generation())) {
        return false;
    }
    const gib_idle_check check = gib_idle_begin(&client->idle, gib_now_ns());
    return GIB_LIKELY(check == GIB_IDLE_TRUST) || gib_client_check(client, check);
}

/* Sends the frame of `size` bytes that was written, and reads a reply, or what there is of it. */
static inline gib_exchanged gib_call_exchange(gibson_client *client, size_t size)
{
    const uint8_t *frame = gib_single_frame(&client->session);
    gib_exchanged done = {size, send(client->descriptor, frame, size, GIB_SEND_FLAGS), 0};
    if (GIB_LIKELY(done.sent == (ssize_t)size)) {
        uint8_t *room = gib_single_input(&client->session, &size);
        done.received = recv(client->descriptor, room, size, 0); /* see exchange.c */
    }
    return done;
}

/* Tells the session what the kernel said to a request that has become a pending one. Returns
   GIBSON_OK or GIBSON_WOULD_BLOCK to go on, or what is wrong. */
gibson_status gib_call_note(gibson_client *client, gib_exchanged done);

/* Ends a request, by the long way if need be. Returns the status of the reply. */
gibson_status gib_call_finish(gibson_client *client, const gibson_request *request,
                              gibson_reply *reply, gib_exchanged done);

/* The long way, which any request can go. */
gibson_status gib_call_long(gibson_client *client, const gibson_request *request,
                            gibson_reply *reply);

/* The two for those who want nothing of the reply but its value. They take what a request is made
   of, so that those who call them in rare cases need not have made one. */
gibson_status gib_call_any(gibson_client *client, gibson_opcode opcode, gibson_bytes key,
                           gibson_bytes value, int64_t number, gibson_value *got);
gibson_status gib_call_finish_value(gibson_client *client, gibson_opcode opcode, gibson_bytes key,
                                    gibson_bytes value, int64_t number, gibson_value *got,
                                    gib_exchanged done);

/* Runs a request whose opcode is a constant, by the shortest way there is for its shape. The client
   may be NULL, and the reply is a value or nothing. */
static GIB_INLINE gibson_status gib_call_value(gibson_client *client, gibson_opcode opcode,
                                               gibson_bytes key, gibson_bytes value, int64_t number,
                                               gibson_value *got)
{
    GIB_CHECKED(client);
    const gibson_request request = gibson_request_make(opcode, key, value, number);
    gibson_reply reply;
    size_t size;
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!gib_call_begin(client)) ||
        GIB_UNLIKELY(!gib_single_write(&client->session, opcode, &request, &size))) {
        gibson_value rare; /* what has its address passed on is kept in memory */
        reply.status = gib_call_any(client, opcode, key, value, number, &rare);
        *got = rare;
        return reply.status;
    }
    const gib_exchanged done = gib_call_exchange(client, size);
    if (GIB_UNLIKELY(
            !gib_single_take_common(&client->session, opcode, &request, done.received, &reply))) {
        gibson_value rare;
        reply.status = gib_call_finish_value(client, opcode, key, value, number, &rare, done);
        *got = rare;
        return reply.status;
    }
    *got = reply.value;
    if (GIB_UNLIKELY(reply.status != GIBSON_OK)) {
        client->answered = opcode;
    }
    client->error.status = reply.status;
    gib_idle_end(&client->idle);
    return reply.status;
}

#endif
