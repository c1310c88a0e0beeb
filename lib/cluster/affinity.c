#include "cluster/affinity.h"

#include <string.h>

/* Bytes before the separator number `depth`, where there are so many and something before it. */
static bool find_leading(const gib_affinity *affinity, gibson_bytes key, gibson_bytes *part)
{
    const char *bytes = key.data;
    size_t from = 0;
    for (uint32_t left = affinity->depth; left; left--) {
        const char *at =
            from < key.size ? memchr(bytes + from, affinity->separator, key.size - from) : NULL;
        if (!at) {
            return false;
        }
        from = (size_t)(at - bytes) + 1;
    }
    *part = gibson_bytes_of(bytes, from - 1);
    return from > 1;
}

static bool find_tag(gibson_bytes key, gibson_bytes *part)
{
    const char *bytes = key.data;
    const char *open = key.size ? memchr(bytes, '{', key.size) : NULL;
    if (!open) {
        return false;
    }
    const size_t left = key.size - (size_t)(open + 1 - bytes);
    const char *close = left ? memchr(open + 1, '}', left) : NULL;
    if (!close || close == open + 1) {
        return false;
    }
    *part = gibson_bytes_of(open + 1, (size_t)(close - open) - 1);
    return true;
}

static bool find(const gib_affinity *affinity, gibson_bytes key, gibson_bytes *part)
{
    if (affinity->hash_tag) {
        return find_tag(key, part);
    }
    return affinity->depth && find_leading(affinity, key, part);
}

gibson_bytes gib_affinity_of_key(const gib_affinity *affinity, gibson_bytes key)
{
    gibson_bytes part;
    return find(affinity, key, &part) ? part : key;
}

bool gib_affinity_of_prefix(const gib_affinity *affinity, gibson_bytes prefix, gibson_bytes *part)
{
    return find(affinity, prefix, part);
}
