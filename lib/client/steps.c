/* An operation in steps, for who waits for several clients at once. */
#include "client/call.h"
#include "session/question.h"

static gibson_status end(gibson_client *client, const gibson_request *request, gibson_reply *reply,
                         gibson_status status)
{
    switch (client->operation.kind) {
    case GIB_OPERATION_CALL:
        return gib_call_end(client, request, reply, status);
    case GIB_OPERATION_NEXT:
        return gib_next_end(client, reply, status);
    default:
        if (status != GIBSON_OK && client->operation.kind == GIB_OPERATION_QUEUE) {
            gib_idle_refused(&client->connection.idle);
        }
        client->connection.error.status = status;
        return status;
    }
}

gibson_status gib_client_start(gibson_client *client, gib_operation_kind kind,
                               const gibson_request *request, gibson_reply *reply,
                               gib_deadline until, int64_t now_ns)
{
    const gibson_status status =
        kind == GIB_OPERATION_CALL ? gib_call_prepare(client, request, reply) : GIBSON_OK;
    if (status != GIBSON_OK) {
        return status;
    }
    client->operation.latest = until;
    gib_operation_begin(&client->operation, kind, request, reply, now_ns);
    client->operation.latest = GIB_NO_DEADLINE;
    return gib_client_step(client, request, reply, now_ns);
}

gibson_status gib_client_step(gibson_client *client, const gibson_request *request,
                              gibson_reply *reply, int64_t now_ns)
{
    const gibson_status status = gib_operation_step(&client->operation, now_ns);
    return status == GIBSON_WOULD_BLOCK ? status : end(client, request, reply, status);
}

void gib_client_take_back(gibson_client *client)
{
    gib_session_take_back(&client->connection.session);
    gib_idle_refused(&client->connection.idle);
}
