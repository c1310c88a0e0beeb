#include "connection/look.h"

#include <errno.h>

#include "base/error.h"

gibson_status gib_connection_look(gib_connection *connection)
{
    char bytes[64];
    const ssize_t got =
        gib_transport_receive(&connection->transport, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return GIBSON_OK;
    }
    if (got < 0) {
        return gib_error_set_errno(&connection->error, GIBSON_CLOSED, errno,
                                   "the connection was lost before the request was sent");
    }
    if (got == 0) {
        return gib_connection_fail(
            connection, GIBSON_CLOSED,
            "the server had closed the connection before the request was sent");
    }
    connection->suspect = true;
    return gib_error_set(&connection->error, GIBSON_PROTOCOL,
                         "%s%zd bytes arrived before the request was sent: they answer nothing",
                         got == sizeof bytes ? "at least " : "", got);
}

gibson_status gib_connection_take_in(gib_connection *connection)
{
    gib_session *session = &connection->session;
    gib_session_scan scan = {0};
    gibson_status status = gib_session_scan_input(session, &scan, &connection->error);
    while (status == GIBSON_OK) {
        uint8_t *room;
        size_t size;
        if (!gib_session_input(session, &room, &size)) {
            return gib_connection_fail(connection, GIBSON_NOMEM, "no memory for the reply");
        }
        const ssize_t got = gib_transport_receive(&connection->transport, room, size, MSG_DONTWAIT);
        if (got <= 0) {
            return GIBSON_OK;
        }
        gib_session_received(session, (size_t)got);
        status = gib_session_scan_input(session, &scan, &connection->error);
    }
    return scan.over ? GIBSON_OK : status; /* that is told when its turn has come */
}
