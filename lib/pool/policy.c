#include "pool/policy.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

void gibson_pool_options_init_sized(gibson_pool_options *options, size_t struct_size)
{
    if (options) {
        memset(options, 0, struct_size);
        options->struct_size = struct_size;
    }
}

static gibson_status durations(gib_pool_policy *policy, gibson_error *error)
{
    const struct {
        int64_t *value;
        int64_t fallback;
        const char *name;
    } rows[] = {
        {&policy->acquire_timeout_ms, GIBSON_DEFAULT_ACQUIRE_TIMEOUT_MS, "acquire_timeout_ms"},
        {&policy->idle_timeout_ms, GIBSON_DEFAULT_POOL_IDLE_TIMEOUT_MS, "idle_timeout_ms"},
        {&policy->lifetime_ms, GIBSON_DEFAULT_POOL_LIFETIME_MS, "lifetime_ms"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (*rows[i].value == 0) {
            *rows[i].value = rows[i].fallback;
        } else if (*rows[i].value < 0 && *rows[i].value != GIBSON_NO_DEADLINE) {
            return gib_error_set(error, GIBSON_INVALID, "%s is negative: %" PRId64, rows[i].name,
                                 *rows[i].value);
        }
    }
    return GIBSON_OK;
}

gibson_status gib_pool_policy_make(gib_pool_policy *policy, const gibson_pool_options *options,
                                   gibson_error *error)
{
    gibson_pool_options given = {0};
    if (options) {
        if (options->struct_size < offsetof(gibson_pool_options, client)) {
            return gib_error_set(error, GIBSON_INVALID,
                                 "the options were not made by gibson_pool_options_init");
        }
        memcpy(&given, options,
               options->struct_size < sizeof given ? options->struct_size : sizeof given);
    }
    *policy = (gib_pool_policy){given.max ? given.max : GIBSON_DEFAULT_POOL_MAX, given.min,
                                given.acquire_timeout_ms, given.idle_timeout_ms, given.lifetime_ms};
    if (policy->max > GIBSON_MOST_POOL_MAX) {
        return gib_error_set(error, GIBSON_INVALID, "max is above %d: %" PRIu32,
                             GIBSON_MOST_POOL_MAX, policy->max);
    }
    if (policy->min > policy->max) {
        return gib_error_set(error, GIBSON_INVALID, "min is above max: %" PRIu32, policy->min);
    }
    return durations(policy, error);
}

gib_deadline gib_pool_policy_end(const gib_pool_policy *policy, int64_t now_ns, uint64_t random)
{
    const int64_t tenth = policy->lifetime_ms / 10;
    if (policy->lifetime_ms == GIBSON_NO_DEADLINE || policy->lifetime_ms > INT64_MAX - tenth) {
        return GIB_NO_DEADLINE;
    }
    const int64_t less = (int64_t)(random % ((uint64_t)tenth * 2 + 1));
    return gib_deadline_after(now_ns, policy->lifetime_ms + tenth - less);
}

bool gib_pool_policy_is_idle(const gib_pool_policy *policy, int64_t used_ns, int64_t now_ns)
{
    return gib_deadline_after(used_ns, policy->idle_timeout_ms) <= now_ns;
}

gib_deadline gib_pool_policy_next_sweep(const gib_pool_policy *policy, int64_t now_ns)
{
    int64_t shorter_ms = policy->idle_timeout_ms;
    if (shorter_ms == GIBSON_NO_DEADLINE ||
        (policy->lifetime_ms != GIBSON_NO_DEADLINE && policy->lifetime_ms < shorter_ms)) {
        shorter_ms = policy->lifetime_ms;
    }
    if (shorter_ms == GIBSON_NO_DEADLINE) {
        return GIB_NO_DEADLINE;
    }
    return gib_deadline_after(now_ns, shorter_ms < 8 ? 1 : shorter_ms / 8);
}

uint32_t gib_pool_policy_surplus(const gib_pool_policy *policy, uint32_t open, uint32_t idle)
{
    const uint32_t surplus = open > policy->min ? open - policy->min : 0;
    return idle < surplus ? idle : surplus;
}
