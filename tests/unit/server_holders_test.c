/* The clients for which memory is held: after anything, the first is one that holds the most. */
#include <stdlib.h>

#include "loop/connection.h"
#include "random.h"
#include "support/suite.h"

enum { MANY = 500 };

static gibs_connection connections[MANY];

/* Compares with the list of all, and looks at the heap itself. */
static void check(const gibs_holders *holders)
{
    size_t most = 0;
    size_t count = 0;
    for (size_t i = 0; i < MANY; i++) {
        most = connections[i].counted > most ? connections[i].counted : most;
        count += connections[i].counted > 0;
        if (connections[i].holder) {
            ck_assert_ptr_eq(holders->heap[connections[i].holder - 1], &connections[i]);
        }
    }
    const gibs_connection *first = gibs_holders_most(holders);
    ck_assert_uint_eq(holders->count, count);
    ck_assert_uint_eq(first ? first->counted : 0, most);
}

static void hold(gibs_holders *holders, gibs_connection *connection, size_t bytes)
{
    connection->counted = bytes;
    gibs_holders_update(holders, connection);
}

START_TEST(holders_know_who_holds_the_most)
{
    gibs_holders holders = {0};
    uint64_t random = suite_seed();
    for (size_t i = 0; i < MANY; i++) {
        ck_assert(gibs_holders_join(&holders));
    }
    for (unsigned step = 0; step < 20000; step++) {
        gibs_connection *one = &connections[test_random_below(&random, MANY)];
        hold(&holders, one, test_random_below(&random, 3) ? test_random_below(&random, 1000) : 0);
        if (step % 7 == 0 && holders.count) { /* it is cut */
            hold(&holders, gibs_holders_most(&holders), 0);
        }
        if (step % 10 == 0) {
            check(&holders);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        hold(&holders, &connections[i], 0);
        gibs_holders_leave(&holders);
    }
    check(&holders);
    ck_assert_uint_eq(holders.connections, 0);
    gibs_holders_clear(&holders);
}
END_TEST

SUITE("server_holders", holders_know_who_holds_the_most)
