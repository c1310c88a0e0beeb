#include "kept.h"

#include <string.h>

#include "support/replies.h"

static void add_value(gib_buffer *to, const gibson_value *value)
{
    bytes_add(to, &value->kind, sizeof value->kind);
    bytes_add(to, &value->number, sizeof value->number);
    bytes_add(to, value->bytes.data, value->bytes.size);
}

static void flatten(const gibson_reply *reply, gib_buffer *to)
{
    gibson_items items = reply->items;
    gibson_bytes key;
    gibson_value value;
    add_value(to, &reply->value);
    while (gibson_items_next(&items, &key, &value)) {
        bytes_add(to, key.data, key.size);
        add_value(to, &value);
    }
}

void walk_kept_init(walk_kept *kept)
{
    *kept = (walk_kept){.bytes = bytes_new()};
}

void walk_kept_set(walk_kept *kept, const gibson_reply *reply)
{
    kept->reply = *reply;
    gib_buffer_empty(&kept->bytes);
    flatten(reply, &kept->bytes);
}

bool walk_kept_is_intact(const walk_kept *kept)
{
    if (!gib_buffer_size(&kept->bytes)) {
        return true;
    }
    gib_buffer now = bytes_new();
    flatten(&kept->reply, &now);
    const bool same = gib_buffer_size(&now) == gib_buffer_size(&kept->bytes) &&
                      memcmp(bytes_of(&now), bytes_of(&kept->bytes), gib_buffer_size(&now)) == 0;
    gib_buffer_clear(&now);
    return same;
}

void walk_kept_clear(walk_kept *kept)
{
    gibson_owned_reply_free(kept->owned);
    gib_buffer_clear(&kept->bytes);
    walk_kept_init(kept);
}
