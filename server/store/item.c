#include "store/item.h"

#include <lzf.h>

/* In front of the compressed bytes stands the size they expand to. */
enum { PLAIN_SIZE_FIELD = 4 };

size_t gibs_item_plain_size(gibs_item *item)
{
    return item->encoding == GIB_ENCODING_LZF ? gib_load_u32(gibs_item_value(item))
                                              : item->value_size;
}

void gibs_item_expand(gibs_item *item, uint8_t *to)
{
    const uint8_t *value = gibs_item_value(item);
    if (item->encoding != GIB_ENCODING_LZF) {
        memcpy(to, value, item->value_size);
        return;
    }
    unsigned int plain_size = gib_load_u32(value);
    unsigned int written = lzf_decompress(value + PLAIN_SIZE_FIELD,
                                          item->value_size - PLAIN_SIZE_FIELD, to, plain_size);
    /* Only damaged memory could end here; what it would send is then not what it happens to hold.
     */
    memset(to + written, 0, plain_size - written);
}

/* LZF begins with a byte below 32, one less than the number of bytes that follow as they are.
   Behind a single one comes more of the same, or a copy of what is there, which is that one. */
void gibs_item_expand_start(gibs_item *item, uint8_t to[GIBS_ITEM_START])
{
    enum { LITERALS = 32 };
    const uint8_t *packed = gibs_item_value(item) + PLAIN_SIZE_FIELD;
    to[0] = packed[1];
    if (packed[0] == 0) {
        to[1] = packed[2] < LITERALS ? packed[3] : to[0];
    } else {
        to[1] = packed[2];
    }
}

size_t gibs_value_compress(gibson_bytes value, uint8_t *to)
{
    if (value.size <= PLAIN_SIZE_FIELD + 1 || value.size > UINT32_MAX) {
        return 0;
    }
    unsigned int room = (unsigned int)value.size - PLAIN_SIZE_FIELD - 1;
    unsigned int written =
        lzf_compress(value.data, (unsigned int)value.size, to + PLAIN_SIZE_FIELD, room);
    if (!written) {
        return 0;
    }
    gib_store_u32(to, (uint32_t)value.size);
    return PLAIN_SIZE_FIELD + written;
}
