/* What may be the case on the server, given all that was answered. A request that ended in an error
   may have been carried out, may not have been, and may still be: each way is a world of its own.
   An answer rules out the worlds that would have answered otherwise. None left is a violation.

   Where the server evicts, an item that is not locked may be gone at any time, which makes a world
   more for each set of those. It never is another item than the one that was set. */
#ifndef MODEL_WORLDS_H
#define MODEL_WORLDS_H

#include "space.h"

enum {
    WORLDS_MAX = 8192,
    WORLDS_BATCHES = 8, /* that may be on their way */
    WORLDS_BATCH_REQUESTS = 32,
};

typedef struct world {
    space_item items[SPACE_KEYS];
    uint8_t done[WORLDS_BATCHES]; /* how many requests of each batch have been carried out */
} world;

/* Requests that were sent on one connection, without an answer: a server carries out the first so
   many, in order, at any time until the connection has ended on its side. */
typedef struct worlds_batch {
    space_request requests[WORLDS_BATCH_REQUESTS];
    uint8_t count;
} worlds_batch;

typedef struct worlds {
    const char *space;
    world *all; /* WORLDS_MAX of them */
    world *next;
    size_t count;
    size_t most; /* that there ever were */
    worlds_batch batches[WORLDS_BATCHES];
    size_t batch_count;
    bool evicts;     /* set by the caller */
    bool too_many;   /* some are missing: no answer can be judged until worlds_reset */
    uint16_t *table; /* finds a world by its hash */
} worlds;

/* Makes the one world in which no key exists. */
void worlds_init(worlds *set, const char *space);
void worlds_clear(worlds *set);

/* Begins anew with nothing on its way, from that state. */
void worlds_reset(worlds *set, const space_item items[SPACE_KEYS]);

/* Adds requests that got no answer. Those that only read are left out. There must be room. */
void worlds_lose(worlds *set, const space_request *const *requests, size_t count);

/* How many worlds there may be when each batch is done in part. */
size_t worlds_may_become(const worlds *set);

/* Takes note of an answer. Returns false if it is right in no world; then nothing has changed. */
bool worlds_answer(worlds *set, const space_request *request, const gibson_reply *reply);

/* Tells whether the worlds differ in nothing that may be known for more than a moment. */
bool worlds_are_one(const worlds *set);

/* Takes note that all connections have ended on the side of the server: what was on its way has
   been carried out by now, or never will be. */
void worlds_settle(worlds *set);

#endif
