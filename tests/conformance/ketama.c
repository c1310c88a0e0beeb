/* Prints where libmemcached places keys, for ring_test:

       scripts/setup bench
       gcc -Itests -o /tmp/ketama tests/conformance/ketama.c -lmemcached
       /tmp/ketama > tests/conformance/ketama-1.1.4.txt

   For each list of ketama_lists.h a line with its name, and lines with the servers of 50 keys each,
   by index, two hexadecimal digits a key. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>

#include "conformance/ketama_lists.h"

static memcached_st *make(const ketama_list *list)
{
    memcached_st *client = memcached_create(NULL);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    for (unsigned i = 0; i < list->count; i++) {
        char host[64];
        const ketama_server server = ketama_server_of(list, i, host);
        const memcached_return_t done =
            server.port ? memcached_server_add_with_weight(client, host, server.port, server.weight)
                        : memcached_server_add_unix_socket_with_weight(client, host, server.weight);
        if (done != MEMCACHED_SUCCESS) {
            fprintf(stderr, "%s: %s\n", host, memcached_strerror(client, done));
            exit(1);
        }
    }
    return client;
}

int main(void)
{
    for (unsigned i = 0; i < KETAMA_LISTS; i++) {
        memcached_st *client = make(&ketama_lists[i]);
        printf("%s", ketama_lists[i].name);
        for (unsigned n = 0; n < KETAMA_KEYS; n++) {
            char key[64];
            const size_t size = ketama_key(n, key);
            printf("%s%02x", n % 50 ? "" : "\n", memcached_generate_hash(client, key, size));
        }
        printf("\n");
        memcached_free(client);
    }
    return 0;
}
