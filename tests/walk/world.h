/* What a walk talks to: gibson-server in a thread, or a peer that records every byte. */
#ifndef WALK_WORLD_H
#define WALK_WORLD_H

#include "recorder.h"
#include "test_server.h"

typedef struct walk_world {
    recorder *recorder; /* or NULL: then the server */
    test_server server;
    int control;         /* a connection of our own to the server */
    size_t connections;  /* that clients have made */
    int64_t max_seconds; /* the longest time that its STATS say it keeps, or 0 */
} walk_world;

void walk_world_start(walk_world *world, bool recording);
void walk_world_stop(walk_world *world);

/* Sets the address in the options. */
void walk_world_point(const walk_world *world, gibson_options *options);

/* Waits until no client is connected, but perhaps by a `fresh` connection that is not among those
   counted yet, and deletes all items. False if another one stays. */
bool walk_world_reset(walk_world *world, bool fresh);

#endif
