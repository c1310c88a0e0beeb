#include "connection/connecting.h"

#include <inttypes.h>

#include "base/error.h"
#include "net/fork.h"

enum { NS_PER_MS = 1000000 };

void gib_connection_not_made(gib_connection *connection, int64_t now_ns)
{
    gib_connector_end(&connection->connector);
    gib_backoff_failed(&connection->backoff, now_ns);
    connection->broken = connection->error;
}

gibson_status gib_connection_start(gib_connection *connection, gib_deadline operation,
                                   int64_t now_ns)
{
    const gib_deadline until = gib_deadline_after(now_ns, connection->settings.connect_timeout_ms);
    connection->fork_generation = gib_fork_generation();
    connection->cut_short = operation < until;
    connection->connect_until = connection->cut_short ? operation : until;
    gibson_status status =
        gib_connector_start(&connection->connector, &connection->target, &connection->error);
    if (status != GIBSON_OK) {
        gib_connection_not_made(connection, now_ns);
    }
    return status;
}

gibson_status gib_connection_start_again(gib_connection *connection, gib_deadline operation,
                                         int64_t now_ns)
{
    if (!connection->settings.reconnect) {
        return gib_connection_closed(connection);
    }
    const int64_t left_ns = connection->backoff.not_before_ns - now_ns;
    if (left_ns > 0) {
        return gib_error_set(&connection->error, GIBSON_UNREACHABLE,
                             "%.120s; no attempt to connect for another %" PRId64 " ms",
                             connection->broken.message, left_ns / NS_PER_MS + 1);
    }
    return gib_connection_start(connection, operation, now_ns);
}

static gibson_status timed_out(gib_connection *connection)
{
    const gibson_options *settings = &connection->settings;
    gibson_error waited_for;
    gib_connector_timed_out(&connection->connector, &waited_for);
    return gib_connection_timed_out(
        connection, connection->cut_short ? "timeout" : "connect_timeout",
        connection->cut_short ? settings->timeout_ms : settings->connect_timeout_ms,
        waited_for.message);
}

gibson_status gib_connection_step(gib_connection *connection, int64_t now_ns)
{
    gib_connector *connector = &connection->connector;
    gibson_status status = now_ns >= connection->connect_until
                               ? timed_out(connection)
                               : gib_connector_step(connector, now_ns, &connection->error);
    if (status == GIBSON_WOULD_BLOCK) {
        return status;
    }
    if (status != GIBSON_OK) {
        gib_connection_not_made(connection, now_ns);
        return status;
    }
    const int descriptor = connector->descriptor;
    gib_connector_end(connector);
    gib_backoff_succeeded(&connection->backoff);
    status = gib_connection_adopt(connection, gib_transport_plain(descriptor));
    if (status != GIBSON_OK) {
        connection->broken = connection->error;
    }
    return status;
}
