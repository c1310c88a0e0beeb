/* How an operation begins: by what there is to find out about the connection. */
#include "connection/connecting.h"
#include "connection/look.h"
#include "connection/phase.h"
#include "wire/command.h"

/* Tells whether there is a connection, and it is this process's. */
static gibson_status check_owner(gib_connection *connection)
{
    if (!gib_connection_is_open(connection)) {
        return gib_connection_closed(connection);
    }
    return gib_connection_is_ours(connection) ? GIBSON_OK : gib_connection_parents(connection);
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
        gib_phase_ask(operation, GIB_QUESTION_PROBE);
    } else {
        gib_phase_judge(operation, status);
    }
}

/* Begins with what has been found out already. */
static void take_up(gib_operation *operation, gib_found found)
{
    if (found == GIB_FOUND_SENT) {
        operation->is_lent = gib_session_lends(&operation->connection->session, operation->request);
        gib_phase_exchange(operation);
    } else if (found == GIB_FOUND_ASKED) {
        gib_phase_asking(operation, GIB_QUESTION_PROBE);
    } else {
        gib_phase_judge(operation,
                        found == GIB_FOUND_BAD ? operation->connection->error.status : GIBSON_OK);
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
               !gib_session_has_long_time(session);
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
        gib_phase_go_on(operation);
    } else if (dropped) {
        gib_connection_drop(connection);
        gib_phase_connect_again(operation);
    } else {
        gib_phase_end(operation, status);
    }
}

static void begin_connecting(gib_operation *operation)
{
    const gibson_status status =
        gib_connection_start(operation->connection, GIB_NO_DEADLINE, operation->now_ns);
    operation->phase = GIB_PHASE_CONNECTING;
    if (status != GIBSON_OK) {
        gib_phase_end(operation, status);
    }
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
    if (operation->latest < operation->deadline) {
        operation->deadline = operation->latest;
    }
    operation->once = operation->was_sent = false;
    operation->lender.in.data = NULL;
    operation->is_lent = operation->is_anew = false;
    if (kind == GIB_OPERATION_CONNECT) {
        begin_connecting(operation);
    } else if (gib_phase_needs_connection(operation)) {
        connection->idle.since_ns = now_ns;
        resume(operation, pause);
    } else if (found == GIB_FOUND_NOTHING) {
        trust(operation);
    } else {
        take_up(operation, found);
    }
}
