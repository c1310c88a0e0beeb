/* What the documentation leaves open, or what is about to change, in one place: the model of the
   walk asks here. */
#ifndef WALK_RULES_H
#define WALK_RULES_H

#include <stdbool.h>

typedef struct walk_rules {
    /* Whether the peer may send bytes that nobody asked for, between calls: where nothing is on its
       way. The client looks for them after a pause of a millisecond, which the walk makes. */
    bool strays;
    /* Whether gibson_client_queue may end the views of the last reply, where it has to ask the
       server for its limit of times. */
    bool asking_ends_views;
    /* Whether it is asked even where the digits of the time make the request too large anyway. */
    bool asks_before_size;
} walk_rules;

extern const walk_rules walk_rules_now;

#endif
