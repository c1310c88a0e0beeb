/* Measures what prefix commands are for: counting and deleting 100,000 of 200,000 keys that share a
   prefix. Redis has no such commands; what stands for them there is SCAN with MATCH, 1000 keys at a
   time, and DEL of what it finds. See docs/benchmarks-server.md.

   usage: server_subtree gibson|valkey SOCKET */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "server_client.h"
#include "server_protocol.h"
#include "wire/frame.h"

/* The prefix has the keys 100000 to 199999; the others are 200000 to 299999. */
enum { FIRST = 100000, END = 300000, BELOW = 100000, ROUNDS = 7, BATCH = 64 };

static const char prefix[] = "app:user:1";

static void fail(const char *what)
{
    fprintf(stderr, "server_subtree: %s\n", what);
    exit(EXIT_FAILURE);
}

static double milliseconds_since(int64_t start)
{
    return (double)(gib_now_ns() - start) / 1e6;
}

static void exchange(int descriptor, const void *request, size_t size, void *reply,
                     size_t reply_size)
{
    if (send(descriptor, request, size, MSG_NOSIGNAL) != (ssize_t)size ||
        recv(descriptor, reply, reply_size, MSG_WAITALL) != (ssize_t)reply_size) {
        fail("the connection broke");
    }
}

static void fill(int descriptor, const protocol *spoken)
{
    static char requests[BATCH * LONGEST_REQUEST];
    static char replies[BATCH * LONGEST_REQUEST];
    for (unsigned at = FIRST; at < END;) {
        size_t size = 0;
        size_t expected = 0;
        for (int i = 0; i < BATCH && at < END; i++, at++) {
            size_t reply;
            size += spoken->request(OPERATION_SET, at, requests + size, &reply);
            expected += reply;
        }
        exchange(descriptor, requests, size, replies, expected);
    }
}

static double gibson_command_ms(int descriptor, gibson_opcode opcode)
{
    uint8_t request[64];
    uint8_t reply[GIB_REPLY_HEADER + 8];
    gib_store_u32(request, GIB_OPCODE_FIELD + sizeof prefix - 1);
    gib_store_u16(request + GIB_SIZE_FIELD, (uint16_t)opcode);
    memcpy(request + GIB_REQUEST_HEADER, prefix, sizeof prefix - 1);
    int64_t start = gib_now_ns();
    exchange(descriptor, request, GIB_REQUEST_HEADER + sizeof prefix - 1, reply, sizeof reply);
    double spent = milliseconds_since(start);
    if (gib_load_u16(reply) != GIB_CODE_VAL || gib_load_u64(reply + GIB_REPLY_HEADER) != BELOW) {
        fail("the count is wrong");
    }
    return spent;
}

static void delete_keys(redisContext *redis, const redisReply *keys)
{
    const char **arguments = calloc(keys->elements + 1, sizeof *arguments);
    size_t *sizes = calloc(keys->elements + 1, sizeof *sizes);
    if (!arguments || !sizes) {
        fail("no memory");
    }
    arguments[0] = "DEL";
    sizes[0] = 3;
    for (size_t i = 0; i < keys->elements; i++) {
        arguments[i + 1] = keys->element[i]->str;
        sizes[i + 1] = keys->element[i]->len;
    }
    redisReply *reply = redisCommandArgv(redis, (int)keys->elements + 1, arguments, sizes);
    if (!reply || reply->type != REDIS_REPLY_INTEGER) {
        fail("DEL failed");
    }
    freeReplyObject(reply);
    free(arguments);
    free(sizes);
}

static double redis_scan_ms(redisContext *redis, bool deleting)
{
    char cursor[32] = "0";
    size_t found = 0;
    int64_t start = gib_now_ns();
    do {
        redisReply *reply = redisCommand(redis, "SCAN %s MATCH %s* COUNT 1000", cursor, prefix);
        if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
            fail("SCAN failed");
        }
        const redisReply *keys = reply->element[1];
        found += keys->elements;
        if (deleting && keys->elements) {
            delete_keys(redis, keys);
        }
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0"));
    double spent = milliseconds_since(start);
    if (found < BELOW) { /* SCAN may give a key twice, but none of them never */
        fail("the count is wrong");
    }
    return spent;
}

static int compare(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return (*left > *right) - (*left < *right);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

int main(int count, char **arguments)
{
    const protocol *spoken = count == 3 ? protocol_by_name(arguments[1]) : NULL;
    bool gibson = spoken && !strcmp(spoken->name, "gibson");
    if (!spoken || !strcmp(spoken->name, "memcached")) {
        fprintf(stderr, "usage: server_subtree gibson|valkey SOCKET\n");
        return EXIT_FAILURE;
    }
    int descriptor = client_connect(arguments[2]);
    redisContext *redis = gibson ? NULL : redisConnectUnix(arguments[2]);
    double counting[ROUNDS];
    double deleting[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        fill(descriptor, spoken);
        counting[i] =
            gibson ? gibson_command_ms(descriptor, GIBSON_OP_COUNT) : redis_scan_ms(redis, false);
        deleting[i] =
            gibson ? gibson_command_ms(descriptor, GIBSON_OP_MDEL) : redis_scan_ms(redis, true);
    }
    printf("%s\tCOUNT\t%.2f\n%s\tMDEL\t%.2f\n", spoken->name, median(counting), spoken->name,
           median(deleting));
    if (redis) {
        redisFree(redis);
    }
    close(descriptor);
    return EXIT_SUCCESS;
}
