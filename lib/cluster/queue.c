#include "cluster/queue.h"

enum { FIRST_ROOM = 16 }; /* requests; a power of two */

void gib_queue_init(gib_queue *queue, gib_window window, const gibson_allocator *allocator)
{
    *queue = (gib_queue){.allocator = allocator, .window = window};
}

void gib_queue_clear(gib_queue *queue)
{
    while (queue->count) {
        gib_queue_pop(queue);
    }
    gib_release(queue->allocator, queue->ring);
    gib_queue_init(queue, queue->window, queue->allocator);
}

bool gib_queue_reserve(gib_queue *queue)
{
    if (queue->count < queue->room) {
        return true;
    }
    const size_t capacity = queue->ring ? (queue->mask + 1) * 2 : FIRST_ROOM;
    if (capacity > SIZE_MAX / sizeof *queue->ring) {
        return false;
    }
    gib_queued *ring = gib_allocate(queue->allocator, capacity * sizeof *ring);
    if (!ring) {
        return false;
    }
    const size_t end = queue->first + (queue->ring ? queue->count : 0);
    for (size_t i = queue->first; i != end; i++) {
        ring[i & (capacity - 1)] = queue->ring[i & queue->mask];
    }
    gib_release(queue->allocator, queue->ring);
    queue->ring = ring;
    queue->mask = capacity - 1;
    queue->room = capacity < queue->window.requests ? capacity : queue->window.requests;
    return true;
}

gib_spread *gib_queue_spread(const gib_queue *queue, size_t count, int64_t number)
{
    gib_spread *made = gib_allocate(queue->allocator, sizeof *made + count * sizeof *made->owed);
    if (made) {
        made->number = number;
        for (size_t i = 0; i < count; i++) {
            made->owed[i] = (gib_owed){.status = GIBSON_OK};
        }
    }
    return made;
}
