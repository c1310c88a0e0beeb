/* What the documentation leaves open, or what is about to change, in one place: the model of the
   walk asks here. */
#ifndef WALK_RULES_H
#define WALK_RULES_H

#include <stdbool.h>

typedef struct walk_rules {
    /* Whether the peer may send bytes that nobody asked for, between calls: where the client has no
       reply outstanding. Such a connection counts as lost when it is used next. */
    bool strays;
    /* Whether gibson_client_quit makes a new connection to end, with options.reconnect, where it
       finds that the one it has was lost. */
    bool quit_reconnects;
} walk_rules;

extern const walk_rules walk_rules_now;

#endif
