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

bool gibs_store_move_limit(gibs_store *store, size_t limit)
{
    size_t used = gibs_store_used(store);
    gibs_store_settings *settings = &store->settings;
    if (used <= limit || !settings->evict) {
        settings->max_memory = limit;
        return true;
    }
    settings->max_memory = used - limit > STEP ? used - STEP : limit;
    if (!gibs_store_make_room(store, 0) && !store->unfinished) { /* what is left is locked */
        settings->max_memory = limit;
    }
    return settings->max_memory == limit;
}
