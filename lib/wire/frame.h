/* The frames of the protocol: field sizes, codes, and little-endian integers.

       request   u32 size | u16 opcode | payload     size counts opcode and payload
       reply     u16 code | u8 encoding | u32 size | data                            */
#ifndef GIB_WIRE_FRAME_H
#define GIB_WIRE_FRAME_H

#include <stdint.h>

enum {
    GIB_SIZE_FIELD = 4,                                     /* of a request */
    GIB_OPCODE_FIELD = 2,                                   /* of a request */
    GIB_REQUEST_HEADER = GIB_SIZE_FIELD + GIB_OPCODE_FIELD, /* before the payload */
    GIB_REPLY_HEADER = 7,                                   /* before the data */
    GIB_ITEM_COUNT_FIELD = 4,                               /* before the items of KVAL */
    GIB_SMALLEST_ITEM = 4 + 1 + 4,                          /* key size, encoding, value size */
    GIB_LONGEST_NUMBER = 20,                                /* digits and sign of an int64_t */
};

typedef enum gib_code {
    GIB_CODE_ERR = 0,
    GIB_CODE_NOT_FOUND = 1,
    GIB_CODE_NAN = 2,
    GIB_CODE_MEM = 3,
    GIB_CODE_LOCKED = 4,
    GIB_CODE_OK = 5,
    GIB_CODE_VAL = 6,
    GIB_CODE_KVAL = 7,
} gib_code;

typedef enum gib_encoding {
    GIB_ENCODING_PLAIN = 0,
    GIB_ENCODING_LZF = 1,
    GIB_ENCODING_NUMBER = 2,
} gib_encoding;

static inline uint16_t gib_load_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t gib_load_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

static inline uint64_t gib_load_u64(const uint8_t *from)
{
    return (uint64_t)gib_load_u32(from) | (uint64_t)gib_load_u32(from + 4) << 32;
}

static inline void gib_store_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static inline void gib_store_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    to[2] = (uint8_t)(value >> 16);
    to[3] = (uint8_t)(value >> 24);
}

static inline void gib_store_u64(uint8_t *to, uint64_t value)
{
    gib_store_u32(to, (uint32_t)value);
    gib_store_u32(to + 4, (uint32_t)(value >> 32));
}

#endif
