#include "wire/request_encode.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/likely.h"
#include "wire/command.h"
#include "wire/key.h"
#include "wire/number.h"

/* Beside key and value: the header, two spaces, and a number or a META field. */
enum { FRAME_OVERHEAD = GIB_REQUEST_HEADER + 2 + GIB_LONGEST_NUMBER };

static bool takes_value(const gibson_command *command)
{
    return command->arguments == GIBSON_ARGUMENTS_KEY_VALUE_TTL ||
           command->arguments == GIBSON_ARGUMENTS_PREFIX_VALUE;
}

/* The functions that refuse tell why; which requests are refused is decided on the hot path, by
   `valid_number` and gib_request_encode. */

static gibson_status refuse_key(const gibson_request *request, const gibson_command *command,
                                const gib_limits *limits, gibson_error *error)
{
    const char *noun = command->arguments >= GIBSON_ARGUMENTS_PREFIX ? "prefix" : "key";
    if (!request->key.size) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the %s is empty", command->name, noun);
    }
    if (!request->key.data) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the %s is NULL", command->name, noun);
    }
    if (request->key.size > limits->max_key_size) {
        return gib_error_set(error, GIBSON_INVALID,
                             "%s: the %s has %zu bytes, over max_key_size (%zu)", command->name,
                             noun, request->key.size, limits->max_key_size);
    }
    return gib_error_set(error, GIBSON_INVALID, "%s: the %s contains a space or a NUL byte",
                         command->name, noun);
}

static gibson_status refuse_value(const gibson_request *request, const gibson_command *command,
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

/* LOCK and MLOCK take -1 for no end. */
static int64_t lowest_seconds(const gibson_command *command)
{
    return command->opcode == GIBSON_OP_LOCK || command->opcode == GIBSON_OP_MLOCK ? -1 : 0;
}

static gibson_status refuse_number(const gibson_request *request, const gibson_command *command,
                                   const gib_limits *limits, gibson_error *error)
{
    if (command->arguments == GIBSON_ARGUMENTS_KEY_FIELD) {
        return gib_error_set(error, GIBSON_INVALID, "%s: %" PRId64 " is no field", command->name,
                             request->number);
    }
    return gib_error_set(
        error, GIBSON_INVALID,
        "%s: %" PRId64 " seconds are not between %" PRId64 " and max_seconds (%" PRId64 ")",
        command->name, request->number, lowest_seconds(command), limits->max_seconds);
}

static bool valid_number(const gibson_request *request, const gibson_command *command,
                         const gib_limits *limits)
{
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_KEY_FIELD:
        return request->number >= 0 && request->number <= INT_MAX &&
               gibson_meta_field_name((gibson_meta_field)request->number);
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        return request->number >= lowest_seconds(command) && request->number <= limits->max_seconds;
    default:
        return true;
    }
}

static gibson_status refuse_size(const gibson_command *command, size_t size,
                                 const gib_limits *limits, gibson_error *error)
{
    return gib_error_set(error, GIBSON_INVALID,
                         "%s: the request has %zu bytes, over max_request_size (%zu)",
                         command->name, size, limits->max_request_size);
}

/* Writes the payload behind the key, up to the value. */
static uint8_t *write_behind_key(uint8_t *to, const gibson_request *request,
                                 const gibson_command *command)
{
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_PREFIX_VALUE:
        *to++ = ' ';
        return to;
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        if (request->number <= 0) {
            return to;
        }
        break;
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        break;
    case GIBSON_ARGUMENTS_KEY_FIELD:
        *to++ = ' ';
        for (const char *field = gibson_meta_field_name((gibson_meta_field)request->number); *field;
             field++) {
            *to++ = (uint8_t)*field;
        }
        return to;
    default:
        return to;
    }
    *to++ = ' ';
    return to + gib_number_write(to, request->number);
}

/* Writes the payload up to the value, and returns its end, or NULL if the key is refused. */
static uint8_t *write_payload(uint8_t *to, const gibson_request *request,
                              const gibson_command *command)
{
    if (command->arguments == GIBSON_ARGUMENTS_KEY_VALUE_TTL) {
        to += gib_number_write(to, request->number);
        *to++ = ' ';
    }
    if (GIB_UNLIKELY(!gib_key_copy(to, request->key.data, request->key.size))) {
        return NULL;
    }
    to += request->key.size;
    return gib_command_is_keyed((uint32_t)command->opcode) ? to
                                                           : write_behind_key(to, request, command);
}

gibson_status gib_request_encode(const gibson_request *request, const gib_limits *limits,
                                 gib_value_place place, gib_buffer *out, gib_encoded *encoded,
                                 gibson_error *error)
{
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (GIB_UNLIKELY(!command)) {
        return gib_error_set(error, GIBSON_INVALID, "opcode %u is no command",
                             (unsigned)request->opcode);
    }
    const bool has_key = command->arguments != GIBSON_ARGUMENTS_NONE;
    const size_t key_size = has_key ? request->key.size : 0;
    const size_t value_size = takes_value(command) ? request->value.size : 0;
    const size_t copied = place == GIB_VALUE_COPIED ? value_size : 0;
    if (has_key && (key_size - 1 >= limits->max_key_size || !request->key.data)) {
        return refuse_key(request, command, limits, error);
    }
    if (takes_value(command) &&
        (value_size - 1 >= limits->max_value_size || !request->value.data)) {
        return refuse_value(request, command, limits, error);
    }
    if (GIB_UNLIKELY(!valid_number(request, command, limits))) {
        return refuse_number(request, command, limits, error);
    }
    if (GIB_UNLIKELY(!gib_buffer_reserve(out, FRAME_OVERHEAD + key_size + copied))) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
    }
    uint8_t *frame = out->data + out->end;
    uint8_t *end = frame + GIB_REQUEST_HEADER;
    if (has_key) {
        end = write_payload(end, request, command);
        if (GIB_UNLIKELY(!end)) {
            return refuse_key(request, command, limits, error);
        }
    }
    const size_t size = (size_t)(end - frame) - GIB_SIZE_FIELD + value_size;
    if (GIB_UNLIKELY(size > limits->max_request_size)) {
        return refuse_size(command, size, limits, error);
    }
    gib_store_u32(frame, (uint32_t)size);
    gib_store_u16(frame + GIB_SIZE_FIELD, (uint16_t)command->opcode);
    if (copied) {
        memcpy(end, request->value.data, copied);
        end += copied;
    }
    out->end += (size_t)(end - frame);
    *encoded = (gib_encoded){GIB_SIZE_FIELD + size, value_size};
    return GIBSON_OK;
}
