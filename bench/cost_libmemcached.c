/* Runs gets by libmemcached, over weighted ketama, for bench/client-cost to count what they cost.
   The ring has seven servers more than the memcached at SOCKET, which do not run.

       cost_libmemcached SOCKET COUNT                                                            */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SIZE = 100, OTHERS = 7 };

static void check(const memcached_st *client, memcached_return_t status)
{
    if (memcached_failed(status)) {
        fprintf(stderr, "cost_libmemcached: %s\n", memcached_strerror(client, status));
        exit(1);
    }
}

static memcached_st *new_client(const char *socket)
{
    memcached_st *client = memcached_create(NULL);
    check(client, memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1));
    check(client, memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1));
    check(client, memcached_server_add_unix_socket(client, socket));
    for (int i = 0; i < OTHERS; i++) {
        const char host[] = {(char)('a' + i), 0};
        check(client, memcached_server_add(client, host, 11212));
    }
    return client;
}

/* A key of the server that runs. */
static const char *find_key(const memcached_st *client)
{
    static char key[32];
    int i = 1000;
    do {
        snprintf(key, sizeof key, "app:user:%d:name", i++);
    } while (memcached_generate_hash(client, key, strlen(key)) != 0);
    return key;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: cost_libmemcached SOCKET COUNT\n");
        return 2;
    }
    memcached_st *client = new_client(argv[1]);
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    const char *key = find_key(client);
    check(client, memcached_set(client, key, strlen(key), value, sizeof value, 0, 0));
    for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
        size_t size;
        uint32_t flags;
        memcached_return_t status;
        char *got = memcached_get(client, key, strlen(key), &size, &flags, &status);
        check(client, status);
        free(got);
    }
    memcached_free(client);
    return 0;
}
