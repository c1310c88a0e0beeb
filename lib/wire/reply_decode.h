/* Turning frames into checked replies: the client's half. */
#ifndef GIB_WIRE_REPLY_DECODE_H
#define GIB_WIRE_REPLY_DECODE_H

#include <gibson/reply.h>
#include <gibson/status.h>

#include "base/likely.h"
#include "wire/command.h"
#include "wire/frame.h"

/* Decodes the reply to a command from the beginning of `size` bytes. *frame_size is set to the
   bytes the frame has, as far as that is known: GIB_REPLY_HEADER until the header is there. Returns
   GIBSON_OK when the frame is there as a whole, with *reply filled in (views of data): its status
   is what the server answered; GIBSON_WOULD_BLOCK while bytes are missing; GIBSON_PROTOCOL, as
   early as the bytes at hand prove it, with an error that names the field. */
gibson_status gib_reply_decode(const uint8_t *data, size_t size, const gibson_command *command,
                               size_t max_reply_size, gibson_reply *reply, size_t *frame_size,
                               gibson_error *error);

/* What each code says, by its number. */
extern const gibson_status gib_code_statuses[GIB_CODE_KVAL + 1];

/* The short ways: each knows one common shape of a reply, which is there as a whole at the
   beginning of the bytes, and leaves all others to gib_reply_decode. */

/* Whether the bytes, GIB_REPLY_HEADER of them at least, begin a value in bytes. */
static inline bool gib_reply_begins_value(const uint8_t *data)
{
    return (gib_load_u32(data) & 0xffffff) == (GIB_CODE_VAL | (uint32_t)GIB_ENCODING_PLAIN << 16);
}

static inline void gib_reply_set_value(const uint8_t *data, size_t value_size, gibson_value *value)
{
    value->kind = GIBSON_KIND_BYTES;
    value->bytes.data = data + GIB_REPLY_HEADER;
    value->bytes.size = value_size;
    value->number = 0;
}

/* A value in bytes, which is all of the `size` bytes, GIB_REPLY_HEADER at least. */
static inline bool gib_reply_is_value(const uint8_t *data, size_t size, size_t max_reply_size,
                                      gibson_value *value)
{
    const size_t value_size = size - GIB_REPLY_HEADER;
    if (!gib_reply_begins_value(data) || GIB_UNLIKELY(gib_load_u32(data + 3) != value_size) ||
        GIB_UNLIKELY(value_size > max_reply_size)) {
        return false;
    }
    gib_reply_set_value(data, value_size, value);
    return true;
}

/* A value in bytes. Returns the size of its frame, or 0. */
static inline size_t gib_reply_find_value(const uint8_t *data, size_t size, size_t max_reply_size,
                                          gibson_value *value)
{
    if (size < GIB_REPLY_HEADER || !gib_reply_begins_value(data)) {
        return 0;
    }
    const size_t value_size = gib_load_u32(data + 3);
    if (GIB_UNLIKELY(value_size > size - GIB_REPLY_HEADER) ||
        GIB_UNLIKELY(value_size > max_reply_size)) {
        return 0;
    }
    gib_reply_set_value(data, value_size, value);
    return GIB_REPLY_HEADER + value_size;
}

/* The size of a frame that says no more than its code, and of one with a number of 8 bytes. */
enum { GIB_CODE_FRAME = GIB_REPLY_HEADER + 1, GIB_NUMBER_FRAME = GIB_REPLY_HEADER + 8 };

/* What the server says with a code alone: ERR to OK. The frame is GIB_CODE_FRAME bytes. */
static inline bool gib_reply_find_code(const uint8_t *data, gibson_yield yield,
                                       gibson_status *status)
{
    /* The eight bytes are the code in two, the encoding, which is 0, a size of 1, and a 0. */
    const uint64_t code = gib_load_u64(data) - (UINT64_C(1) << 24);
    if (code > GIB_CODE_OK || (code == GIB_CODE_OK && yield != GIBSON_YIELD_NONE)) {
        return false;
    }
    *status = gib_code_statuses[code];
    return true;
}

/* A number of 8 bytes, for a command that yields one. The frame is GIB_NUMBER_FRAME bytes. */
static inline bool gib_reply_find_number(const uint8_t *data, gibson_yield yield,
                                         size_t max_reply_size, int64_t *number)
{
    const uint64_t header = GIB_CODE_VAL | GIB_ENCODING_NUMBER << 16 | UINT64_C(8) << 24;
    if ((gib_load_u64(data) & ((UINT64_C(1) << 56) - 1)) != header ||
        (yield != GIBSON_YIELD_NUMBER && !gib_yields_value(yield)) || max_reply_size < 8) {
        return false;
    }
    *number = (int64_t)gib_load_u64(data + GIB_REPLY_HEADER);
    return true;
}

#endif
