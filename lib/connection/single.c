#include "connection/single.h"

gibson_status gib_connection_hand_over(gib_connection *connection, const gibson_request *request,
                                       gib_exchanged done)
{
    gib_session *session = &connection->session;
    gib_single_hand_over(session, request, done.size);
    gibson_status status = gib_connection_sent(connection, done.sent);
    return status == GIBSON_OK && !gib_session_unsent_frames(session)
               ? gib_connection_received(connection, done.received)
               : status;
}
