/* An operation goes from phase to phase; it is over when none is left to enter:

       begin -> [ASKING: probe] -> [CONNECTING] -> [ASKING: seconds] -> EXCHANGING -> over

   Where a connection is lost, and that is allowed, it goes back to CONNECTING, once. */
#include "connection/operation.h"

#include "base/error.h"
#include "connection/connecting.h"
#include "connection/look.h"
#include "session/queue.h"
#include "session/single.h"
#include "wire/command.h"

/* Values that are larger are sent from where they are; to copy smaller ones is cheaper than to
   gather two pieces in the kernel. In bytes. */
enum { BORROW_ABOVE = 4096 };

/* What is pending after FLUSH or NEXT has failed has lost its connection. */
static bool needs_its_connection(const gib_operation *operation)
{
    return operation->kind == GIB_OPERATION_FLUSH || operation->kind == GIB_OPERATION_NEXT;
}

static void end(gib_operation *operation, gibson_status status)
{
    gib_connection *connection = operation->connection;
    if (status != GIBSON_OK && needs_its_connection(operation)) {
        gib_connection_break(connection);
    }
    if (status == GIBSON_INVALID && operation->was_sent) {
        /* This server does not keep what the one before may have done. */
        connection->error = operation->lost;
        status = operation->lost.status;
    }
    operation->phase = GIB_PHASE_OVER;
    operation->status = status;
}

static void begin_exchange(gib_operation *operation)
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

/* Goes on with a question that was asked. */
static void begin_asking(gib_operation *operation, gib_question_kind kind)
{
    operation->phase = GIB_PHASE_ASKING;
    operation->exchange = (gib_exchange){
        .goal = kind == GIB_QUESTION_PROBE ? GIB_GOAL_ANSWERED : GIB_GOAL_REPLY,
        .reply = &operation->question.reply,
        .deadline = operation->deadline,
    };
}

static void ask(gib_operation *operation, gib_question_kind kind)
{
    begin_asking(operation, kind);
    operation->failure = gib_question_ask(&operation->question, operation->connection, kind);
}

/* Connects within the operation, after a connection was lost. */
static void connect_again(gib_operation *operation)
{
    const gibson_status status =
        gib_connection_start_again(operation->connection, operation->deadline, operation->now_ns);
    operation->phase = GIB_PHASE_CONNECTING;
    if (status != GIBSON_OK) {
        end(operation, status);
    }
}

static gibson_status push(gib_operation *operation)
{
    const gibson_request *request = operation->request;
    gib_connection *connection = operation->connection;
    if (operation->kind == GIB_OPERATION_QUEUE) {
        return gib_session_queue(&connection->session, request, &connection->error);
    }
    const gib_value_place place =
        request->value.size > BORROW_ABOVE ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    return gib_session_push(&connection->session, request, place, &connection->error);
}

/* The connection is there, and to be trusted. */
static void go_on(gib_operation *operation)
{
    const gib_operation_kind kind = operation->kind;
    gibson_status status = GIBSON_OK;
    if (kind == GIB_OPERATION_CALL || kind == GIB_OPERATION_QUEUE) {
        status = push(operation);
    }
    if (status == GIBSON_WOULD_BLOCK && !gib_session_count(&operation->connection->session)) {
        ask(operation, GIB_QUESTION_SECONDS);
    } else if (status != GIBSON_OK || kind == GIB_OPERATION_QUEUE ||
               kind == GIB_OPERATION_CONNECT) {
        end(operation, status);
    } else {
        begin_exchange(operation);
    }
}

/* What is known about the connection, before anything of the request was sent. */
static void judge(gib_operation *operation, gibson_status status)
{
    gib_connection *connection = operation->connection;
    if (status == GIBSON_OK) {
        go_on(operation);
        return;
    }
    if (gib_connection_is_open(connection)) {
        gib_connection_break(connection);
    }
    const bool lost = status == GIBSON_CLOSED || status == GIBSON_PROTOCOL;
    if (lost && connection->settings.reconnect &&
        gib_command_connects(operation->request->opcode)) {
        connect_again(operation);
    } else {
        end(operation, status);
    }
}

/* Tells whether there is a connection, and it is this process's. */
static gibson_status check_owner(gib_connection *connection)
{
    if (!gib_connection_is_open(connection)) {
        return gib_connection_closed(connection);
    }
    return gib_connection_is_ours(connection)
               ? GIBSON_OK
               : gib_connection_fail(connection, GIBSON_CLOSED,
                                     "the connection belongs to the parent process");
}

/* Begins with a connection on which nothing is pending. */
static void trust(gib_operation *operation)
{
    gib_connection *connection = operation->connection;
    const gib_idle_check check = gib_idle_begin(&connection->idle, operation->now_ns);
    gibson_status status = check_owner(connection);
    if (status == GIBSON_OK && check != GIB_IDLE_TRUST) {
        status = gib_connection_look(connection);
    }
    if (status == GIBSON_OK && check == GIB_IDLE_ASK) {
        ask(operation, GIB_QUESTION_PROBE);
    } else {
        judge(operation, status);
    }
}

/* Begins with what has been found out already. */
static void take_up(gib_operation *operation, gib_found found)
{
    if (found == GIB_FOUND_SENT) {
        begin_exchange(operation);
    } else if (found == GIB_FOUND_ASKED) {
        begin_asking(operation, GIB_QUESTION_PROBE);
    } else {
        judge(operation, found == GIB_FOUND_BAD ? operation->connection->error.status : GIBSON_OK);
    }
}

/* Looks at the connection, if a pause came before more of what is pending is to be sent: no more
   replies may have come than there are requests that were sent. Sets *dropped if the connection was
   lost before any were. */
static gibson_status look_before_sending(gib_connection *connection, bool *dropped)
{
    gib_session *session = &connection->session;
    if (!gib_session_unsent_frames(session)) {
        return GIBSON_OK;
    }
    if (gib_session_is_in_flight(session)) {
        return gib_connection_take_in(connection);
    }
    const gibson_status status = gib_connection_look(connection);
    *dropped = status != GIBSON_OK && connection->settings.reconnect &&
               gib_command_connects(gib_session_due(session)) &&
               !gib_session_was_told_seconds(session);
    return status;
}

/* Begins with a connection on which something is pending: it is replaced only while nothing of that
   was sent. */
static void resume(gib_operation *operation, bool pause)
{
    gib_connection *connection = operation->connection;
    bool dropped = false;
    gibson_status status = check_owner(connection);
    if (status == GIBSON_OK && pause) {
        status = look_before_sending(connection, &dropped);
    }
    if (status == GIBSON_OK) {
        go_on(operation);
    } else if (dropped) {
        gib_connection_drop(connection);
        connect_again(operation);
    } else {
        end(operation, status);
    }
}

static void begin_connecting(gib_operation *operation)
{
    const gibson_status status =
        gib_connection_start(operation->connection, GIB_NO_DEADLINE, operation->now_ns);
    operation->phase = GIB_PHASE_CONNECTING;
    if (status != GIBSON_OK) {
        end(operation, status);
    }
}

void gib_operation_init(gib_operation *operation, gib_connection *connection)
{
    *operation = (gib_operation){.connection = connection};
}

void gib_operation_begin(gib_operation *operation, gib_operation_kind kind,
                         const gibson_request *request, gibson_reply *reply, int64_t now_ns)
{
    gib_connection *connection = operation->connection;
    const gib_found found = operation->found;
    const bool pause = gib_idle_is_pause(&connection->idle, now_ns);
    operation->began_ns = found == GIB_FOUND_NOTHING ? now_ns : connection->idle.since_ns;
    operation->found = GIB_FOUND_NOTHING;
    operation->kind = kind;
    operation->request = request;
    operation->reply = reply;
    operation->now_ns = now_ns;
    operation->deadline = gib_deadline_after(operation->began_ns, connection->settings.timeout_ms);
    operation->is_again = operation->was_sent = false;
    if (kind == GIB_OPERATION_CONNECT) {
        begin_connecting(operation);
    } else if (needs_its_connection(operation)) {
        connection->idle.since_ns = now_ns;
        resume(operation, pause);
    } else if (found == GIB_FOUND_NOTHING) {
        trust(operation);
    } else {
        take_up(operation, found);
    }
}

/* Goes to another connection, once, over one that was lost; or ends. */
static void lose(gib_operation *operation, gibson_status status, bool was_sent)
{
    gib_connection *connection = operation->connection;
    if (status != GIBSON_CLOSED || operation->is_again ||
        !gib_connection_may_repeat(connection, operation->request, was_sent)) {
        end(operation, status);
        return;
    }
    operation->is_again = true;
    operation->was_sent = was_sent;
    operation->lost = connection->error;
    connect_again(operation);
}

static void after_asking(gib_operation *operation, gibson_status status)
{
    gib_question *question = &operation->question;
    status = gib_question_end(question, operation->connection, status);
    if (question->kind == GIB_QUESTION_PROBE) {
        judge(operation, status);
    } else if (status == GIBSON_OK) {
        go_on(operation);
    } else {
        lose(operation, status, false);
    }
}

static void after_exchanging(gib_operation *operation, gibson_status status)
{
    gib_connection *connection = operation->connection;
    if (status == GIBSON_OK || operation->kind != GIB_OPERATION_CALL) {
        end(operation, status);
        return;
    }
    const bool was_sent = gib_session_is_in_flight(&connection->session);
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
        go_on(operation);
    } else {
        end(operation, status);
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

gibson_status gib_operation_step(gib_operation *operation, int64_t now_ns)
{
    operation->now_ns = now_ns;
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
