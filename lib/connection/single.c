#include "connection/single.h"

gibson_status gib_connection_note(gib_connection *connection, gib_exchanged done)
{
    gibson_status status = gib_connection_sent(connection, done.sent);
    return status == GIBSON_OK && !gib_session_unsent_frames(&connection->session)
               ? gib_connection_received(connection, done.received)
               : status;
}
