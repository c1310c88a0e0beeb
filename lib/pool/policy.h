/* How old a connection of a pool may become. Nothing here reads a clock. */
#ifndef GIB_POOL_POLICY_H
#define GIB_POOL_POLICY_H

#include <gibson/pool.h>

#include "base/clock.h"

/* Options of a pool, checked, with defaults filled in; but for `client`. */
typedef struct gib_pool_policy {
    uint32_t max;
    uint32_t min;
    int64_t acquire_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t lifetime_ms;
} gib_pool_policy;

/* Returns GIBSON_OK, or GIBSON_INVALID with an error that names the option. */
gibson_status gib_pool_policy_make(gib_pool_policy *policy, const gibson_pool_options *options,
                                   gibson_error *error);

/* When the lifetime of a connection that is made now ends; `random` is any number. */
gib_deadline gib_pool_policy_end(const gib_pool_policy *policy, int64_t now_ns, uint64_t random);

/* Tells whether a connection that was last used then is not to be used again. */
bool gib_pool_policy_is_idle(const gib_pool_policy *policy, int64_t used_ns, int64_t now_ns);

/* When to look for such connections next: often enough that none is there for longer than nine
   eighths of its time, while the pool is used. */
gib_deadline gib_pool_policy_next_sweep(const gib_pool_policy *policy, int64_t now_ns);

/* Of `open` connections, `idle` have been idle for too long: how many of these to end. */
uint32_t gib_pool_policy_surplus(const gib_pool_policy *policy, uint32_t open, uint32_t idle);

#endif
