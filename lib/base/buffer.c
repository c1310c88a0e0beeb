#include "base/buffer.h"

#include <string.h>

enum { SMALLEST_CAPACITY = 256 };

void gib_buffer_init(gib_buffer *buffer, const gibson_allocator *allocator)
{
    *buffer = (gib_buffer){.allocator = allocator};
}

void gib_buffer_clear(gib_buffer *buffer)
{
    gib_release(buffer->allocator, buffer->data);
    gib_buffer_init(buffer, buffer->allocator);
}

static size_t grown_capacity(const gib_buffer *buffer, size_t needed, bool slack)
{
    size_t capacity = needed;
    if (slack) {
        size_t doubled = buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : SIZE_MAX;
        if (capacity < doubled) {
            capacity = doubled;
        }
        if (capacity < SMALLEST_CAPACITY) {
            capacity = SMALLEST_CAPACITY;
        }
    }
    return capacity;
}

static void move_to_front(gib_buffer *buffer)
{
    size_t size = gib_buffer_size(buffer);
    if (buffer->begin && size) {
        memmove(buffer->data, buffer->data + buffer->begin, size);
    }
    buffer->begin = 0;
    buffer->end = size;
}

bool gib_buffer_make_room(gib_buffer *buffer, size_t room, bool slack)
{
    size_t size = gib_buffer_size(buffer);
    if (room > SIZE_MAX - size) {
        return false;
    }
    /* Moving a lot to gain a little, each time, would be quadratic: then growing is the cheaper. */
    bool cheap_to_move = !slack || buffer->begin >= size;
    if (size + room > buffer->capacity || !cheap_to_move) {
        size_t capacity = grown_capacity(buffer, size + room, slack);
        uint8_t *data = gib_reallocate(buffer->allocator, buffer->data, capacity);
        if (!data) {
            return false;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    if (gib_buffer_room(buffer) < room) {
        move_to_front(buffer);
    }
    return true;
}
