/* The memory of a reply that its reader has taken over. */
#ifndef GIB_SESSION_OWNED_REPLY_H
#define GIB_SESSION_OWNED_REPLY_H

#include <gibson/reply.h>

#include "base/alloc.h"

/* Makes the owner of memory that came from the allocator, of which it keeps a copy. Returns NULL,
   with the memory still the caller's, if memory runs out. */
gibson_owned_reply *gib_owned_reply_new(const gibson_allocator *allocator, void *memory);

/* Makes the owner of a copy of *bytes, which then is that copy. Returns NULL if memory runs out. */
gibson_owned_reply *gib_owned_reply_copy(const gibson_allocator *allocator, gibson_bytes *bytes);

#endif
