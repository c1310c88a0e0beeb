/* Appending replies to a buffer: the server's half. Each function returns false where memory ran
   out; the buffer may then hold a part of the reply, which the caller takes back. */
#ifndef GIB_WIRE_REPLY_ENCODE_H
#define GIB_WIRE_REPLY_ENCODE_H

#include <gibson/value.h>

#include "base/buffer.h"
#include "wire/frame.h"

/* A reply that says no more than its code: ERR to OK. */
bool gib_reply_encode_code(gib_buffer *out, gib_code code);

/* VAL with a number, of 8 bytes. */
bool gib_reply_encode_number(gib_buffer *out, int64_t number);

/* VAL with `size` bytes, which the caller writes to where *room points. */
bool gib_reply_encode_value(gib_buffer *out, size_t size, uint8_t **room);

/* A KVAL under construction: begin, any number of items, end. */
typedef struct gib_items_encoder {
    gib_buffer *out;
    size_t start; /* bytes in the buffer before the reply */
    uint32_t count;
} gib_items_encoder;

bool gib_items_encode_begin(gib_items_encoder *encoder, gib_buffer *out);

/* Appends a key and a value of `value_size` bytes, which the caller writes to where *room points.
 */
bool gib_items_encode_add(gib_items_encoder *encoder, gibson_bytes key, gib_encoding encoding,
                          size_t value_size, uint8_t **room);

/* Appends a key and a number. */
bool gib_items_encode_number(gib_items_encoder *encoder, gibson_bytes key, int64_t number);

/* The bytes of data so far. */
size_t gib_items_encode_size(const gib_items_encoder *encoder);

/* Fills in the sizes that were not known at the beginning. The data must be below 4 GiB. */
void gib_items_encode_end(gib_items_encoder *encoder);

#endif
