/* Many threads that share few connections.

       example_pool SOCKET                                                                       */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <gibson/gibson.h>

enum { THREADS = 16, CONNECTIONS = 4, VISITS = 100 };

/* A lease, for what takes several requests: acquire, use, release, whatever happens in between. */
static gibson_status visit(gibson_pool *pool, int64_t *visits)
{
    gibson_client *client;
    gibson_error error;
    gibson_status status = gibson_pool_acquire(pool, 0, &client, &error);
    if (status != GIBSON_OK) {
        fprintf(stderr, "no client: %s\n", error.message);
        return status;
    }
    status = gibson_client_inc(client, gibson_str("visits"), visits);
    if (status == GIBSON_OK) {
        status = gibson_client_set(client, gibson_str("last"), gibson_str("somebody"), 60);
    }
    if (status != GIBSON_OK) {
        fprintf(stderr, "visit: %s\n", gibson_client_error(client)->message);
    }
    gibson_pool_release(pool, client); /* a broken one, too: the pool drops it */
    return status;
}

static void *work(void *argument)
{
    gibson_pool *pool = argument;
    int64_t visits;
    for (int i = 0; i < VISITS; i++) {
        if (visit(pool, &visits) != GIBSON_OK) {
            return pool; /* anything but NULL */
        }
    }
    return NULL;
}

static bool run_threads(gibson_pool *pool)
{
    pthread_t threads[THREADS];
    int started = 0;
    while (started < THREADS && !pthread_create(&threads[started], NULL, work, pool)) {
        started++;
    }
    bool succeeded = started == THREADS;
    for (int i = 0; i < started; i++) {
        void *result;
        pthread_join(threads[i], &result);
        succeeded = succeeded && !result;
    }
    return succeeded;
}

/* A single request needs no lease. What the views of the reply live by is the caller's. */
static bool print_visits(gibson_pool *pool)
{
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("visits"));
    gibson_reply reply;
    gibson_owned_reply *owned;
    gibson_error error;
    if (gibson_pool_call(pool, &get, 1000, &reply, &owned, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return false;
    }
    printf("%" PRId64 " visits by %d threads\n", reply.value.number, THREADS);
    gibson_owned_reply_free(owned);
    return true;
}

static void print_stats(gibson_pool *pool)
{
    gibson_pool_stats stats = {.struct_size = sizeof stats};
    gibson_pool_get_stats(pool, &stats);
    printf("over %s connections, all of them back\n",
           stats.made <= CONNECTIONS && !stats.in_use ? "4 or fewer" : "too many");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
        return 2;
    }
    gibson_options client;
    gibson_options_init(&client);
    client.unix_socket = argv[1];
    client.timeout_ms = 5000;
    gibson_pool_options options;
    gibson_pool_options_init(&options);
    options.client = &client;
    options.max = CONNECTIONS;
    options.acquire_timeout_ms = 10000;
    gibson_pool *pool;
    gibson_error error;
    if (gibson_pool_new(&pool, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const bool succeeded = run_threads(pool) && print_visits(pool);
    if (succeeded) {
        print_stats(pool);
    }
    gibson_pool_free(pool);
    return succeeded ? 0 : 1;
}
