#include "wire/reply_encode.h"

#include <string.h>

static uint8_t *write_header(uint8_t *to, gib_code code, gib_encoding encoding, size_t size)
{
    gib_store_u16(to, (uint16_t)code);
    to[2] = (uint8_t)encoding;
    gib_store_u32(to + 3, (uint32_t)size);
    return to + GIB_REPLY_HEADER;
}

/* Appends a header, and room for the data, which it returns; NULL where memory ran out. */
static uint8_t *begin(gib_buffer *out, gib_code code, gib_encoding encoding, size_t size)
{
    if (!gib_buffer_reserve(out, GIB_REPLY_HEADER + size)) {
        return NULL;
    }
    uint8_t *data = write_header(out->data + out->end, code, encoding, size);
    out->end += GIB_REPLY_HEADER + size;
    return data;
}

bool gib_reply_encode_code(gib_buffer *out, gib_code code)
{
    uint8_t *data = begin(out, code, GIB_ENCODING_PLAIN, 1);
    if (data) {
        *data = 0;
    }
    return data;
}

bool gib_reply_encode_number(gib_buffer *out, int64_t number)
{
    uint8_t *data = begin(out, GIB_CODE_VAL, GIB_ENCODING_NUMBER, sizeof number);
    if (data) {
        gib_store_u64(data, (uint64_t)number);
    }
    return data;
}

bool gib_reply_encode_value(gib_buffer *out, size_t size, uint8_t **room)
{
    *room = begin(out, GIB_CODE_VAL, GIB_ENCODING_PLAIN, size);
    return *room;
}

bool gib_items_encode_begin(gib_items_encoder *encoder, gib_buffer *out)
{
    *encoder = (gib_items_encoder){.out = out, .start = gib_buffer_size(out)};
    return begin(out, GIB_CODE_KVAL, GIB_ENCODING_PLAIN, GIB_ITEM_COUNT_FIELD);
}

bool gib_items_encode_add(gib_items_encoder *encoder, gibson_bytes key, gib_encoding encoding,
                          size_t value_size, uint8_t **room)
{
    gib_buffer *out = encoder->out;
    if (!gib_buffer_reserve(out, GIB_SMALLEST_ITEM + key.size + value_size)) {
        return false;
    }
    uint8_t *to = out->data + out->end;
    gib_store_u32(to, (uint32_t)key.size);
    memcpy(to + 4, key.data, key.size);
    to += 4 + key.size;
    to[0] = (uint8_t)encoding;
    gib_store_u32(to + 1, (uint32_t)value_size);
    *room = to + 5;
    out->end += GIB_SMALLEST_ITEM + key.size + value_size;
    encoder->count++;
    return true;
}

bool gib_items_encode_number(gib_items_encoder *encoder, gibson_bytes key, int64_t number)
{
    uint8_t *room;
    if (!gib_items_encode_add(encoder, key, GIB_ENCODING_NUMBER, sizeof number, &room)) {
        return false;
    }
    gib_store_u64(room, (uint64_t)number);
    return true;
}

size_t gib_items_encode_size(const gib_items_encoder *encoder)
{
    return gib_buffer_size(encoder->out) - encoder->start - GIB_REPLY_HEADER;
}

void gib_items_encode_end(gib_items_encoder *encoder)
{
    uint8_t *reply = encoder->out->data + encoder->out->begin + encoder->start;
    uint8_t *data =
        write_header(reply, GIB_CODE_KVAL, GIB_ENCODING_PLAIN, gib_items_encode_size(encoder));
    gib_store_u32(data, encoder->count);
}
