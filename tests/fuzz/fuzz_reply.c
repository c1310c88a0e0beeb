/* Fuzzes the reply decoder and the walk over items. The first byte chooses the command, the rest is
   what a server sends. Everything is read from a block of its exact size. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "fuzz/fuzz.h"
#include "wire/frame.h"
#include "wire/reply_decode.h"

enum { MAX_REPLY = 1 << 16 };

static gibson_status decode(const gibson_command *command, const uint8_t *bytes, size_t size,
                            gibson_reply *reply, size_t *frame_size)
{
    gibson_error error = {.status = GIBSON_OK};
    gibson_status status =
        gib_reply_decode(bytes, size, command, MAX_REPLY, reply, frame_size, &error);
    if (status == GIBSON_PROTOCOL) {
        FUZZ_CHECK(error.status == GIBSON_PROTOCOL && strstr(error.message, command->name));
    } else {
        FUZZ_CHECK(status == GIBSON_OK || status == GIBSON_WOULD_BLOCK);
        FUZZ_CHECK(*frame_size <= GIB_REPLY_HEADER + MAX_REPLY);
        FUZZ_CHECK((status == GIBSON_OK) == (size >= *frame_size && size >= GIB_REPLY_HEADER));
    }
    return status;
}

/* Reads every byte that the views of a reply show, which must be inside its frame. */
static void walk(const gibson_reply *reply, const uint8_t *bytes, size_t frame_size)
{
    gibson_items items = reply->items;
    size_t left = gibson_items_count(&items);
    gibson_bytes key;
    gibson_value value;
    fuzz_read(reply->value.bytes, bytes, frame_size);
    while (gibson_items_next(&items, &key, &value)) {
        FUZZ_CHECK(gibson_items_count(&items) == --left);
        fuzz_read(key, bytes, frame_size);
        fuzz_read(value.bytes, bytes, frame_size);
        FUZZ_CHECK(value.kind != GIBSON_KIND_NONE);
    }
    FUZZ_CHECK(left == 0);
    gibson_items_find(&reply->items, gibson_str("k"), &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    const gibson_command *command = gibson_command_at(data[0] % gibson_command_count());
    uint8_t *bytes = fuzz_copy(data + 1, --size);
    gibson_reply reply;
    size_t frame_size;
    gibson_status whole = decode(command, bytes, size, &reply, &frame_size);
    if (whole == GIBSON_OK) {
        walk(&reply, bytes, frame_size);
    }
    /* A beginning never says otherwise than that more is needed, or what the whole says. */
    for (size_t part = size; part--;) {
        size_t part_size;
        gibson_status status = decode(command, bytes, part, &reply, &part_size);
        FUZZ_CHECK(status == GIBSON_WOULD_BLOCK || status == whole);
        part = part > 64 ? part / 2 : part;
    }
    free(bytes);
    return 0;
}
