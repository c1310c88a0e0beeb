#include "support/replies.h"

#include <stdlib.h>
#include <string.h>

gib_buffer bytes_new(void)
{
    gib_buffer buffer;
    gib_buffer_init(&buffer, &gib_default_allocator);
    return buffer;
}

void bytes_add(gib_buffer *to, const void *data, size_t size)
{
    if (!gib_buffer_reserve(to, size)) {
        abort();
    }
    if (size) {
        memcpy(to->data + to->end, data, size);
    }
    to->end += size;
}

static void add_u32(gib_buffer *to, uint32_t value)
{
    uint8_t bytes[4];
    gib_store_u32(bytes, value);
    bytes_add(to, bytes, sizeof bytes);
}

void reply_add_header(gib_buffer *to, unsigned int code, unsigned int encoding, uint32_t size)
{
    uint8_t bytes[3];
    gib_store_u16(bytes, (uint16_t)code);
    bytes[2] = (uint8_t)encoding;
    bytes_add(to, bytes, sizeof bytes);
    add_u32(to, size);
}

void reply_add(gib_buffer *to, unsigned int code, unsigned int encoding, const void *data,
               size_t size)
{
    reply_add_header(to, code, encoding, (uint32_t)size);
    bytes_add(to, data, size);
}

void reply_add_short(gib_buffer *to, gib_code code)
{
    reply_add(to, code, GIB_ENCODING_PLAIN, "", 1);
}

void reply_add_bytes(gib_buffer *to, const void *data, size_t size)
{
    reply_add(to, GIB_CODE_VAL, GIB_ENCODING_PLAIN, data, size);
}

void reply_add_number(gib_buffer *to, int64_t number)
{
    uint8_t bytes[8];
    gib_store_u64(bytes, (uint64_t)number);
    reply_add(to, GIB_CODE_VAL, GIB_ENCODING_NUMBER, bytes, sizeof bytes);
}

size_t reply_begin_items(gib_buffer *to, uint32_t count)
{
    size_t frame = gib_buffer_size(to);
    reply_add_header(to, GIB_CODE_KVAL, GIB_ENCODING_PLAIN, 0);
    add_u32(to, count);
    return frame;
}

void reply_add_item(gib_buffer *to, const char *key, unsigned int encoding, const void *value,
                    size_t value_size)
{
    uint8_t byte = (uint8_t)encoding;
    add_u32(to, (uint32_t)strlen(key));
    bytes_add(to, key, strlen(key));
    bytes_add(to, &byte, 1);
    add_u32(to, (uint32_t)value_size);
    bytes_add(to, value, value_size);
}

void reply_end_items(gib_buffer *to, size_t frame)
{
    size_t size = gib_buffer_size(to) - frame - GIB_REPLY_HEADER;
    gib_store_u32(to->data + to->begin + frame + 3, (uint32_t)size);
}
