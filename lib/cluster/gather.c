#include "cluster/gather.h"

#include <string.h>

#include "wire/command.h"

/* What all say together: that they have found nothing, or what the first of those says that say
   neither that nor GIBSON_OK. */
static gibson_status status_of(const gib_fanout_part *parts, size_t count)
{
    gibson_status status = GIBSON_NOT_FOUND;
    for (size_t i = 0; i < count; i++) {
        const gibson_status one = parts[i].reply.status;
        if (one != GIBSON_OK && one != GIBSON_NOT_FOUND) {
            return one;
        }
        status = one == GIBSON_OK ? GIBSON_OK : status;
    }
    return status;
}

static void add_numbers(const gib_fanout_part *parts, size_t count, gibson_reply *reply)
{
    reply->value.kind = GIBSON_KIND_NUMBER;
    for (size_t i = 0; i < count; i++) {
        const gibson_reply *one = &parts[i].reply;
        reply->value.number += one->status == GIBSON_OK ? one->value.number : 0;
    }
}

/* The end of the first items of a reply, in memory. */
static const uint8_t *end_of(gibson_items items, uint32_t count)
{
    while (count--) {
        (void)gibson_items_next(&items, NULL, NULL);
    }
    return items.cursor;
}

static bool append_items(const gibson_items *items, uint32_t count, gib_buffer *to)
{
    const size_t size = (size_t)(end_of(*items, count) - items->cursor);
    if (!gib_buffer_reserve(to, size)) {
        return false;
    }
    memcpy(to->data + to->end, items->cursor, size);
    to->end += size;
    return true;
}

/* Puts items behind each other, up to a number. */
static bool put_together(const gib_fanout_part *parts, size_t count, uint32_t most, gib_buffer *to,
                         gibson_items *items)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count && found < most; i++) {
        const gibson_items *more = &parts[i].reply.items;
        const uint32_t taken = more->left < most - found ? more->left : most - found;
        if (taken && !append_items(more, taken, to)) {
            return false;
        }
        found += taken;
    }
    *items = (gibson_items){to->data + to->begin, found};
    return true;
}

static uint32_t most_items(const gibson_request *request)
{
    const bool limited = gibson_takes(gib_arguments_of(request->opcode), GIBSON_ARGUMENT_LIMIT) &&
                         request->number > 0 && request->number < UINT32_MAX;
    return limited ? (uint32_t)request->number : UINT32_MAX;
}

gibson_status gib_gather(const gib_fanout_part *parts, size_t count, const gibson_request *request,
                         gib_buffer *to, gibson_reply *reply)
{
    const gibson_yield yield = gib_yield_of(request->opcode);
    *reply = (gibson_reply){.status = status_of(parts, count), .opcode = request->opcode};
    if (reply->status != GIBSON_OK) {
        return reply->status;
    }
    if (yield == GIBSON_YIELD_NUMBER) {
        add_numbers(parts, count, reply);
    } else if (yield != GIBSON_YIELD_NONE &&
               !put_together(parts, count, most_items(request), to, &reply->items)) {
        *reply = (gibson_reply){.status = GIBSON_NOMEM, .opcode = request->opcode};
    }
    return reply->status;
}
