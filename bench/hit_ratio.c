/* Replays a stream of keys through a cache server, as a program would that has a slow source behind
   the cache: a GET, and where that misses a SET. Prints the requests and the hits.

   usage: hit_ratio PROTOCOL SOCKET VALUE_SIZE trace FILE
          hit_ratio PROTOCOL SOCKET VALUE_SIZE zipf EXPONENT KEYS REQUESTS SEED
          hit_ratio PROTOCOL SOCKET VALUE_SIZE zipf+scan EXPONENT KEYS REQUESTS SEED

   A trace has a number in each line. Zipf draws from so many keys, whose numbers have nothing to do
   with how often they are asked for; its hits are counted in the last three quarters. A scan asks,
   again and again, behind four times as many requests of the others, for a tenth as many keys of
   its own in their order, and begins anew when it has asked for as many as there are of the others.

   Keys are asked for in batches of 100, in each of which the misses are set after all the GETs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server_protocol.h"

enum { BATCH = 100, SCAN_PART = 10, SCAN_PAUSE = 4 };

typedef struct stream {
    unsigned *keys;
    size_t count;
    size_t warm; /* behind so many hits are counted */
} stream;

typedef struct replay {
    const protocol *protocol;
    int descriptor;
    char replies[BATCH * LONGEST_REQUEST];
    size_t have, used;
} replay;

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory) {
        fail("memory");
    }
    return memory;
}

/* xorshift64*: S. Vigna, "An Experimental Exploration of Marsaglia's xorshift Generators", 2016. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static double next_part(uint64_t *state)
{
    return (double)(next_random(state) >> 11) / 9007199254740992.0;
}

/* What the keys up to each weigh together. */
static double *weigh(double exponent, unsigned keys)
{
    double *sums = allocate(keys, sizeof *sums);
    double sum = 0;
    for (unsigned i = 0; i < keys; i++) {
        sum += pow(i + 1.0, -exponent);
        sums[i] = sum;
    }
    return sums;
}

static unsigned draw(const double *sums, unsigned keys, uint64_t *state)
{
    double wanted = next_part(state) * sums[keys - 1];
    unsigned low = 0;
    unsigned high = keys - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (sums[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static unsigned *shuffle(unsigned keys, uint64_t *state)
{
    unsigned *numbers = allocate(keys, sizeof *numbers);
    for (unsigned i = 0; i < keys; i++) {
        unsigned other = (unsigned)(next_random(state) % (i + 1));
        numbers[i] = numbers[other];
        numbers[other] = i;
    }
    return numbers;
}

static stream make_zipf(double exponent, unsigned keys, size_t count, uint64_t seed, bool scans)
{
    stream made = {allocate(count, sizeof *made.keys), count, count / 4};
    uint64_t state = seed * 2 + 1;
    double *sums = weigh(exponent, keys);
    unsigned *numbers = shuffle(keys, &state);
    size_t part = keys / SCAN_PART + 1;
    size_t round = part * (SCAN_PAUSE + 1);
    size_t scanned = 0;
    for (size_t i = 0; i < count; i++) {
        if (scans && i % round >= part * SCAN_PAUSE) {
            made.keys[i] = keys + (unsigned)(scanned++ % keys);
        } else {
            made.keys[i] = numbers[draw(sums, keys, &state)];
        }
    }
    free(sums);
    free(numbers);
    return made;
}

static stream read_trace(const char *path)
{
    enum { LONGEST_TRACE = 1 << 24 };
    stream trace = {allocate(LONGEST_TRACE, sizeof *trace.keys), 0, 0};
    FILE *file = fopen(path, "r");
    char line[64];
    if (!file) {
        fail(path);
    }
    while (trace.count < LONGEST_TRACE && fgets(line, sizeof line, file)) {
        trace.keys[trace.count++] = (unsigned)strtoul(line, NULL, 10);
    }
    fclose(file);
    return trace;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address)) {
        fail(path);
    }
    return descriptor;
}

static void send_all(int descriptor, const char *bytes, size_t size)
{
    while (size) {
        ssize_t sent = send(descriptor, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            fail("send");
        }
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Waits until so many bytes of replies are there. */
static const char *await(replay *run, size_t size)
{
    if (run->used) {
        memmove(run->replies, run->replies + run->used, run->have - run->used);
        run->have -= run->used;
        run->used = 0;
    }
    while (run->have < size) {
        ssize_t got =
            recv(run->descriptor, run->replies + run->have, sizeof run->replies - run->have, 0);
        if (got <= 0) {
            fail("recv");
        }
        run->have += (size_t)got;
    }
    return run->replies;
}

/* Takes the reply to a GET. */
static bool take_hit(replay *run, size_t hit_size)
{
    const protocol *of = run->protocol;
    bool miss = !memcmp(await(run, of->miss_size), of->miss, of->miss_size);
    size_t size = miss ? of->miss_size : hit_size;
    await(run, size);
    run->used = size;
    return !miss;
}

/* Takes the reply to a SET, which is known to its last byte unless it was refused. */
static void take_stored(replay *run, size_t size)
{
    enum { SERVER_OF = 3 }; /* memcached: SERVER_ERROR, where STORED is what it should be */
    const char *reply = await(run, SERVER_OF);
    if (strchr("\3-E", reply[0]) || !strncmp(reply, "SER", SERVER_OF)) {
        fprintf(stderr, "a SET was refused\n");
        exit(EXIT_FAILURE);
    }
    await(run, size);
    run->used = size;
}

static bool is_among(unsigned key, const unsigned *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (keys[i] == key) {
            return true;
        }
    }
    return false;
}

/* Sends a request for each key, and leaves the sizes of the replies. */
static void ask(replay *run, operation what, const unsigned *keys, size_t count, size_t *sizes)
{
    static char requests[BATCH * LONGEST_REQUEST];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += run->protocol->request(what, keys[i], requests + size, &sizes[i]);
    }
    send_all(run->descriptor, requests, size);
}

/* Returns the hits. */
static size_t play_batch(replay *run, const unsigned *keys, size_t count)
{
    size_t sizes[BATCH];
    unsigned missed[BATCH];
    size_t misses = 0;
    size_t hits = 0;
    ask(run, OPERATION_GET, keys, count, sizes);
    for (size_t i = 0; i < count; i++) {
        if (take_hit(run, sizes[i])) {
            hits++;
        } else if (!is_among(keys[i], missed, misses)) {
            missed[misses++] = keys[i];
        }
    }
    ask(run, OPERATION_SET, missed, misses, sizes);
    for (size_t i = 0; i < misses; i++) {
        take_stored(run, sizes[i]);
    }
    return hits;
}

static void play(replay *run, stream keys)
{
    size_t asked = 0;
    size_t hits = 0;
    for (size_t at = 0; at < keys.count; at += BATCH) {
        size_t count = keys.count - at < BATCH ? keys.count - at : BATCH;
        size_t hit = play_batch(run, keys.keys + at, count);
        if (at >= keys.warm) {
            asked += count;
            hits += hit;
        }
    }
    printf("%zu %zu\n", asked, hits);
}

int main(int count, char **arguments)
{
    static replay run;
    bool is_trace = count == 6 && !strcmp(arguments[4], "trace");
    bool scans = count == 9 && !strcmp(arguments[4], "zipf+scan");
    if ((!is_trace && count != 9) || !protocol_by_name(arguments[1])) {
        fprintf(stderr, "usage: hit_ratio PROTOCOL SOCKET VALUE_SIZE trace FILE\n"
                        "       hit_ratio PROTOCOL SOCKET VALUE_SIZE zipf|zipf+scan EXPONENT KEYS "
                        "REQUESTS SEED\n");
        return EXIT_FAILURE;
    }
    shape_items(is_trace ? "lbn:" : "app:user:", is_trace ? "" : ":field",
                strtoul(arguments[3], NULL, 10));
    stream keys =
        is_trace
            ? read_trace(arguments[5])
            : make_zipf(strtod(arguments[5], NULL), (unsigned)strtoul(arguments[6], NULL, 10),
                        strtoul(arguments[7], NULL, 10), strtoul(arguments[8], NULL, 10), scans);
    run.protocol = protocol_by_name(arguments[1]);
    run.descriptor = connect_to(arguments[2]);
    play(&run, keys);
    free(keys.keys);
    return EXIT_SUCCESS;
}
