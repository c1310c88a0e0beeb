#include "loop/holders.h"

#include <stdlib.h>

#include "loop/connection.h"

static bool grow(gibs_holders *holders)
{
    enum { FIRST = 64 };
    size_t capacity = holders->capacity ? holders->capacity * 2 : FIRST;
    gibs_connection **heap = realloc(holders->heap, capacity * sizeof(gibs_connection *));
    if (heap) {
        holders->heap = heap;
        holders->capacity = capacity;
    }
    return heap;
}

bool gibs_holders_join(gibs_holders *holders)
{
    if (holders->connections == holders->capacity && !grow(holders)) {
        return false;
    }
    holders->connections++;
    return true;
}

void gibs_holders_clear(gibs_holders *holders)
{
    free(holders->heap);
    *holders = (gibs_holders){0};
}

static void put(gibs_holders *holders, size_t at, gibs_connection *connection)
{
    holders->heap[at] = connection;
    connection->holder = at + 1;
}

/* Moves a connection up to where it belongs, from a place that is its own. */
static size_t move_up(gibs_holders *holders, size_t at, gibs_connection *connection)
{
    while (at && holders->heap[(at - 1) / 2]->counted < connection->counted) {
        put(holders, at, holders->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(holders, at, connection);
    return at;
}

static void move_down(gibs_holders *holders, size_t at, gibs_connection *connection)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < holders->count &&
            holders->heap[child + 1]->counted > holders->heap[child]->counted) {
            child++;
        }
        if (child >= holders->count || holders->heap[child]->counted <= connection->counted) {
            break;
        }
        put(holders, at, holders->heap[child]);
        at = child;
    }
    put(holders, at, connection);
}

static void place(gibs_holders *holders, size_t at, gibs_connection *connection)
{
    move_down(holders, move_up(holders, at, connection), connection);
}

void gibs_holders_update(gibs_holders *holders, gibs_connection *connection)
{
    if (connection->counted) {
        place(holders, connection->holder ? connection->holder - 1 : holders->count++, connection);
        return;
    }
    if (!connection->holder) {
        return;
    }
    const size_t at = connection->holder - 1;
    gibs_connection *last = holders->heap[--holders->count];
    connection->holder = 0;
    if (last != connection) {
        place(holders, at, last);
    }
}
