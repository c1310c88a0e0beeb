/* What tests of the pool need. */
#ifndef SUPPORT_POOLED_H
#define SUPPORT_POOLED_H

#include <gibson/pool.h>

#include <string.h>

#include "support/peer.h"
#include "support/suite.h"

/* Options of a pool and its clients that tests like: long deadlines. */
typedef struct pooled {
    gibson_options client;
    gibson_pool_options pool;
} pooled;

static inline void pooled_init(pooled *options, const peer *server, uint32_t max)
{
    gibson_options_init(&options->client);
    gibson_pool_options_init(&options->pool);
    options->client.timeout_ms = 20000;
    options->client.connect_timeout_ms = 20000;
    options->pool.client = &options->client;
    options->pool.max = max;
    options->pool.acquire_timeout_ms = 20000;
    if (server) {
        peer_point(server, &options->client);
    }
}

static inline gibson_pool *pooled_new(const pooled *options)
{
    gibson_pool *pool;
    gibson_error error;
    ck_assert_msg(gibson_pool_new(&pool, &options->pool, &error) == GIBSON_OK, "%s", error.message);
    return pool;
}

static inline gibson_client *pooled_acquire(gibson_pool *pool)
{
    gibson_client *client;
    gibson_error error;
    ck_assert_msg(gibson_pool_acquire(pool, 0, &client, &error) == GIBSON_OK, "%s", error.message);
    return client;
}

static inline gibson_pool_stats pooled_stats(gibson_pool *pool)
{
    gibson_pool_stats stats = {.struct_size = sizeof stats};
    ck_assert_status(gibson_pool_get_stats(pool, &stats), GIBSON_OK);
    return stats;
}

/* Every connection that was made is idle, lent or dropped for one reason. */
static inline void pooled_check(gibson_pool *pool)
{
    const gibson_pool_stats stats = pooled_stats(pool);
    uint64_t dropped = 0;
#define ADD(name, text) dropped += stats.dropped_##name;
    GIBSON_POOL_DROP_LIST(ADD)
#undef ADD
    ck_assert_uint_eq(stats.made, dropped + stats.idle + stats.in_use - stats.connecting);
}

#endif
