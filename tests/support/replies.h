/* Building reply frames, right and wrong ones, at the end of a buffer. */
#ifndef SUPPORT_REPLIES_H
#define SUPPORT_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "wire/frame.h"

/* Makes an empty buffer on the C library's allocator. */
gib_buffer bytes_new(void);

/* Appends raw bytes. All functions here abort when memory runs out. */
void bytes_add(gib_buffer *to, const void *data, size_t size);

static inline const uint8_t *bytes_of(const gib_buffer *buffer)
{
    return buffer->data ? buffer->data + buffer->begin : NULL;
}

/* Appends a header that says what it is told to. */
void reply_add_header(gib_buffer *to, unsigned int code, unsigned int encoding, uint32_t size);

/* Appends a whole frame. */
void reply_add(gib_buffer *to, unsigned int code, unsigned int encoding, const void *data,
               size_t size);

/* Appends a reply of one zero byte, as OK and the errors are. */
void reply_add_short(gib_buffer *to, gib_code code);

/* Appends VAL with bytes or with a number of 8 bytes. */
void reply_add_bytes(gib_buffer *to, const void *data, size_t size);
void reply_add_number(gib_buffer *to, int64_t number);

/* Appends KVAL up to its count; reply_end_items sets the size of the frame, once the items that
   reply_add_item appends are there. Returns where the frame begins, for reply_end_items. */
size_t reply_begin_items(gib_buffer *to, uint32_t count);
void reply_add_item(gib_buffer *to, const char *key, unsigned int encoding, const void *value,
                    size_t value_size);
void reply_end_items(gib_buffer *to, size_t frame);

#endif
