/* The way of a single request: in two system calls and few instructions where nothing is uncommon,
   and by the long way otherwise. */
#ifndef GIB_CLIENT_CALL_H
#define GIB_CLIENT_CALL_H

#include "client/client.h"
#include "connection/single.h"

/* Checks the connection in the way that gib_idle_begin has asked for. True if the operation may go
   the short way; else the long way is to be gone, which goes on from there. */
bool gib_call_check(gibson_client *client, gib_idle_check check);

/* Begins an operation by the short way. False where the long way has to look. */
static inline bool gib_call_begin(gibson_client *client)
{
    if (GIB_UNLIKELY(!gib_connection_is_settled(&client->connection))) {
        return false;
    }
    const gib_idle_check check = gib_idle_begin(&client->connection.idle, gib_now_ns());
    return GIB_LIKELY(check == GIB_IDLE_TRUST) || gib_call_check(client, check);
}

/* Sends the frame of `size` bytes that was written, and reads a reply, or what there is of it,
   after waiting for it as long as SO_RCVTIMEO says. */
static inline gib_exchanged gib_call_exchange(gibson_client *client, size_t size)
{
    return gib_connection_exchange_single(&client->connection, size, 0);
}

/* Ends a request, by the long way if need be. Returns the status of the reply. */
gibson_status gib_call_finish(gibson_client *client, const gibson_request *request,
                              gibson_reply *reply, gib_exchanged done);

/* The long way, which any request can go. */
gibson_status gib_call_long(gibson_client *client, const gibson_request *request,
                            gibson_reply *reply);

/* The beginning and the end of that, for a driver of its own. Unless the first returns GIBSON_OK,
   the reply is that, and no operation is to be begun. */
gibson_status gib_call_prepare(gibson_client *client, const gibson_request *request,
                               gibson_reply *reply);
gibson_status gib_call_end(gibson_client *client, const gibson_request *request,
                           gibson_reply *reply, gibson_status status);

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
        GIB_UNLIKELY(!gib_single_write(&client->connection.session, opcode, &request, &size))) {
        gibson_value rare; /* what has its address passed on is kept in memory */
        reply.status = gib_call_any(client, opcode, key, value, number, &rare);
        *got = rare;
        return reply.status;
    }
    const gib_exchanged done = gib_call_exchange(client, size);
    if (GIB_UNLIKELY(!gib_single_take_common(&client->connection.session, opcode, &request, size,
                                             done.received, &reply))) {
        gibson_value rare;
        reply.status = gib_call_finish_value(client, opcode, key, value, number, &rare, done);
        *got = rare;
        return reply.status;
    }
    *got = reply.value;
    if (GIB_UNLIKELY(reply.status != GIBSON_OK)) {
        client->answered = opcode;
    }
    client->connection.error.status = reply.status;
    if (GIB_UNLIKELY(gib_idle_is_timed(&client->connection.idle))) {
        gib_idle_end(&client->connection.idle, gib_now_ns());
    }
    return reply.status;
}

#endif
