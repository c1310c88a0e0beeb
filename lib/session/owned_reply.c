#include "session/owned_reply.h"

#include <string.h>

struct gibson_owned_reply {
    gibson_allocator allocator;
    void *memory; /* or NULL */
    char copy[];
};

gibson_owned_reply *gib_owned_reply_new(const gibson_allocator *allocator, void *memory)
{
    gibson_owned_reply *owned = gib_allocate(allocator, sizeof *owned);
    if (owned) {
        owned->allocator = *allocator;
        owned->memory = memory;
    }
    return owned;
}

gibson_owned_reply *gib_owned_reply_copy(const gibson_allocator *allocator, gibson_bytes *bytes)
{
    gibson_owned_reply *owned = gib_allocate(allocator, sizeof *owned + bytes->size);
    if (owned) {
        owned->allocator = *allocator;
        owned->memory = NULL;
        memcpy(owned->copy, bytes->data, bytes->size);
        bytes->data = owned->copy;
    }
    return owned;
}

void gibson_owned_reply_free(gibson_owned_reply *owned)
{
    if (owned) {
        gibson_allocator allocator = owned->allocator;
        if (owned->memory) {
            gib_release(&allocator, owned->memory);
        }
        gib_release(&allocator, owned);
    }
}
