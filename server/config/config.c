#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const gibs_directive_row gibs_directives[GIBS_DIRECTIVE_COUNT] = {
#define GIBS_DIRECTIVE_ROW(name, kind, fallback, smallest, largest, changes, summary)              \
    {#name, GIBS_KIND_##kind, GIBS_CHANGES_##changes, fallback, smallest, largest, summary},
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

static gibson_status apply(gibson_server_config *config, const gibs_directive_row *row,
                           const char *value, bool given, gibson_error *error)
{
    int64_t number = 0;
    bool lowered;
    gibson_status status = gibs_config_read(row, value, &number, &lowered, error);
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

gibson_status gibson_server_config_add_socket(gibson_server_config *config, int descriptor,
                                              gibson_error *error)
{
    if (config->socket_count == GIBS_MOST_LISTENERS) {
        return gib_error_set(error, GIBSON_INVALID, "more than %d sockets to listen on",
                             (int)GIBS_MOST_LISTENERS);
    }
    config->sockets[config->socket_count++] = descriptor;
    return GIBSON_OK;
}

/* Of some it matters whether they are given at all. */
static bool matters_if_given(const gibson_server_config *one, const gibson_server_config *other,
                             gibs_directive directive)
{
    switch (directive) {
    case GIBS_DIRECTIVE_pidfile:
        return true;
    case GIBS_DIRECTIVE_address:
    case GIBS_DIRECTIVE_port:
        return gibs_config_wants_tcp(one) != gibs_config_wants_tcp(other);
    default:
        return false;
    }
}

bool gibs_config_differs(const gibson_server_config *one, const gibson_server_config *other,
                         gibs_directive directive)
{
    const gibs_directive_row *row = &gibs_directives[directive];
    bool differs = row->kind == GIBS_KIND_TEXT
                       ? strcmp(one->settings[directive].text, other->settings[directive].text)
                       : one->settings[directive].number != other->settings[directive].number;
    bool given_in_one = one->settings[directive].given != other->settings[directive].given;
    return differs || (given_in_one && matters_if_given(one, other, directive));
}

void gibs_config_adopt(gibson_server_config *config, gibson_server_config *next)
{
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        if (gibs_directives[i].changes == GIBS_CHANGES_LIVE) {
            gibs_setting before = config->settings[i];
            config->settings[i] = next->settings[i];
            next->settings[i] = before;
        }
    }
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
