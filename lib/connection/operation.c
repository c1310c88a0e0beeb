/* An operation goes from phase to phase; it is over when none is left to enter:

       begin -> [ASKING: probe] -> [CONNECTING] -> [ASKING: seconds] -> EXCHANGING -> over

   Where a connection is lost, and that is allowed, it goes back to CONNECTING, once. */
#include "connection/operation.h"

#include "base/error.h"
#include "connection/connecting.h"
#include "connection/phase.h"
#include "wire/command.h"

void gib_operation_init(gib_operation *operation, gib_connection *connection)
{
    *operation = (gib_operation){.connection = connection, .latest = GIB_NO_DEADLINE};
}

/* Goes to another connection, once, over one that was lost; or ends. */
static void lose(gib_operation *operation, gibson_status status, bool was_sent)
{
    gib_connection *connection = operation->connection;
    if (status != GIBSON_CLOSED || operation->once ||
        !gib_connection_may_repeat(connection, operation->request, was_sent)) {
        gib_phase_end(operation, status);
        return;
    }
    operation->once = true;
    operation->was_sent = was_sent;
    operation->lost = connection->error;
    gib_phase_connect_again(operation);
}

static void after_asking(gib_operation *operation, gibson_status status)
{
    gib_question *question = &operation->question;
    status = gib_question_end(question, operation->connection, status);
    if (question->kind == GIB_QUESTION_PROBE) {
        gib_phase_judge(operation, status);
    } else if (status == GIBSON_OK) {
        gib_phase_go_on(operation);
    } else {
        lose(operation, status, false);
    }
}

/* Tells whether the memory that the request is made of may have been used for its reply, or moved
   to make room for that, or will be used for what has to be asked before it is repeated. */
static bool is_overwritten(const gib_operation *operation)
{
    const gib_session *session = &operation->connection->session;
    return operation->is_lent && (gib_session_has_input(session) ||
                                  gibson_takes_time(gib_arguments_of(operation->request->opcode)));
}

static void after_exchanging(gib_operation *operation, gibson_status status)
{
    gib_connection *connection = operation->connection;
    if (status == GIBSON_OK || operation->kind != GIB_OPERATION_CALL) {
        gib_phase_end(operation, status);
        return;
    }
    const bool was_sent = gib_session_is_in_flight(&connection->session);
    operation->once = operation->once || is_overwritten(operation);
    gib_connection_break(connection);
    gib_session_reset(&connection->session);
    lose(operation, status, was_sent);
}

static void enter_next(gib_operation *operation, gibson_status status)
{
    if (operation->phase == GIB_PHASE_ASKING) {
        after_asking(operation, status);
    } else if (operation->phase == GIB_PHASE_EXCHANGING) {
        after_exchanging(operation, status);
    } else if (status == GIBSON_OK) {
        gib_phase_connected(operation);
    } else {
        gib_phase_end(operation, status);
    }
}

static gibson_status step(gib_operation *operation)
{
    const gibson_status failure = operation->failure;
    if (failure != GIBSON_OK) {
        operation->failure = GIBSON_OK;
        return failure;
    }
    return operation->phase == GIB_PHASE_CONNECTING
               ? gib_connection_step(operation->connection, operation->now_ns)
               : gib_exchange_step(operation->connection, &operation->exchange, operation->now_ns);
}

void gib_operation_disown(gib_operation *operation)
{
    gib_connection *connection = operation->connection;
    operation->failure = GIBSON_OK; /* nothing of it is left for the next one */
    gib_connection_parents(connection);
    gib_connection_break(connection);
    if (operation->kind == GIB_OPERATION_CALL) {
        gib_session_reset(&connection->session);
    } else if (operation->kind == GIB_OPERATION_QUEUE) {
        gib_session_abandon_all(&connection->session); /* what was asked before it is queued */
    }
    gib_phase_end(operation, GIBSON_CLOSED);
}

gibson_status gib_operation_step(gib_operation *operation, int64_t now_ns)
{
    operation->now_ns = now_ns;
    if (gib_operation_is_parents(operation)) {
        gib_operation_disown(operation); /* a signal handler or the driver's callback has forked */
        return GIBSON_CLOSED;
    }
    while (operation->phase != GIB_PHASE_OVER) {
        const gibson_status status = step(operation);
        if (status == GIBSON_WOULD_BLOCK) {
            return status;
        }
        enter_next(operation, status);
    }
    return operation->status;
}

void gib_operation_fail(gib_operation *operation, gibson_status status)
{
    operation->failure = status;
    if (operation->phase == GIB_PHASE_CONNECTING) {
        gib_connection_not_made(operation->connection, operation->now_ns);
    }
}

gib_waits gib_operation_waits(gib_operation *operation)
{
    gib_connection *connection = operation->connection;
    if (operation->phase != GIB_PHASE_CONNECTING) {
        return (gib_waits){&operation->exchange.wait, 1, operation->deadline};
    }
    gib_connector *connector = &connection->connector;
    const gib_deadline until = connector->wake_ns < connection->connect_until
                                   ? connector->wake_ns
                                   : connection->connect_until;
    return (gib_waits){connector->waits, connector->count, until};
}

bool gib_operation_may_receive(const gib_operation *operation)
{
    const struct pollfd *wait = &operation->exchange.wait;
    return operation->phase != GIB_PHASE_CONNECTING && operation->now_ns == operation->began_ns &&
           wait->events == POLLIN && !wait->revents;
}
