/* What a cluster of 3, 30, 300 and 3,000 servers is like, without one: how even its ring is, what
   moves with the list, how much memory it takes, and how slow a request to all is if some servers
   are.

       cluster_simulation                                                                        */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gibson/gibson.h>

#include "cluster/ring.h"

enum { KEYS = 100000, MOST = 3000, REQUESTS = 20000 };

static char hosts[MOST + 1][32];
static gib_ring_server servers[MOST + 1];
static size_t memory; /* bytes that are allocated */

static void *count_allocate(size_t size, void *context)
{
    (void)context;
    size_t *block = malloc(sizeof *block + size);
    if (!block) {
        fprintf(stderr, "cluster_simulation: no memory\n");
        exit(1);
    }
    *block = size;
    memory += size;
    return block + 1;
}

static void count_release(void *given, void *context)
{
    (void)context;
    if (given) {
        size_t *block = (size_t *)given - 1;
        memory -= *block;
        free(block);
    }
}

static void *no_reallocate(void *given, size_t size, void *context)
{
    (void)given;
    (void)size;
    (void)context;
    return NULL;
}

static const gibson_allocator counting = {count_allocate, no_reallocate, count_release, NULL};

static uint64_t state;

/* splitmix64, by G. L. Steele, D. Lea and C. H. Flood (OOPSLA 2014): the same in each run. */
static uint64_t next_random(void)
{
    uint64_t mixed = state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static gib_ring make(size_t count)
{
    gib_ring ring;
    if (!gib_ring_make(&ring, servers, count, &counting)) {
        fprintf(stderr, "cluster_simulation: no memory\n");
        exit(1);
    }
    return ring;
}

static size_t server_of(const gib_ring *ring, unsigned number)
{
    char key[32];
    const int size = snprintf(key, sizeof key, "user:%u", number);
    const uint32_t hash = gib_ring_hash(gibson_bytes_of(key, (size_t)size));
    return ring->points[gib_ring_find(ring, hash)].server;
}

/* Shares of the circle, in percent of an equal share: the least and the most. */
static void print_balance(const gib_ring *ring, size_t count)
{
    static double share[MOST];
    memset(share, 0, sizeof share);
    for (size_t i = 0; i < ring->count; i++) {
        const uint32_t before = ring->points[i ? i - 1 : ring->count - 1].value;
        share[ring->points[i].server] += (double)(uint32_t)(ring->points[i].value - before);
    }
    double least = share[0];
    double most = share[0];
    for (size_t i = 1; i < count; i++) {
        least = share[i] < least ? share[i] : least;
        most = share[i] > most ? share[i] : most;
    }
    const double equal = 4294967296.0 / (double)count;
    printf("  share of a server: %.0f %% to %.0f %% of an equal one\n", 100 * least / equal,
           100 * most / equal);
}

static double moved(const gib_ring *before, const gib_ring *after)
{
    size_t count = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        count += server_of(before, i) != server_of(after, i);
    }
    return 100.0 * (double)count / KEYS;
}

static void print_moved(const gib_ring *ring, size_t count)
{
    gib_ring more = make(count + 1);
    servers[0].weight = 2;
    gib_ring heavier = make(count);
    servers[0].weight = 1;
    printf(
        "  keys moved: %.2f %% by one server more (1/N is %.2f %%), %.2f %% by one of weight 2\n",
        moved(ring, &more), 100.0 / (double)(count + 1), moved(ring, &heavier));
    gib_ring_clear(&more, &counting);
    gib_ring_clear(&heavier, &counting);
}

/* A list is made, checked and taken over, as threads that use the former would see it. */
static void print_list(size_t count)
{
    static gibson_cluster_server list[MOST];
    for (size_t i = 0; i < count; i++) {
        list[i] = (gibson_cluster_server){.host = hosts[i]};
    }
    gibson_options client_options;
    gibson_cluster_options options;
    gibson_options_init(&client_options);
    client_options.allocator = counting;
    gibson_cluster_options_init(&options);
    options.client = &client_options;
    gibson_cluster *cluster;
    gibson_cluster_client *client;
    const size_t before = memory;
    if (gibson_cluster_new(&cluster, list, count, &options, NULL)) {
        exit(1);
    }
    const size_t shared = memory - before;
    if (gibson_cluster_client_new(&client, cluster)) {
        exit(1);
    }
    const size_t of_client = memory - before - shared;
    const double began = seconds();
    if (gibson_cluster_set_servers(cluster, list, count, NULL)) {
        exit(1);
    }
    printf("  a cluster takes %zu KiB, a client of it without connections %zu KiB; "
           "to set a list takes %.1f ms\n",
           shared / 1024, of_client / 1024, 1000 * (seconds() - began));
    gibson_cluster_client_free(client);
    gibson_cluster_free(cluster);
}

/* Milliseconds that a server takes: about 1; one in a hundred answers takes 10, one in ten thousand
   100. */
static double latency_ms(void)
{
    const uint64_t dice = next_random() % 10000;
    const double about = 0.8 + 0.4 * (double)(next_random() % 1000) / 1000;
    return dice == 0 ? 100 * about : dice <= 100 ? 10 * about : about;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print_latency(size_t count)
{
    static double slowest[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++) {
        slowest[i] = 0;
        for (size_t server = 0; server < count; server++) {
            const double one = latency_ms();
            slowest[i] = one > slowest[i] ? one : slowest[i];
        }
    }
    qsort(slowest, REQUESTS, sizeof *slowest, compare);
    printf("  a request to all takes %.1f ms in the middle, %.1f ms at 90 %%, %.1f ms at 99 %%\n",
           slowest[REQUESTS / 2], slowest[REQUESTS * 9 / 10], slowest[REQUESTS * 99 / 100]);
}

static void simulate(size_t count)
{
    gib_ring ring = make(count);
    printf("%zu servers\n", count);
    printf("  ring of %zu points, %zu KiB\n", ring.count, memory / 1024);
    print_balance(&ring, count);
    print_moved(&ring, count);
    print_list(count);
    print_latency(count);
    gib_ring_clear(&ring, &counting);
}

int main(void)
{
    static const size_t counts[] = {3, 30, 300, 3000};
    for (size_t i = 0; i <= MOST; i++) {
        snprintf(hosts[i], sizeof hosts[i], "cache-%zu.example", i);
        servers[i] = (gib_ring_server){hosts[i], GIBSON_DEFAULT_PORT, 1};
    }
    state = 1;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        simulate(counts[i]);
    }
    return 0;
}
