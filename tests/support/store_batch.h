/* The commands on a prefix, carried out at one go: for tests of what they do. VAL, NOT_FOUND or
   MEM, and the number of items in *count. */
#ifndef TEST_STORE_BATCH_H
#define TEST_STORE_BATCH_H

#include <stdlib.h>

#include "store/store_batch.h"

static inline gib_code finish_batch(gibs_batch *batch, gibs_store *store, bool more, int64_t *count)
{
    gib_code code = batch->code;
    *count = batch->count;
    gibs_batch_clear(batch, store);
    if (more) {
        abort();
    }
    if (code == GIB_CODE_OK) {
        return *count ? GIB_CODE_VAL : GIB_CODE_NOT_FOUND;
    }
    return code;
}

static inline gib_code do_mset(gibs_store *store, gibson_bytes prefix, gibson_bytes value,
                               int64_t *count)
{
    gibs_batch batch = {0};
    while (gibs_batch_mset(&batch, store, prefix, value, SIZE_MAX)) { /* makes room, or is large */
    }
    return finish_batch(&batch, store, false, count);
}

static inline gib_code do_madd(gibs_store *store, gibson_bytes prefix, int64_t delta,
                               int64_t *count)
{
    gibs_batch batch = {0};
    while (gibs_batch_madd(&batch, store, prefix, delta, SIZE_MAX)) {
    }
    return finish_batch(&batch, store, false, count);
}

static inline gib_code do_mttl(gibs_store *store, gibson_bytes prefix, int64_t ttl, int64_t *count)
{
    gibs_batch batch = {0};
    bool more = gibs_batch_mttl(&batch, store, prefix, ttl, SIZE_MAX);
    return finish_batch(&batch, store, more, count);
}

static inline gib_code do_munlock(gibs_store *store, gibson_bytes prefix, int64_t *count)
{
    gibs_batch batch = {0};
    bool more = gibs_batch_munlock(&batch, store, prefix, SIZE_MAX);
    return finish_batch(&batch, store, more, count);
}

static inline gib_code do_mdel(gibs_store *store, gibson_bytes prefix, int64_t *count)
{
    gibs_batch batch = {0};
    bool more = gibs_batch_mdel(&batch, store, prefix, SIZE_MAX);
    return finish_batch(&batch, store, more, count);
}

static inline int64_t do_count(gibs_store *store, gibson_bytes prefix)
{
    gibs_batch batch = {0};
    int64_t count;
    bool more = gibs_batch_count(&batch, store, prefix, SIZE_MAX);
    finish_batch(&batch, store, more, &count);
    return count;
}

#endif
