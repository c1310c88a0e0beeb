/* Measures how long gibson-server lets a client wait for a PING while it has much to clear away: a
   million items that expire at once, and a million that MDEL has cut off. See
   docs/benchmarks-server.md.

   usage: server_stall SOCKET */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "wire/frame.h"

enum { ITEMS = 1000000, BATCH = 500, MOST_SAMPLES = 1 << 20, SECONDS_TO_LIVE = 10 };

static void fail(const char *what)
{
    fprintf(stderr, "server_stall: %s\n", what);
    exit(EXIT_FAILURE);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
        fail("cannot connect");
    }
    return fd;
}

static size_t frame(uint8_t *to, gibson_opcode opcode, const char *payload)
{
    size_t size = strlen(payload);
    gib_store_u32(to, (uint32_t)(GIB_OPCODE_FIELD + size));
    gib_store_u16(to + GIB_SIZE_FIELD, (uint16_t)opcode);
    memcpy(to + GIB_REQUEST_HEADER, payload, size);
    return GIB_REQUEST_HEADER + size;
}

static void exchange(int fd, const uint8_t *request, size_t size, size_t reply_size)
{
    static uint8_t reply[1 << 16];
    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size ||
        recv(fd, reply, reply_size, MSG_WAITALL) != (ssize_t)reply_size) {
        fail("the connection broke");
    }
}

static void fill(int fd, int ttl)
{
    static uint8_t requests[BATCH * 64];
    char payload[64];
    for (int i = 0; i < ITEMS;) {
        size_t size = 0;
        for (int j = 0; j < BATCH; j++, i++) {
            snprintf(payload, sizeof payload, "%d app:user:%d:field v", ttl, i);
            size += frame(requests + size, GIBSON_OP_SET, payload);
        }
        exchange(fd, requests, size, BATCH * (GIB_REPLY_HEADER + 1));
    }
}

static double number(int fd, gibson_opcode opcode, const char *payload)
{
    uint8_t request[64];
    uint8_t reply[GIB_REPLY_HEADER + 8];
    size_t size = frame(request, opcode, payload);
    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size ||
        recv(fd, reply, sizeof reply, MSG_WAITALL) != (ssize_t)sizeof reply) {
        fail("the connection broke");
    }
    return (double)gib_load_u64(reply + GIB_REPLY_HEADER);
}

static int compare(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return (*left > *right) - (*left < *right);
}

/* Asks PING after PING for some seconds, and prints what the waits were in microseconds. */
static void sample(int fd, const char *name, int seconds)
{
    static double waits[MOST_SAMPLES];
    uint8_t request[GIB_REQUEST_HEADER];
    size_t size = frame(request, GIBSON_OP_PING, "");
    size_t taken = 0;
    int64_t end = gib_now_ns() + (int64_t)seconds * 1000000000;
    int64_t now = gib_now_ns();
    while (now < end && taken < MOST_SAMPLES) {
        exchange(fd, request, size, GIB_REPLY_HEADER + 1);
        int64_t answered = gib_now_ns();
        waits[taken++] = (double)(answered - now) / 1e3;
        now = answered;
    }
    qsort(waits, taken, sizeof *waits, compare);
    printf("%s\tmedian %.0f us\t99.9%% %.0f us\tlongest %.0f us\t%zu samples\n", name,
           waits[taken / 2], waits[taken - 1 - taken / 1000], waits[taken - 1], taken);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: server_stall SOCKET\n");
        return EXIT_FAILURE;
    }
    int fd = connect_to(arguments[1]);
    sample(fd, "nothing to do", 2);
    fill(fd, 0);
    sample(fd, "1000000 items", 2);
    int64_t start = gib_now_ns();
    if (number(fd, GIBSON_OP_MDEL, "app") != ITEMS) {
        fail("MDEL has deleted something else");
    }
    printf("MDEL of 1000000 items\t%.1f ms\n", (double)(gib_now_ns() - start) / 1e6);
    sample(fd, "while they are freed", 2);
    fill(fd, SECONDS_TO_LIVE);
    while (number(fd, GIBSON_OP_COUNT, "app") > 0) { /* COUNT sees no expired items */
        sleep(1);
    }
    /* Longer than expired_cron, so that the sweep is in it. */
    sample(fd, "while 1000000 expired items are swept", 8);
    close(fd);
    return EXIT_SUCCESS;
}
