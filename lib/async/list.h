/* The requests that have not been called back, and those whose replies are to be dropped, in the
   order in which they were submitted. Each has a number, from 1 on. */
#ifndef GIB_ASYNC_LIST_H
#define GIB_ASYNC_LIST_H

#include <gibson/async.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

typedef enum gib_async_fate {
    GIB_FATE_CALLED,    /* it is to be called back */
    GIB_FATE_OWN,       /* so is this one, which is the handle's own */
    GIB_FATE_DROPPED,   /* its reply is to be dropped */
    GIB_FATE_CANCELLED, /* nothing of it was sent, and it is to be taken out of the session */
    GIB_FATE_HELD,      /* it is to be called back, and is in held.c yet, not in the session */
    GIB_FATE_GONE,      /* no reply will come: it was not sent */
} gib_async_fate;

typedef struct gib_async_request {
    gibson_async_callback callback; /* or NULL */
    void *context;
    gib_deadline deadline;
    uint32_t timeout_ms; /* for messages; UINT32_MAX for that or more */
    uint16_t opcode;
    uint16_t fate;
} gib_async_request;

/* Tells whether it is in the session. */
static inline bool gib_async_is_in_session(const gib_async_request *request)
{
    return request->fate <= GIB_FATE_CANCELLED;
}

/* Tells whether it is the caller's, and is to be called back. */
static inline bool gib_async_is_callers(const gib_async_request *request)
{
    return request->fate == GIB_FATE_CALLED || request->fate == GIB_FATE_HELD;
}

static inline bool gib_async_is_called(const gib_async_request *request)
{
    return request->fate == GIB_FATE_OWN || gib_async_is_callers(request);
}

/* A ring: request number i is at `i & mask`. */
typedef struct gib_async_list {
    gib_async_request *requests;
    size_t capacity; /* 0 or a power of two */
    size_t mask;     /* capacity - 1, or 0 */
    uint64_t first;  /* the oldest */
    uint64_t last;   /* the number of the next to come */
    size_t others;   /* how many are not the caller's, or not to be called back */
} gib_async_list;

/* Makes room for one more. False if memory runs out. */
bool gib_async_list_reserve(gib_async_list *list, const gibson_allocator *allocator);

/* Doubles the room, if memory allows. */
void gib_async_list_widen(gib_async_list *list, const gibson_allocator *allocator);

/* Frees the memory. */
void gib_async_list_clear(gib_async_list *list, const gibson_allocator *allocator);

/* The request to which the next reply belongs, or `last` if there is none. */
uint64_t gib_async_list_due(const gib_async_list *list);

static inline gib_async_request *gib_async_list_at(const gib_async_list *list, uint64_t id)
{
    return &list->requests[id & list->mask];
}

/* Gives a request the deadline, timeout_ms, opcode and fate of another, all at once. */
static inline void gib_async_set_terms(gib_async_request *request, const gib_async_request *other)
{
    const size_t first = offsetof(gib_async_request, deadline);
    memcpy((char *)request + first, (const char *)other + first, sizeof *other - first);
}

/* How many numbers it spans, with those of requests of which no reply will come. */
static inline size_t gib_async_list_span(const gib_async_list *list)
{
    return (size_t)(list->last - list->first);
}

static inline bool gib_async_list_has_room(const gib_async_list *list)
{
    return gib_async_list_span(list) < list->capacity;
}

/* How many of the caller's are to be called back. */
static inline size_t gib_async_list_called(const gib_async_list *list)
{
    return gib_async_list_span(list) - list->others;
}

/* Appends one, for which there must be room. */
static inline void gib_async_list_push(gib_async_list *list, gib_async_request request)
{
    *gib_async_list_at(list, list->last++) = request;
    list->others += !gib_async_is_callers(&request);
}

/* Takes off the oldest. There must be one. */
static inline gib_async_request gib_async_list_pop(gib_async_list *list)
{
    const gib_async_request request = *gib_async_list_at(list, list->first++);
    list->others -= !gib_async_is_callers(&request);
    return request;
}

/* Takes off those at the front of which no reply will come. */
static inline void gib_async_list_trim(gib_async_list *list)
{
    while (list->first != list->last &&
           gib_async_list_at(list, list->first)->fate == GIB_FATE_GONE) {
        (void)gib_async_list_pop(list);
    }
}

/* The caller's of that number, if it is to be called back, or NULL. */
static inline gib_async_request *gib_async_list_find(const gib_async_list *list, uint64_t id)
{
    if (id < list->first || id >= list->last) {
        return NULL;
    }
    gib_async_request *request = gib_async_list_at(list, id);
    return gib_async_is_callers(request) ? request : NULL;
}

/* Changes what is to become of one. */
static inline void gib_async_list_set_fate(gib_async_list *list, gib_async_request *request,
                                           gib_async_fate fate)
{
    list->others -= !gib_async_is_callers(request);
    request->fate = (uint16_t)fate;
    list->others += !gib_async_is_callers(request);
}

#endif
