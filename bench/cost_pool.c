/* Lends a client and takes it back, for bench/client-cost.

       cost_pool SOCKET acquire|get COUNT                                                        */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/gibson.h>

static void check(gibson_status status)
{
    if (status != GIBSON_OK) {
        fprintf(stderr, "cost_pool: %s\n", gibson_status_text(status));
        exit(1);
    }
}

static const char key[] = "app:user:1000:name";

/* After a pause a connection is looked at when it is lent. Gets in between are no pause. */
static void run_acquire(gibson_pool *pool, long count)
{
    enum { BATCH = 64 };
    gibson_client *client;
    gibson_value value;
    for (long i = 0; i < count; i++) {
        check(gibson_pool_acquire(pool, 0, &client, NULL));
        if (i % BATCH == 0) {
            check(gibson_client_get(client, gibson_str(key), &value));
        }
        check(gibson_pool_release(pool, client));
    }
}

static void run_get(gibson_pool *pool, long count)
{
    for (long i = 0; i < count; i++) {
        gibson_client *client;
        gibson_value value;
        check(gibson_pool_acquire(pool, 0, &client, NULL));
        check(gibson_client_get(client, gibson_str(key), &value));
        check(gibson_pool_release(pool, client));
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_pool SOCKET acquire|get COUNT\n");
        return 2;
    }
    gibson_options client;
    gibson_options_init(&client);
    client.unix_socket = argv[1];
    client.timeout_ms = 60000; /* under callgrind everything takes longer */
    gibson_pool_options options;
    gibson_pool_options_init(&options);
    options.client = &client;
    gibson_pool *pool;
    gibson_error error;
    if (gibson_pool_new(&pool, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "cost_pool: %s\n", error.message);
        return 1;
    }
    gibson_client *first;
    check(gibson_pool_acquire(pool, 0, &first, NULL));
    check(gibson_client_set(first, gibson_str(key), gibson_str("value"), 0));
    check(gibson_pool_release(pool, first));
    const long count = strtol(argv[3], NULL, 10);
    if (!strcmp(argv[2], "get")) {
        run_get(pool, count);
    } else {
        run_acquire(pool, count);
    }
    gibson_pool_free(pool);
    return 0;
}
