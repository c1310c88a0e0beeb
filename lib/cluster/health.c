#include "cluster/health.h"

void gib_health_init(gib_health *health, uint32_t limit, int64_t delay_ms, int64_t max_delay_ms,
                     uint64_t seed)
{
    *health = (gib_health){.limit = limit};
    gib_backoff_init(&health->backoff, delay_ms, max_delay_ms, seed);
}

gib_health_use gib_health_ask(gib_health *health, int64_t now_ns)
{
    if (!health->is_ejected) {
        return GIB_HEALTH_USE;
    }
    if (health->is_probed || now_ns < health->backoff.not_before_ns) {
        return GIB_HEALTH_AVOID;
    }
    health->is_probed = true;
    return GIB_HEALTH_PROBE;
}

bool gib_health_failed(gib_health *health, bool probe, int64_t now_ns)
{
    if (health->is_ejected) {
        if (probe) { /* others were under way when it was ejected */
            health->is_probed = false;
            gib_backoff_failed(&health->backoff, now_ns);
        }
        return false;
    }
    health->failures++;
    if (health->failures < health->limit) {
        return false;
    }
    health->is_ejected = true;
    health->ejections++;
    gib_backoff_failed(&health->backoff, now_ns);
    return true;
}

bool gib_health_answered(gib_health *health, bool probe)
{
    if (health->is_ejected && !probe) {
        return false; /* a late answer to what was asked before */
    }
    const bool is_back = health->is_ejected;
    health->failures = 0;
    health->is_ejected = health->is_probed = false;
    gib_backoff_succeeded(&health->backoff);
    return is_back;
}

void gib_health_withdrawn(gib_health *health)
{
    health->is_probed = false;
}
