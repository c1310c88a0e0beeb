/* Making, looking at and freeing a client. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"
#include "connection/settings.h"
#include "net/fork.h"
#include "session/single.h"
#include "wire/command.h"

static void init(gibson_client *client, gibson_options settings)
{
    memset(client, 0, sizeof *client);
    const char *peer = gib_settings_keep(&settings, client->text);
    client->interrupt = (gib_interrupt){settings.interrupt, settings.interrupt_context};
    gib_connection_init(&client->connection, &settings, peer,
                        (uint64_t)gib_now_ns() ^ (uint64_t)(uintptr_t)client);
    gib_operation_init(&client->operation, &client->connection);
}

gibson_status gibson_client_new(gibson_client **client, const gibson_options *options,
                                gibson_error *error)
{
    if (error) {
        memset(error, 0, sizeof *error);
    }
    if (!client) {
        return gib_error_set(error, GIBSON_USAGE, "client is NULL");
    }
    *client = NULL;
    gibson_options settings;
    gibson_status status = gib_settings_make(&settings, options, error);
    if (status != GIBSON_OK) {
        return status;
    }
    const size_t size = sizeof(gibson_client) + gib_settings_text_size(&settings);
    gibson_client *made = gib_allocate(&settings.allocator, size);
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the client");
    }
    init(made, settings);
    gib_fork_watch();
    *client = made;
    return GIBSON_OK;
}

void gibson_client_free(gibson_client *client)
{
    if (client) {
        gibson_allocator allocator = client->connection.settings.allocator;
        gib_connection_clear(&client->connection);
        gib_release(&allocator, client);
    }
}

gibson_status gibson_client_connect(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    GIB_CHECKED(client);
    gib_connection_close(&client->connection);
    const gibson_status status = gib_client_run(client, GIB_OPERATION_CONNECT, NULL, NULL);
    client->connection.idle.since_ns = gib_now_ns();
    return status;
}

void gibson_client_close(gibson_client *client)
{
    if (client) {
        GIB_CHECKED(client);
        gib_connection_close(&client->connection);
    }
}

bool gibson_client_connected(const gibson_client *client)
{
    return client && gib_connection_is_open(&client->connection) &&
           gib_connection_is_ours(&client->connection);
}

gibson_status gibson_client_set_timeout(gibson_client *client, int64_t timeout_ms)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    GIB_CHECKED(client);
    if (timeout_ms < 0 && timeout_ms != GIBSON_NO_DEADLINE) {
        return gib_client_fail(client, GIBSON_INVALID, "timeout_ms is negative");
    }
    client->connection.settings.timeout_ms = timeout_ms ? timeout_ms : GIBSON_DEFAULT_TIMEOUT_MS;
    client->connection.error.status = GIBSON_OK;
    gib_client_set_receive_timeout(client);
    return GIBSON_OK;
}

int gibson_client_descriptor(const gibson_client *client)
{
    return client ? client->connection.transport.descriptor : -1;
}

const char *gibson_client_peer(const gibson_client *client)
{
    return client ? client->connection.peer : "";
}

const gibson_error *gibson_client_error(gibson_client *client)
{
    static const gibson_error no_client = {.status = GIBSON_USAGE, .message = "client is NULL"};
    if (!client) {
        return &no_client;
    }
    /* What the server answers is common, and gets its text only when somebody looks. */
    gib_connection_describe(&client->connection, client->answered);
    return &client->connection.error;
}

#if defined(GIB_CHECK_STATE)
void gib_client_assert(gibson_client **client)
{
    if (!*client) {
        return;
    }
    const gib_connection *connection = &(*client)->connection;
    const char *fault = gib_session_check(&connection->session);
    if (!fault && !gib_connection_is_open(connection) &&
        gib_session_is_settled(&connection->session)) {
        fault = "the short way is open without a connection";
    }
    if (!fault && (*client)->operation.found != GIB_FOUND_NOTHING) {
        fault = "what was found on the connection was not dealt with";
    }
    if (fault) {
        fprintf(stderr, "libgibson: the state of a client is not sound: %s\n", fault);
        abort();
    }
}
#endif
