/* Loads a cache server over a unix socket and measures it: operations a second of wall time and of
   the server's CPU time, and the memory it takes. See docs/benchmarks-server.md.

   usage: server_load PROTOCOL SOCKET PID KEYS PIPELINE SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server_client.h"
#include "server_protocol.h"

enum { CONNECTIONS = 16, LARGEST_PIPELINE = 64 };

typedef struct load {
    const protocol *protocol;
    long pid;
    unsigned keys;
    unsigned pipeline;
    int descriptors[CONNECTIONS];
    uint64_t random;
} load;

/* The number that is the field with an index in a line of /proc about the server, fields being
   separated by a space. */
static long proc_field(long pid, const char *name, int index)
{
    char path[64];
    char line[1024];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) {
        client_fail(path);
    }
    fclose(file);
    const char *field = line;
    for (; field && index; index--) {
        field = strchr(field + 1, ' ');
    }
    if (!field) {
        client_fail(path);
    }
    return strtol(field, NULL, 10);
}

/* The CPU time that the server has used, in user space and in the kernel. */
static double cpu_seconds(long pid)
{
    long ticks = proc_field(pid, "stat", 13) + proc_field(pid, "stat", 14);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static long resident_bytes(long pid)
{
    return proc_field(pid, "statm", 1) * sysconf(_SC_PAGESIZE);
}

/* A number for the next operation: any key, or one of the groups. */
static unsigned next_number(load *run, operation what, unsigned done)
{
    unsigned first_group = run->keys / 100;
    unsigned groups = run->keys / 10 - first_group;
    run->random = run->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    unsigned random = (unsigned)(run->random >> 33);
    switch (what) {
    case OPERATION_MGET:
        return first_group + random % groups;
    case OPERATION_MDEL:
        return first_group + done; /* each group can be deleted once */
    default:
        return random % run->keys;
    }
}

/* Does one batch on each connection. Returns the operations done, at most `left`. */
static unsigned do_batches(load *run, operation what, unsigned done, unsigned left)
{
    static char requests[LARGEST_PIPELINE * LONGEST_REQUEST];
    size_t expected[CONNECTIONS] = {0};
    unsigned count = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        size_t size = 0;
        for (unsigned j = 0; j < run->pipeline && count < left; j++, count++) {
            size_t reply;
            unsigned number = next_number(run, what, done + count);
            size += run->protocol->request(what, number, requests + size, &reply);
            expected[i] += reply;
        }
        client_send(run->descriptors[i], requests, size);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        client_receive(run->descriptors[i], expected[i]);
    }
    return count;
}

/* Sets all keys, in order. */
static void fill(load *run)
{
    static char requests[LARGEST_PIPELINE * LONGEST_REQUEST];
    for (unsigned at = 0; at < run->keys;) {
        size_t size = 0;
        size_t expected = 0;
        for (int i = 0; i < LARGEST_PIPELINE && at < run->keys; i++, at++) {
            size_t reply;
            size += run->protocol->request(OPERATION_SET, at, requests + size, &reply);
            expected += reply;
        }
        client_send(run->descriptors[0], requests, size);
        client_receive(run->descriptors[0], expected);
    }
}

static void report(const load *run, const char *name, double done, double wall, double cpu)
{
    printf("%s\t%s\t%u\t%u\t%.0f\t%.0f\n", run->protocol->name, name, run->keys, run->pipeline,
           done / wall, cpu > 0.05 ? done / cpu : 0.0);
    fflush(stdout);
}

static void measure(load *run, operation what, const char *name, double seconds)
{
    double done = 0;
    double cpu = cpu_seconds(run->pid);
    int64_t start = gib_now_ns();
    int64_t end = start + (int64_t)(seconds * 1e9);
    while (gib_now_ns() < end) {
        done += do_batches(run, what, 0, UINT32_MAX);
    }
    double wall = (double)(gib_now_ns() - start) / 1e9;
    report(run, name, done, wall, cpu_seconds(run->pid) - cpu);
}

/* Deletes all groups, which cannot be done for as long as one likes: so it is repeated, and only
   the deleting is timed. */
static void measure_mdel(load *run, double seconds)
{
    unsigned groups = run->keys / 10 - run->keys / 100;
    double done = 0;
    double wall = 0;
    double cpu = 0;
    while (wall < seconds) {
        double cpu_before = cpu_seconds(run->pid);
        int64_t start = gib_now_ns();
        for (unsigned at = 0; at < groups;) {
            at += do_batches(run, OPERATION_MDEL, at, groups - at);
        }
        wall += (double)(gib_now_ns() - start) / 1e9;
        cpu += cpu_seconds(run->pid) - cpu_before;
        done += groups;
        fill(run);
    }
    report(run, "MDEL", done, wall, cpu);
}

int main(int count, char **arguments)
{
    if (count != 7 || !protocol_by_name(arguments[1])) {
        fprintf(stderr, "usage: server_load PROTOCOL SOCKET PID KEYS PIPELINE SECONDS\n");
        return EXIT_FAILURE;
    }
    load run = {.protocol = protocol_by_name(arguments[1]), .pid = strtol(arguments[3], NULL, 10)};
    run.keys = (unsigned)strtoul(arguments[4], NULL, 10);
    run.pipeline = (unsigned)strtoul(arguments[5], NULL, 10);
    double seconds = strtod(arguments[6], NULL);
    if (run.keys < 100 || !run.pipeline || run.pipeline > LARGEST_PIPELINE) {
        fprintf(stderr, "server_load: at least 100 keys, a pipeline of 1 to %d\n",
                LARGEST_PIPELINE);
        return EXIT_FAILURE;
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        run.descriptors[i] = client_connect(arguments[2]);
    }
    long before = resident_bytes(run.pid);
    fill(&run);
    printf("%s\tRSS\t%u\t%u\t%ld\t%.1f\n", run.protocol->name, run.keys, run.pipeline,
           resident_bytes(run.pid) - before, (double)(resident_bytes(run.pid) - before) / run.keys);
    measure(&run, OPERATION_SET, "SET", seconds);
    measure(&run, OPERATION_GET, "GET", seconds);
    measure(&run, OPERATION_MGET, "MGET", seconds);
    measure_mdel(&run, seconds);
    return EXIT_SUCCESS;
}
