#include "wire/items.h"

#include <string.h>

#include "base/error.h"
#include "wire/frame.h"

/* Two's complement, of fewer than 64 bits too. */
static int64_t load_number(const uint8_t *data, uint32_t size)
{
    switch (size) {
    case 1:
        return (int8_t)data[0];
    case 2:
        return (int16_t)gib_load_u16(data);
    case 4:
        return (int32_t)gib_load_u32(data);
    default:
        return (int64_t)gib_load_u64(data);
    }
}

gibson_value gib_value_decode(uint8_t encoding, const uint8_t *data, uint32_t size)
{
    gibson_value value = {0};
    if (encoding == GIB_ENCODING_NUMBER) {
        value.kind = GIBSON_KIND_NUMBER;
        value.number = load_number(data, size);
    } else {
        value.kind = GIBSON_KIND_BYTES;
        value.bytes.data = data;
        value.bytes.size = size;
    }
    return value;
}

/* What is left to check of the data of KVAL. */
typedef struct walk {
    const gibson_command *command;
    const uint8_t *cursor;
    size_t left; /* bytes */
    uint32_t index;
} walk;

static gibson_status bad_item(const walk *at, gibson_error *error, const char *field,
                              uint32_t number, const char *fault)
{
    return gib_error_set(error, GIBSON_PROTOCOL,
                         "reply to %s: %s %u of item %u %s (%zu bytes left)", at->command->name,
                         field, (unsigned)number, (unsigned)at->index, fault, at->left);
}

static void step(walk *at, size_t size)
{
    at->cursor += size;
    at->left -= size;
}

static gibson_status check_item(walk *at, gibson_error *error)
{
    if (at->left < GIB_SMALLEST_ITEM) {
        return bad_item(at, error, "count: header", GIB_SMALLEST_ITEM, "runs past the data");
    }
    uint32_t key_size = gib_load_u32(at->cursor);
    if (key_size > at->left - GIB_SMALLEST_ITEM) {
        return bad_item(at, error, "key size", key_size, "runs past the data");
    }
    step(at, 4 + (size_t)key_size);
    uint8_t encoding = at->cursor[0];
    uint32_t value_size = gib_load_u32(at->cursor + 1);
    if (encoding == GIB_ENCODING_LZF) {
        return bad_item(at, error, "encoding", encoding, "is LZF: the value is still compressed");
    }
    if (encoding > GIB_ENCODING_NUMBER) {
        return bad_item(at, error, "encoding", encoding, "is none");
    }
    step(at, 5);
    if (value_size > at->left) {
        return bad_item(at, error, "value size", value_size, "runs past the data");
    }
    if (encoding == GIB_ENCODING_NUMBER) {
        if (at->command->yield == GIBSON_YIELD_KEYS) {
            return bad_item(at, error, "encoding", encoding, "is no key");
        }
        if (!gib_number_size_valid(value_size)) {
            return bad_item(at, error, "value size", value_size, "fits no number");
        }
    }
    step(at, value_size);
    return GIBSON_OK;
}

gibson_status gib_items_decode(const uint8_t *data, size_t size, const gibson_command *command,
                               gibson_items *items, gibson_error *error)
{
    uint32_t count = gib_load_u32(data);
    walk at = {command, data + GIB_ITEM_COUNT_FIELD, size - GIB_ITEM_COUNT_FIELD, 0};
    for (; at.index < count; at.index++) {
        gibson_status status = check_item(&at, error);
        if (status != GIBSON_OK) {
            return status;
        }
    }
    if (at.left) {
        return gib_error_set(error, GIBSON_PROTOCOL,
                             "reply to %s: size: %zu bytes are left after the %u items of count",
                             command->name, at.left, (unsigned)count);
    }
    items->cursor = data + GIB_ITEM_COUNT_FIELD;
    items->left = count;
    return GIBSON_OK;
}

size_t gibson_items_count(const gibson_items *items)
{
    return items ? items->left : 0;
}

bool gibson_items_next(gibson_items *items, gibson_bytes *key, gibson_value *value)
{
    bool found = items && items->left;
    if (!found) {
        if (key) {
            *key = (gibson_bytes){0};
        }
        if (value) {
            *value = (gibson_value){0};
        }
        return false;
    }
    const uint8_t *cursor = items->cursor;
    uint32_t key_size = gib_load_u32(cursor);
    cursor += 4;
    if (key) {
        key->data = cursor;
        key->size = key_size;
    }
    cursor += key_size;
    uint32_t value_size = gib_load_u32(cursor + 1);
    if (value) {
        *value = gib_value_decode(cursor[0], cursor + 5, value_size);
    }
    items->cursor = cursor + 5 + value_size;
    items->left--;
    return true;
}

bool gibson_items_find(const gibson_items *items, gibson_bytes key, gibson_value *value)
{
    gibson_items walk_copy = items ? *items : (gibson_items){0};
    gibson_bytes found;
    while (gibson_items_next(&walk_copy, &found, value)) {
        if (found.size == key.size && (!key.size || !memcmp(found.data, key.data, key.size))) {
            return true;
        }
    }
    return false;
}
