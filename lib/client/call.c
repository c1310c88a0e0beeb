/* Running a single request. */
#include "base/error.h"
#include "client/client.h"
#include "wire/command.h"

/* Values that are larger are sent from where they are; to copy smaller ones is cheaper than to
   gather two pieces in the kernel. In bytes. */
enum { BORROW_ABOVE = 4096 };

static gibson_status fail(gibson_client *client, gibson_reply *reply, gibson_status status)
{
    *reply = (gibson_reply){.status = status, .opcode = reply->opcode};
    client->error.status = status;
    return status;
}

/* Tells whether a request that was lost with its connection may be sent again. */
static bool may_repeat(const gibson_client *client, const gibson_request *request, bool sent)
{
    if (!client->settings.reconnect) {
        return false;
    }
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    return !sent ||
           (client->settings.retry_repeatable && command && command->effect != GIBSON_EFFECT_WRITE);
}

/* Sends the request and reads its reply. *lost tells whether the connection was lost over it, and
 *sent whether the kernel had taken any of it. */
static gibson_status attempt(gibson_client *client, const gibson_request *request,
                             gibson_reply *reply, bool *lost, bool *sent)
{
    *lost = *sent = false;
    gibson_status status = gib_client_ready(client, gib_now_ns());
    if (status != GIBSON_OK) {
        return status;
    }
    gib_value_place place =
        request->value.size > BORROW_ABOVE ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    status = gib_session_push(&client->session, request, place, &client->error);
    if (status != GIBSON_OK) {
        return status;
    }
    status = gib_client_exchange(client, reply);
    if (status != GIBSON_OK) {
        *lost = status == GIBSON_CLOSED;
        *sent = gib_session_has_sent(&client->session);
        gib_client_break(client);
        gib_session_reset(&client->session);
    }
    return status;
}

gibson_status gibson_client_call(gibson_client *client, const gibson_request *request,
                                 gibson_reply *reply)
{
    if (!client || !request || !reply) {
        if (reply) {
            *reply = (gibson_reply){.status = GIBSON_USAGE};
        }
        return client ? gib_client_fail(client, GIBSON_USAGE, "an argument is NULL") : GIBSON_USAGE;
    }
    reply->opcode = request->opcode;
    gib_session_release_reply(&client->session);
    if (client->session.count) {
        gib_client_fail(client, GIBSON_USAGE, "replies of a pipeline are unread");
        return fail(client, reply, GIBSON_USAGE);
    }
    bool lost;
    bool sent;
    gibson_status status = attempt(client, request, reply, &lost, &sent);
    if (lost && may_repeat(client, request, sent)) {
        reply->opcode = request->opcode;
        status = attempt(client, request, reply, &lost, &sent);
    }
    if (status != GIBSON_OK) {
        return fail(client, reply, status);
    }
    gib_client_answered(client, reply);
    return reply->status;
}

gibson_status gibson_client_take_reply(gibson_client *client, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!client || !owned) {
        return client ? gib_client_fail(client, GIBSON_USAGE, "owned is NULL") : GIBSON_USAGE;
    }
    gibson_status status = gib_session_take_reply(&client->session, owned);
    if (status == GIBSON_USAGE) {
        return gib_client_fail(client, status, "the last call left no reply to take");
    }
    if (status == GIBSON_NOMEM) {
        return gib_client_fail(client, status, "no memory to take the reply");
    }
    client->error.status = status;
    return status;
}
