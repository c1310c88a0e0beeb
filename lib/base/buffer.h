/* A growable byte queue: bytes are appended at the end and consumed at the beginning. */
#ifndef GIB_BASE_BUFFER_H
#define GIB_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

typedef struct gib_buffer {
    uint8_t *data;   /* NULL while capacity is 0 */
    size_t begin;    /* offset of the first byte held */
    size_t end;      /* offset past the last byte held */
    size_t capacity; /* bytes at data */
    const gibson_allocator *allocator;
} gib_buffer;

/* Makes an empty buffer, which owns no memory. */
void gib_buffer_init(gib_buffer *buffer, const gibson_allocator *allocator);

/* Gives the memory back; the buffer is empty and usable. */
void gib_buffer_clear(gib_buffer *buffer);

/* Makes room for exactly `room` bytes more behind the end, if they do not fit: moves the bytes to
   the front where that is enough and cheap, else reallocates. `slack` allows growth by doubling,
   for buffers that are appended to often. False, with the buffer as it was, if memory runs out. */
bool gib_buffer_make_room(gib_buffer *buffer, size_t room, bool slack);

static inline size_t gib_buffer_size(const gib_buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static inline size_t gib_buffer_room(const gib_buffer *buffer)
{
    return buffer->capacity - buffer->end;
}

static inline bool gib_buffer_reserve(gib_buffer *buffer, size_t room)
{
    return gib_buffer_room(buffer) >= room || gib_buffer_make_room(buffer, room, true);
}

/* Drops the bytes, and keeps the memory. */
static inline void gib_buffer_empty(gib_buffer *buffer)
{
    buffer->begin = buffer->end = 0;
}

/* Consumes bytes at the beginning; an empty buffer starts over at offset 0. */
static inline void gib_buffer_consume(gib_buffer *buffer, size_t size)
{
    buffer->begin += size;
    if (buffer->begin == buffer->end) {
        gib_buffer_empty(buffer);
    }
}

#endif
