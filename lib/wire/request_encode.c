#include "wire/request_encode.h"

#include <string.h>

#include "base/error.h"
#include "base/likely.h"
#include "wire/command.h"
#include "wire/key.h"
#include "wire/number.h"
#include "wire/request_refuse.h"

/* Beside key and value: the header, two spaces, and a number or a META field. */
enum { FRAME_OVERHEAD = GIB_REQUEST_HEADER + 2 + GIB_LONGEST_NUMBER };

/* Tells whether a time, where the command takes one, is within the limits. */
static bool is_valid_time(const gibson_request *request, const gibson_command *command,
                          const gib_limits *limits)
{
    const int64_t number = request->number;
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        return number <= limits->max_seconds &&
               (number >= 0 || number >= gib_lowest_seconds(command));
    default:
        return true;
    }
}

/* The writers below write a part of the payload and return its end. They write any number: whether
   it is allowed is looked at last, as a time may have to wait for what the server says. */

static uint8_t *write_number(uint8_t *to, int64_t number)
{
    if (GIB_LIKELY(number >= 0 && number < 10)) {
        *to = (uint8_t)('0' + number);
        return to + 1;
    }
    return to + gib_number_write(to, number);
}

/* NULL if there is no such field. */
static uint8_t *write_field(uint8_t *to, int64_t field)
{
    const char *name = gib_field_name(field);
    if (!name) {
        return NULL;
    }
    const size_t size = strlen(name);
    memcpy(to, name, size);
    return to + size;
}

/* Writes what is behind the key, up to the value. */
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
        *to++ = ' ';
        return write_number(to, request->number);
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        *to++ = ' ';
        return write_number(to, request->number);
    case GIBSON_ARGUMENTS_KEY_FIELD:
        *to++ = ' ';
        return write_field(to, request->number);
    default:
        return to;
    }
}

/* Writes the payload up to the value, and returns its end, or NULL if the key or the field is
   refused. */
static uint8_t *write_payload(uint8_t *to, const gibson_request *request,
                              const gibson_command *command)
{
    if (command->arguments == GIBSON_ARGUMENTS_KEY_VALUE_TTL) {
        to = write_number(to, request->number);
        *to++ = ' ';
    }
    if (GIB_UNLIKELY(!gib_key_copy(to, request->key.data, request->key.size))) {
        return NULL;
    }
    return write_behind_key(to + request->key.size, request, command);
}

gibson_status gib_request_encode(const gibson_request *request, const gib_limits *limits,
                                 gib_value_place place, gib_buffer *out, gib_encoded *encoded,
                                 gibson_error *error)
{
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (GIB_UNLIKELY(!command)) {
        return gib_refuse_opcode(request, error);
    }
    const bool has_key = command->arguments != GIBSON_ARGUMENTS_NONE;
    const size_t key_size = has_key ? request->key.size : 0;
    if (GIB_UNLIKELY(has_key && (key_size - 1 >= limits->max_key_size || !request->key.data))) {
        return gib_refuse_key_size(request, command, limits, error);
    }
    size_t value_size = 0;
    if (gib_command_takes_value(command)) {
        value_size = request->value.size;
        if (GIB_UNLIKELY(value_size - 1 >= limits->max_value_size || !request->value.data)) {
            return gib_refuse_value_size(request, command, limits, error);
        }
    }
    const size_t copied = place == GIB_VALUE_COPIED ? value_size : 0;
    if (GIB_UNLIKELY(!gib_buffer_reserve(out, FRAME_OVERHEAD + key_size + copied))) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
    }
    uint8_t *frame = out->data + out->end;
    uint8_t *end = frame + GIB_REQUEST_HEADER;
    if (has_key) {
        end = write_payload(end, request, command);
        if (GIB_UNLIKELY(!end)) {
            return gib_refuse_payload(request, command, error);
        }
    }
    const size_t size = (size_t)(end - frame) - GIB_SIZE_FIELD + value_size;
    if (GIB_UNLIKELY(size > limits->max_request_size)) {
        return gib_refuse_size(command, size, limits, error);
    }
    if (GIB_UNLIKELY(!is_valid_time(request, command, limits))) {
        return gib_refuse_time(request, command, limits, error);
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
