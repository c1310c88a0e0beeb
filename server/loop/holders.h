/* The clients for which memory is held, the one with the most first: a binary heap. */
#ifndef GIBS_HOLDERS_H
#define GIBS_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>

struct gibs_connection;

/* All zero at first. */
typedef struct gibs_holders {
    struct gibs_connection *
        *heap; /* no connection has more in `counted` than the one at (i - 1) / 2 */
    size_t count;
    size_t capacity;
    size_t connections; /* for which there has to be room */
} gibs_holders;

/* Makes room for a connection that has come. False if memory runs out. */
bool gibs_holders_join(gibs_holders *holders);

/* A connection goes, for which nothing is held any more. */
static inline void gibs_holders_leave(gibs_holders *holders)
{
    holders->connections--;
}

/* Takes note of what a connection holds now, which may be nothing. */
void gibs_holders_update(gibs_holders *holders, struct gibs_connection *connection);

/* The connection that holds the most, or NULL. */
static inline struct gibs_connection *gibs_holders_most(const gibs_holders *holders)
{
    return holders->count ? holders->heap[0] : NULL;
}

/* Frees its memory. */
void gibs_holders_clear(gibs_holders *holders);

#endif
