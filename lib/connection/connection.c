#include "connection/connection.h"

#include <inttypes.h>

#include "base/error.h"
#include "connection/settings.h"
#include "net/fork.h"
#include "session/question.h"
#include "wire/command.h"

void gib_connection_init(gib_connection *connection, const gibson_options *settings,
                         const char *peer, uint64_t seed)
{
    *connection = (gib_connection){
        .settings = *settings,
        .peer = peer,
        .transport = gib_transport_plain(-1),
        .connector = {.descriptor = -1},
        .target = {.host = settings->host,
                   .port = settings->port,
                   .unix_socket = settings->unix_socket,
                   .keepalive_s = settings->tcp_keepalive_s,
                   .user_timeout_ms = settings->tcp_user_timeout_ms},
    };
    gib_limits limits = gib_settings_limits(settings);
    gib_window window = {settings->pipeline_window, settings->pipeline_bytes};
    gib_session_init(&connection->session, &limits, window, &connection->settings.allocator);
    gib_session_make_question(&connection->session, seed * UINT64_C(0x9E3779B97F4A7C15));
    gib_backoff_init(&connection->backoff, settings->reconnect_delay_ms,
                     settings->reconnect_max_delay_ms, seed);
}

void gib_connection_clear(gib_connection *connection)
{
    gib_connection_close(connection);
    gib_session_clear(&connection->session);
}

/* After bytes that answer nothing, the first that goes over a connection is a question. */
static gibson_status ask_first(gib_connection *connection)
{
    gib_session *session = &connection->session;
    connection->idle.uses_left = connection->suspect ? 0 : GIB_IDLE_USES - 1;
    const bool behind_question = connection->suspect && gib_session_count(session);
    const gibson_status status =
        behind_question ? gib_session_put_question_first(session, &connection->error) : GIBSON_OK;
    connection->suspect = connection->suspect && status != GIBSON_OK;
    return status;
}

gibson_status gib_connection_adopt(gib_connection *connection, gib_transport transport)
{
    gib_limits limits = gib_settings_limits(&connection->settings);
    gib_session_set_seconds(&connection->session, limits.max_seconds, limits.seconds_source);
    gib_session_renew(&connection->session);
    connection->transport = transport;
    connection->made++;
    connection->fork_generation = gib_fork_generation();
    connection->segment =
        connection->settings.unix_socket ? gib_transport_segment_size(&transport) : 0;
    const gibson_status status = ask_first(connection);
    if (status != GIBSON_OK) {
        gib_transport_close(&connection->transport);
        return status;
    }
    connection->broken.status = GIBSON_OK;
    connection->error.status = GIBSON_OK; /* a wait for the first of several addresses has set it */
    return GIBSON_OK;
}

bool gib_connection_is_ours(const gib_connection *connection)
{
    return connection->fork_generation == gib_fork_generation();
}

static void give_up_transport(gib_connection *connection)
{
    connection->suspect = gib_session_take_surplus(&connection->session) || connection->suspect;
    gib_connector_end(&connection->connector);
    gib_transport_close(&connection->transport);
}

void gib_connection_close(gib_connection *connection)
{
    give_up_transport(connection);
    gib_session_reset(&connection->session);
    connection->broken.status = GIBSON_OK;
    connection->error.status = GIBSON_OK;
}

void gib_connection_break(gib_connection *connection)
{
    if (gib_connection_is_open(connection) || connection->broken.status == GIBSON_OK) {
        connection->broken = connection->error; /* else that tells no more than that it is broken */
    }
    give_up_transport(connection);
    gib_session_break(&connection->session);
}

void gib_connection_drop(gib_connection *connection)
{
    connection->broken = connection->error;
    give_up_transport(connection);
}

void gib_connection_answered(gib_connection *connection, const gibson_reply *reply)
{
    if (GIB_UNLIKELY(!gib_command_connects(reply->opcode)) && reply->status == GIBSON_OK) {
        gib_connection_fail(connection, GIBSON_CLOSED, "the connection was ended by END");
        gib_connection_break(connection);
    }
}

bool gib_connection_may_repeat(const gib_connection *connection, const gibson_request *request,
                               bool sent)
{
    const gibson_options *settings = &connection->settings;
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (!settings->reconnect || !command || command->effect == GIBSON_EFFECT_CLOSE) {
        return false;
    }
    return !sent || (settings->retry_repeatable && command->effect != GIBSON_EFFECT_WRITE);
}

static const char *text_of(const gibson_command *command, gibson_status status)
{
    if (status != GIBSON_NOT_FOUND) {
        return gibson_status_text(status);
    }
    if (!gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX)) {
        return "no such key";
    }
    return command->effect == GIBSON_EFFECT_READ ? "no key has the prefix"
                                                 : "no item under the prefix was changed";
}

void gib_connection_describe(gib_connection *connection, gibson_opcode opcode)
{
    gibson_error *error = &connection->error;
    const gibson_command *command = gib_command((uint32_t)opcode);
    if (error->status == GIBSON_OK || (error->status <= GIBSON_SERVER_ERROR && !command)) {
        gib_error_set(error, error->status, "%s", gibson_status_text(error->status));
    } else if (error->status <= GIBSON_SERVER_ERROR) {
        gib_error_set(error, error->status, "%s: %s", command->name,
                      text_of(command, error->status));
    }
}

gibson_status gib_connection_fail(gib_connection *connection, gibson_status status,
                                  const char *message)
{
    return gib_error_set(&connection->error, status, "%s", message);
}

gibson_status gib_connection_parents(gib_connection *connection)
{
    return gib_connection_fail(connection, GIBSON_CLOSED,
                               "the connection belongs to the parent process");
}

gibson_status gib_connection_closed(gib_connection *connection)
{
    if (connection->broken.status == GIBSON_OK) {
        return gib_connection_fail(connection, GIBSON_CLOSED, "not connected");
    }
    return gib_error_set(&connection->error, GIBSON_CLOSED, "the connection is broken: %.150s",
                         connection->broken.message);
}

gibson_status gib_connection_timed_out(gib_connection *connection, const char *deadline,
                                       int64_t length_ms, const char *waiting_for)
{
    return gib_error_set(&connection->error, GIBSON_TIMEOUT,
                         "%s of %" PRId64 " ms passed while %.150s", deadline, length_ms,
                         waiting_for);
}
