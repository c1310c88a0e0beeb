#include "connection/phase.h"

#include "base/error.h"
#include "connection/connecting.h"
#include "session/queue.h"
#include "wire/command.h"

/* Values that are larger are sent from where they are; to copy smaller ones is cheaper than to
   gather two pieces in the kernel. In bytes. */
enum { BORROW_ABOVE = 4096 };

void gib_phase_end(gib_operation *operation, gibson_status status)
{
    gib_connection *connection = operation->connection;
    if (status != GIBSON_OK && gib_phase_needs_connection(operation)) {
        gib_connection_break(connection);
    }
    if (status == GIBSON_INVALID && operation->was_sent) {
        /* This server does not keep what the one before may have done. */
        connection->error = operation->lost;
        status = operation->lost.status;
    }
    gib_session_forget_kept(&connection->session, &operation->lender);
    operation->phase = GIB_PHASE_OVER;
    operation->status = status;
}

void gib_phase_exchange(gib_operation *operation)
{
    static const gib_goal goals[] = {
        [GIB_OPERATION_CALL] = GIB_GOAL_REPLY,
        [GIB_OPERATION_NEXT] = GIB_GOAL_REPLY,
        [GIB_OPERATION_FLUSH] = GIB_GOAL_SENT,
    };
    operation->phase = GIB_PHASE_EXCHANGING;
    operation->exchange = (gib_exchange){
        .goal = goals[operation->kind], .reply = operation->reply, .deadline = operation->deadline};
}

void gib_phase_asking(gib_operation *operation, gib_question_kind kind)
{
    operation->phase = GIB_PHASE_ASKING;
    operation->exchange = (gib_exchange){
        .goal = kind == GIB_QUESTION_PROBE ? GIB_GOAL_ANSWERED : GIB_GOAL_REPLY,
        .reply = &operation->question.reply,
        .deadline = operation->deadline,
    };
}

void gib_phase_ask(gib_operation *operation, gib_question_kind kind)
{
    gib_phase_asking(operation, kind);
    operation->failure = gib_question_ask(&operation->question, operation->connection, kind);
}

void gib_phase_connect_again(gib_operation *operation)
{
    const gibson_status status =
        gib_connection_start_again(operation->connection, operation->deadline, operation->now_ns);
    operation->phase = GIB_PHASE_CONNECTING;
    if (status != GIBSON_OK) {
        gib_phase_end(operation, status);
    }
}

/* The reply before this one ends; but where the request is made of it, only with the operation. */
static void take_over_reply(gib_operation *operation)
{
    gib_session *session = &operation->connection->session;
    if (!operation->lender.in.data && gib_session_lends(session, operation->request)) {
        gib_session_put_aside(session, &operation->lender);
    }
    gib_session_release_reply(session);
    gib_session_trim(session);
}

static gibson_status push(gib_operation *operation)
{
    const gibson_request *request = operation->request;
    gib_connection *connection = operation->connection;
    if (operation->kind == GIB_OPERATION_QUEUE) {
        return gib_session_queue(&connection->session, request, &connection->error);
    }
    take_over_reply(operation);
    const gib_value_place place =
        request->value.size > BORROW_ABOVE ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    return gib_session_push(&connection->session, request, place, &connection->error);
}

void gib_phase_go_on(gib_operation *operation)
{
    const gib_operation_kind kind = operation->kind;
    gibson_status status = GIBSON_OK;
    if (kind == GIB_OPERATION_CALL || kind == GIB_OPERATION_QUEUE) {
        status = push(operation);
    }
    if (status == GIBSON_WOULD_BLOCK && !gib_session_count(&operation->connection->session)) {
        gib_phase_ask(operation, GIB_QUESTION_SECONDS);
    } else if (status != GIBSON_OK || kind == GIB_OPERATION_QUEUE ||
               kind == GIB_OPERATION_CONNECT) {
        gib_phase_end(operation, status);
    } else {
        gib_phase_exchange(operation);
    }
}

void gib_phase_connected(gib_operation *operation)
{
    gib_idle *idle = &operation->connection->idle;
    const bool asks =
        operation->kind == GIB_OPERATION_CALL || operation->kind == GIB_OPERATION_QUEUE;
    if (asks && idle->uses_left <= 0) {
        idle->uses_left = GIB_IDLE_USES - 1;
        operation->is_anew = true;
        gib_phase_ask(operation, GIB_QUESTION_PROBE);
    } else {
        gib_phase_go_on(operation);
    }
}

void gib_phase_judge(gib_operation *operation, gibson_status status)
{
    gib_connection *connection = operation->connection;
    if (status == GIBSON_OK) {
        gib_phase_go_on(operation);
        return;
    }
    if (gib_connection_is_open(connection)) {
        gib_connection_break(connection);
    }
    const bool lost = status == GIBSON_CLOSED || status == GIBSON_PROTOCOL;
    if (lost && !operation->is_anew && connection->settings.reconnect &&
        gib_command_connects(operation->request->opcode)) {
        gib_phase_connect_again(operation);
    } else {
        gib_phase_end(operation, status);
    }
}
