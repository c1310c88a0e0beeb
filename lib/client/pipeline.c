/* Running many requests at once. */
#include <gibson/pipeline.h>

#include "base/error.h"
#include "client/client.h"
#include "session/queue.h"
#include "wire/command.h"

size_t gibson_client_outstanding(const gibson_client *client)
{
    return client ? gib_session_count(&client->session) : 0;
}

/* Makes sure of a connection. One with requests under way is not replaced: that would lose them. */
static gibson_status start_queue(gibson_client *client, const gibson_request *request)
{
    gib_session *session = &client->session;
    if (gib_session_count(session)) {
        return client->descriptor < 0 ? gib_client_closed(client) : GIBSON_OK;
    }
    gib_session_trim(session);
    return gib_client_ready(client, gib_command_connects(request->opcode));
}

/* Asks the server how long a time may be; on a new connection if this one is found to be lost. */
static gibson_status learn(gibson_client *client)
{
    gibson_status status = gib_client_learn_seconds(client);
    if (status == GIBSON_CLOSED && client->settings.reconnect) {
        status = gib_client_reconnect(client);
        if (status == GIBSON_OK) {
            status = gib_client_learn_seconds(client);
        }
    }
    return status;
}

static GIB_NOINLINE gibson_status queue(gibson_client *client, const gibson_request *request)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    if (!request) {
        return gib_client_fail(client, GIBSON_USAGE, "request is NULL");
    }
    gib_session *session = &client->session;
    gibson_status status = start_queue(client, request);
    if (status == GIBSON_OK) {
        status = gib_session_queue(session, request, &client->error);
    }
    if (status == GIBSON_WOULD_BLOCK && !gib_session_count(session)) {
        status = learn(client);
        if (status == GIBSON_OK) {
            status = gib_session_queue(session, request, &client->error);
        }
    }
    if (status != GIBSON_OK) {
        gib_idle_refused(&client->idle);
    }
    client->error.status = status;
    return status;
}

gibson_status gibson_client_queue(gibson_client *client, const gibson_request *request)
{
    GIB_CHECKED(client);
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!request) ||
        !gib_session_queue_key(&client->session, request)) {
        return queue(client, request);
    }
    client->error.status = GIBSON_OK;
    return GIBSON_OK;
}

gibson_status gibson_client_flush(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    GIB_CHECKED(client);
    gibson_status status = GIBSON_OK;
    if (gib_session_count(&client->session)) {
        status = gib_client_resume(client);
        if (status == GIBSON_OK) {
            status = gib_client_exchange(client, NULL);
            if (status != GIBSON_OK) {
                gib_client_break(client);
            }
        }
    }
    client->error.status = status;
    return status;
}

/* The reply to a request whose connection was lost. */
static gibson_status abandon(gibson_client *client, gibson_reply *reply, gibson_status status)
{
    const gibson_command *command = gib_session_abandon(&client->session);
    *reply = (gibson_reply){.status = status, .opcode = command->opcode};
    return status;
}

static GIB_NOINLINE gibson_status next(gibson_client *client, gibson_reply *reply)
{
    if (!client || !reply) {
        return client ? gib_client_fail(client, GIBSON_USAGE, "reply is NULL") : GIBSON_USAGE;
    }
    if (gib_session_take_value(&client->session, true, reply)) {
        client->error.status = GIBSON_OK;
        gib_idle_end(&client->idle);
        return GIBSON_OK;
    }
    *reply = (gibson_reply){.status = GIBSON_END};
    gib_session_release_reply(&client->session);
    if (!gib_session_count(&client->session)) {
        gib_session_trim(&client->session);
        return gib_client_fail(client, GIBSON_END, "no reply is outstanding");
    }
    gibson_status status = GIBSON_WOULD_BLOCK;
    if (gib_session_has_input(&client->session)) {
        status = gib_session_next(&client->session, reply, &client->error);
    }
    if (status == GIBSON_WOULD_BLOCK) {
        status = gib_client_resume(client);
        if (status == GIBSON_OK) {
            status = gib_client_exchange(client, reply);
        }
    }
    if (status != GIBSON_OK) {
        gib_client_break(client);
        return abandon(client, reply, status);
    }
    gib_client_answered(client, reply);
    return reply->status;
}

gibson_status gibson_client_next(gibson_client *client, gibson_reply *reply)
{
    GIB_CHECKED(client);
    if (GIB_LIKELY(client && reply && gib_session_take_value(&client->session, false, reply))) {
        client->error.status = GIBSON_OK;
        return GIBSON_OK;
    }
    return next(client, reply);
}
