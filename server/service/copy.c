#include "service/copy.h"

bool gibs_copy_begin(gibs_copy *copy, gibs_store *store, gibs_item *item)
{
    if (!gibs_store_hold(store, item)) {
        return false;
    }
    *copy = (gibs_copy){.item = item, .left = gibs_item_plain_size(item)};
    return true;
}

void gibs_copy_begin_value(gibs_copy *copy, gibson_bytes value)
{
    *copy = (gibs_copy){.left = value.size};
}

bool gibs_copy_go_on(gibs_copy *copy, gibs_store *store, gibson_bytes value, gib_buffer *out)
{
    uint8_t *to = out->data + out->end - copy->left;
    size_t before = copy->at.written;
    if (copy->item) {
        gibs_item_expand_piece(copy->item, &copy->at, to);
    } else {
        size_t size = copy->left < GIBS_PIECE ? copy->left : GIBS_PIECE;
        memcpy(to, (const uint8_t *)value.data + before, size);
        copy->at.written += size;
    }
    copy->left -= copy->at.written - before;
    if (!copy->left) {
        gibs_copy_clear(copy, store);
    }
    return copy->left;
}

void gibs_copy_clear(gibs_copy *copy, gibs_store *store)
{
    if (copy->item) {
        gibs_store_release(store, copy->item);
    }
    *copy = (gibs_copy){0};
}

size_t gibs_copy_held(const gibs_copy *copy, const gibs_store *store)
{
    return copy->item ? gibs_store_held_size(store, copy->item) : 0;
}
