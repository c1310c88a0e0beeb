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

static bool add_text(gib_items_encoder *encoder, const char *name, const char *text)
{
    uint8_t *room;
    size_t size = strlen(text);
    if (!gib_items_encode_add(encoder, gibson_str(name), GIB_ENCODING_PLAIN, size, &room)) {
        return false;
    }
    memcpy(room, text, size);
    return true;
}

static bool add_number(gib_items_encoder *encoder, const char *name, int64_t number)
{
    return gib_items_encode_number(encoder, gibson_str(name), number);
}

static bool add_decimal(gib_items_encoder *encoder, const char *name, double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.6f", number);
    return add_text(encoder, name, text);
}

/* The requests of a command that were answered. */
static int64_t answered(const gibs_counters *counters, gibson_opcode opcode)
{
    uint64_t count = 0;
    for (unsigned code = 0; code < GIBS_CODE_COUNT; code++) {
        count += counters->replies[opcode][code];
    }
    return (int64_t)count;
}

static bool add_commands(gib_items_encoder *encoder, const gibs_counters *counters)
{
    bool fine = true;
#define ADD_COMMAND(NAME, name, ...)                                                               \
    fine = fine &&                                                                                 \
           add_number(encoder, "total_requests_" #name, answered(counters, GIBSON_OP_##NAME));
    GIBSON_COMMAND_LIST(ADD_COMMAND)
#undef ADD_COMMAND
    return fine;
}

/* The replies that say no. */
static bool add_refusals(gib_items_encoder *encoder, const gibs_counters *counters)
{
    int64_t refusals[GIBS_CODE_COUNT] = {0};
    bool fine = true;
    for (unsigned opcode = 0; opcode < GIBS_OPCODE_COUNT; opcode++) {
        for (unsigned code = 0; code < GIBS_CODE_COUNT; code++) {
            refusals[code] += (int64_t)counters->replies[opcode][code];
        }
    }
#define ADD_REFUSAL(name, NAME)                                                                    \
    fine = fine && add_number(encoder, "total_replies_" #name, refusals[GIB_CODE_##NAME]);
    GIBS_REFUSALS(ADD_REFUSAL)
#undef ADD_REFUSAL
    return fine;
}

static bool add_partings(gib_items_encoder *encoder, const gibs_counters *counters)
{
    bool fine = true;
#define ADD_PARTING(name, summary)                                                                 \
    fine = fine && add_number(encoder, "total_disconnected_" #name,                                \
                              (int64_t)counters->partings[GIBS_PARTING_##name]);
    GIBS_PARTINGS(ADD_PARTING)
#undef ADD_PARTING
    return fine;
}

static bool add_latencies(gib_items_encoder *encoder, const gibs_latency *latency)
{
    const uint64_t *next = latency->below;
    uint64_t below = 0;
    bool fine = true;
#define ADD_LATENCY(bound)                                                                         \
    below += *next++;                                                                              \
    fine = fine && add_number(encoder, "latency_below_" #bound "us", (int64_t)below);
    GIBS_LATENCY_BOUNDS(ADD_LATENCY)
#undef ADD_LATENCY
    return fine;
}

gib_code gibs_service_stats(const gibs_service *service, gib_buffer *out)
{
    const gibs_store *store = service->store;
    const gibs_counters *counters = &service->counters;
    gib_items_encoder encoder;
    bool fine = gib_items_encode_begin(&encoder, out);
#define ADD_STATS_ROW(name, kind, value, summary) fine = fine && add_##kind(&encoder, #name, value);
    GIBS_STATS_OF_REFERENCE(ADD_STATS_ROW)
    GIBS_STATS_OF_OURS(ADD_STATS_ROW)
#undef ADD_STATS_ROW
    fine = fine && add_partings(&encoder, counters) && add_refusals(&encoder, counters) &&
           add_commands(&encoder, counters) && add_latencies(&encoder, &counters->latency);
    if (!fine) {
        return GIB_CODE_MEM;
    }
    gib_items_encode_end(&encoder);
    return GIB_CODE_KVAL;
}
