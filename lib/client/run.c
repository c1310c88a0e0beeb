/* Waiting for an operation. */
#include <fcntl.h>

#include "client/client.h"
#include "net/socket.h"

void gib_client_set_receive_timeout(gibson_client *client)
{
    const gib_connection *connection = &client->connection;
    const int64_t timeout_ms =
        gib_wait_slice_ms(&client->interrupt, connection->settings.timeout_ms);
    if (gib_connection_is_open(connection) && timeout_ms != client->receive_timeout_ms) {
        gib_socket_set_timeout(connection->transport.descriptor, SO_RCVTIMEO, timeout_ms);
        client->receive_timeout_ms = timeout_ms;
    }
}

/* To wait in recv itself saves a system call: SO_RCVTIMEO is the timeout of an operation, and where
   it is the first wait, none of that has passed. Where the socket cannot be made to wait, poll
   does. */
static void prepare_to_wait_in_recv(gibson_client *client)
{
    const gib_connection *connection = &client->connection;
    if (client->prepared != connection->made && gib_connection_is_open(connection)) {
        client->prepared = connection->made;
        (void)fcntl(connection->transport.descriptor, F_SETFL, 0);
        client->receive_timeout_ms = GIBSON_NO_DEADLINE; /* of a new socket */
        gib_client_set_receive_timeout(client);
    }
}

/* Waits in recv. Returns what gib_connection_receive does, or GIBSON_INTERRUPTED. */
static gibson_status wait_in_recv(gibson_client *client)
{
    gibson_status status = gib_connection_receive(&client->connection, 0);
    return status == GIBSON_WOULD_BLOCK
               ? gib_interrupt_check(&client->interrupt, &client->connection.error)
               : status;
}

/* Waits in poll. Returns GIBSON_OK when there is something to do, GIBSON_INTERRUPTED or
   GIBSON_SYSTEM. */
static gibson_status wait_in_poll(gibson_client *client, gib_waits waits)
{
    for (nfds_t i = 0; i < waits.count; i++) {
        if (waits.fds[i].revents) {
            return GIBSON_OK;
        }
    }
    const gibson_status status = gib_wait(waits.fds, waits.count, waits.until, &client->interrupt,
                                          &client->connection.error);
    return status == GIBSON_TIMEOUT ? GIBSON_OK : status;
}

gibson_status gib_client_run(gibson_client *client, gib_operation_kind kind,
                             const gibson_request *request, gibson_reply *reply)
{
    gib_operation *operation = &client->operation;
    int64_t now_ns = gib_now_ns();
    gib_operation_begin(operation, kind, request, reply, now_ns);
    for (;;) {
        gibson_status status = gib_operation_step(operation, now_ns);
        prepare_to_wait_in_recv(client);
        if (status != GIBSON_WOULD_BLOCK) {
            return status;
        }
        status = gib_operation_may_receive(operation)
                     ? wait_in_recv(client)
                     : wait_in_poll(client, gib_operation_waits(operation));
        if (status != GIBSON_OK) {
            gib_operation_fail(operation, status);
        }
        now_ns = gib_now_ns();
    }
}
