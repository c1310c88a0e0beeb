/* Measures how long a GET of one client waits for what another one asks for: each of the commands
   on a prefix that ITEMS items have, and those on one large value. See docs/benchmarks-server.md.

   For each it prints how long the command took, and the median, the 99th percentile and the largest
   time from a GET to its reply. GETs go on for a while after the command is over.

   usage: server_wait SOCKET [ITEMS] */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "server_client.h"
#include "wire/frame.h"

enum { MOST_SAMPLES = 1 << 22, BATCH = 100, VALUE = 100, AFTER_MS = 200, LEAST_MS = 200 };

static const char probe[] = "probe";

typedef struct command {
    const char *name;
    gibson_opcode opcode;
    uint8_t *payload;
    size_t size;
    int64_t took_ns;
    atomic_bool done;
} command;

static int busy;   /* the connection that asks for much */
static int second; /* the one whose GETs wait */

static size_t write_header(uint8_t *to, gibson_opcode opcode, size_t payload)
{
    gib_store_u32(to, (uint32_t)(GIB_OPCODE_FIELD + payload));
    gib_store_u16(to + GIB_SIZE_FIELD, (uint16_t)opcode);
    return GIB_REQUEST_HEADER;
}

static void receive_exactly(int descriptor, void *to, size_t size)
{
    if (recv(descriptor, to, size, MSG_WAITALL) != (ssize_t)size) {
        client_fail("recv");
    }
}

/* Receives a reply and forgets it. */
static void receive_reply(int descriptor)
{
    uint8_t header[GIB_REPLY_HEADER];
    receive_exactly(descriptor, header, sizeof header);
    client_receive(descriptor, gib_load_u32(header + GIB_REPLY_HEADER - sizeof(uint32_t)));
}

static void *run_command(void *argument)
{
    command *what = argument;
    uint8_t header[GIB_REQUEST_HEADER];
    int64_t start = gib_now_ns();
    client_send(busy, header, write_header(header, what->opcode, what->size));
    client_send(busy, what->payload, what->size);
    receive_reply(busy);
    what->took_ns = gib_now_ns() - start;
    atomic_store(&what->done, true);
    return NULL;
}

/* Asks with the first connection, and waits. */
static void ask(gibson_opcode opcode, const char *payload)
{
    command what = {.opcode = opcode, .payload = (uint8_t *)payload, .size = strlen(payload)};
    run_command(&what);
}

static int compare(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static int64_t *waits;
static size_t count;

/* The time in ms below which so many percent of the sorted times are. */
static double percentile(size_t percent)
{
    size_t at = (count - 1) * percent / 100;
    return (double)waits[at] / 1e6;
}

static void get_once(void)
{
    uint8_t request[GIB_REQUEST_HEADER + sizeof probe];
    size_t size = write_header(request, GIBSON_OP_GET, sizeof probe - 1);
    memcpy(request + size, probe, sizeof probe - 1);
    int64_t start = gib_now_ns();
    client_send(second, request, size + sizeof probe - 1);
    receive_reply(second);
    int64_t waited = gib_now_ns() - start;
    if (count < MOST_SAMPLES) {
        waits[count++] = waited;
    }
}

/* Whoever asks must not wait for other programs of the machine to notice that it has its reply.
   Only root may do so; else the numbers tell more of the machine. */
static void become_urgent(void)
{
    struct sched_param priority = {.sched_priority = 2};
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
}

/* The other client is a program as any other. */
static bool start_thread(pthread_t *thread, command *what)
{
    struct sched_param priority = {0};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
    pthread_attr_setschedparam(&attributes, &priority);
    bool started = !pthread_create(thread, &attributes, run_command, what);
    pthread_attr_destroy(&attributes);
    return started;
}

/* GETs until the command is over, and a while longer, for what it leaves to be done. */
static void measure(const char *name, gibson_opcode opcode, const void *payload, size_t size)
{
    command what = {.name = name, .opcode = opcode, .payload = (uint8_t *)payload, .size = size};
    pthread_t thread;
    count = 0;
    if (opcode != GIBSON_OP_PING && !start_thread(&thread, &what)) {
        client_fail("pthread_create");
    }
    int64_t end = gib_now_ns() + LEAST_MS * INT64_C(1000000);
    while (opcode != GIBSON_OP_PING && !atomic_load(&what.done)) {
        get_once();
        end = gib_now_ns() + AFTER_MS * INT64_C(1000000);
    }
    while (gib_now_ns() < end) {
        get_once();
    }
    if (opcode != GIBSON_OP_PING) {
        pthread_join(thread, NULL);
    }
    qsort(waits, count, sizeof *waits, compare);
    printf("| %-34s | %9.2f | %6.3f | %6.3f | %7.3f |\n", name, (double)what.took_ns / 1e6,
           percentile(50), percentile(99), percentile(100));
    fflush(stdout);
}

static void measure_text(const char *name, gibson_opcode opcode, const char *payload)
{
    measure(name, opcode, payload, strlen(payload));
}

static size_t write_set(uint8_t *to, int ttl, unsigned number)
{
    static char payload[64 + VALUE];
    int size = snprintf(payload, sizeof payload, "%d app:user:%u:field ", ttl, number);
    memset(payload + size, 'v', VALUE);
    size_t header = write_header(to, GIBSON_OP_SET, (size_t)size + VALUE);
    memcpy(to + header, payload, (size_t)size + VALUE);
    return header + (size_t)size + VALUE;
}

static void fill(unsigned items, int ttl)
{
    static uint8_t requests[BATCH * 256];
    for (unsigned at = 0; at < items;) {
        size_t size = 0;
        unsigned sent = 0;
        for (; sent < BATCH && at < items; sent++, at++) {
            size += write_set(requests + size, ttl, at);
        }
        client_send(busy, requests, size);
        client_receive(busy, (size_t)sent * (GIB_REPLY_HEADER + VALUE));
    }
}

static void measure_prefix_commands(unsigned items)
{
    static char mset[8 + VALUE] = "app: ";
    memset(mset + 5, 'w', VALUE);
    fill(items, 0);
    measure_text("nothing", GIBSON_OP_PING, "");
    measure_text("COUNT", GIBSON_OP_COUNT, "app:");
    measure_text("KEYS", GIBSON_OP_KEYS, "app:");
    measure_text("MGET", GIBSON_OP_MGET, "app:");
    measure_text("MSET", GIBSON_OP_MSET, mset);
    measure_text("MTTL", GIBSON_OP_MTTL, "app: 10000");
    measure_text("COUNT, all with ttl", GIBSON_OP_COUNT, "app:");
    measure_text("MLOCK", GIBSON_OP_MLOCK, "app: 10000");
    measure_text("MUNLOCK", GIBSON_OP_MUNLOCK, "app:");
    measure_text("MSET of a number", GIBSON_OP_MSET, "app: 1");
    measure_text("MINC of values that shrank", GIBSON_OP_MINC, "app:");
    measure_text("MDEC", GIBSON_OP_MDEC, "app:");
    fill(items, 0);
    ask(GIBSON_OP_LOCK, "app:user:5000:field 1000");
    measure_text("MDEL, one is locked", GIBSON_OP_MDEL, "app:");
    ask(GIBSON_OP_UNLOCK, "app:user:5000:field");
    fill(items, 0);
    measure_text("MDEL", GIBSON_OP_MDEL, "app:");
    fill(items, 1000);
    ask(GIBSON_OP_MTTL, "app: 1");
    sleep(2);
    measure_text("COUNT, all have expired", GIBSON_OP_COUNT, "app:");
    fill(items, 1000);
    ask(GIBSON_OP_MTTL, "app: 1");
    sleep(2);
    measure_text("MDEL, all have expired", GIBSON_OP_MDEL, "app:");
}

/* A value that LZF makes about half as large, or none that it can make smaller. */
static void write_value(uint8_t *to, size_t size, bool compressible)
{
    uint64_t random = 1;
    for (size_t i = 0; i < size; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        to[i] = (uint8_t)(random >> 56);
        if (compressible && i >= 16 && i % 32 >= 16) {
            to[i] = to[i - 16];
        }
    }
}

static void measure_large(size_t size, bool compressible, unsigned items)
{
    char name[64];
    char key[64];
    uint8_t *payload = malloc(size + 64);
    const char *kind = compressible ? "compressed" : "plain";
    if (!payload) {
        client_fail("malloc");
    }
    size_t start = (size_t)sprintf((char *)payload, "0 large ");
    write_value(payload + start, size, compressible);
    snprintf(name, sizeof name, "SET of %zu MB, %s", size >> 20, kind);
    measure(name, GIBSON_OP_SET, payload, start + size);
    snprintf(name, sizeof name, "SET again, %s", kind);
    measure(name, GIBSON_OP_SET, payload, start + size);
    snprintf(name, sizeof name, "GET of %zu MB, %s", size >> 20, kind);
    measure_text(name, GIBSON_OP_GET, "large");
    for (unsigned i = 0; i < items; i++) {
        snprintf(key, sizeof key, "0 large:%u 1", i);
        ask(GIBSON_OP_SET, key);
    }
    start = (size_t)sprintf((char *)payload, "large ");
    write_value(payload + start, size, compressible);
    snprintf(name, sizeof name, "MSET of %u times %zu MB, %s", items + 1, size >> 20, kind);
    measure(name, GIBSON_OP_MSET, payload, start + size);
    snprintf(name, sizeof name, "MGET of %u times %zu MB, %s", items + 1, size >> 20, kind);
    measure_text(name, GIBSON_OP_MGET, "large");
    measure_text("DEL of one", GIBSON_OP_DEL, "large");
    measure_text("MDEL of the rest", GIBSON_OP_MDEL, "large");
    free(payload);
}

int main(int arguments, char **argument)
{
    if (arguments < 2) {
        fprintf(stderr, "usage: server_wait SOCKET [ITEMS]\n");
        return EXIT_FAILURE;
    }
    unsigned items = arguments > 2 ? (unsigned)strtoul(argument[2], NULL, 10) : 1000000;
    waits = malloc(MOST_SAMPLES * sizeof *waits);
    busy = client_connect(argument[1]);
    second = client_connect(argument[1]);
    if (!waits) {
        client_fail("malloc");
    }
    become_urgent();
    ask(GIBSON_OP_SET, "0 probe value");
    printf("| milliseconds                       |   command |    p50 |    p99 |     max |\n");
    measure_prefix_commands(items);
    for (int compressible = 0; compressible < 2; compressible++) {
        measure_large(2 << 20, compressible, 20);
        measure_large(50 << 20, compressible, 3);
    }
    return EXIT_SUCCESS;
}
