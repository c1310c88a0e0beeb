/* Throughput of threads that share a pool, against that of threads with a client each, in turns,
   per second of CPU time of this process (that of the server is not counted).

       pool_threads SOCKET [THREADS [OPERATIONS]]                                                */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <gibson/gibson.h>

enum { ROUNDS = 5, MOST_THREADS = 256 };

static gibson_options client_options;
static gibson_pool *pool;
static long operations = 100000; /* of each thread */

static void check(gibson_status status)
{
    if (status != GIBSON_OK) {
        fprintf(stderr, "pool_threads: %s\n", gibson_status_text(status));
        exit(1);
    }
}

static const char key[] = "app:user:1000:name";

static void *with_client(void *unused)
{
    (void)unused;
    gibson_client *client;
    check(gibson_client_new(&client, &client_options, NULL));
    check(gibson_client_connect(client));
    for (long i = 0; i < operations; i++) {
        gibson_value value;
        check(gibson_client_get(client, gibson_str(key), &value));
    }
    gibson_client_free(client);
    return NULL;
}

static void *with_pool(void *unused)
{
    (void)unused;
    for (long i = 0; i < operations; i++) {
        gibson_client *client;
        gibson_value value;
        check(gibson_pool_acquire(pool, 0, &client, NULL));
        check(gibson_client_get(client, gibson_str(key), &value));
        check(gibson_pool_release(pool, client));
    }
    return NULL;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Gets in a second of CPU time. */
static double run(long threads, void *(*work)(void *))
{
    pthread_t all[MOST_THREADS];
    const double before = cpu_seconds();
    for (long i = 0; i < threads; i++) {
        if (pthread_create(&all[i], NULL, work, NULL)) {
            fprintf(stderr, "pool_threads: no thread\n");
            exit(1);
        }
    }
    for (long i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
    }
    return (double)(threads * operations) / (cpu_seconds() - before);
}

static void store(void)
{
    gibson_client *client;
    check(gibson_pool_acquire(pool, 0, &client, NULL));
    check(gibson_client_set(client, gibson_str(key), gibson_str("value"), 0));
    check(gibson_pool_release(pool, client));
}

int main(int argc, char **argv)
{
    const long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 8;
    if (argc < 2 || argc > 4 || threads < 1 || threads > MOST_THREADS) {
        fprintf(stderr, "usage: pool_threads SOCKET [THREADS [OPERATIONS]]\n");
        return 2;
    }
    operations = argc > 3 ? strtol(argv[3], NULL, 10) : operations;
    gibson_options_init(&client_options);
    client_options.unix_socket = argv[1];
    client_options.timeout_ms = 60000;
    gibson_pool_options options;
    gibson_pool_options_init(&options);
    options.client = &client_options;
    options.acquire_timeout_ms = 60000;
    check(gibson_pool_new(&pool, &options, NULL));
    store();
    double alone = 0;
    double pooled = 0;
    for (int i = 0; i < ROUNDS; i++) {
        alone += run(threads, with_client) / ROUNDS;
        pooled += run(threads, with_pool) / ROUNDS;
    }
    printf("%ld threads, gets per CPU second: %.0f with a client each, %.0f with a pool of %d, "
           "ratio %.2f\n",
           threads, alone, pooled, GIBSON_DEFAULT_POOL_MAX, pooled / alone);
    gibson_pool_free(pool);
    return 0;
}
