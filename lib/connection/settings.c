#include "connection/settings.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/unix_address.h"
#include "net/address.h"
#include "wire/frame.h"

void gibson_options_init_sized(gibson_options *options, size_t struct_size)
{
    if (options) {
        memset(options, 0, struct_size);
        options->struct_size = struct_size;
    }
}

/* A duration: 0 is the default, GIBSON_NO_DEADLINE is allowed where `endless` is. */
static gibson_status duration(int64_t *value, int64_t fallback, bool endless, const char *name,
                              gibson_error *error)
{
    if (*value == 0) {
        *value = fallback;
    }
    if (*value > 0 || (endless && *value == GIBSON_NO_DEADLINE)) {
        return GIBSON_OK;
    }
    return gib_error_set(error, GIBSON_INVALID, "%s is negative: %" PRId64, name, *value);
}

static gibson_status durations(gibson_options *settings, gibson_error *error)
{
    const struct {
        int64_t *value;
        int64_t fallback;
        bool endless;
        const char *name;
    } rows[] = {
        {&settings->connect_timeout_ms, GIBSON_DEFAULT_CONNECT_TIMEOUT_MS, true,
         "connect_timeout_ms"},
        {&settings->timeout_ms, GIBSON_DEFAULT_TIMEOUT_MS, true, "timeout_ms"},
        {&settings->reconnect_delay_ms, GIBSON_DEFAULT_RECONNECT_DELAY_MS, false,
         "reconnect_delay_ms"},
        {&settings->reconnect_max_delay_ms, GIBSON_DEFAULT_RECONNECT_MAX_DELAY_MS, false,
         "reconnect_max_delay_ms"},
    };
    if (settings->max_seconds < 0) { /* 0 is left: the server is asked */
        return gib_error_set(error, GIBSON_INVALID, "max_seconds is negative: %" PRId64,
                             settings->max_seconds);
    }
    gibson_status status = GIBSON_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == GIBSON_OK; i++) {
        status = duration(rows[i].value, rows[i].fallback, rows[i].endless, rows[i].name, error);
    }
    return status;
}

static void size(size_t *value, size_t fallback, size_t most)
{
    if (*value == 0) {
        *value = fallback;
    }
    if (*value > most) {
        *value = most;
    }
}

/* A size cannot be more than its field on the wire can say. */
static gibson_status sizes(gibson_options *settings, gibson_error *error)
{
    size(&settings->max_reply_size, GIBSON_DEFAULT_MAX_REPLY_SIZE, UINT32_MAX - GIB_REPLY_HEADER);
    size(&settings->max_request_size, GIBSON_DEFAULT_MAX_REQUEST_SIZE,
         UINT32_MAX - GIB_REQUEST_HEADER);
    if (settings->max_request_size <= GIB_OPCODE_FIELD) {
        return gib_error_set(error, GIBSON_INVALID, "max_request_size has no room for a key: %zu",
                             settings->max_request_size);
    }
    size_t most = settings->max_request_size - GIB_OPCODE_FIELD;
    size(&settings->max_key_size, GIBSON_DEFAULT_MAX_KEY_SIZE,
         most < GIB_MOST_KEY_SIZE ? most : GIB_MOST_KEY_SIZE);
    size(&settings->max_value_size, SIZE_MAX, most);
    size(&settings->pipeline_bytes, GIBSON_DEFAULT_PIPELINE_BYTES, SIZE_MAX);
    if (settings->pipeline_window == 0) {
        settings->pipeline_window = GIBSON_DEFAULT_PIPELINE_WINDOW;
    }
    return GIBSON_OK;
}

static gibson_status place(gibson_options *settings, gibson_error *error)
{
    if (!settings->host) {
        settings->host = GIBSON_DEFAULT_HOST;
    }
    if (!settings->port) {
        settings->port = GIBSON_DEFAULT_PORT;
    }
    if (settings->unix_socket) {
        struct sockaddr_un address;
        socklen_t address_size;
        return gib_unix_address(settings->unix_socket, &address, &address_size, error);
    }
    return settings->host[0] ? GIBSON_OK : gib_error_set(error, GIBSON_INVALID, "host is empty");
}

static gibson_status allocator(gibson_allocator *functions, gibson_error *error)
{
    int set = !!functions->allocate + !!functions->reallocate + !!functions->release;
    if (set == 0) {
        *functions = gib_default_allocator;
    } else if (set != 3) {
        return gib_error_set(error, GIBSON_INVALID, "allocator: some functions are missing");
    }
    return GIBSON_OK;
}

gibson_status gib_settings_make(gibson_options *settings, const gibson_options *given,
                                gibson_error *error)
{
    memset(settings, 0, sizeof *settings);
    if (given) {
        if (given->struct_size < offsetof(gibson_options, host)) {
            return gib_error_set(error, GIBSON_INVALID,
                                 "the options were not made by gibson_options_init");
        }
        memcpy(settings, given,
               given->struct_size < sizeof *settings ? given->struct_size : sizeof *settings);
    }
    settings->struct_size = sizeof *settings;
    if (settings->tcp_keepalive_s == 0) {
        settings->tcp_keepalive_s = GIBSON_DEFAULT_TCP_KEEPALIVE_S;
    }
    gibson_status status = sizes(settings, error);
    if (status == GIBSON_OK) {
        status = durations(settings, error);
    }
    if (status == GIBSON_OK) {
        status = allocator(&settings->allocator, error);
    }
    if (status == GIBSON_OK) {
        status = place(settings, error);
    }
    return status;
}

gib_limits gib_settings_limits(const gibson_options *settings)
{
    return (gib_limits){
        .max_reply_size = settings->max_reply_size,
        .max_request_size = settings->max_request_size,
        .max_key_size = settings->max_key_size,
        .max_value_size = settings->max_value_size,
        .max_seconds = settings->max_seconds ? settings->max_seconds : GIB_SAFE_SECONDS,
        .seconds_source = settings->max_seconds ? GIB_SECONDS_GIVEN : GIB_SECONDS_UNKNOWN,
    };
}

/* Copies a string to *to, moves *to behind it, and returns the copy. */
static const char *keep_string(char **to, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = memcpy(*to, text, size);
    *to += size;
    return copy;
}

static size_t peer_size(const gibson_options *settings)
{
    return 1 +
           (size_t)gib_address_text(NULL, 0, settings->host, settings->port, settings->unix_socket);
}

size_t gib_settings_text_size(const gibson_options *settings)
{
    const size_t path_size = settings->unix_socket ? strlen(settings->unix_socket) + 1 : 0;
    return strlen(settings->host) + 1 + path_size + peer_size(settings);
}

const char *gib_settings_keep(gibson_options *settings, char *text)
{
    settings->host = keep_string(&text, settings->host);
    if (settings->unix_socket) {
        settings->unix_socket = keep_string(&text, settings->unix_socket);
    }
    gib_address_text(text, peer_size(settings), settings->host, settings->port,
                     settings->unix_socket);
    return text;
}
