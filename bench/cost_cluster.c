/* Runs gets through a cluster, or through a client in the same loop, for bench/client-cost to count
   what they cost. The ring has seven servers more than the one at SOCKET, which do not run.

       cost_cluster SOCKET cluster|client COUNT                                                  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/gibson.h>

enum { VALUE_SIZE = 100, SERVERS = 8 };

static gibson_options client_options;

static void check(gibson_status status)
{
    if (status != GIBSON_OK) {
        fprintf(stderr, "cost_cluster: %s\n", gibson_status_text(status));
        exit(1);
    }
}

static gibson_cluster_client *new_cluster_client(const char *socket)
{
    gibson_cluster_options options;
    gibson_cluster_options_init(&options);
    options.client = &client_options;
    const gibson_cluster_server servers[SERVERS] = {
        {.unix_socket = socket}, {.host = "a"}, {.host = "b"}, {.host = "c"},
        {.host = "d"},           {.host = "e"}, {.host = "f"}, {.host = "g"}};
    gibson_cluster *cluster;
    gibson_cluster_client *client;
    check(gibson_cluster_new(&cluster, servers, SERVERS, &options, NULL));
    check(gibson_cluster_client_new(&client, cluster));
    gibson_cluster_free(cluster);
    return client;
}

static gibson_client *new_client(const char *socket)
{
    gibson_options options = client_options;
    gibson_client *client;
    options.unix_socket = socket;
    check(gibson_client_new(&client, &options, NULL));
    check(gibson_client_connect(client));
    return client;
}

/* A key of the server that runs. */
static gibson_bytes find_key(gibson_cluster_client *client)
{
    static char key[32];
    int i = 1000;
    do {
        snprintf(key, sizeof key, "app:user:%d:name", i++);
    } while (gibson_cluster_server_of(client, gibson_str(key)) != 0);
    return gibson_str(key);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_cluster SOCKET cluster|client COUNT\n");
        return 2;
    }
    gibson_options_init(&client_options);
    client_options.timeout_ms = 60000; /* under callgrind everything takes longer */
    gibson_cluster_client *in_cluster = new_cluster_client(argv[1]);
    gibson_client *alone = new_client(argv[1]);
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    const gibson_bytes key = find_key(in_cluster);
    const gibson_request set =
        gibson_request_value(GIBSON_OP_SET, key, gibson_bytes_of(value, sizeof value), 0);
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, key);
    gibson_reply reply;
    check(gibson_cluster_call(in_cluster, &set, &reply));
    const bool through_cluster = !strcmp(argv[2], "cluster");
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
        check(through_cluster ? gibson_cluster_call(in_cluster, &get, &reply)
                              : gibson_client_call(alone, &get, &reply));
    }
    gibson_client_free(alone);
    gibson_cluster_client_free(in_cluster);
    return 0;
}
