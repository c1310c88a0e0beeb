/* Running many requests at once. */
#include <gibson/pipeline.h>

#include "base/error.h"
#include "base/likely.h"
#include "client/client.h"

size_t gibson_client_outstanding(const gibson_client *client)
{
    return client ? gib_session_count(&client->session) : 0;
}

/* Tells whether a request may be queued. A connection with requests under way is not replaced: that
   would lose them. */
static gibson_status check_queue(gibson_client *client)
{
    gib_session *session = &client->session;
    if (!gib_session_count(session)) {
        gib_session_trim(session);
        return gib_client_ready(client);
    }
    if (client->descriptor < 0) {
        return gib_client_closed(client);
    }
    if (gib_session_count(session) >= client->settings.pipeline_window ||
        gib_buffer_size(&session->out) >= client->settings.pipeline_bytes) {
        return gib_client_fail(client, GIBSON_WOULD_BLOCK,
                               "the pipeline is full: read a reply first");
    }
    return GIBSON_OK;
}

/* How far gibson_client_queue may go without looking again. It does not look at pipeline_bytes, so
   the output buffer must not be able to hold more. */
static size_t queue_until(gibson_client *client)
{
    gib_session *session = &client->session;
    size_t fits = gib_session_reserve(session);
    size_t window = session->answered + client->settings.pipeline_window;
    if (session->out.capacity > client->settings.pipeline_bytes) {
        return 0;
    }
    return fits < window ? fits : window;
}

static GIB_NOINLINE gibson_status queue(gibson_client *client, const gibson_request *request)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    if (!request) {
        return gib_client_fail(client, GIBSON_USAGE, "request is NULL");
    }
    client->settled = false;
    gibson_status status = check_queue(client);
    client->queue_until = status == GIBSON_OK ? queue_until(client) : 0;
    if (status == GIBSON_OK && !(client->session.pushed < client->queue_until &&
                                 gib_session_push_key(&client->session, request))) {
        status = gib_session_push(&client->session, request, GIB_VALUE_COPIED, &client->error);
        if (client->session.out.capacity > client->settings.pipeline_bytes) {
            client->queue_until = 0; /* the buffer has grown since */
        }
    }
    client->error.status = status;
    return status;
}

gibson_status gibson_client_queue(gibson_client *client, const gibson_request *request)
{
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!request) ||
        client->session.pushed >= client->queue_until ||
        !gib_session_push_key(&client->session, request)) {
        return queue(client, request);
    }
    client->error.status = GIBSON_OK;
    return GIBSON_OK;
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
    if (gib_session_count(&client->session)) {
        status = check_alive(client);
        if (status == GIBSON_OK) {
            status = gib_client_exchange(client, NULL, true);
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
        client->queue_until = 0; /* the next request begins a new pipeline */
        client->error.status = GIBSON_OK;
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
        status = check_alive(client);
        if (status != GIBSON_OK) {
            return abandon(client, reply, status);
        }
        status = gib_client_exchange(client, reply, true);
    }
    if (status != GIBSON_OK) {
        gib_client_break(client);
        return abandon(client, reply, status);
    }
    if (!gib_session_count(&client->session)) {
        client->queue_until = 0;
    }
    gib_client_answered(client, reply);
    return reply->status;
}

gibson_status gibson_client_next(gibson_client *client, gibson_reply *reply)
{
    if (GIB_LIKELY(client && reply && gib_session_take_value(&client->session, false, reply))) {
        client->error.status = GIBSON_OK;
        return GIBSON_OK;
    }
    return next(client, reply);
}
