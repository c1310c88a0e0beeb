/* Running a single request. */
#include "client/call.h"

#include "connection/look.h"
#include "wire/limits.h"

/* Values that are larger go the long way, which need not copy them. In bytes. */
enum { SHORT_VALUE = 4096 };

static gibson_status fail(gibson_client *client, const gibson_request *request, gibson_reply *reply,
                          gibson_status status)
{
    *reply = (gibson_reply){.status = status, .opcode = request->opcode};
    client->connection.error.status = status;
    gib_session_release_reply(&client->connection.session); /* a reply before this one */
    gib_session_unsettle(&client->connection.session);      /* so that a pool forgets the error */
    gib_idle_refused(&client->connection.idle);
    return status;
}

static GIB_COLD gibson_status refuse_null(gibson_client *client, gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    return client ? gib_client_fail(client, GIBSON_USAGE, "an argument is NULL") : GIBSON_USAGE;
}

bool gib_call_check(gibson_client *client, gib_idle_check check)
{
    gib_connection *connection = &client->connection;
    gib_operation *operation = &client->operation;
    gibson_status status = gib_connection_look(connection);
    if (status == GIBSON_OK && check == GIB_IDLE_ASK) {
        status = gib_question_ask_single(&operation->question, connection, 0);
        if (status == GIBSON_WOULD_BLOCK &&
            gib_interrupt_check(&client->interrupt, &connection->error) != GIBSON_OK) {
            status = gib_question_end(&operation->question, connection, GIBSON_INTERRUPTED);
        }
    }
    if (status == GIBSON_OK && gib_connection_is_settled(connection) &&
        !gib_idle_is_pause(&connection->idle, gib_now_ns())) {
        return true;
    }
    operation->found = status == GIBSON_OK            ? GIB_FOUND_TRUSTED
                       : status == GIBSON_WOULD_BLOCK ? GIB_FOUND_ASKED
                                                      : GIB_FOUND_BAD;
    gib_session_unsettle(&connection->session);
    return false;
}

/* After an operation with that status. */
gibson_status gib_call_end(gibson_client *client, const gibson_request *request,
                           gibson_reply *reply, gibson_status status)
{
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return fail(client, request, reply, status);
    }
    gib_client_answered(client, reply);
    gib_connection_settle(&client->connection);
    return reply->status;
}

gibson_status gib_call_prepare(gibson_client *client, const gibson_request *request,
                               gibson_reply *reply)
{
    gib_session *session = &client->connection.session;
    if (GIB_UNLIKELY(gib_operation_is_parents(&client->operation))) {
        gib_operation_disown(&client->operation); /* a thread that is not here was in a call */
    }
    if (GIB_UNLIKELY(gib_session_count(session)) && client->operation.found != GIB_FOUND_ASKED) {
        gib_client_fail(client, GIBSON_USAGE, "replies of a pipeline are unread");
        return fail(client, request, reply, GIBSON_USAGE);
    }
    *reply = (gibson_reply){.status = GIBSON_OK, .opcode = request->opcode};
    return GIBSON_OK;
}

GIB_NOINLINE gibson_status gib_call_long(gibson_client *client, const gibson_request *request,
                                         gibson_reply *reply)
{
    const gibson_status status = gib_call_prepare(client, request, reply);
    return status == GIBSON_OK
               ? gib_call_end(client, request, reply,
                              gib_client_run(client, GIB_OPERATION_CALL, request, reply))
               : status;
}

GIB_NOINLINE gibson_status gib_call_finish(gibson_client *client, const gibson_request *request,
                                           gibson_reply *reply, gib_exchanged done)
{
    if (GIB_LIKELY(done.received > 0) &&
        gib_single_take(&client->connection.session, request, done.size, (size_t)done.received,
                        reply, &client->connection.error)) {
        gib_client_answered(client, reply);
        return reply->status;
    }
    *reply = (gibson_reply){.status = GIBSON_OK, .opcode = request->opcode};
    gib_single_hand_over(&client->connection.session, request, done.size);
    gibson_status status = gib_connection_note(&client->connection, done);
    if (status == GIBSON_WOULD_BLOCK) {
        status = gib_interrupt_check(&client->interrupt, &client->connection.error);
    }
    client->operation.found = GIB_FOUND_SENT;
    client->operation.failure = status;
    return gib_call_end(client, request, reply,
                        gib_client_run(client, GIB_OPERATION_CALL, request, reply));
}

static GIB_NOINLINE gibson_status call_any(gibson_client *client, const gibson_request *request,
                                           gibson_reply *reply)
{
    if (GIB_UNLIKELY(request->value.size > SHORT_VALUE || !gib_call_begin(client))) {
        return gib_call_long(client, request, reply);
    }
    size_t size;
    gibson_status status =
        gib_single_push(&client->connection.session, request, &size, &client->connection.error);
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return status == GIBSON_WOULD_BLOCK ? gib_call_long(client, request, reply)
                                            : fail(client, request, reply, status);
    }
    return gib_call_finish(client, request, reply, gib_call_exchange(client, size));
}

gibson_status gibson_client_call(gibson_client *client, const gibson_request *request,
                                 gibson_reply *reply)
{
    GIB_CHECKED(client);
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!request) || GIB_UNLIKELY(!reply)) {
        return refuse_null(client, reply);
    }
    size_t
        size; /* what follows is call_any, made anew for GET: pools and clusters live by it, too */
    if (request->opcode != GIBSON_OP_GET || !gib_call_begin(client) ||
        !gib_single_write(&client->connection.session, GIBSON_OP_GET, request, &size)) {
        return call_any(client, request, reply);
    }
    const gib_exchanged done = gib_call_exchange(client, size);
    if (GIB_UNLIKELY(!gib_single_take_common(&client->connection.session, GIBSON_OP_GET, request,
                                             size, done.received, reply))) {
        return gib_call_finish(client, request, reply, done);
    }
    reply->opcode = GIBSON_OP_GET;
    reply->items = (gibson_items){0};
    gib_client_note_answer(client, GIBSON_OP_GET, reply->status);
    return reply->status;
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
    gibson_status status = gib_session_take_reply(&client->connection.session, owned);
    if (status == GIBSON_USAGE) {
        return gib_client_fail(client, status, "the last call left no reply to take");
    }
    if (status == GIBSON_NOMEM) {
        return gib_client_fail(client, status, "no memory to take the reply");
    }
    client->connection.error.status = status;
    return status;
}
