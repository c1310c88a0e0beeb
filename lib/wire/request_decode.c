#include "wire/request_decode.h"

#include <string.h>

#include "wire/number.h"

gib_frame_state gib_request_find(const uint8_t *data, size_t size, size_t max_request_size,
                                 gib_request_frame *frame)
{
    frame->frame_size = GIB_REQUEST_HEADER;
    if (size < GIB_SIZE_FIELD) {
        return GIB_FRAME_PARTIAL;
    }
    uint32_t counted = gib_load_u32(data);
    if (counted < GIB_OPCODE_FIELD || counted > max_request_size) {
        return GIB_FRAME_INVALID;
    }
    frame->frame_size = GIB_SIZE_FIELD + (size_t)counted;
    if (size < frame->frame_size) {
        return GIB_FRAME_PARTIAL;
    }
    frame->opcode = gib_load_u16(data + GIB_SIZE_FIELD);
    frame->payload.data = data + GIB_REQUEST_HEADER;
    frame->payload.size = counted - GIB_OPCODE_FIELD;
    return GIB_FRAME_WHOLE;
}

/* The part of a payload that has not been read. */
typedef struct fields {
    const uint8_t *cursor;
    size_t left;
    bool more; /* a space has announced another field, which may be empty */
    const gib_limits *limits;
    gib_excess excess;
} fields;

/* Takes the first `size` bytes, and the space behind them where there is one. */
static gibson_bytes take(fields *from, size_t size)
{
    gibson_bytes field = {from->cursor, size};
    from->cursor += size;
    from->left -= size;
    from->more = from->left > 0;
    if (from->left && *from->cursor == ' ') {
        from->cursor++;
        from->left--;
    }
    return field;
}

/* Looks at no more than `most` bytes: where there is no space, these are what it takes. */
static inline gibson_bytes take_to_space(fields *from, size_t most)
{
    size_t size = from->left < most ? from->left : most;
    const uint8_t *space = size ? memchr(from->cursor, ' ', size) : NULL;
    return take(from, space ? (size_t)(space - from->cursor) : size);
}

static gib_code read_key(fields *from, gibson_bytes *key)
{
    fields start = *from;
    size_t limit = from->limits->max_key_size;
    *key = take_to_space(from, limit + 1); /* as long as that it is too long */
    if (from->excess == GIB_EXCESS_CUT && key->size >= limit) {
        *from = start;
        *key = take(from, limit - 1);
    }
    return key->size && key->size <= limit ? GIB_CODE_OK : GIB_CODE_ERR;
}

/* A value is all that is left, spaces included. */
static gib_code read_value(fields *from, gibson_bytes *value)
{
    size_t limit = from->limits->max_value_size;
    *value = (gibson_bytes){from->cursor, from->left};
    from->more = false;
    if (value->size > limit && from->excess == GIB_EXCESS_CUT) {
        value->size = limit;
    }
    return value->size && value->size <= limit ? GIB_CODE_OK : GIB_CODE_ERR;
}

static gib_code read_number(fields *from, int64_t *number)
{
    gibson_bytes text = take_to_space(from, from->left);
    if (!text.size) {
        return GIB_CODE_ERR;
    }
    return gib_number_read(text.data, text.size, number) ? GIB_CODE_OK : GIB_CODE_NAN;
}

/* All times below zero mean the same, so the caller sees but one of them. */
static gib_code read_seconds(fields *from, int64_t *seconds)
{
    gib_code code = read_number(from, seconds);
    if (code == GIB_CODE_OK && *seconds < 0) {
        *seconds = -1;
    }
    if (code == GIB_CODE_OK && *seconds > from->limits->max_seconds) {
        if (from->excess == GIB_EXCESS_REFUSED) {
            return GIB_CODE_ERR;
        }
        *seconds = from->limits->max_seconds;
    }
    return code;
}

/* The first field of META whose name begins with the text. */
static gib_code read_meta_field(fields *from, int64_t *number)
{
    gibson_bytes text = take_to_space(from, from->left);
    const char *name;
    for (unsigned i = 0; text.size && (name = gibson_meta_field_name((gibson_meta_field)i)); i++) {
        if (text.size <= strlen(name) && !memcmp(name, text.data, text.size)) {
            *number = i;
            return GIB_CODE_OK;
        }
    }
    return GIB_CODE_ERR;
}

static gib_code read_ttl_key_value(fields *from, gibson_request *request)
{
    gib_code code = read_seconds(from, &request->number);
    if (code == GIB_CODE_OK) {
        code = read_key(from, &request->key);
    }
    return code == GIB_CODE_OK ? read_value(from, &request->value) : code;
}

static gib_code read_after_key(fields *from, gibson_arguments arguments, gibson_request *request)
{
    switch (arguments) {
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_KEY_LOCK_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_LOCK_SECONDS:
        return read_seconds(from, &request->number);
    case GIBSON_ARGUMENTS_KEY_FIELD:
        return read_meta_field(from, &request->number);
    case GIBSON_ARGUMENTS_PREFIX_VALUE:
        return read_value(from, &request->value);
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        return from->more ? read_number(from, &request->number) : GIB_CODE_OK;
    default:
        return GIB_CODE_OK;
    }
}

gib_code gib_request_decode(const gibson_command *command, gibson_bytes payload,
                            const gib_limits *limits, gib_excess excess, gibson_request *request)
{
    *request = (gibson_request){.opcode = command->opcode};
    if (command->arguments == GIBSON_ARGUMENTS_NONE) {
        return GIB_CODE_OK; /* whatever comes with it means nothing */
    }
    fields from = {payload.data, payload.size, payload.size > 0, limits, excess};
    gib_code code;
    if (gibson_takes(command->arguments, GIBSON_ARGUMENT_TTL)) {
        code = read_ttl_key_value(&from, request);
    } else {
        code = read_key(&from, &request->key);
        if (code == GIB_CODE_OK) {
            code = read_after_key(&from, command->arguments, request);
        }
    }
    return code == GIB_CODE_OK && from.more && excess == GIB_EXCESS_REFUSED ? GIB_CODE_ERR : code;
}
