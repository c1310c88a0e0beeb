/* The one list of STATS: the reply, the table of docs/server.md and the tests come from it.

   X(name, kind, value, summary). The values refer to `service` and `store`, and are made in
   stats.c. Of the names of our own, those that begin with total_ count since the start, and only
   those: the exporter for Prometheus goes by that. */
#ifndef GIBS_STATS_ROWS_H
#define GIBS_STATS_ROWS_H

/* Those of the reference server, which clients may take by their position. */
#define GIBS_STATS_OF_REFERENCE(X)                                                                 \
    X(server_version, text, GIBSON_VERSION, "version of this server")                              \
    X(server_build_datetime, text, GIBS_BUILD_DATETIME,                                            \
      "when the build was configured, or SOURCE_DATE_EPOCH")                                       \
    X(server_allocator, text, "malloc", "`malloc`")                                                \
    X(server_arch, text, sizeof(void *) == 8 ? "64" : "32", "64 or 32")                            \
    X(server_started, number, service->settings.started_unix, "seconds since 1970")                \
    X(server_time, number, (int64_t)time(NULL), "seconds since 1970")                              \
    X(first_item_seen, number, store->first_item_unix,                                             \
      "when the first item was added, in seconds since 1970, or 0")                                \
    X(last_item_seen, number, store->last_item_unix, "the same of the last")                       \
    X(total_items, number, (int64_t)store->items,                                                  \
      "items now, with those expired and not yet swept")                                           \
    X(total_compressed_items, number, (int64_t)store->compressed_items,                            \
      "of those, and of the ones deleted by MDEL and not yet freed")                               \
    X(total_clients, number, (int64_t)service->counters.clients, "connected now")                  \
    X(total_cron_done, number, (int64_t)service->counters.crons,                                   \
      "rounds of housekeeping since the start")                                                    \
    X(total_connections, number, (int64_t)service->counters.connections, "since the start")        \
    X(total_requests, number, (int64_t)service->counters.requests, "since the start")              \
    X(item_pool_current_used, number, (int64_t)store->items, "items")                              \
    X(item_pool_current_capacity, number, (int64_t)store->allocated_items,                         \
      "items, and those deleted by MDEL and not yet freed")                                        \
    X(item_pool_total_capacity, number, (int64_t)store->allocated_items, "the same")               \
    X(item_pool_object_size, number, (int64_t)gibs_item_size(0, 0),                                \
      "bytes of an item without key and value")                                                    \
    X(item_pool_max_block_size, number, (int64_t)largest_item(service),                            \
      "bytes of the largest item that the limits allow")                                           \
    X(memory_available, number, machine_memory(), "bytes of memory of the machine")                \
    X(memory_usable, number, (int64_t)store->settings.max_memory, "`max_memory`")                  \
    X(memory_used, number, (int64_t)gibs_store_used(store), "bytes counted against it now")        \
    X(memory_peak, number, (int64_t)store->peak_bytes, "the most so far")                          \
    X(memory_fragmentation, decimal,                                                               \
      ratio((double)resident_memory(), (double)gibs_store_used(store)),                            \
      "resident bytes of the process over `memory_used`, 0 where that is 0")                       \
    X(item_size_avg, number,                                                                       \
      (int64_t)ratio((double)store->item_bytes, (double)store->allocated_items),                   \
      "bytes an item takes, without the tree")                                                     \
    X(compr_rate_avg, number, compression_rate(store),                                             \
      "percent saved of all bytes compressed since the start")                                     \
    X(reqs_per_client_avg, decimal,                                                                \
      ratio((double)service->counters.requests, (double)service->counters.connections),            \
      "requests over connections since the start")

/* Behind them. */
#define GIBS_STATS_OF_OURS(X)                                                                      \
    X(max_item_ttl, number, service->settings.limits.max_seconds,                                  \
      "seconds: the longest ttl and lock time that it keeps. A server without this row keeps "     \
      "times in 16 bits")                                                                          \
    X(total_evicted_items, number, (int64_t)store->evicted_items,                                  \
      "items that were deleted to make room")                                                      \
    X(client_memory_usable, number, (int64_t)service->settings.max_client_memory,                  \
      "bytes: `max_client_memory`")                                                                \
    X(client_memory_used, number, (int64_t)service->counters.client_bytes,                         \
      "bytes of it that are held now")                                                             \
    X(total_expired_items, number, (int64_t)store->expired_items,                                  \
      "items that were deleted because their ttl was over")                                        \
    X(total_hits, number, (int64_t)counters->replies[GIBSON_OP_GET][GIB_CODE_VAL],                 \
      "GETs that found their key")                                                                 \
    X(total_misses, number, (int64_t)counters->replies[GIBSON_OP_GET][GIB_CODE_NOT_FOUND],         \
      "GETs that did not")                                                                         \
    X(total_bytes_in, number, (int64_t)counters->bytes_in, "bytes that clients have sent")         \
    X(total_bytes_out, number, (int64_t)counters->bytes_out, "bytes that were sent to clients")    \
    X(total_refused_clients, number, (int64_t)counters->refused_clients,                           \
      "clients that were closed as they came: `max_clients`, no descriptors left, or not one of "  \
      "those who may connect")                                                                     \
    X(total_slow_requests, number, (int64_t)counters->slow_requests,                               \
      "requests that took longer than `slow_log`")                                                 \
    X(total_timed_requests, number, (int64_t)gibs_latency_count(&counters->latency),               \
      "requests whose time is known: all but the latest")                                          \
    X(total_latency_us, number, (int64_t)(counters->latency.sum_ns / 1000),                        \
      "microseconds that they took together")

/* X(name, summary): why the server disconnects a client, as total_disconnected_NAME. */
#define GIBS_PARTINGS(X)                                                                           \
    X(idle, "asked nothing for `idle_timeout`")                                                    \
    X(stalled, "took none of their replies for `max_write_stall`")                                 \
    X(heavy, "held the most when `max_client_memory` was reached")                                 \
    X(malformed, "sent an opcode that is none, or more than `max_request_size`")

/* X(name, NAME): the codes of replies that say no, as total_replies_NAME. */
#define GIBS_REFUSALS(X)                                                                           \
    X(err, ERR)                                                                                    \
    X(not_found, NOT_FOUND)                                                                        \
    X(nan, NAN)                                                                                    \
    X(mem, MEM)                                                                                    \
    X(locked, LOCKED)

/* X(bound): microseconds, each twice the one before, as latency_below_BOUNDus: how many of
   the timed requests took less. */
#define GIBS_LATENCY_BOUNDS(X)                                                                     \
    X(4)                                                                                           \
    X(8)                                                                                           \
    X(16)                                                                                          \
    X(32)                                                                                          \
    X(64)                                                                                          \
    X(128)                                                                                         \
    X(256)                                                                                         \
    X(512)                                                                                         \
    X(1024)                                                                                        \
    X(2048)                                                                                        \
    X(4096)                                                                                        \
    X(8192)                                                                                        \
    X(16384)                                                                                       \
    X(32768)                                                                                       \
    X(65536)                                                                                       \
    X(131072)                                                                                      \
    X(262144)                                                                                      \
    X(524288)                                                                                      \
    X(1048576)

#endif
