/* Running many requests at once. */
#include <gibson/pipeline.h>

#include "base/error.h"
#include "client/client.h"

size_t gibson_client_outstanding(const gibson_client *client)
{
    return client ? client->session.count : 0;
}

static gibson_status check_window(gibson_client *client)
{
    const gib_session *session = &client->session;
    if (session->count >= client->settings.pipeline_window ||
        (session->count && gib_buffer_size(&session->out) >= client->settings.pipeline_bytes)) {
        return gib_client_fail(client, GIBSON_WOULD_BLOCK,
                               "the pipeline is full: read a reply first");
    }
    return GIBSON_OK;
}

/* A connection with requests under way is not replaced: that would lose them. */
static gibson_status check_connection(gibson_client *client)
{
    if (!client->session.count) {
        return gib_client_ready(client, gib_now_ns());
    }
    return gibson_client_connected(client) ? GIBSON_OK : gib_client_closed(client);
}

gibson_status gibson_client_queue(gibson_client *client, const gibson_request *request)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    if (!request) {
        return gib_client_fail(client, GIBSON_USAGE, "request is NULL");
    }
    gibson_status status = check_connection(client);
    if (status == GIBSON_OK) {
        status = check_window(client);
    }
    if (status == GIBSON_OK) {
        status = gib_session_push(&client->session, request, GIB_VALUE_COPIED, &client->error);
    }
    client->error.status = status;
    return status;
}

/* Finds out, before any I/O, whether the connection is still there. */
static gibson_status check_alive(gibson_client *client)
{
    if (gibson_client_connected(client)) {
        client->last_used_ns = gib_now_ns();
        return GIBSON_OK;
    }
    if (client->descriptor >= 0) {
        gib_client_fail(client, GIBSON_CLOSED, "the connection belongs to the parent process");
        gib_client_break(client);
    }
    return gib_client_closed(client);
}

gibson_status gibson_client_flush(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    gibson_status status = GIBSON_OK;
    if (client->session.count) {
        status = check_alive(client);
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

gibson_status gibson_client_next(gibson_client *client, gibson_reply *reply)
{
    if (!client || !reply) {
        return client ? gib_client_fail(client, GIBSON_USAGE, "reply is NULL") : GIBSON_USAGE;
    }
    *reply = (gibson_reply){.status = GIBSON_END};
    gib_session_release_reply(&client->session);
    if (!client->session.count) {
        return gib_client_fail(client, GIBSON_END, "no reply is outstanding");
    }
    gibson_status status = check_alive(client);
    if (status != GIBSON_OK) {
        return abandon(client, reply, status);
    }
    status = gib_client_exchange(client, reply);
    if (status != GIBSON_OK) {
        gib_client_break(client);
        return abandon(client, reply, status);
    }
    gib_client_answered(client, reply);
    return reply->status;
}
