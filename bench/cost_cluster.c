/* Runs gets through a cluster, for bench/client-cost to count what they cost.

   Usage: cost_cluster SOCKET OPERATIONS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/cluster.h>

enum { VALUE_SIZE = 100 };

static void run(gibson_cluster_client *client, const gibson_request *request)
{
    gibson_reply reply;
    if (gibson_cluster_call(client, request, &reply)) {
        fprintf(stderr, "cost_cluster: %s\n", gibson_cluster_error(client)->message);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: cost_cluster SOCKET OPERATIONS\n");
        return 2;
    }
    gibson_options of_clients;
    gibson_options_init(&of_clients);
    of_clients.timeout_ms = 60000;
    gibson_cluster_options options;
    gibson_cluster_options_init(&options);
    options.client = &of_clients;
    const gibson_cluster_server server = {.unix_socket = argv[1]};
    gibson_cluster *cluster;
    gibson_cluster_client *client;
    if (gibson_cluster_new(&cluster, &server, 1, &options, NULL) ||
        gibson_cluster_client_new(&client, cluster)) {
        return 1;
    }
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    const gibson_bytes key = gibson_str("app:user:1000:name");
    const gibson_request set =
        gibson_request_value(GIBSON_OP_SET, key, gibson_bytes_of(value, sizeof value), 0);
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, key);
    run(client, &set);
    for (long i = strtol(argv[2], NULL, 10); i; i--) {
        run(client, &get);
    }
    gibson_cluster_client_free(client);
    gibson_cluster_free(cluster);
    return 0;
}
