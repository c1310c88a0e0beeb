/* Changing the limit of memory. */
#include "store/store_private.h"

enum { STEP = 64 * 1024 };

bool gibs_store_move_limit(gibs_store *store, size_t limit)
{
    size_t used = gibs_store_used(store);
    gibs_store_settings *settings = &store->settings;
    if (used <= limit || !settings->evict) {
        settings->max_memory = limit;
        return true;
    }
    settings->max_memory = used - limit > STEP ? used - STEP : limit;
    if (!gibs_store_afford(store, 0)) { /* what is left is locked */
        settings->max_memory = limit;
    }
    return settings->max_memory == limit;
}
