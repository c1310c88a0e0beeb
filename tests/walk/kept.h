/* Replies that must stay as they are: the last one, and those that were taken. */
#ifndef WALK_KEPT_H
#define WALK_KEPT_H

#include <gibson/reply.h>

#include "base/buffer.h"

typedef struct walk_kept {
    gibson_reply reply;
    gibson_owned_reply *owned;
    gib_buffer bytes; /* all that its views show, as it was in the beginning */
} walk_kept;

void walk_kept_init(walk_kept *kept);

/* Remembers what a reply shows. */
void walk_kept_set(walk_kept *kept, const gibson_reply *reply);

/* Tells whether it still shows that. */
bool walk_kept_is_intact(const walk_kept *kept);

/* Frees the owned reply, if there is one, and forgets all. */
void walk_kept_clear(walk_kept *kept);

#endif
