/* What one directive alone cannot tell. */
#include <inttypes.h>

#include "base/unix_address.h"
#include "config/config.h"
#include "config/peers.h"

/* A request and the value it sets, the replies that may wait and one more, and one that is being
   built. */
static int64_t needed_client_memory(const gibson_server_config *config)
{
    return GIBS_CONFIG_NUMBER(config, max_request_size) +
           GIBS_CONFIG_NUMBER(config, max_value_size) +
           GIBS_CONFIG_NUMBER(config, max_output_size) +
           2 * GIBS_CONFIG_NUMBER(config, max_response_size);
}

int64_t gibs_config_client_memory(const gibson_server_config *config)
{
    int64_t memory = GIBS_CONFIG_NUMBER(config, max_client_memory);
    int64_t needed = needed_client_memory(config);
    return memory > needed ? memory : needed;
}

/* The reference server listens on a unix socket alone. */
bool gibs_config_wants_tcp(const gibson_server_config *config)
{
    bool asked = GIBS_CONFIG_GIVEN(config, address) || GIBS_CONFIG_GIVEN(config, port);
    return !GIBS_CONFIG_TEXT(config, unix_socket)[0] ||
           (asked && !GIBS_CONFIG_NUMBER(config, compat));
}

static gibson_status check_addresses(const gibson_server_config *config, gibson_error *error)
{
    const char *at = GIBS_CONFIG_TEXT(config, address);
    int count = GIBS_CONFIG_TEXT(config, unix_socket)[0] ? 1 : 0;
    size_t size;
    if (!gibs_config_wants_tcp(config)) {
        return GIBSON_OK;
    }
    if (!gibs_config_word(&at)) {
        return gib_error_set(error, GIBSON_INVALID, "address: there is none");
    }
    for (; (size = gibs_config_word(&at)); at += size) {
        count++;
    }
    if (count > GIBS_MOST_LISTENERS) {
        return gib_error_set(error, GIBSON_INVALID, "address: more than %d sockets to listen on",
                             (int)GIBS_MOST_LISTENERS);
    }
    return GIBSON_OK;
}

static gibson_status check_socket(const gibson_server_config *config, gibson_error *error)
{
    const char *path = GIBS_CONFIG_TEXT(config, unix_socket);
    struct sockaddr_un address;
    socklen_t size;
    return path[0] ? gib_unix_address(path, &address, &size, error) : GIBSON_OK;
}

static gibson_status check_peers(const gibson_server_config *config, gibson_error *error)
{
    gibs_peers *peers;
    gibson_status status = gibs_peers_new(&peers, config, error);
    gibs_peers_free(peers);
    return status;
}

static gibson_status check_sizes(const gibson_server_config *config, gibson_error *error)
{
    int64_t value = GIBS_CONFIG_NUMBER(config, max_value_size);
    int64_t request = GIBS_CONFIG_NUMBER(config, max_request_size);
    int64_t response = GIBS_CONFIG_NUMBER(config, max_response_size);
    if (value > response) {
        return gib_error_set(error, GIBSON_INVALID,
                             "max_value_size (%" PRId64 ") is above max_response_size (%" PRId64
                             "): such values could be stored and not read",
                             value, response);
    }
    if (GIBS_CONFIG_GIVEN(config, max_value_size) && value > request) {
        return gib_error_set(error, GIBSON_INVALID,
                             "max_value_size (%" PRId64 ") is above max_request_size (%" PRId64
                             "): such values could not be sent",
                             value, request);
    }
    return GIBSON_OK;
}

static gibson_status check_client_memory(const gibson_server_config *config, gibson_error *error)
{
    int64_t memory = GIBS_CONFIG_NUMBER(config, max_client_memory);
    int64_t needed = needed_client_memory(config);
    if (GIBS_CONFIG_GIVEN(config, max_client_memory) && memory < needed) {
        return gib_error_set(error, GIBSON_INVALID,
                             "max_client_memory (%" PRId64 ") is below %" PRId64
                             ": max_request_size, max_value_size, max_output_size and "
                             "twice max_response_size",
                             memory, needed);
    }
    return GIBSON_OK;
}

gibson_status gibs_config_check(const gibson_server_config *config, gibson_error *error)
{
    static gibson_status (*const checks[])(const gibson_server_config *, gibson_error *) = {
        check_addresses, check_socket, check_peers, check_sizes, check_client_memory};
    gibson_status status = GIBSON_OK;
    for (size_t i = 0; status == GIBSON_OK && i < sizeof checks / sizeof *checks; i++) {
        status = checks[i](config, error);
    }
    return status;
}
