/* Runs gets through a cluster, or through a client in the same loop, for bench/client-cost to count
   what they cost.

       cost_cluster SOCKET cluster|client COUNT
       cost_cluster SOCKET[,SOCKET...] cluster-pipeline|client-pipeline COUNT

   The ring of the first has seven servers more than the one at SOCKET, which do not run. That of a
   pipeline has those at the sockets, and its keys are on them in turns; a client has the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/gibson.h>

enum { VALUE_SIZE = 100, SERVERS = 8, PIPELINE = 64 };

static gibson_options client_options;

static void check(gibson_status status)
{
    if (status != GIBSON_OK) {
        fprintf(stderr, "cost_cluster: %s\n", gibson_status_text(status));
        exit(1);
    }
}

static gibson_cluster_client *new_cluster_client(const gibson_cluster_server *servers, size_t count)
{
    gibson_cluster_options options;
    gibson_cluster_options_init(&options);
    options.client = &client_options;
    gibson_cluster *cluster;
    gibson_cluster_client *client;
    check(gibson_cluster_new(&cluster, servers, count, &options, NULL));
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

/* Makes a key of a server. */
static gibson_bytes find_key(gibson_cluster_client *client, size_t server, char key[32])
{
    static int i = 1000;
    do {
        snprintf(key, 32, "app:user:%d:name", i++);
    } while (gibson_cluster_server_of(client, gibson_str(key)) != server);
    return gibson_str(key);
}

static void store(gibson_cluster_client *client, gibson_bytes key)
{
    char value[VALUE_SIZE];
    gibson_reply reply;
    memset(value, 'v', sizeof value);
    const gibson_request set =
        gibson_request_value(GIBSON_OP_SET, key, gibson_bytes_of(value, sizeof value), 0);
    check(gibson_cluster_call(client, &set, &reply));
}

static void run_calls(const char *socket, bool through_cluster, long count)
{
    const gibson_cluster_server servers[SERVERS] = {
        {.unix_socket = socket}, {.host = "a"}, {.host = "b"}, {.host = "c"},
        {.host = "d"},           {.host = "e"}, {.host = "f"}, {.host = "g"}};
    gibson_cluster_client *in_cluster = new_cluster_client(servers, SERVERS);
    gibson_client *alone = new_client(socket);
    char key[32];
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, find_key(in_cluster, 0, key));
    gibson_reply reply;
    store(in_cluster, get.key);
    for (long i = count; i > 0; i--) {
        check(through_cluster ? gibson_cluster_call(in_cluster, &get, &reply)
                              : gibson_client_call(alone, &get, &reply));
    }
    gibson_client_free(alone);
    gibson_cluster_client_free(in_cluster);
}

/* Cuts the list at its commas. */
static size_t list_servers(char *sockets, gibson_cluster_server servers[SERVERS])
{
    size_t count = 0;
    char *comma;
    do {
        servers[count++] = (gibson_cluster_server){.unix_socket = sockets};
        comma = strchr(sockets, ',');
        if (comma) {
            *comma = '\0';
            sockets = comma + 1;
        }
    } while (comma && count < SERVERS);
    return count;
}

static void run_cluster_pipeline(gibson_cluster_client *client, const gibson_request *gets,
                                 long count)
{
    gibson_reply reply;
    for (long done = 0; done < count; done += PIPELINE) {
        for (int i = 0; i < PIPELINE; i++) {
            check(gibson_cluster_queue(client, &gets[i]));
        }
        for (int i = 0; i < PIPELINE; i++) {
            check(gibson_cluster_next(client, &reply));
        }
    }
}

static void run_client_pipeline(gibson_client *client, const gibson_request *gets, long count)
{
    gibson_reply reply;
    for (long done = 0; done < count; done += PIPELINE) {
        for (int i = 0; i < PIPELINE; i++) {
            check(gibson_client_queue(client, &gets[i]));
        }
        for (int i = 0; i < PIPELINE; i++) {
            check(gibson_client_next(client, &reply));
        }
    }
}

static void run_pipelines(char *sockets, bool through_cluster, long count)
{
    static char keys[PIPELINE][32];
    gibson_request gets[PIPELINE];
    gibson_cluster_server servers[SERVERS];
    const size_t server_count = list_servers(sockets, servers);
    gibson_cluster_client *in_cluster = new_cluster_client(servers, server_count);
    gibson_client *alone = new_client(servers[0].unix_socket);
    for (size_t i = 0; i < PIPELINE; i++) {
        gets[i] =
            gibson_request_key(GIBSON_OP_GET, find_key(in_cluster, i % server_count, keys[i]));
        store(in_cluster, gets[i].key);
    }
    if (through_cluster) {
        run_cluster_pipeline(in_cluster, gets, count);
    } else {
        run_client_pipeline(alone, gets, count);
    }
    gibson_client_free(alone);
    gibson_cluster_client_free(in_cluster);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_cluster SOCKET[,SOCKET...] "
                        "cluster|client|cluster-pipeline|client-pipeline COUNT\n");
        return 2;
    }
    gibson_options_init(&client_options);
    client_options.timeout_ms = 60000; /* under callgrind everything takes longer */
    const bool through_cluster = !strncmp(argv[2], "cluster", strlen("cluster"));
    const long count = strtol(argv[3], NULL, 10);
    if (strstr(argv[2], "-pipeline")) {
        run_pipelines(argv[1], through_cluster, count);
    } else {
        run_calls(argv[1], through_cluster, count);
    }
    return 0;
}
