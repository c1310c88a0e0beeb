#include "client/single.h"

#include "session/echo.h"
#include "wire/command.h"
#include "wire/reply_decode.h"

/* Takes the reply if it is there as a whole and nothing follows it. */
static bool take_reply(gibson_client *client, const gibson_request *request, gibson_reply *reply,
                       const gib_single *single)
{
    gib_session *session = &client->session;
    const size_t received = gib_single_received(single);
    size_t frame_size;
    if (received < GIB_REPLY_HEADER ||
        gib_reply_decode(session->in.data, received, &gib_commands[request->opcode],
                         session->limits.max_reply_size, reply, &frame_size,
                         &client->error) != GIBSON_OK ||
        frame_size != received) {
        return false;
    }
    if (request->opcode == GIBSON_OP_SET && reply->status == GIBSON_OK) {
        gib_echo_check(request->value.data, request->value.size, reply, &client->error);
    }
    gib_single_answered(client, frame_size);
    gib_client_answered(client, reply);
    return true;
}

/* Makes the request a pending one of the session, in the state that the kernel has left it in. */
static gibson_status hand_over(gibson_client *client, const gibson_request *request,
                               const gib_single *single)
{
    gib_session *session = &client->session;
    session->out.end = 0; /* the frame is written once more */
    gibson_status status = gib_session_push(session, request, GIB_VALUE_COPIED, &client->error);
    if (status == GIBSON_OK) {
        status = gib_client_sent(client, single->sent);
    }
    if (status == GIBSON_OK && !gib_session_unsent_frames(session)) {
        status = gib_client_received(client, single->received);
    }
    return status;
}

gibson_status gib_single_finish(gibson_client *client, const gibson_request *request,
                                gibson_reply *reply, const gib_single *single)
{
    if (take_reply(client, request, reply, single)) {
        return reply->status;
    }
    client->settled = false;
    gibson_status status = hand_over(client, request, single);
    if (status == GIBSON_OK || status == GIBSON_WOULD_BLOCK) {
        status = gib_client_exchange(client, reply, false);
    }
    return gib_client_finish(client, request, reply, status);
}
