/* Writing the frame of a request that is allowed, where there is room for it. All of the rules of
   request_encode.h hold; whatever breaks one is left to gib_request_encode, which says which. Where
   the opcode is a constant, nothing is left of the choice between shapes. */
#ifndef GIB_WIRE_REQUEST_WRITE_H
#define GIB_WIRE_REQUEST_WRITE_H

#include <gibson/request.h>
#include <string.h>

#include "base/likely.h"
#include "wire/command.h"
#include "wire/frame.h"
#include "wire/key.h"
#include "wire/limits.h"
#include "wire/number.h"

/* Beside key and value: the header, two spaces, and a number or a META field. */
enum { GIB_REQUEST_OVERHEAD = GIB_REQUEST_HEADER + 2 + GIB_LONGEST_NUMBER };

/* The lowest time of a command: locks take -1 for no end. */
static inline int64_t gib_lowest_seconds(gibson_arguments arguments)
{
    return gibson_takes(arguments, GIBSON_ARGUMENT_LOCK_SECONDS) ? -1 : 0;
}

/* The name of a field of META, or NULL. */
static inline const char *gib_field_name(int64_t field)
{
    return field == (int32_t)field ? gibson_meta_field_name((gibson_meta_field)field) : NULL;
}

/* Whether the sizes of key and value are allowed. */
static GIB_INLINE bool gib_sizes_allowed(gibson_arguments arguments, const gibson_bytes *key,
                                         const gibson_bytes *value, const gib_limits *limits)
{
    if (arguments != GIBSON_ARGUMENTS_NONE) {
        if (GIB_UNLIKELY(key->size - 1 >= limits->max_key_size) || GIB_UNLIKELY(!key->data)) {
            return false;
        }
    }
    if (gibson_takes(arguments, GIBSON_ARGUMENT_VALUE)) {
        if (GIB_UNLIKELY(value->size - 1 >= limits->max_value_size) || GIB_UNLIKELY(!value->data)) {
            return false;
        }
    }
    return true;
}

static GIB_INLINE bool gib_time_allowed(gibson_arguments arguments, int64_t number,
                                        const gib_limits *limits)
{
    const int64_t lowest = gib_lowest_seconds(arguments); /* not above 0, so nothing overflows */
    return !gibson_takes_time(arguments) ||
           (uint64_t)number - (uint64_t)lowest <= (uint64_t)limits->max_seconds - (uint64_t)lowest;
}

/* The functions below write a part of the payload, and return its end. */

static inline uint8_t *gib_write_number(uint8_t *to, int64_t number)
{
    if (GIB_LIKELY(number >= 0 && number < 10)) {
        *to = (uint8_t)('0' + number);
        return to + 1;
    }
    return to + gib_number_write(to, number);
}

/* NULL if there is no such field. */
static inline uint8_t *gib_write_field(uint8_t *to, int64_t field)
{
    const char *name = gib_field_name(field);
    if (!name) {
        return NULL;
    }
    const size_t size = strlen(name);
    memcpy(to, name, size);
    return to + size;
}

/* What is behind the key, up to the value. */
static GIB_INLINE uint8_t *gib_write_behind_key(uint8_t *to, gibson_arguments arguments,
                                                int64_t number)
{
    switch (arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_PREFIX_VALUE:
        *to = ' ';
        return to + 1;
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        if (number <= 0) {
            return to;
        }
        *to = ' ';
        return gib_write_number(to + 1, number);
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_KEY_LOCK_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_LOCK_SECONDS:
        *to = ' ';
        return gib_write_number(to + 1, number);
    case GIBSON_ARGUMENTS_KEY_FIELD:
        *to = ' ';
        return gib_write_field(to + 1, number);
    default:
        return to;
    }
}

/* The payload up to the value. NULL if key or field are not allowed. */
static GIB_INLINE uint8_t *gib_write_payload(uint8_t *to, gibson_arguments arguments,
                                             gibson_bytes key, int64_t number)
{
    if (arguments == GIBSON_ARGUMENTS_NONE) {
        return to;
    }
    if (gibson_takes(arguments, GIBSON_ARGUMENT_TTL)) {
        to = gib_write_number(to, number);
        *to++ = ' ';
    }
    if (GIB_UNLIKELY(!gib_key_copy(to, key.data, key.size))) {
        return NULL;
    }
    return gib_write_behind_key(to + key.size, arguments, number);
}

/* Writes the whole frame, or, unless `copy_value`, all of it but the value, to an offset in memory
   of a capacity, and sets *written to how many bytes that are. False where the request is not
   allowed, or may not fit. */
static GIB_INLINE bool gib_request_write(gibson_opcode opcode, gibson_arguments arguments,
                                         const gibson_request *request, const gib_limits *limits,
                                         bool copy_value, uint8_t *data, size_t offset,
                                         size_t capacity, size_t *written)
{
    /* In variables of their own, as whatever is written might change the request. */
    const gibson_bytes key = request->key;
    const gibson_bytes value = request->value;
    const int64_t number = request->number;
    if (!gib_sizes_allowed(arguments, &key, &value, limits) ||
        GIB_UNLIKELY(!gib_time_allowed(arguments, number, limits))) {
        return false;
    }
    const size_t key_size = arguments == GIBSON_ARGUMENTS_NONE ? 0 : key.size;
    const size_t value_size = gibson_takes(arguments, GIBSON_ARGUMENT_VALUE) ? value.size : 0;
    const size_t copied = copy_value ? value_size : 0;
    if (GIB_UNLIKELY(offset + GIB_REQUEST_OVERHEAD + key_size + copied > capacity)) {
        return false;
    }
    uint8_t *frame = data + offset;
    uint8_t *end = gib_write_payload(frame + GIB_REQUEST_HEADER, arguments, key, number);
    if (GIB_UNLIKELY(!end)) {
        return false;
    }
    const size_t head =
        arguments == GIBSON_ARGUMENTS_KEY ? GIB_REQUEST_HEADER + key_size : (size_t)(end - frame);
    const size_t size = head - GIB_SIZE_FIELD + value_size;
    /* A key alone always fits: see limits.h. */
    if (arguments != GIBSON_ARGUMENTS_KEY && GIB_UNLIKELY(size > limits->max_request_size)) {
        return false;
    }
    gib_store_u32(frame, (uint32_t)size);
    gib_store_u16(frame + GIB_SIZE_FIELD, (uint16_t)opcode);
    if (copied) {
        memcpy(end, value.data, copied);
    }
    *written = head + copied;
    return true;
}

#endif
