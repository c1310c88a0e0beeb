/* Making, losing and remaking the connection of a client. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "client/client.h"
#include "client/settings.h"
#include "net/address.h"
#include "net/fork.h"
#include "net/socket.h"

enum { NS_PER_MS = 1000000 };

gibson_status gib_client_fail(gibson_client *client, gibson_status status, const char *message)
{
    return gib_error_set(&client->error, status, "%s", message);
}

/* Copies a string to *to, moves *to behind it, and returns the copy. */
static const char *keep_text(char **to, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*to, text, size);
    *to += size;
    return copy;
}

/* Bytes that the strings of a client take: see struct gibson_client. */
static size_t text_needed(const gibson_options *settings)
{
    size_t size = strlen(settings->host) + 1;
    if (settings->unix_socket) {
        size += strlen(settings->unix_socket) + 1;
    }
    return size + 1 +
           (size_t)gib_address_text(NULL, 0, settings->host, settings->port, settings->unix_socket);
}

static void init(gibson_client *client, const gibson_options *settings, size_t text_size)
{
    memset(client, 0, sizeof *client);
    client->settings = *settings;
    char *to = client->text;
    client->settings.host = keep_text(&to, settings->host);
    if (settings->unix_socket) {
        client->settings.unix_socket = keep_text(&to, settings->unix_socket);
    }
    gib_address_text(to, text_size - (size_t)(to - client->text), settings->host, settings->port,
                     settings->unix_socket);
    client->peer = to;
    client->descriptor = -1;
    client->interrupt = (gib_interrupt){settings->interrupt, settings->interrupt_context};
    gib_limits limits = gib_settings_limits(settings);
    gib_session_init(&client->session, &limits, &client->settings.allocator);
    gib_backoff_init(&client->backoff, settings->reconnect_delay_ms,
                     settings->reconnect_max_delay_ms,
                     (uint64_t)gib_now_ns() ^ (uint64_t)(uintptr_t)client);
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
    size_t text_size = text_needed(&settings);
    gibson_client *made = gib_allocate(&settings.allocator, sizeof *made + text_size);
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the client");
    }
    init(made, &settings, text_size);
    gib_fork_watch();
    *client = made;
    return GIBSON_OK;
}

/* Only closes: a child of fork must not shut down what its parent still uses. */
static void drop_descriptor(gibson_client *client)
{
    if (client->descriptor >= 0) {
        close(client->descriptor);
        client->descriptor = -1;
    }
    client->settled = false;
    client->queue_until = 0;
}

void gibson_client_close(gibson_client *client)
{
    if (client) {
        drop_descriptor(client);
        gib_session_reset(&client->session);
        client->broken.status = GIBSON_OK;
        client->error.status = GIBSON_OK;
    }
}

void gibson_client_free(gibson_client *client)
{
    if (client) {
        gibson_allocator allocator = client->settings.allocator;
        gibson_client_close(client);
        gib_session_clear(&client->session);
        gib_release(&allocator, client);
    }
}

static void set_receive_timeout(gibson_client *client)
{
    int64_t timeout_ms = gib_wait_slice_ms(&client->interrupt, client->settings.timeout_ms);
    if (client->descriptor >= 0 && timeout_ms != client->receive_timeout_ms) {
        gib_socket_set_timeout(client->descriptor, SO_RCVTIMEO, timeout_ms);
        client->receive_timeout_ms = timeout_ms;
    }
}

static gibson_status connect_now(gibson_client *client)
{
    const gibson_options *settings = &client->settings;
    gib_target target = {
        .host = settings->host,
        .port = settings->port,
        .unix_socket = settings->unix_socket,
        .keepalive_s = settings->tcp_keepalive_s,
        .user_timeout_ms = settings->tcp_user_timeout_ms,
    };
    gib_deadline deadline = gib_deadline_after(gib_now_ns(), settings->connect_timeout_ms);
    gibson_status status =
        gib_connect(&target, deadline, &client->interrupt, &client->descriptor, &client->error);
    if (status != GIBSON_OK) {
        gib_backoff_failed(&client->backoff, gib_now_ns());
        client->broken = client->error;
        return status;
    }
    gib_backoff_succeeded(&client->backoff);
    client->fork_generation = gib_fork_generation();
    client->segment = settings->unix_socket ? gib_socket_segment_size(client->descriptor) : 0;
    client->receive_timeout_ms = GIBSON_NO_DEADLINE; /* of a new socket */
    client->last_used_ns = gib_now_ns();
    client->broken.status = GIBSON_OK;
    client->error.status = GIBSON_OK; /* a wait for the first of several addresses has set it */
    set_receive_timeout(client);
    return GIBSON_OK;
}

gibson_status gibson_client_connect(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    gibson_client_close(client);
    return connect_now(client);
}

bool gibson_client_connected(const gibson_client *client)
{
    return client && client->descriptor >= 0 && client->fork_generation == gib_fork_generation();
}

int gibson_client_fd(const gibson_client *client)
{
    return client ? client->descriptor : -1;
}

const char *gibson_client_peer(const gibson_client *client)
{
    return client ? client->peer : "";
}

const gibson_error *gibson_client_error(gibson_client *client)
{
    static const gibson_error no_client = {.status = GIBSON_USAGE, .message = "client is NULL"};
    if (!client) {
        return &no_client;
    }
    /* What the server answers is common, and gets its text only when somebody looks. */
    gibson_error *error = &client->error;
    if (error->status <= GIBSON_SERVER_ERROR) {
        gib_error_set(error, error->status, "%s", gibson_status_text(error->status));
    }
    return error;
}

gibson_status gibson_client_set_timeout(gibson_client *client, int64_t timeout_ms)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    if (timeout_ms < 0 && timeout_ms != GIBSON_NO_DEADLINE) {
        return gib_client_fail(client, GIBSON_INVALID, "timeout_ms is negative");
    }
    client->settings.timeout_ms = timeout_ms ? timeout_ms : GIBSON_DEFAULT_TIMEOUT_MS;
    client->error.status = GIBSON_OK;
    set_receive_timeout(client);
    return GIBSON_OK;
}

void gib_client_break(gibson_client *client)
{
    client->broken = client->error;
    drop_descriptor(client);
    gib_session_break(&client->session);
}

void gib_client_answered(gibson_client *client, const gibson_reply *reply)
{
    if (reply->opcode == GIBSON_OP_END && reply->status == GIBSON_OK) {
        gib_client_fail(client, GIBSON_CLOSED, "the connection was ended by END");
        gib_client_break(client);
    }
    client->error.status = reply->status;
}

/* Tells whether an idle connection was closed by the server, or has bytes that nobody asked for. */
static bool is_stale(const gibson_client *client)
{
    char byte;
    ssize_t got = recv(client->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

gibson_status gib_client_closed(gibson_client *client)
{
    if (client->broken.status == GIBSON_OK) {
        return gib_client_fail(client, GIBSON_CLOSED, "not connected");
    }
    return gib_error_set(&client->error, GIBSON_CLOSED, "the connection is broken: %.150s",
                         client->broken.message);
}

static gibson_status reconnect(gibson_client *client)
{
    if (!client->settings.reconnect) {
        return gib_client_closed(client);
    }
    int64_t left_ns = client->backoff.not_before_ns - gib_now_ns();
    if (left_ns > 0) {
        return gib_error_set(&client->error, GIBSON_UNREACHABLE,
                             "%.120s; no attempt to connect for another %" PRId64 " ms",
                             client->broken.message, left_ns / NS_PER_MS + 1);
    }
    return connect_now(client);
}

/* Tells whether the connection cannot be used. If it cannot, it is closed, for this reason. */
static bool is_lost(gibson_client *client, int64_t idle_ns)
{
    if (client->descriptor < 0) {
        return true;
    }
    if (client->fork_generation != gib_fork_generation()) {
        gib_client_fail(client, GIBSON_CLOSED, "the connection belongs to the parent process");
    } else if (idle_ns > GIB_IDLE_CHECK_NS && client->settings.reconnect && is_stale(client)) {
        gib_client_fail(client, GIBSON_CLOSED, "the server closed the idle connection");
    } else {
        return false;
    }
    gib_client_break(client);
    return true;
}

gibson_status gib_client_ready(gibson_client *client)
{
    int64_t now_ns = gib_now_ns();
    int64_t idle_ns = now_ns - client->last_used_ns;
    client->last_used_ns = now_ns;
    return is_lost(client, idle_ns) ? reconnect(client) : GIBSON_OK;
}
