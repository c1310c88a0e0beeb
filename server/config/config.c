#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/unix_address.h"

const gibs_directive_row gibs_directives[GIBS_DIRECTIVE_COUNT] = {
#define GIBS_DIRECTIVE_ROW(name, kind, fallback, smallest, largest, summary)                       \
    {#name, GIBS_KIND_##kind, fallback, smallest, largest, summary},
    GIBS_DIRECTIVES(GIBS_DIRECTIVE_ROW)
#undef GIBS_DIRECTIVE_ROW
};

const gibs_directive_row *gibs_directive_find(const char *name, size_t name_size)
{
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        const char *candidate = gibs_directives[i].name;
        if (strlen(candidate) == name_size && !memcmp(candidate, name, name_size)) {
            return &gibs_directives[i];
        }
    }
    return NULL;
}

/* A suffix and what it multiplies by. */
typedef struct unit {
    const char *suffix;
    int64_t factor;
} unit;

static const unit no_units[] = {{"", 1}, {NULL, 0}};
static const unit size_units[] = {{"", 1},        {"B", 1},       {"K", 1 << 10},
                                  {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const unit second_units[] = {{"", 1},     {"s", 1},     {"m", 60},
                                    {"h", 3600}, {"d", 86400}, {NULL, 0}};
static const unit millisecond_units[] = {{"", 1},        {"ms", 1},       {"s", 1000}, {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

static const unit *units_of(gibs_kind kind)
{
    switch (kind) {
    case GIBS_KIND_SIZE:
        return size_units;
    case GIBS_KIND_SECONDS:
        return second_units;
    case GIBS_KIND_MILLISECONDS:
        return millisecond_units;
    default:
        return no_units;
    }
}

bool gibs_config_read_number(gibs_kind kind, const char *text, int64_t *number)
{
    if (kind == GIBS_KIND_EVICTION) {
        *number = !strcmp(text, "clock");
        return *number || !strcmp(text, "none");
    }
    int base = kind == GIBS_KIND_MODE ? 8 : 10;
    int64_t result = 0;
    const char *at = text;
    for (; *at >= '0' && *at < '0' + base; at++) {
        int digit = *at - '0';
        if (result > (INT64_MAX - digit) / base) {
            return false;
        }
        result = result * base + digit;
    }
    if (at == text) {
        return false;
    }
    for (const unit *candidate = units_of(kind); candidate->suffix; candidate++) {
        if (!strcasecmp(candidate->suffix, at)) {
            bool fits = result <= INT64_MAX / candidate->factor;
            *number = fits ? result * candidate->factor : INT64_MAX; /* above any limit, then */
            return true;
        }
    }
    return false;
}

static const char *const shapes[] = {
    [GIBS_KIND_TEXT] = "a text",
    [GIBS_KIND_NUMBER] = "a number",
    [GIBS_KIND_FLAG] = "0 or 1",
    [GIBS_KIND_MODE] = "an octal number",
    [GIBS_KIND_SIZE] = "a size such as 512, 64K, 4M or 2G",
    [GIBS_KIND_SECONDS] = "a time such as 90, 90s, 15m, 2h or 30d",
    [GIBS_KIND_MILLISECONDS] = "a time such as 100, 100ms or 1s",
    [GIBS_KIND_EVICTION] = "none or clock",
};

/* A quantity above what the server can hold becomes the largest: configurations that were written
   for the reference server then start. */
static bool is_quantity(gibs_kind kind)
{
    return kind == GIBS_KIND_SIZE || kind == GIBS_KIND_SECONDS || kind == GIBS_KIND_MILLISECONDS;
}

static gibson_status read_value(const gibs_directive_row *row, const char *value, int64_t *number,
                                bool *lowered, gibson_error *error)
{
    *lowered = false;
    if (row->kind == GIBS_KIND_TEXT) {
        return GIBSON_OK;
    }
    if (!gibs_config_read_number(row->kind, value, number)) {
        return gib_error_set(error, GIBSON_INVALID, "%s: '%.60s' is not %s", row->name, value,
                             shapes[row->kind]);
    }
    if (*number > row->largest && is_quantity(row->kind)) {
        *number = row->largest;
        *lowered = true;
    }
    if (*number < row->smallest || *number > row->largest) {
        const char *format = row->kind == GIBS_KIND_MODE
                                 ? "%s: '%.60s' is not between %" PRIo64 " and %" PRIo64
                                 : "%s: '%.60s' is not between %" PRId64 " and %" PRId64;
        return gib_error_set(error, GIBSON_INVALID, format, row->name, value, row->smallest,
                             row->largest);
    }
    return GIBSON_OK;
}

static gibson_status apply(gibson_server_config *config, const gibs_directive_row *row,
                           const char *value, bool given, gibson_error *error)
{
    int64_t number = 0;
    bool lowered;
    gibson_status status = read_value(row, value, &number, &lowered, error);
    if (status != GIBSON_OK) {
        return status;
    }
    char *text = strdup(value);
    if (!text) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for %s", row->name);
    }
    size_t index = (size_t)(row - gibs_directives);
    free(config->settings[index].text);
    config->settings[index].text = text;
    config->settings[index].number = number;
    config->settings[index].given = given;
    config->settings[index].lowered = lowered;
    return GIBSON_OK;
}

gibson_status gibson_server_config_new(gibson_server_config **config)
{
    *config = calloc(1, sizeof **config);
    if (!*config) {
        return GIBSON_NOMEM;
    }
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        const gibs_directive_row *row = &gibs_directives[i];
        gibson_status status = apply(*config, row, row->fallback, false, NULL);
        if (status != GIBSON_OK) {
            gibson_server_config_free(*config);
            *config = NULL;
            return status;
        }
    }
    return GIBSON_OK;
}

void gibson_server_config_free(gibson_server_config *config)
{
    for (size_t i = 0; config && i < GIBS_DIRECTIVE_COUNT; i++) {
        free(config->settings[i].text);
    }
    free(config);
}

gibson_server_config *gibs_config_copy(const gibson_server_config *config)
{
    gibson_server_config *copy = malloc(sizeof *copy);
    if (!copy) {
        return NULL;
    }
    *copy = *config;
    bool whole = true;
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        copy->settings[i].text = strdup(config->settings[i].text);
        whole = whole && copy->settings[i].text;
    }
    if (!whole) {
        gibson_server_config_free(copy);
        return NULL;
    }
    return copy;
}

gibson_status gibson_server_config_set(gibson_server_config *config, const char *name,
                                       const char *value, gibson_error *error)
{
    const gibs_directive_row *row = gibs_directive_find(name, strlen(name));
    if (!row) {
        return gib_error_set(error, GIBSON_INVALID, "there is no directive '%.60s'", name);
    }
    return apply(config, row, value, true, error);
}

bool gibs_config_lowered(const gibson_server_config *config, gibs_directive directive,
                         char text[GIBSON_ERROR_MESSAGE_SIZE])
{
    if (!config->settings[directive].lowered) {
        return false;
    }
    snprintf(text, GIBSON_ERROR_MESSAGE_SIZE,
             "%s: '%.60s' is more than this server can hold, taken as %" PRId64,
             gibs_directives[directive].name, config->settings[directive].text,
             config->settings[directive].number);
    return true;
}

/* A request, the replies that may wait and one more, and one that is being built. */
static int64_t needed_client_memory(const gibson_server_config *config)
{
    return GIBS_CONFIG_NUMBER(config, max_request_size) +
           GIBS_CONFIG_NUMBER(config, max_output_size) +
           2 * GIBS_CONFIG_NUMBER(config, max_response_size);
}

int64_t gibs_config_client_memory(const gibson_server_config *config)
{
    int64_t memory = GIBS_CONFIG_NUMBER(config, max_client_memory);
    int64_t needed = needed_client_memory(config);
    return memory > needed ? memory : needed;
}

static gibson_status check_socket(const gibson_server_config *config, gibson_error *error)
{
    const char *path = GIBS_CONFIG_TEXT(config, unix_socket);
    struct sockaddr_un address;
    socklen_t size;
    return path[0] ? gib_unix_address(path, &address, &size, error) : GIBSON_OK;
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

gibson_status gibs_config_check(const gibson_server_config *config, gibson_error *error)
{
    gibson_status status = check_socket(config, error);
    if (status == GIBSON_OK) {
        status = check_sizes(config, error);
    }
    if (status != GIBSON_OK) {
        return status;
    }
    int64_t memory = GIBS_CONFIG_NUMBER(config, max_client_memory);
    int64_t needed = needed_client_memory(config);
    if (GIBS_CONFIG_GIVEN(config, max_client_memory) && memory < needed) {
        return gib_error_set(error, GIBSON_INVALID,
                             "max_client_memory (%" PRId64 ") is below %" PRId64
                             ": max_request_size, max_output_size and twice max_response_size",
                             memory, needed);
    }
    return GIBSON_OK;
}
