#include "wire/request_encode.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "wire/command.h"
#include "wire/number.h"

/* Beside key and value: the header, two spaces, and a number or a META field. */
enum { FRAME_OVERHEAD = GIB_REQUEST_HEADER + 2 + GIB_LONGEST_NUMBER };

static bool takes_value(const gibson_command *command)
{
    return command->arguments == GIBSON_ARGUMENTS_KEY_VALUE_TTL ||
           command->arguments == GIBSON_ARGUMENTS_PREFIX_VALUE;
}

/* Nonzero in the top bit of some byte if a byte of the word is 0. From "Bit Twiddling Hacks",
   S. E. Anderson, "Determine if a word has a zero byte". */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

static uint64_t forbidden_bytes(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return zero_bytes(word) | zero_bytes(word ^ UINT64_C(0x2020202020202020));
}

/* Tells whether a key holds a space, which ends it, or a NUL, at which prefix commands of the
   reference server cut it. */
static bool has_forbidden_byte(const uint8_t *key, size_t size)
{
    if (size < sizeof(uint64_t)) {
        for (size_t i = 0; i < size; i++) {
            if (key[i] == ' ' || key[i] == '\0') {
                return true;
            }
        }
        return false;
    }
    size_t last = size - sizeof(uint64_t);
    for (size_t i = 0; i < last; i += sizeof(uint64_t)) {
        if (forbidden_bytes(key + i)) {
            return true;
        }
    }
    return forbidden_bytes(key + last) != 0; /* may look at some bytes twice */
}

static gibson_status check_key(const gibson_request *request, const gibson_command *command,
                               const gib_limits *limits, gibson_error *error)
{
    const uint8_t *key = request->key.data;
    size_t size = request->key.size;
    if (key && size && size <= limits->max_key_size && !has_forbidden_byte(key, size)) {
        return GIBSON_OK;
    }
    const char *noun = command->arguments >= GIBSON_ARGUMENTS_PREFIX ? "prefix" : "key";
    if (!size) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the %s is empty", command->name, noun);
    }
    if (!key) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the %s is NULL", command->name, noun);
    }
    if (size > limits->max_key_size) {
        return gib_error_set(error, GIBSON_INVALID,
                             "%s: the %s has %zu bytes, over max_key_size (%zu)", command->name,
                             noun, size, limits->max_key_size);
    }
    return gib_error_set(error, GIBSON_INVALID, "%s: the %s contains a space or a NUL byte",
                         command->name, noun);
}

static gibson_status check_value(const gibson_request *request, const gibson_command *command,
                                 const gib_limits *limits, gibson_error *error)
{
    size_t size = request->value.size;
    if (!size) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the value is empty", command->name);
    }
    if (!request->value.data) {
        return gib_error_set(error, GIBSON_INVALID, "%s: the value is NULL", command->name);
    }
    if (size > limits->max_value_size) {
        return gib_error_set(error, GIBSON_INVALID,
                             "%s: the value has %zu bytes, over max_value_size (%zu)",
                             command->name, size, limits->max_value_size);
    }
    return GIBSON_OK;
}

static gibson_status check_number(const gibson_request *request, const gibson_command *command,
                                  const gib_limits *limits, gibson_error *error)
{
    int64_t lowest = 0;
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_KEY_FIELD:
        if (gibson_meta_field_name((gibson_meta_field)request->number) &&
            request->number == (gibson_meta_field)request->number) {
            return GIBSON_OK;
        }
        return gib_error_set(error, GIBSON_INVALID, "meta: %" PRId64 " is no field",
                             request->number);
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        if (command->opcode == GIBSON_OP_LOCK || command->opcode == GIBSON_OP_MLOCK) {
            lowest = -1;
        }
        break;
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
        break;
    default:
        return GIBSON_OK;
    }
    if (request->number < lowest || request->number > limits->max_seconds) {
        return gib_error_set(error, GIBSON_INVALID,
                             "%s: %" PRId64 " seconds are not between %" PRId64
                             " and max_seconds (%" PRId64 ")",
                             command->name, request->number, lowest, limits->max_seconds);
    }
    return GIBSON_OK;
}

static gibson_status too_large(const gibson_command *command, size_t size, const gib_limits *limits,
                               gibson_error *error)
{
    return gib_error_set(error, GIBSON_INVALID,
                         "%s: the request has %zu bytes, over max_request_size (%zu)",
                         command->name, size, limits->max_request_size);
}

static gibson_status check(const gibson_request *request, const gibson_command *command,
                           const gib_limits *limits, gibson_error *error)
{
    if (command->arguments == GIBSON_ARGUMENTS_NONE) {
        return GIBSON_OK;
    }
    gibson_status status = check_key(request, command, limits, error);
    if (status == GIBSON_OK && takes_value(command)) {
        status = check_value(request, command, limits, error);
    }
    if (status == GIBSON_OK) {
        status = check_number(request, command, limits, error);
    }
    return status;
}

static uint8_t *write_bytes(uint8_t *to, const void *bytes, size_t size)
{
    memcpy(to, bytes, size);
    return to + size;
}

static uint8_t *write_last_number(uint8_t *to, int64_t number)
{
    *to++ = ' ';
    return to + gib_number_write(to, number);
}

/* Writes the payload up to the value. */
static uint8_t *write_payload(uint8_t *to, const gibson_request *request,
                              const gibson_command *command)
{
    const char *field;
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_NONE:
        return to;
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
        to += gib_number_write(to, request->number);
        *to++ = ' ';
        break;
    default:
        break;
    }
    to = write_bytes(to, request->key.data, request->key.size);
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_PREFIX_VALUE:
        *to++ = ' ';
        return to;
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        return write_last_number(to, request->number);
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        return request->number > 0 ? write_last_number(to, request->number) : to;
    case GIBSON_ARGUMENTS_KEY_FIELD:
        field = gibson_meta_field_name((gibson_meta_field)request->number);
        *to++ = ' ';
        return write_bytes(to, field, strlen(field));
    default:
        return to;
    }
}

gibson_status gib_request_encode(const gibson_request *request, const gib_limits *limits,
                                 gib_value_place place, gib_buffer *out, gib_encoded *encoded,
                                 gibson_error *error)
{
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (!command) {
        return gib_error_set(error, GIBSON_INVALID, "opcode %u is no command",
                             (unsigned)request->opcode);
    }
    gibson_status status = check(request, command, limits, error);
    if (status != GIBSON_OK) {
        return status;
    }
    size_t key_size = command->arguments == GIBSON_ARGUMENTS_NONE ? 0 : request->key.size;
    size_t value_size = takes_value(command) ? request->value.size : 0;
    size_t copied = place == GIB_VALUE_COPIED ? value_size : 0;
    if (!gib_buffer_reserve(out, FRAME_OVERHEAD + key_size + copied)) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
    }
    uint8_t *frame = out->data + out->end;
    uint8_t *end = write_payload(frame + GIB_REQUEST_HEADER, request, command);
    size_t size = (size_t)(end - frame) - GIB_SIZE_FIELD + value_size;
    if (size > limits->max_request_size) {
        return too_large(command, size, limits, error);
    }
    gib_store_u32(frame, (uint32_t)size);
    gib_store_u16(frame + GIB_SIZE_FIELD, (uint16_t)command->opcode);
    if (copied) {
        end = write_bytes(end, request->value.data, copied);
    }
    out->end += (size_t)(end - frame);
    *encoded = (gib_encoded){command, GIB_SIZE_FIELD + size, value_size};
    return GIBSON_OK;
}
