/* Measures how much CPU time the server spends on clearing away between two looks at its clients:
   in slices of 512 items, of a million that have expired at once, and of a million that MDEL has
   cut off; and on making room where memory is full. See docs/benchmarks-server.md. Wall time would
   tell more of the machine than of the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/memory.h"
#include "store/store_batch.h"

enum { ITEMS = 1000000, SLICE = 512, VALUE_SIZE = 100 };

static double cpu_microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void fill(gibs_store *store, size_t value_size, int64_t ttl)
{
    static char value[VALUE_SIZE];
    char key[64];
    for (int i = 0; i < ITEMS; i++) {
        int size = snprintf(key, sizeof key, "app:user:%d:field", i);
        gibs_store_set(store, (gibson_bytes){key, (size_t)size}, (gibson_bytes){value, value_size},
                       ttl);
    }
}

/* Repeats a kind of slice until nothing is left. */
static void measure(gibs_store *store, const char *name, size_t value_size,
                    bool (*slice)(gibs_store *, size_t))
{
    double longest = 0;
    double total = 0;
    int slices = 0;
    bool more = true;
    while (more) {
        double start = cpu_microseconds();
        more = slice(store, SLICE);
        double spent = cpu_microseconds() - start;
        longest = spent > longest ? spent : longest;
        total += spent;
        slices++;
    }
    printf("%s\tvalues of %zu\t%d slices\tmean %.0f us\tlongest %.0f us\n", name, value_size,
           slices, total / slices, longest);
}

/* Sets a value and makes room for it, in turns. Returns the longest of them. */
static double set_in_turns(gibs_store *store, int number, gibson_bytes value, double *total)
{
    char key[64];
    int size = snprintf(key, sizeof key, "app:new:%d:field", number);
    double longest = 0;
    gib_code code;
    do {
        double start = cpu_microseconds();
        code = gibs_store_set(store, (gibson_bytes){key, (size_t)size}, value, 0);
        double spent = cpu_microseconds() - start;
        longest = spent > longest ? spent : longest;
        *total += spent;
    } while (code == GIB_CODE_MEM && store->unfinished);
    if (code != GIB_CODE_VAL) {
        exit(EXIT_FAILURE);
    }
    return longest;
}

/* Sets values of a size in a store that is full of small ones. */
static void measure_room(gibs_store *store, size_t small_size, size_t value_size, int count)
{
    char *value = calloc(1, value_size);
    double longest = 0;
    double total = 0;
    uint64_t evicted = store->evicted_items;
    for (int i = 0; value && i < count; i++) {
        double turn = set_in_turns(store, i, (gibson_bytes){value, value_size}, &total);
        longest = turn > longest ? turn : longest;
    }
    free(value);
    printf("SET of %zu\tvalues of %zu\t%.1f evicted each\tmean %.2f us\tlongest turn %.0f us\n",
           value_size, small_size, (double)(store->evicted_items - evicted) / count, total / count,
           longest);
}

/* In a store of a million small items, which is full or has room for all. */
static void measure_sets(size_t value_size, bool full)
{
    gibs_store_settings settings = {.max_memory = SIZE_MAX, .compression = SIZE_MAX, .evict = true};
    gibs_store *store = gibs_store_new(&settings);
    if (!store) {
        exit(EXIT_FAILURE);
    }
    fill(store, value_size, 0);
    if (full) {
        store->settings.max_memory = gibs_store_used(store);
    }
    measure_room(store, value_size, value_size, ITEMS / 2);
    measure_room(store, value_size, 2 << 20, 16);
    gibs_store_free(store);
}

int main(void)
{
    static const size_t value_sizes[] = {1, VALUE_SIZE};
    gibs_memory_tune();
    for (size_t i = 0; i < sizeof value_sizes / sizeof *value_sizes; i++) {
        gibs_store_settings settings = {.max_memory = SIZE_MAX, .compression = SIZE_MAX};
        gibs_store *store = gibs_store_new(&settings);
        if (!store) {
            return EXIT_FAILURE;
        }
        fill(store, value_sizes[i], 1);
        gibs_store_set_time(store, 10000);
        gibs_store_sweep_begin(store, false);
        measure(store, "sweep", value_sizes[i], gibs_store_sweep);
        fill(store, value_sizes[i], 0);
        double start = cpu_microseconds();
        gibs_batch batch = {0};
        gibs_batch_mdel(&batch, store, gibson_str("app"), SIZE_MAX);
        gibs_batch_clear(&batch, store);
        printf("MDEL\tvalues of %zu\t%.1f ms\n", value_sizes[i],
               (cpu_microseconds() - start) / 1000);
        measure(store, "reclaim", value_sizes[i], gibs_store_reclaim);
        gibs_store_free(store);
        measure_sets(value_sizes[i], false);
        measure_sets(value_sizes[i], true);
    }
    return EXIT_SUCCESS;
}
