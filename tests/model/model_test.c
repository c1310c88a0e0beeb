/* Random commands over random clients, pipelines and threads, with random faults and interruptions
   on the way, against a model of what the server must say.

       GIBSON_TEST_SEED=n     begins with this seed, which a failure has printed
       GIBSON_TEST_COUNT=n    runs so many rounds (one, to replay a failure)
       GIBSON_TEST_SECONDS=n  runs rounds for so long; by default 6 seconds

   docs/reliability-model.md tells how it judges, and has the outcome of a long run. */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gibson/client.h>

#include "program/server.h"
#include "random.h"
#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "worker.h"
#include "worker_steps.h"

enum { THREADS = 6, DEFAULT_SECONDS = 6, STEPS = 120 };

/* What the clients set takes less than that, whatever they lock: what is refused is a violation. */
#define LITTLE_MEMORY "4M"

static worker workers[THREADS];
static pthread_t threads[THREADS];
static unsigned thread_count;
static sem_t finished; /* posted by each thread at its end */
static atomic_bool storm_is_over;
static int64_t seconds; /* to run for, unless a number of rounds is set */

static void ignore_signal(int number)
{
    (void)number;
}

/* Signals interrupt system calls: they are not to end early, nor to lose anything. */
static void *raise_storm(void *context)
{
    uint64_t random = *(const uint64_t *)context;
    while (!atomic_load(&storm_is_over)) {
        const struct timespec pause = {.tv_nsec = 1 + test_random_below(&random, 8000000)};
        nanosleep(&pause, NULL);
        pthread_kill(threads[test_random_below(&random, thread_count)], SIGUSR1);
    }
    return NULL;
}

static void add_counts(worker_counts *to, const worker_counts *from)
{
    to->requests += from->requests;
    for (size_t i = 0; i < WORKER_STATUSES; i++) {
        to->by_status[i] += from->by_status[i];
    }
    to->connections += from->connections;
    to->faults += from->faults;
    to->settled += from->settled;
    to->given_up += from->given_up;
    to->judged_in_many += from->judged_in_many;
    to->most_worlds = from->most_worlds > to->most_worlds ? from->most_worlds : to->most_worlds;
    if (from->longest_over_ms > to->longest_over_ms) {
        to->longest_over_ms = from->longest_over_ms;
    }
}

static void print_counts(const worker_counts *counts, uint64_t rounds, int64_t took_ms)
{
    printf("%" PRIu64 " rounds in %.1f s: %" PRIu64 " requests, %" PRIu64 " connections, %" PRIu64
           " faults, settled %" PRIu64 " times (gave up %" PRIu64 "), %" PRIu64
           " answers judged in more than one world (at most %" PRIu64
           "), deadline exceeded by at most %" PRId64 " ms, %" PRIu64 " items evicted\n",
           rounds, (double)took_ms / 1000, counts->requests, counts->connections, counts->faults,
           counts->settled, counts->given_up, counts->judged_in_many, counts->most_worlds,
           counts->longest_over_ms, counts->evicted);
    for (int i = 0; i < WORKER_STATUSES; i++) {
        if (counts->by_status[i]) {
            printf("  %-14s %" PRIu64 "\n", gibson_status_name((gibson_status)i),
                   counts->by_status[i]);
        }
    }
}

static void *run_worker(void *context)
{
    worker_run(context);
    sem_post(&finished);
    return NULL;
}

/* Starts the threads, raises signals until the last of them has finished, and joins them: only then
   may a thread be gone. */
static void run_threads(uint64_t *random)
{
    pthread_t storm;
    uint64_t storm_random = test_random(random);
    sem_init(&finished, 0, 0);
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_create(&threads[i], NULL, run_worker, &workers[i]);
    }
    pthread_create(&storm, NULL, raise_storm, &storm_random);
    for (unsigned left = thread_count; left;) {
        left -= sem_wait(&finished) == 0;
    }
    atomic_store(&storm_is_over, true);
    pthread_join(storm, NULL);
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
    }
    sem_destroy(&finished);
}

static void write_address(const test_server *server, char *to, size_t size)
{
    if (server->port) {
        snprintf(to, size, "127.0.0.1:%u", (unsigned)server->port);
    } else {
        snprintf(to, size, "unix:%s", server->unix_socket);
    }
}

/* Sets items of all sizes, so that the server has to let others go. */
static void *press(void *context)
{
    static char value[SPACE_LARGEST_TEXT];
    const test_server *server = context;
    gibson_options options;
    gibson_client *client;
    gibson_error error;
    uint64_t random = server->port + 1U;
    gibson_options_init(&options);
    options.unix_socket = server->port ? NULL : server->unix_socket;
    options.port = server->port;
    options.timeout_ms = options.connect_timeout_ms = WORKER_PATIENT_MS;
    if (gibson_client_new(&client, &options, &error) != GIBSON_OK ||
        gibson_client_connect(client) != GIBSON_OK) {
        abort();
    }
    memset(value, 'p', sizeof value);
    while (!atomic_load(&storm_is_over)) {
        char key[32];
        snprintf(key, sizeof key, "press:%u", test_random_below(&random, 4000));
        size_t value_size = 1 + test_random_below(&random, SPACE_LARGEST_TEXT) / 2;
        if (gibson_client_set(client, gibson_str(key), gibson_bytes_of(value, value_size), 0) !=
            GIBSON_OK) {
            fprintf(stderr, "SET: %s\n", gibson_client_error(client)->message);
            abort();
        }
    }
    gibson_client_free(client);
    return NULL;
}

static uint64_t evicted_items(const test_server *server)
{
    int descriptor = test_server_connect(server);
    int64_t items = raw_stat(descriptor, "total_evicted_items");
    close(descriptor);
    return (uint64_t)items;
}

/* Runs the threads, where the server evicts beside one that makes it do so. */
static void run_pressed(uint64_t *random, test_server *server, bool evicts)
{
    pthread_t presser;
    atomic_store(&storm_is_over, false);
    if (evicts) {
        pthread_create(&presser, NULL, press, server);
    }
    run_threads(random);
    if (evicts) {
        pthread_join(presser, NULL);
    }
}

/* The worlds know of no command that is carried out in part, as others see one that takes much or
   whose client goes away meanwhile: that is for server_slices_test. */
static void work_in_one_step(const test_server *server)
{
    gibs_server_limit_slices(server->server, (size_t)1 << 30);
    gibs_server_give_slices(server->server, -1);
}

/* One round: a server, and threads with clients. Returns whether all was right. */
static bool run_round(uint64_t seed, worker_counts *counts)
{
    uint64_t random = seed;
    const bool evicts = test_random_below(&random, 4) == 0;
    const char *const directives[] = {
        "max_value_size", "1M", "compression", "1M", evicts ? "max_memory" : NULL,
        LITTLE_MEMORY,    NULL};
    test_server server;
    char address[120];
    test_server_start(&server, test_random_below(&random, 2) ? TEST_UNIX : TEST_TCP, directives);
    work_in_one_step(&server);
    write_address(&server, address, sizeof address);
    const bool faulty = test_random_below(&random, 8) > 0;
    thread_count = 1 + test_random_below(&random, THREADS);
    for (unsigned i = 0; i < thread_count; i++) {
        workers[i] = (worker){.seed = test_random(&random),
                              .index = i,
                              .steps = STEPS,
                              .faulty = faulty,
                              .evicts = evicts,
                              .server = address};
    }
    run_pressed(&random, &server, evicts);
    counts->evicted += evicts ? evicted_items(&server) : 0;
    bool fine = true;
    for (unsigned i = 0; i < thread_count; i++) {
        add_counts(counts, &workers[i].counts);
        if (workers[i].violated) {
            worker_tell(&workers[i]);
            fine = false;
        }
    }
    test_server_stop(&server);
    return fine;
}

START_TEST(model_under_random_faults_every_reply_is_right_or_an_error)
{
    const uint64_t count = suite_number("GIBSON_TEST_COUNT", 0);
    const int64_t begin_ms = suite_now_ms();
    worker_counts counts = {0};
    uint64_t seed = suite_seed();
    uint64_t rounds = 0;
    bool fine = true;
    while (fine && (count ? rounds < count : suite_now_ms() - begin_ms < seconds * 1000)) {
        fine = run_round(seed, &counts);
        rounds++;
        if (!fine) {
            fprintf(stderr, "replay: GIBSON_TEST_SEED=%" PRIu64 " GIBSON_TEST_COUNT=1\n", seed);
        }
        seed = suite_next_seed(seed);
    }
    print_counts(&counts, rounds, suite_now_ms() - begin_ms);
    fflush(stdout);
    ck_assert_msg(fine, "a reply was wrong: see above");
}
END_TEST

int main(void)
{
    const struct sigaction action = {.sa_handler = ignore_signal}; /* no SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    seconds = (int64_t)suite_number("GIBSON_TEST_SECONDS", DEFAULT_SECONDS);
    const suite_part parts[] = {
        {TESTS(model_under_random_faults_every_reply_is_right_or_an_error)}};
    return suite_run("model", 1, parts, COUNT_OF(parts));
}
