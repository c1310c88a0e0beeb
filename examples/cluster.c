/* Several servers as one: keys of a user are on one server, and a command on all users goes to all.

       example_cluster SOCKET SOCKET...                                                          */
#include <inttypes.h>
#include <stdio.h>

#include <gibson/gibson.h>

enum { MOST_SERVERS = 16, USERS = 20 };

static bool fail(gibson_cluster_client *client, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, gibson_cluster_error(client)->message);
    return false;
}

/* A key goes to the server that has it. */
static bool store_users(gibson_cluster_client *client)
{
    for (int i = 0; i < USERS; i++) {
        char key[32];
        gibson_reply reply;
        snprintf(key, sizeof key, "user:%d:name", i);
        const gibson_request set =
            gibson_request_value(GIBSON_OP_SET, gibson_str(key), gibson_str("Ada"), 60);
        if (gibson_cluster_call(client, &set, &reply) != GIBSON_OK) {
            return fail(client, key);
        }
    }
    return true;
}

/* A prefix goes to one server if affinity places all that begin with it, and else to all. */
static bool count(gibson_cluster_client *client, const char *prefix, int64_t *number)
{
    const gibson_request request = gibson_request_key(GIBSON_OP_COUNT, gibson_str(prefix));
    gibson_reply reply;
    if (gibson_cluster_call(client, &request, &reply) == GIBSON_OK) {
        *number = reply.value.number;
        return true;
    }
    /* What the others have said is not the answer, but may be of use. */
    size_t answers;
    const gibson_cluster_answer *answer = gibson_cluster_answers(client, &answers);
    for (size_t i = 0; i < answers; i++) {
        fprintf(stderr, "%s: %s\n", answer[i].server, gibson_status_text(answer[i].status));
    }
    return fail(client, prefix);
}

static bool run(gibson_cluster_client *client, size_t servers)
{
    int64_t all;
    int64_t of_one;
    if (!store_users(client) || !count(client, "user:", &all) ||
        !count(client, "user:7:", &of_one)) {
        return false;
    }
    printf("user:   %" PRId64 " keys, on %s\n", all,
           gibson_cluster_servers_of(client, gibson_str("user:"), NULL, 0) == servers
               ? "all servers"
               : "some");
    printf("user:7: %" PRId64 " key, on %zu server\n", of_one,
           gibson_cluster_servers_of(client, gibson_str("user:7:"), NULL, 0));
    return true;
}

int main(int argc, char **argv)
{
    const size_t servers = (size_t)argc - 1;
    if (argc < 2 || servers > MOST_SERVERS) {
        fprintf(stderr, "usage: %s SOCKET...\n", argv[0]);
        return 2;
    }
    gibson_cluster_server list[MOST_SERVERS] = {{0}};
    for (size_t i = 0; i < servers; i++) {
        list[i].unix_socket = argv[1 + i];
    }
    gibson_options of_clients;
    gibson_options_init(&of_clients);
    of_clients.timeout_ms = 5000;
    gibson_cluster_options options;
    gibson_cluster_options_init(&options);
    options.client = &of_clients;
    options.separator = ':'; /* user:7 places user:7:name */
    options.depth = 2;
    gibson_cluster *cluster;
    gibson_cluster_client *client;
    gibson_error error;
    if (gibson_cluster_new(&cluster, list, servers, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const gibson_status status = gibson_cluster_client_new(&client, cluster); /* each thread: one */
    gibson_cluster_free(cluster); /* the client keeps what it needs */
    if (status != GIBSON_OK) {
        return 1;
    }
    const bool succeeded = run(client, servers);
    gibson_cluster_client_free(client);
    return succeeded ? 0 : 1;
}
