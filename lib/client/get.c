/* GET, the operation that caches live by, in two system calls and few instructions. */
#include "base/likely.h"
#include "client/client.h"
#include "net/fork.h"
#include "net/socket.h"

/* The long way, which any request can go. */
static GIB_COLD gibson_status get(gibson_client *client, const gibson_request *request,
                                  gibson_value *value)
{
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, request, &reply);
    *value = reply.value;
    return status;
}

/* Goes on with the long way after the kernel took `sent` bytes of the request, or none if that is
   negative, and if it took all of them, gave `received` bytes of the reply. */
static GIB_COLD gibson_status go_on(gibson_client *client, const gibson_request *request,
                                    gibson_value *value, ssize_t sent, ssize_t received)
{
    gib_session *session = &client->session;
    gibson_reply reply;
    client->settled = false;
    session->out.end = 0; /* to be written once more */
    gibson_status status = gib_session_push(session, request, GIB_VALUE_COPIED, &client->error);
    if (status == GIBSON_OK) {
        status = gib_client_sent(client, sent);
    }
    if (status == GIBSON_OK && !gib_session_unsent_frames(session)) {
        status = gib_client_received(client, received);
    }
    if (status == GIBSON_OK || status == GIBSON_WOULD_BLOCK) {
        status = gib_client_exchange(client, &reply, false);
    }
    status = gib_client_finish(client, request, &reply, status);
    *value = reply.value;
    return status;
}

gibson_status gibson_client_get(gibson_client *client, const void *key, size_t key_size,
                                gibson_value *value)
{
    if (GIB_UNLIKELY(!value)) {
        return gib_client_missing(client);
    }
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, key, key_size);
    if (GIB_UNLIKELY(!client || !client->settled ||
                     client->fork_generation != gib_fork_generation())) {
        return get(client, &request, value);
    }
    const int64_t now_ns = gib_now_ns();
    if (GIB_UNLIKELY(now_ns - client->last_used_ns > GIB_IDLE_CHECK_NS)) {
        return get(client, &request, value);
    }
    client->last_used_ns = now_ns;

    gib_session *session = &client->session;
    session->out.begin = session->out.end = session->unsent = 0;
    if (GIB_UNLIKELY(!gib_request_encode_key(GIBSON_OP_GET, key, key_size, &session->limits,
                                             &session->out))) {
        return get(client, &request, value);
    }
    const size_t size = session->out.end;
    ssize_t received = 0;
    const ssize_t sent = send(client->descriptor, session->out.data, size, GIB_SEND_FLAGS);
    session->in.begin = session->in.end = session->next = 0;
    if (GIB_LIKELY(sent == (ssize_t)size)) {
        /* See make_progress in exchange.c for why this waits in recv. */
        received = recv(client->descriptor, session->in.data, session->in.capacity, 0);
        const size_t frame_size = gib_session_find_value(
            session, session->in.data, received > 0 ? (size_t)received : 0, value);
        if (GIB_LIKELY(frame_size && frame_size == (size_t)received)) {
            session->in.end = session->next = frame_size;
            client->error.status = GIBSON_OK;
            return GIBSON_OK;
        }
    }
    return go_on(client, &request, value, sent, received);
}
