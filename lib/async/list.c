#include "async/list.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 }; /* requests; a power of two */

/* Doubles the capacity. False if memory runs out. */
static bool grow(gib_async_list *list, const gibson_allocator *allocator)
{
    const size_t capacity = list->capacity ? list->capacity * 2 : FIRST_CAPACITY;
    if (capacity > SIZE_MAX / sizeof *list->requests) {
        return false;
    }
    gib_async_request *requests = gib_allocate(allocator, capacity * sizeof *requests);
    if (!requests) {
        return false;
    }
    for (uint64_t id = list->first; id != list->last; id++) {
        requests[id & (capacity - 1)] = *gib_async_list_at(list, id);
    }
    gib_release(allocator, list->requests);
    list->requests = requests;
    list->capacity = capacity;
    list->mask = capacity - 1;
    return true;
}

bool gib_async_list_reserve(gib_async_list *list, const gibson_allocator *allocator)
{
    return gib_async_list_has_room(list) || grow(list, allocator);
}

void gib_async_list_widen(gib_async_list *list, const gibson_allocator *allocator)
{
    (void)grow(list, allocator);
}

uint64_t gib_async_list_due(const gib_async_list *list)
{
    uint64_t id = list->first;
    while (id != list->last && !gib_async_is_in_session(gib_async_list_at(list, id))) {
        id++;
    }
    return id;
}

void gib_async_list_clear(gib_async_list *list, const gibson_allocator *allocator)
{
    gib_release(allocator, list->requests);
    list->requests = NULL;
    list->capacity = list->mask = 0;
}
