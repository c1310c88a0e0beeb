/* Measures how fairly a hundred clients are served that send more than the server can answer: the
   time from a batch of GETs to the last of its replies, and how long the GETs of a client wait that
   asks for one at a time. See docs/benchmarks-server.md.

   usage: server_fair SOCKET [CLIENTS [BATCH [SECONDS]]] */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "server_client.h"
#include "server_protocol.h"

enum { MOST_CLIENTS = 1000, MOST_SAMPLES = 1 << 22, KEYS = 100000 };

typedef struct samples {
    int64_t *waits;
    size_t count;
} samples;

typedef struct pipelining {
    size_t expected; /* bytes of replies that are still to come */
    int64_t begun;
    uint64_t batches;
} pipelining;

static struct pollfd sockets[MOST_CLIENTS];
static pipelining clients[MOST_CLIENTS];
static const char *path;
static unsigned client_count = 100, batch = 64;
static atomic_bool over;
static uint64_t state = 1;

static void note(samples *to, int64_t begun)
{
    if (to->count < MOST_SAMPLES) {
        to->waits[to->count++] = gib_now_ns() - begun;
    }
}

static unsigned random_key(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % KEYS;
}

static void send_batch(unsigned client)
{
    static char requests[1000 * LONGEST_REQUEST];
    const protocol *spoken = protocol_by_name("gibson");
    size_t size = 0;
    for (unsigned i = 0; i < batch; i++) {
        size_t reply;
        size += spoken->request(OPERATION_GET, random_key(), requests + size, &reply);
        clients[client].expected += reply;
    }
    clients[client].begun = gib_now_ns();
    client_send(sockets[client].fd, requests, size);
}

static void receive_some(unsigned client, samples *to)
{
    static char buffer[1 << 18];
    ssize_t got = recv(sockets[client].fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        client_fail("recv");
    }
    clients[client].expected -= (size_t)got;
    if (!clients[client].expected) {
        note(to, clients[client].begun);
        clients[client].batches++;
        send_batch(client);
    }
}

static void fill(void)
{
    char request[LONGEST_REQUEST];
    int descriptor = client_connect(path);
    for (unsigned at = 0; at < KEYS; at++) {
        size_t reply;
        size_t size = protocol_by_name("gibson")->request(OPERATION_SET, at, request, &reply);
        client_send(descriptor, request, size);
        client_receive(descriptor, reply);
    }
}

static void *ask_alone(void *argument)
{
    samples *to = argument;
    char request[LONGEST_REQUEST];
    int descriptor = client_connect(path);
    while (!atomic_load(&over)) {
        size_t reply;
        size_t size = protocol_by_name("gibson")->request(OPERATION_GET, 1, request, &reply);
        int64_t begun = gib_now_ns();
        client_send(descriptor, request, size);
        client_receive(descriptor, reply);
        note(to, begun);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

/* The time in ms below which so many percent of the sorted times are. */
static double percentile(const samples *from, size_t percent)
{
    size_t last = from->count - 1;
    size_t at = last * percent / 100;
    return (double)from->waits[at] / 1e6;
}

static void report(const char *what, samples *from)
{
    qsort(from->waits, from->count, sizeof *from->waits, compare);
    printf("%s: %zu, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", what, from->count,
           percentile(from, 50), percentile(from, 99), percentile(from, 100));
}

static void report_shares(void)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (unsigned i = 0; i < client_count; i++) {
        least = clients[i].batches < least ? clients[i].batches : least;
        most = clients[i].batches > most ? clients[i].batches : most;
    }
    printf("batches of a client: %llu to %llu\n", (unsigned long long)least,
           (unsigned long long)most);
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: server_fair SOCKET [CLIENTS [BATCH [SECONDS]]]\n");
        return EXIT_FAILURE;
    }
    path = arguments[1];
    client_count = count > 2 ? (unsigned)strtoul(arguments[2], NULL, 10) : client_count;
    batch = count > 3 ? (unsigned)strtoul(arguments[3], NULL, 10) : batch;
    double seconds = count > 4 ? strtod(arguments[4], NULL) : 3;
    samples batches = {malloc(MOST_SAMPLES * sizeof(int64_t)), 0};
    samples alone = {malloc(MOST_SAMPLES * sizeof(int64_t)), 0};
    pthread_t thread;
    if (!batches.waits || !alone.waits || client_count > MOST_CLIENTS || batch > 1000) {
        client_fail("too many");
    }
    fill();
    for (unsigned i = 0; i < client_count; i++) {
        sockets[i] = (struct pollfd){client_connect(path), POLLIN, 0};
        send_batch(i);
    }
    if (pthread_create(&thread, NULL, ask_alone, &alone)) {
        client_fail("pthread_create");
    }
    int64_t end = gib_now_ns() + (int64_t)(seconds * 1e9);
    while (gib_now_ns() < end) {
        poll(sockets, client_count, -1);
        for (unsigned i = 0; i < client_count; i++) {
            if (sockets[i].revents) {
                receive_some(i, &batches);
            }
        }
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    report("batches", &batches);
    report("GETs of one that asks for one at a time", &alone);
    report_shares();
    return EXIT_SUCCESS;
}
