/* Running many requests at once. */
#include <gibson/pipeline.h>

#include "client/client.h"

#include "session/queue.h"
#include "wire/command.h"

size_t gibson_client_outstanding(const gibson_client *client)
{
    return client ? gib_session_outstanding(&client->connection.session) : 0;
}

/* The first of a pipeline. An operation is needed only where something is to be found out. */
static gibson_status queue_first(gibson_client *client, const gibson_request *request)
{
    gib_connection *connection = &client->connection;
    gib_session_trim(&connection->session);
    if (gib_connection_is_open(connection) && gib_connection_is_ours(connection) &&
        gib_idle_begin_trusted(&connection->idle, gib_now_ns())) {
        const gibson_status status =
            gib_session_queue(&connection->session, request, &connection->error);
        if (status != GIBSON_WOULD_BLOCK) {
            return status;
        }
    }
    return gib_client_run(client, GIB_OPERATION_QUEUE, request, NULL);
}

/* A connection with requests under way is not replaced: that would lose them. */
static gibson_status queue_on(gibson_client *client, const gibson_request *request)
{
    gib_connection *connection = &client->connection;
    gib_session *session = &connection->session;
    if (!gib_session_count(session)) {
        return queue_first(client, request);
    }
    return gib_connection_is_open(connection)
               ? gib_session_queue(session, request, &connection->error)
               : gib_connection_closed(connection);
}

static GIB_NOINLINE gibson_status queue(gibson_client *client, const gibson_request *request)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    if (!request) {
        return gib_client_fail(client, GIBSON_USAGE, "request is NULL");
    }
    gibson_status status = queue_on(client, request);
    if (status != GIBSON_OK) {
        gib_idle_refused(&client->connection.idle);
    }
    client->connection.error.status = status;
    return status;
}

gibson_status gibson_client_queue(gibson_client *client, const gibson_request *request)
{
    GIB_CHECKED(client);
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!request) ||
        !gib_session_queue_key(&client->connection.session, request)) {
        return queue(client, request);
    }
    client->connection.error.status = GIBSON_OK;
    return GIBSON_OK;
}

gibson_status gibson_client_flush(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    GIB_CHECKED(client);
    gibson_status status = GIBSON_OK;
    if (gib_session_count(&client->connection.session)) {
        status = gib_client_run(client, GIB_OPERATION_FLUSH, NULL, NULL);
    }
    client->connection.error.status = status;
    return status;
}

/* The reply to a request whose connection was lost. */
static gibson_status abandon(gibson_client *client, gibson_reply *reply, gibson_status status)
{
    const gibson_command *command = gib_session_abandon(&client->connection.session);
    *reply = (gibson_reply){.status = status, .opcode = command->opcode};
    return status;
}

gibson_status gib_next_end(gibson_client *client, gibson_reply *reply, gibson_status status)
{
    if (status != GIBSON_OK) {
        return abandon(client, reply, status);
    }
    gib_client_answered(client, reply);
    return reply->status;
}

gibson_status gib_next_held(gibson_client *client, gibson_reply *reply)
{
    gib_connection *connection = &client->connection;
    gib_session *session = &connection->session;
    if (gib_session_take_value(session, GIB_LAST, reply)) {
        gib_client_note_answer(client, reply->opcode, GIBSON_OK);
        return GIBSON_OK;
    }
    *reply = (gibson_reply){.status = GIBSON_END};
    gib_session_release_reply(session);
    if (!gib_session_count(session)) {
        gib_session_trim(session);
        return gib_client_fail(client, GIBSON_END, "no reply is outstanding");
    }
    gibson_status status = GIBSON_WOULD_BLOCK;
    if (gib_session_has_input(session)) {
        status = gib_session_next(session, reply, &connection->error);
    }
    if (status == GIBSON_WOULD_BLOCK) {
        return status;
    }
    if (status != GIBSON_OK) {
        gib_connection_break(connection);
    }
    return gib_next_end(client, reply, status);
}

static GIB_NOINLINE gibson_status next(gibson_client *client, gibson_reply *reply)
{
    if (!client || !reply) {
        if (reply) {
            *reply = (gibson_reply){.status = GIBSON_USAGE};
        }
        return client ? gib_client_fail(client, GIBSON_USAGE, "reply is NULL") : GIBSON_USAGE;
    }
    const gibson_status status = gib_next_held(client, reply);
    return status == GIBSON_WOULD_BLOCK
               ? gib_next_end(client, reply,
                              gib_client_run(client, GIB_OPERATION_NEXT, NULL, reply))
               : status;
}

gibson_status gibson_client_next(gibson_client *client, gibson_reply *reply)
{
    GIB_CHECKED(client);
    if (GIB_LIKELY(client && reply &&
                   gib_session_take_value(&client->connection.session, GIB_BEFORE_LAST, reply))) {
        client->connection.error.status = GIBSON_OK;
        return GIBSON_OK;
    }
    return next(client, reply);
}
