/* Changing the settings. */
#include "store/store_private.h"

enum { STEP = 64 * 1024 };

void gibs_store_configure(gibs_store *store, const gibs_store_settings *settings)
{
    size_t limit = store->settings.max_memory;
    int64_t unix_time = store->settings.unix_time;
    store->settings = *settings;
    store->settings.max_memory = limit;
    store->settings.unix_time = unix_time;
    if (!settings->evict) {
        gibs_eviction_close(&store->eviction);
    }
}

/* The lowest limit that holds now. */
static size_t lowest_limit(const gibs_store *store)
{
    const size_t used = gibs_store_used(store);
    const size_t held = used + gibs_store_lost(store);
    if (held <= GIBS_LOST_ANYWAY) {
        return used;
    }
    const size_t with_lost = (held - GIBS_LOST_ANYWAY) / (GIBS_PART_LOST + 1) * GIBS_PART_LOST;
    return with_lost > used ? with_lost : used;
}

bool gibs_store_move_limit(gibs_store *store, size_t limit)
{
    const size_t lowest = lowest_limit(store);
    gibs_store_settings *settings = &store->settings;
    if (lowest <= limit || !settings->evict) {
        settings->max_memory = limit;
        return true;
    }
    settings->max_memory = lowest - limit > STEP ? lowest - STEP : limit;
    if (!gibs_store_make_room(store, 0) && gibs_evict_is_in_vain(store)) {
        settings->max_memory = limit; /* what is left is locked */
    }
    return settings->max_memory == limit;
}

void gibs_store_resume_limit(gibs_store *store)
{
    const size_t lowest = lowest_limit(store);
    if (store->settings.evict && lowest > store->settings.max_memory) {
        store->settings.max_memory = lowest;
    }
}
