/* Running a single request. */
#include "client/call.h"

#include "wire/command.h"

/* Values that are larger are sent from where they are; to copy smaller ones is cheaper than to
   gather two pieces in the kernel. In bytes. */
enum { BORROW_ABOVE = 4096 };

static gibson_status fail(gibson_client *client, const gibson_request *request, gibson_reply *reply,
                          gibson_status status)
{
    *reply = (gibson_reply){.status = status, .opcode = request->opcode};
    client->error.status = status;
    gib_idle_refused(&client->idle);
    return status;
}

static GIB_COLD gibson_status refuse_null(gibson_client *client, gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    return client ? gib_client_fail(client, GIBSON_USAGE, "an argument is NULL") : GIBSON_USAGE;
}

static gibson_status push(gibson_client *client, const gibson_request *request)
{
    gib_value_place place =
        request->value.size > BORROW_ABOVE ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    gibson_status status = gib_session_push(&client->session, request, place, &client->error);
    if (status == GIBSON_WOULD_BLOCK) {
        status = gib_client_learn_seconds(client);
        if (status == GIBSON_OK) {
            status = gib_session_push(&client->session, request, place, &client->error);
        }
    }
    return status;
}

/* Makes the request pending, and waits for its reply. */
static gibson_status run(gibson_client *client, const gibson_request *request, gibson_reply *reply)
{
    *reply = (gibson_reply){.status = GIBSON_OK, .opcode = request->opcode};
    gibson_status status = push(client, request);
    return status == GIBSON_OK ? gib_client_exchange(client, reply) : status;
}

/* Tells whether a request that was lost with its connection may be sent again. */
static bool may_repeat(const gibson_client *client, const gibson_request *request, bool sent)
{
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (!client->settings.reconnect || !command || command->effect == GIBSON_EFFECT_CLOSE) {
        return false;
    }
    return !sent || (client->settings.retry_repeatable && command->effect != GIBSON_EFFECT_WRITE);
}

/* Gives up the connection over a request that got no reply. Tells whether to send it again, and
   whether some of it was sent. */
static bool give_up(gibson_client *client, const gibson_request *request, gibson_status status,
                    bool *was_sent)
{
    const bool sent = gib_session_is_in_flight(&client->session);
    *was_sent = sent;
    if (gib_session_count(&client->session)) {
        gib_client_break(client);
        gib_session_reset(&client->session);
    }
    return status == GIBSON_CLOSED && may_repeat(client, request, sent);
}

/* Once more, on a new connection, before the same deadline. */
static GIB_COLD gibson_status repeat(gibson_client *client, const gibson_request *request,
                                     gibson_reply *reply, bool was_sent)
{
    const gibson_error lost = client->error;
    gibson_status status = gib_client_reconnect(client);
    if (status == GIBSON_OK) {
        status = run(client, request, reply);
        if (status != GIBSON_OK) {
            bool sent;
            (void)give_up(client, request, status, &sent);
        }
    }
    if (status == GIBSON_INVALID && was_sent) {
        client->error = lost; /* this server does not keep what the one before may have done */
        status = lost.status;
    }
    return status;
}

/* Ends a request after an exchange with that status. */
static gibson_status finish(gibson_client *client, const gibson_request *request,
                            gibson_reply *reply, gibson_status status)
{
    bool sent;
    if (GIB_UNLIKELY(status != GIBSON_OK) && give_up(client, request, status, &sent)) {
        status = repeat(client, request, reply, sent);
    }
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return fail(client, request, reply, status);
    }
    gib_client_answered(client, reply);
    if (client->descriptor >= 0) {
        gib_session_settle(&client->session);
    }
    return reply->status;
}

GIB_NOINLINE gibson_status gib_call_long(gibson_client *client, const gibson_request *request,
                                         gibson_reply *reply)
{
    gib_session *session = &client->session;
    gib_session_release_reply(session);
    if (GIB_UNLIKELY(gib_session_count(session))) {
        gib_client_fail(client, GIBSON_USAGE, "replies of a pipeline are unread");
        return fail(client, request, reply, GIBSON_USAGE);
    }
    gib_session_trim(session);
    gibson_status status = gib_client_ready(client, gib_command_connects(request->opcode));
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return fail(client, request, reply, status);
    }
    return finish(client, request, reply, run(client, request, reply));
}

gibson_status gib_call_note(gibson_client *client, gib_exchanged done)
{
    gibson_status status = gib_client_sent(client, done.sent);
    return status == GIBSON_OK && !gib_session_unsent_frames(&client->session)
               ? gib_client_received(client, done.received)
               : status;
}

GIB_NOINLINE gibson_status gib_call_finish(gibson_client *client, const gibson_request *request,
                                           gibson_reply *reply, gib_exchanged done)
{
    if (GIB_LIKELY(done.received > 0) &&
        gib_single_take(&client->session, request, (size_t)done.received, reply, &client->error)) {
        gib_client_answered(client, reply);
        return reply->status;
    }
    *reply = (gibson_reply){.status = GIBSON_OK, .opcode = request->opcode};
    gib_single_hand_over(&client->session, request, done.size);
    client->fresh = false;
    gibson_status status = gib_call_note(client, done);
    if (status == GIBSON_OK || status == GIBSON_WOULD_BLOCK) {
        status = gib_client_exchange(client, reply);
    }
    return finish(client, request, reply, status);
}

gibson_status gibson_client_call(gibson_client *client, const gibson_request *request,
                                 gibson_reply *reply)
{
    GIB_CHECKED(client);
    if (GIB_UNLIKELY(!client || !request || !reply)) {
        return refuse_null(client, reply);
    }
    if (GIB_UNLIKELY(request->value.size > BORROW_ABOVE || !gib_call_begin(client))) {
        return gib_call_long(client, request, reply);
    }
    size_t size;
    gibson_status status = gib_single_push(&client->session, request, &size, &client->error);
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return status == GIBSON_WOULD_BLOCK ? gib_call_long(client, request, reply)
                                            : fail(client, request, reply, status);
    }
    return gib_call_finish(client, request, reply, gib_call_exchange(client, size));
}

GIB_NOINLINE gibson_status gib_call_any(gibson_client *client, gibson_opcode opcode,
                                        gibson_bytes key, gibson_bytes value, int64_t number,
                                        gibson_value *got)
{
    const gibson_request request = gibson_request_make(opcode, key, value, number);
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, &request, &reply);
    *got = reply.value;
    return status;
}

GIB_NOINLINE gibson_status gib_call_finish_value(gibson_client *client, gibson_opcode opcode,
                                                 gibson_bytes key, gibson_bytes value,
                                                 int64_t number, gibson_value *got,
                                                 gib_exchanged done)
{
    const gibson_request request = gibson_request_make(opcode, key, value, number);
    gibson_reply reply;
    gibson_status status = gib_call_finish(client, &request, &reply, done);
    *got = reply.value;
    return status;
}

gibson_status gibson_client_take_reply(gibson_client *client, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!client || !owned) {
        return client ? gib_client_fail(client, GIBSON_USAGE, "owned is NULL") : GIBSON_USAGE;
    }
    GIB_CHECKED(client);
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
