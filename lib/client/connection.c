/* Making, trusting, losing and remaking the connection of a client. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "client/client.h"
#include "client/settings.h"
#include "net/fork.h"
#include "net/socket.h"
#include "session/single.h"
#include "wire/command.h"

enum { NS_PER_MS = 1000000 };

/* Only closes: a child of fork must not shut down what its parent still uses. */
static void drop_descriptor(gibson_client *client)
{
    if (client->descriptor >= 0) {
        close(client->descriptor);
        client->descriptor = -1;
    }
    client->checked = GIB_CHECKED_NOT;
}

void gibson_client_close(gibson_client *client)
{
    if (client) {
        GIB_CHECKED(client);
        drop_descriptor(client);
        gib_session_reset(&client->session);
        client->broken.status = GIBSON_OK;
        client->error.status = GIBSON_OK;
    }
}

void gib_client_break(gibson_client *client)
{
    if (client->descriptor >= 0 || client->broken.status == GIBSON_OK) {
        client->broken = client->error; /* else that tells no more than that it is broken */
    }
    drop_descriptor(client);
    gib_session_break(&client->session);
}

void gib_client_answered(gibson_client *client, const gibson_reply *reply)
{
    if (GIB_UNLIKELY(!gib_command_connects(reply->opcode)) && reply->status == GIBSON_OK) {
        gib_client_fail(client, GIBSON_CLOSED, "the connection was ended by END");
        gib_client_break(client);
    }
    gib_client_note_answer(client, reply->opcode, reply->status);
}

gibson_status gib_client_closed(gibson_client *client)
{
    if (client->broken.status == GIBSON_OK) {
        return gib_client_fail(client, GIBSON_CLOSED, "not connected");
    }
    return gib_error_set(&client->error, GIBSON_CLOSED, "the connection is broken: %.150s",
                         client->broken.message);
}

gib_deadline gib_client_deadline(const gibson_client *client)
{
    return gib_deadline_after(client->idle.since_ns, client->settings.timeout_ms);
}

static void set_receive_timeout(gibson_client *client)
{
    int64_t timeout_ms = gib_wait_slice_ms(&client->interrupt, client->settings.timeout_ms);
    if (client->descriptor >= 0 && timeout_ms != client->receive_timeout_ms) {
        gib_socket_set_timeout(client->descriptor, SO_RCVTIMEO, timeout_ms);
        client->receive_timeout_ms = timeout_ms;
    }
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
    client->settings.timeout_ms = timeout_ms ? timeout_ms : GIBSON_DEFAULT_TIMEOUT_MS;
    client->error.status = GIBSON_OK;
    set_receive_timeout(client);
    return GIBSON_OK;
}

/* Connects before the deadline of options.connect_timeout_ms and that of an operation. */
static gibson_status try_to_connect(gibson_client *client, gib_deadline operation)
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
    const bool cut_short = operation < deadline;
    gibson_status status = gib_connect(&target, cut_short ? operation : deadline,
                                       &client->interrupt, &client->descriptor, &client->error);
    if (status == GIBSON_TIMEOUT) {
        const gibson_error waited_for = client->error;
        gib_client_timed_out(client, cut_short ? "timeout" : "connect_timeout",
                             cut_short ? settings->timeout_ms : settings->connect_timeout_ms,
                             waited_for.message);
    }
    return status;
}

static gibson_status connect_before(gibson_client *client, gib_deadline operation)
{
    client->fresh = false;
    gibson_status status = try_to_connect(client, operation);
    if (status != GIBSON_OK) {
        gib_backoff_failed(&client->backoff, gib_now_ns());
        client->broken = client->error;
        return status;
    }
    gib_backoff_succeeded(&client->backoff);
    gib_limits limits = gib_settings_limits(&client->settings);
    gib_session_set_seconds(&client->session, limits.max_seconds, limits.seconds_source);
    gib_session_renew(&client->session);
    client->fork_generation = gib_fork_generation();
    client->segment =
        client->settings.unix_socket ? gib_socket_segment_size(client->descriptor) : 0;
    client->receive_timeout_ms = GIBSON_NO_DEADLINE; /* of a new socket */
    client->idle.uses_left = GIB_IDLE_USES - 1;
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
    GIB_CHECKED(client);
    gibson_client_close(client);
    gibson_status status = connect_before(client, GIB_NO_DEADLINE);
    client->idle.since_ns = gib_now_ns();
    return status;
}

bool gibson_client_connected(const gibson_client *client)
{
    return client && client->descriptor >= 0 && client->fork_generation == gib_fork_generation();
}

gibson_status gib_client_reconnect(gibson_client *client)
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
    return connect_before(client, gib_client_deadline(client));
}

/* Looks at what has arrived on a connection on which nothing is to come. Returns GIBSON_OK if that
   is nothing. */
static gibson_status look(gibson_client *client)
{
    char bytes[64];
    ssize_t got = recv(client->descriptor, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return GIBSON_OK;
    }
    if (got < 0) {
        return gib_error_set_errno(&client->error, GIBSON_CLOSED, errno,
                                   "the connection was lost before the request was sent");
    }
    if (got == 0) {
        return gib_client_fail(client, GIBSON_CLOSED,
                               "the server had closed the connection before the request was sent");
    }
    return gib_error_set(&client->error, GIBSON_PROTOCOL,
                         "%s%zd bytes arrived before the request was sent: they answer nothing",
                         got == sizeof bytes ? "at least " : "", got);
}

static gibson_status check_connection(gibson_client *client, gib_idle_check check)
{
    const gibson_status status = look(client);
    return status == GIBSON_OK && check == GIB_IDLE_ASK ? gib_client_probe(client) : status;
}

bool gib_client_is_quiet(gibson_client *client)
{
    return look(client) == GIBSON_OK;
}

bool gib_client_check(gibson_client *client, gib_idle_check check)
{
    gib_session_release_reply(&client->session); /* the call ends its views anyway */
    const gibson_status status = check_connection(client, check);
    if (status == GIBSON_OK && gib_session_is_settled(&client->session) &&
        !gib_idle_is_pause(&client->idle, gib_now_ns())) {
        return true;
    }
    client->checked = status == GIBSON_OK ? GIB_CHECKED_SLOWLY : GIB_CHECKED_BAD;
    gib_session_unsettle(&client->session);
    return false;
}

/* Tells whether the connection is this process's. */
static gibson_status check_owner(gibson_client *client)
{
    return client->fork_generation == gib_fork_generation()
               ? GIBSON_OK
               : gib_client_fail(client, GIBSON_CLOSED,
                                 "the connection belongs to the parent process");
}

/* Begins an operation, unless it has been begun, and finds out about its connection. */
static gibson_status begin(gibson_client *client)
{
    const gib_checked checked = client->checked;
    client->checked = GIB_CHECKED_NOT;
    client->fresh = checked == GIB_CHECKED_NOT;
    if (checked == GIB_CHECKED_BAD) {
        return client->error.status;
    }
    const gib_idle_check check = checked == GIB_CHECKED_SLOWLY
                                     ? GIB_IDLE_TRUST
                                     : gib_idle_begin(&client->idle, gib_now_ns());
    if (client->descriptor < 0) {
        return gib_client_closed(client);
    }
    gibson_status status = check_owner(client);
    if (status == GIBSON_OK && check != GIB_IDLE_TRUST) {
        status = check_connection(client, check);
    }
    return status;
}

gibson_status gib_client_ready(gibson_client *client, bool connect)
{
    const gibson_status status = begin(client);
    if (status == GIBSON_OK) {
        return GIBSON_OK;
    }
    if (client->descriptor >= 0) {
        gib_client_break(client);
    }
    const bool lost = status == GIBSON_CLOSED || status == GIBSON_PROTOCOL;
    return lost && connect && client->settings.reconnect ? gib_client_reconnect(client) : status;
}

/* Looks at the connection, if a pause came before more of what is queued is to be sent: no more
   replies may have come than there are requests that were sent. */
static gibson_status look_before_sending(gibson_client *client, bool pause)
{
    if (!pause || !gib_session_unsent_frames(&client->session)) {
        return GIBSON_OK;
    }
    if (gib_session_is_in_flight(&client->session)) {
        return gib_client_take_in(client);
    }
    gibson_status status = look(client);
    const gibson_opcode first = gib_session_due(&client->session)->opcode;
    if (status != GIBSON_OK && client->settings.reconnect && gib_command_connects(first) &&
        !gib_session_was_told_seconds(&client->session)) {
        client->broken = client->error;
        drop_descriptor(client);
        status = gib_client_reconnect(client);
    }
    return status;
}

gibson_status gib_client_resume(gibson_client *client)
{
    const int64_t now_ns = gib_now_ns();
    const bool pause = gib_idle_is_pause(&client->idle, now_ns);
    client->idle.since_ns = now_ns;
    client->fresh = true;
    if (client->descriptor < 0) {
        return gib_client_closed(client);
    }
    gibson_status status = check_owner(client);
    if (status == GIBSON_OK) {
        status = look_before_sending(client, pause);
    }
    if (status != GIBSON_OK) {
        gib_client_break(client);
    }
    return status;
}
