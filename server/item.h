/* An item: key, value, and what is known about them, in one allocation. */
#ifndef GIB_SERVER_ITEM_H
#define GIB_SERVER_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <gibson/value.h>

#include "wire/frame.h"

/* Time is counted in ticks since the store was made: 32 bits last for 13 years of uptime. */
enum { GIB_TICK_MS = 100, GIB_TICKS_PER_S = 1000 / GIB_TICK_MS };

enum { GIB_LOCK_NONE = 0, GIB_LOCK_FOR_EVER = -1 };

/* The longest key an item can have. */
#define GIB_LONGEST_KEY UINT16_MAX

typedef struct gib_item {
    uint32_t accessed;   /* tick of the last GET, MGET or change of the value */
    uint32_t born;       /* tick at which the age of both ttl and lock began */
    uint32_t ttl;        /* seconds, 0 for no end */
    int32_t lock;        /* seconds, GIB_LOCK_NONE or GIB_LOCK_FOR_EVER */
    uint32_t value_size; /* bytes as stored */
    uint16_t key_size;
    uint8_t encoding; /* a gib_encoding */
    uint8_t bytes[];  /* the key, then the value */
} gib_item;

static inline size_t gib_item_size(size_t key_size, size_t value_size)
{
    return offsetof(gib_item, bytes) + key_size + value_size;
}

static inline uint8_t *gib_item_value(gib_item *item)
{
    return item->bytes + item->key_size;
}

static inline int64_t gib_item_number(gib_item *item)
{
    return (int64_t)gib_load_u64(gib_item_value(item));
}

static inline void gib_item_set_number(gib_item *item, int64_t number)
{
    gib_store_u64(gib_item_value(item), (uint64_t)number);
}

static inline bool gib_item_has_key(const gib_item *item, gibson_bytes key)
{
    return item->key_size == key.size && !memcmp(item->bytes, key.data, key.size);
}

static inline bool gib_item_has_prefix(const gib_item *item, gibson_bytes prefix)
{
    return item->key_size >= prefix.size && !memcmp(item->bytes, prefix.data, prefix.size);
}

/* Tells whether more than `seconds` have passed since the tick `since`. Ticks cut a fraction off,
   so what is not over after that many ticks has not lived its time. */
static inline bool gib_ticks_over(uint32_t since, uint32_t now, uint32_t seconds)
{
    return (uint64_t)(now - since) > (uint64_t)seconds * GIB_TICKS_PER_S;
}

static inline bool gib_item_expired(const gib_item *item, uint32_t now)
{
    return item->ttl && gib_ticks_over(item->born, now, item->ttl);
}

static inline bool gib_item_locked(const gib_item *item, uint32_t now)
{
    if (item->lock > 0) {
        return !gib_ticks_over(item->born, now, (uint32_t)item->lock);
    }
    return item->lock == GIB_LOCK_FOR_EVER;
}

/* Bytes the value has once it is expanded. */
size_t gib_item_plain_size(gib_item *item);

/* The encoding of the value once it is expanded: PLAIN or NUMBER. */
static inline gib_encoding gib_item_plain_encoding(const gib_item *item)
{
    return item->encoding == GIB_ENCODING_NUMBER ? GIB_ENCODING_NUMBER : GIB_ENCODING_PLAIN;
}

/* Writes the expanded value, gib_item_plain_size bytes. */
void gib_item_expand(gib_item *item, uint8_t *to);

/* Compresses a value to what an item stores with GIB_ENCODING_LZF: the plain size, then LZF. `to`
   has room for value.size bytes. Returns the bytes used, or 0 where nothing would be gained. */
size_t gib_value_compress(gibson_bytes value, uint8_t *to);

#endif
