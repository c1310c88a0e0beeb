#include "store/item.h"

#include <lzf.h>

/* In front of the compressed bytes stands the size they expand to. A value of more than one piece
   has the size of each in front of it as well; what could not be made smaller is kept as it is. */
enum { SIZE_FIELD = 4, GIVE_UP_AFTER = 4 * GIBS_PIECE };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t gibs_item_plain_size(gibs_item *item)
{
    return item->encoding == GIB_ENCODING_LZF ? gib_load_u32(gibs_item_value(item))
                                              : item->value_size;
}

/* Finds the bytes of the piece that comes next, which has `plain` bytes when expanded. */
static gibson_bytes next_piece(gibs_item *item, gibs_expansion *at, size_t plain_size, size_t plain)
{
    const uint8_t *value = gibs_item_value(item);
    if (item->encoding != GIB_ENCODING_LZF) {
        return (gibson_bytes){value + at->written, plain};
    }
    at->read = at->read ? at->read : SIZE_FIELD;
    size_t size = item->value_size - at->read;
    if (plain_size > GIBS_PIECE) {
        size = gib_load_u32(value + at->read);
        at->read += SIZE_FIELD;
    }
    gibson_bytes piece = {value + at->read, size};
    at->read += size;
    return piece;
}

bool gibs_item_expand_piece(gibs_item *item, gibs_expansion *at, uint8_t *to)
{
    size_t plain_size = gibs_item_plain_size(item);
    size_t plain = smaller(plain_size - at->written, GIBS_PIECE);
    gibson_bytes piece = next_piece(item, at, plain_size, plain);
    if (piece.size == plain) {
        memcpy(to, piece.data, plain);
    } else {
        unsigned int written =
            lzf_decompress(piece.data, (unsigned int)piece.size, to, (unsigned int)plain);
        /* Only damaged memory could end here; what it would send is then not what it happens to
           hold. */
        memset(to + written, 0, plain - written);
    }
    at->written += plain;
    return at->written < plain_size;
}

void gibs_item_expand(gibs_item *item, uint8_t *to)
{
    gibs_expansion at = {0};
    while (gibs_item_expand_piece(item, &at, to + at.written)) {
    }
}

/* LZF begins with a byte below 32, one less than the number of bytes that follow as they are.
   Behind a single one comes more of the same, or a copy of what is there, which is that one. */
void gibs_item_expand_start(gibs_item *item, uint8_t to[GIBS_ITEM_START])
{
    enum { LITERALS = 32 };
    gibs_expansion at = {0};
    size_t plain_size = gibs_item_plain_size(item);
    size_t plain = smaller(plain_size, GIBS_PIECE);
    gibson_bytes piece = next_piece(item, &at, plain_size, plain);
    const uint8_t *packed = piece.data;
    if (piece.size == plain) {
        memcpy(to, packed, GIBS_ITEM_START);
        return;
    }
    to[0] = packed[1];
    if (packed[0] == 0) {
        to[1] = packed[2] < LITERALS ? packed[3] : to[0];
    } else {
        to[1] = packed[2];
    }
}

/* Appends a piece. False where there is no room for it. */
static bool compress_piece(gibs_compression *at, gibson_bytes piece, bool only, uint8_t *to,
                           size_t room)
{
    size_t field = only ? 0 : SIZE_FIELD;
    if (room <= field) {
        return false;
    }
    room -= field;
    uint8_t *packed = to + at->written + field;
    size_t size = lzf_compress(piece.data, (unsigned int)piece.size, packed,
                               (unsigned int)smaller(room, piece.size - 1));
    if (!size) {
        if (only || room < piece.size) {
            return false;
        }
        size = piece.size;
        memcpy(packed, piece.data, size);
    }
    if (!only) {
        gib_store_u32(packed - field, (uint32_t)size);
    }
    at->written += field + size;
    return true;
}

bool gibs_value_compress_piece(gibson_bytes value, gibs_compression *at, uint8_t *to)
{
    const uint8_t *data = value.data;
    if (!at->written) {
        at->failed = value.size <= SIZE_FIELD + 1 || value.size > UINT32_MAX;
        at->written = SIZE_FIELD;
    }
    if (at->failed) {
        return false;
    }
    gibson_bytes piece = {data + at->read, smaller(value.size - at->read, GIBS_PIECE)};
    at->failed =
        !compress_piece(at, piece, value.size <= GIBS_PIECE, to, value.size - 1 - at->written);
    at->read += piece.size;
    if (at->read == GIVE_UP_AFTER && at->written > at->read) {
        at->failed = true;
    }
    if (!at->failed && at->read == value.size) {
        gib_store_u32(to, (uint32_t)value.size);
    }
    return !at->failed && at->read < value.size;
}

size_t gibs_value_compress(gibson_bytes value, uint8_t *to)
{
    gibs_compression at = {0};
    while (gibs_value_compress_piece(value, &at, to)) {
    }
    return at.failed ? 0 : at.written;
}
