/* An item: key, value, and what is known about them, in one allocation. */
#ifndef GIBS_ITEM_H
#define GIBS_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <gibson/value.h>

#include "wire/frame.h"

/* A value in the form in which it is stored. */
typedef struct gibs_packed {
    gibson_bytes bytes;
    gib_encoding encoding;
} gibs_packed;

/* Time is counted in ticks since the store was made: 32 bits last for 13 years of uptime. */
enum { GIBS_TICK_MS = 100, GIBS_TICKS_PER_S = 1000 / GIBS_TICK_MS };

enum { GIBS_LOCK_NONE = 0, GIBS_LOCK_FOR_EVER = -1 };

/* The longest key an item can have. */
#define GIBS_LONGEST_KEY UINT16_MAX

typedef struct gibs_item {
    uint32_t accessed;   /* tick of the last GET, MGET or change of the value */
    uint32_t born;       /* tick at which the age of both ttl and lock began */
    uint32_t ttl;        /* seconds, 0 for no end */
    int32_t lock;        /* seconds, GIBS_LOCK_NONE or GIBS_LOCK_FOR_EVER */
    uint32_t value_size; /* bytes as stored */
    uint16_t key_size;
    unsigned encoding : 2; /* a gib_encoding */
    unsigned heat : 3;     /* how often it was accessed, less how often the hand has passed by */
    unsigned newcomer : 1; /* it came when memory was full, and is not long here */
    uint8_t bytes[];       /* the key, then the value */
} gibs_item;

enum { GIBS_LARGEST_HEAT = 5 };

_Static_assert(offsetof(gibs_item, bytes) == 23, "the fields leave no gaps");

/* Notes an access. */
static inline void gibs_item_touch(gibs_item *item, uint32_t now)
{
    item->accessed = now;
    if (item->heat < GIBS_LARGEST_HEAT) {
        item->heat++;
    }
}

static inline size_t gibs_item_size(size_t key_size, size_t value_size)
{
    return offsetof(gibs_item, bytes) + key_size + value_size;
}

static inline uint8_t *gibs_item_value(gibs_item *item)
{
    return item->bytes + item->key_size;
}

static inline int64_t gibs_item_number(gibs_item *item)
{
    return (int64_t)gib_load_u64(gibs_item_value(item));
}

static inline void gibs_item_set_number(gibs_item *item, int64_t number)
{
    gib_store_u64(gibs_item_value(item), (uint64_t)number);
}

static inline bool gibs_item_has_key(const gibs_item *item, gibson_bytes key)
{
    return item->key_size == key.size && !memcmp(item->bytes, key.data, key.size);
}

static inline bool gibs_item_has_prefix(const gibs_item *item, gibson_bytes prefix)
{
    return item->key_size >= prefix.size && !memcmp(item->bytes, prefix.data, prefix.size);
}

/* Tells whether more than `seconds` have passed since the tick `since`. Ticks cut a fraction off,
   so what is not over after that many ticks has not lived its time. */
static inline bool gibs_ticks_over(uint32_t since, uint32_t now, uint32_t seconds)
{
    return (uint64_t)(now - since) > (uint64_t)seconds * GIBS_TICKS_PER_S;
}

/* The tick behind which the item has expired; UINT64_MAX for none. */
static inline uint64_t gibs_item_end(const gibs_item *item)
{
    return item->ttl ? item->born + (uint64_t)item->ttl * GIBS_TICKS_PER_S : UINT64_MAX;
}

/* The same in 32 bits: no tick is greater than UINT32_MAX. */
static inline uint32_t gibs_item_end_tick(const gibs_item *item)
{
    uint64_t end = gibs_item_end(item);
    return end < UINT32_MAX ? (uint32_t)end : UINT32_MAX;
}

static inline bool gibs_item_expired(const gibs_item *item, uint32_t now)
{
    return item->ttl && gibs_ticks_over(item->born, now, item->ttl);
}

/* The tick behind which the lock of a locked item is over; UINT64_MAX for never. */
static inline uint64_t gibs_item_unlocks(const gibs_item *item)
{
    return item->lock > 0 ? item->born + (uint64_t)item->lock * GIBS_TICKS_PER_S : UINT64_MAX;
}

static inline bool gibs_item_locked(const gibs_item *item, uint32_t now)
{
    if (item->lock > 0) {
        return !gibs_ticks_over(item->born, now, (uint32_t)item->lock);
    }
    return item->lock == GIBS_LOCK_FOR_EVER;
}

/* Bytes the value has once it is expanded. */
size_t gibs_item_plain_size(gibs_item *item);

/* The encoding of the value once it is expanded: PLAIN or NUMBER. */
static inline gib_encoding gibs_item_plain_encoding(const gibs_item *item)
{
    return item->encoding == GIB_ENCODING_NUMBER ? GIB_ENCODING_NUMBER : GIB_ENCODING_PLAIN;
}

/* Values are compressed, expanded and copied in pieces of so many bytes, each on its own. Fuzz
   builds have small ones. */
#if !defined(GIBS_PIECE_SIZE)
#define GIBS_PIECE_SIZE (64 * 1024)
#endif
enum { GIBS_PIECE = GIBS_PIECE_SIZE };

/* Values of so many bytes take so long that this is done in slices. */
enum { GIBS_LARGE_VALUE = 2 * GIBS_PIECE };

static inline bool gibs_item_is_large(gibs_item *item)
{
    return item->value_size >= GIBS_LARGE_VALUE ||
           (item->encoding == GIB_ENCODING_LZF && gibs_item_plain_size(item) >= GIBS_LARGE_VALUE);
}

/* How far a value was expanded, or copied where it is not compressed. All zero at first. */
typedef struct gibs_expansion {
    size_t read;
    size_t written;
} gibs_expansion;

/* Writes the next piece of the expanded value. Returns whether there are more. */
bool gibs_item_expand_piece(gibs_item *item, gibs_expansion *at, uint8_t *to);

/* Writes the expanded value, gibs_item_plain_size bytes. */
void gibs_item_expand(gibs_item *item, uint8_t *to);

/* Writes the first bytes of a value that is compressed, whatever its size. */
enum { GIBS_ITEM_START = 2 };
void gibs_item_expand_start(gibs_item *item, uint8_t to[GIBS_ITEM_START]);

/* How far a value was compressed. All zero at first. */
typedef struct gibs_compression {
    size_t read;
    size_t written;
    bool failed; /* nothing is gained, or nothing was by the first 256 KB */
} gibs_compression;

/* Compresses the next piece of a value to what an item stores with GIB_ENCODING_LZF. `to` has room
   for value.size bytes, and is the same each time. Returns whether there are more. */
bool gibs_value_compress_piece(gibson_bytes value, gibs_compression *at, uint8_t *to);

/* Compresses a value. Returns the bytes used, or 0 where nothing would be gained. */
size_t gibs_value_compress(gibson_bytes value, uint8_t *to);

#endif
