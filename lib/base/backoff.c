#include "base/backoff.h"

#include "base/clock.h"

/* xorshift64: G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (2003). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void gib_backoff_init(gib_backoff *backoff, int64_t delay_ms, int64_t max_delay_ms, uint64_t seed)
{
    *backoff = (gib_backoff){
        .delay_ms = delay_ms, .max_delay_ms = max_delay_ms, .random = seed ? seed : 1};
}

void gib_backoff_failed(gib_backoff *backoff, int64_t now_ns)
{
    int64_t delay_ms = backoff->delay_ms;
    for (unsigned int i = 0; i < backoff->failures && delay_ms < backoff->max_delay_ms; i++) {
        delay_ms = delay_ms <= INT64_MAX / 2 ? delay_ms * 2 : INT64_MAX;
    }
    if (delay_ms > backoff->max_delay_ms) {
        delay_ms = backoff->max_delay_ms;
    }
    uint64_t half = (uint64_t)delay_ms / 2;
    delay_ms -= (int64_t)(half ? next_random(&backoff->random) % (half + 1) : 0);
    if (backoff->failures < UINT32_MAX) {
        backoff->failures++;
    }
    backoff->not_before_ns = gib_deadline_after(now_ns, delay_ms);
}

void gib_backoff_succeeded(gib_backoff *backoff)
{
    backoff->failures = 0;
    backoff->not_before_ns = 0;
}
