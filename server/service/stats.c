/* The reply to STATS. */
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <gibson/version.h>

#include "wire/reply_encode.h"

/* The physical memory of the machine, or 0. */
static int64_t machine_memory(void)
{
#if defined(_SC_PHYS_PAGES)
    int64_t pages = sysconf(_SC_PHYS_PAGES);
    int64_t page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? pages * page : 0;
#else
    return 0;
#endif
}

/* The memory of the process that is resident, or 0 where there is no /proc to tell. */
static int64_t resident_memory(void)
{
    /* Two numbers of pages: the whole size, and what is resident. */
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "";
    char *resident = line;
    if (file) {
        if (fgets(line, sizeof line, file)) {
            strtoll(line, &resident, 10);
        }
        fclose(file);
    }
    return strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static size_t largest_item(const gibs_service *service)
{
    return gibs_item_size(service->settings.limits.max_key_size,
                          service->settings.limits.max_value_size);
}

/* Percent of the bytes that compressing has saved since the start. */
static int64_t compression_rate(const gibs_store *store)
{
    double packed = ratio((double)store->packed_bytes, (double)store->plain_bytes);
    return store->plain_bytes ? (int64_t)(100 - 100 * packed) : 0;
}

/* X(name, kind, value). The values refer to `service` and `store`. */
#define STATS_LIST(X)                                                                              \
    X(server_version, text, GIBSON_VERSION)                                                        \
    X(server_build_datetime, text, GIBS_BUILD_DATETIME)                                            \
    X(server_allocator, text, "malloc")                                                            \
    X(server_arch, text, sizeof(void *) == 8 ? "64" : "32")                                        \
    X(server_started, number, service->settings.started_unix)                                      \
    X(server_time, number, (int64_t)time(NULL))                                                    \
    X(first_item_seen, number, store->first_item_unix)                                             \
    X(last_item_seen, number, store->last_item_unix)                                               \
    X(total_items, number, (int64_t)store->items)                                                  \
    X(total_compressed_items, number, (int64_t)store->compressed_items)                            \
    X(total_clients, number, (int64_t)service->counters.clients)                                   \
    X(total_cron_done, number, (int64_t)service->counters.crons)                                   \
    X(total_connections, number, (int64_t)service->counters.connections)                           \
    X(total_requests, number, (int64_t)service->counters.requests)                                 \
    X(item_pool_current_used, number, (int64_t)store->items)                                       \
    X(item_pool_current_capacity, number, (int64_t)store->allocated_items)                         \
    X(item_pool_total_capacity, number, (int64_t)store->allocated_items)                           \
    X(item_pool_object_size, number, (int64_t)gibs_item_size(0, 0))                                \
    X(item_pool_max_block_size, number, (int64_t)largest_item(service))                            \
    X(memory_available, number, machine_memory())                                                  \
    X(memory_usable, number, (int64_t)store->settings.max_memory)                                  \
    X(memory_used, number, (int64_t)gibs_store_used(store))                                        \
    X(memory_peak, number, (int64_t)store->peak_bytes)                                             \
    X(memory_fragmentation, decimal,                                                               \
      ratio((double)resident_memory(), (double)gibs_store_used(store)))                            \
    X(item_size_avg, number,                                                                       \
      (int64_t)ratio((double)store->item_bytes, (double)store->allocated_items))                   \
    X(compr_rate_avg, number, compression_rate(store))                                             \
    X(reqs_per_client_avg, decimal,                                                                \
      ratio((double)service->counters.requests, (double)service->counters.connections))

/* Behind those of the reference server, which clients may take by their position. */
#define OWN_STATS_LIST(X)                                                                          \
    X(max_item_ttl, number, service->settings.limits.max_seconds)                                  \
    X(total_evicted_items, number, (int64_t)store->evicted_items)                                  \
    X(client_memory_usable, number, (int64_t)service->settings.max_client_memory)                  \
    X(client_memory_used, number, (int64_t)service->counters.client_bytes)

static bool add_text(gib_items_encoder *encoder, const char *name, const char *text)
{
    uint8_t *room;
    size_t size = strlen(text);
    if (!gib_items_encode_add(encoder, name, strlen(name), GIB_ENCODING_PLAIN, size, &room)) {
        return false;
    }
    memcpy(room, text, size);
    return true;
}

static bool add_number(gib_items_encoder *encoder, const char *name, int64_t number)
{
    return gib_items_encode_number(encoder, name, strlen(name), number);
}

static bool add_decimal(gib_items_encoder *encoder, const char *name, double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.6f", number);
    return add_text(encoder, name, text);
}

gib_code gibs_service_stats(const gibs_service *service, gib_buffer *out)
{
    const gibs_store *store = service->store;
    gib_items_encoder encoder;
    bool fine = gib_items_encode_begin(&encoder, out);
#define ADD_STATS_ROW(name, kind, value) fine = fine && add_##kind(&encoder, #name, value);
    STATS_LIST(ADD_STATS_ROW)
    OWN_STATS_LIST(ADD_STATS_ROW)
#undef ADD_STATS_ROW
    if (!fine) {
        return GIB_CODE_MEM;
    }
    gib_items_encode_end(&encoder);
    return GIB_CODE_KVAL;
}
