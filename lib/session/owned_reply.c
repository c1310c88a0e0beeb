#include "session/owned_reply.h"

struct gibson_owned_reply {
    gibson_allocator allocator;
    void *memory;
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

void gibson_owned_reply_free(gibson_owned_reply *owned)
{
    if (owned) {
        gibson_allocator allocator = owned->allocator;
        gib_release(&allocator, owned->memory);
        gib_release(&allocator, owned);
    }
}
