#include "wire/request_refuse.h"

#include <inttypes.h>

#include "base/error.h"
#include "wire/request_write.h"

gibson_status gib_refuse_opcode(const gibson_request *request, gibson_error *error)
{
    return gib_error_set(error, GIBSON_INVALID, "opcode %u is no command",
                         (unsigned)request->opcode);
}

static const char *key_noun(const gibson_command *command)
{
    return gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX) ? "prefix" : "key";
}

static gibson_status refuse_key_size(const gibson_request *request, const gibson_command *command,
                                     const gib_limits *limits, gibson_error *error)
{
    const char *noun = key_noun(command);
    if (!request->key.size) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the %s is empty", command->name, noun);
    }
    if (!request->key.data) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the %s is NULL", command->name, noun);
    }
    return gib_error_set(error, GIBSON_INVALID, "%s: the %s has %zu bytes, over max_key_size (%zu)",
                         command->name, noun, request->key.size, limits->max_key_size);
}

static gibson_status refuse_value_size(const gibson_request *request, const gibson_command *command,
                                       const gib_limits *limits, gibson_error *error)
{
    if (!request->value.size) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the value is empty", command->name);
    }
    if (!request->value.data) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the value is NULL", command->name);
    }
    return gib_error_set(error, GIBSON_INVALID,
                         "%s: the value has %zu bytes, over max_value_size (%zu)", command->name,
                         request->value.size, limits->max_value_size);
}

gibson_status gib_refuse_size(const gibson_command *command, size_t size, const gib_limits *limits,
                              gibson_error *error)
{
    return gib_error_set(error, GIBSON_INVALID,
                         "%s: the request has %zu bytes, over max_request_size (%zu)",
                         command->name, size, limits->max_request_size);
}

gibson_status gib_refuse_time(const gibson_request *request, const gibson_command *command,
                              const gib_limits *limits, gibson_error *error)
{
    static const char *const names[] = {
        [GIB_SECONDS_GIVEN] = "max_seconds",
        [GIB_SECONDS_UNKNOWN] = "what every server keeps",
        [GIB_SECONDS_TOLD] = "the max_item_ttl of the server",
        [GIB_SECONDS_NOT_TOLD] = "what a server keeps that tells no max_item_ttl in STATS",
    };
    const bool ask =
        limits->seconds_source == GIB_SECONDS_UNKNOWN && request->number > limits->max_seconds;
    if (ask) {
        return gib_error_set(error, GIBSON_WOULD_BLOCK,
                             "%s: %" PRId64 " seconds are more than every server keeps, and to ask "
                             "this one is not possible before all replies were read",
                             command->name, request->number);
    }
    return gib_error_set(error, GIBSON_INVALID,
                         "%s: %" PRId64 " seconds are not between %" PRId64 " and %s (%" PRId64 ")",
                         command->name, request->number, gib_lowest_seconds(command->arguments),
                         names[limits->seconds_source], limits->max_seconds);
}

gibson_status gib_refuse_sizes(const gibson_request *request, const gibson_command *command,
                               const gib_limits *limits, gibson_error *error)
{
    const bool key_is_fine = request->key.size - 1 < limits->max_key_size && request->key.data;
    return key_is_fine ? refuse_value_size(request, command, limits, error)
                       : refuse_key_size(request, command, limits, error);
}

gibson_status gib_refuse_contents(const gibson_request *request, const gibson_command *command,
                                  gibson_error *error)
{
    if (gibson_takes(command->arguments, GIBSON_ARGUMENT_FIELD) &&
        !gib_field_name(request->number)) {
        return gib_error_set(error, GIBSON_INVALID, "%s: %" PRId64 " is no field", command->name,
                             request->number);
    }
    return gib_error_set(error, GIBSON_INVALID, "%s: the %s contains a space or a NUL byte",
                         command->name, key_noun(command));
}
