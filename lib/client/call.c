/* Running a single request. */
#include "client/single.h"
#include "wire/command.h"

/* Values that are larger are sent from where they are; to copy smaller ones is cheaper than to
   gather two pieces in the kernel. In bytes. */
enum { BORROW_ABOVE = 4096 };

static gibson_status fail(gibson_client *client, const gibson_request *request, gibson_reply *reply,
                          gibson_status status)
{
    *reply = (gibson_reply){.status = status, .opcode = request->opcode};
    client->error.status = status;
    return status;
}

static GIB_COLD gibson_status refuse_null(gibson_client *client, gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    return client ? gib_client_fail(client, GIBSON_USAGE, "an argument is NULL") : GIBSON_USAGE;
}

/* Makes the client ready for a single request. */
static gibson_status start(gibson_client *client)
{
    gib_session *session = &client->session;
    gib_session_release_reply(session);
    if (GIB_UNLIKELY(gib_session_count(session))) {
        return gib_client_fail(client, GIBSON_USAGE, "replies of a pipeline are unread");
    }
    gib_session_trim(session);
    return gib_client_ready(client);
}

static gibson_status push(gibson_client *client, const gibson_request *request)
{
    gib_value_place place =
        request->value.size > BORROW_ABOVE ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    return gib_session_push(&client->session, request, place, &client->error);
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

/* Gives up the connection over a request that got no reply. Tells whether to send it again. */
static bool give_up(gibson_client *client, const gibson_request *request, gibson_status status)
{
    bool sent = gib_session_has_sent(&client->session);
    gib_client_break(client);
    gib_session_reset(&client->session);
    return status == GIBSON_CLOSED && may_repeat(client, request, sent);
}

/* Gets the request on its way. Returns GIBSON_OK if there is a reply to wait for. */
static gibson_status start_request(gibson_client *client, const gibson_request *request)
{
    gibson_status status = start(client);
    return GIB_LIKELY(status == GIBSON_OK) ? push(client, request) : status;
}

static GIB_COLD gibson_status repeat(gibson_client *client, const gibson_request *request,
                                     gibson_reply *reply)
{
    gibson_status status = start_request(client, request);
    if (status == GIBSON_OK) {
        status = gib_client_exchange(client, reply, true);
        if (status != GIBSON_OK) {
            (void)give_up(client, request, status);
        }
    }
    return status;
}

gibson_status gib_client_finish(gibson_client *client, const gibson_request *request,
                                gibson_reply *reply, gibson_status status)
{
    if (GIB_UNLIKELY(status != GIBSON_OK) && give_up(client, request, status)) {
        status = repeat(client, request, reply);
    }
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return fail(client, request, reply, status);
    }
    gib_client_answered(client, reply);
    client->settled = client->descriptor >= 0 && gib_session_is_settled(&client->session);
    return reply->status;
}

static GIB_NOINLINE gibson_status call(gibson_client *client, const gibson_request *request,
                                       gibson_reply *reply)
{
    client->settled = false;
    gibson_status status = start_request(client, request);
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return fail(client, request, reply, status);
    }
    status = gib_client_exchange(client, reply, true);
    return gib_client_finish(client, request, reply, status);
}

gibson_status gibson_client_call(gibson_client *client, const gibson_request *request,
                                 gibson_reply *reply)
{
    if (GIB_UNLIKELY(!client || !request || !reply)) {
        return refuse_null(client, reply);
    }
    if (GIB_UNLIKELY(request->value.size > BORROW_ABOVE || !gib_single_begin(client))) {
        return call(client, request, reply);
    }
    gib_encoded encoded;
    gibson_status status = gib_request_encode(request, &client->session.limits, GIB_VALUE_COPIED,
                                              &client->session.out, &encoded, &client->error);
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return fail(client, request, reply, status);
    }
    gib_single single;
    gib_single_exchange(client, &single);
    return gib_single_finish(client, request, reply, &single);
}

gibson_status gibson_client_take_reply(gibson_client *client, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!client || !owned) {
        return client ? gib_client_fail(client, GIBSON_USAGE, "owned is NULL") : GIBSON_USAGE;
    }
    client->settled = false; /* the input buffer goes away */
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
