#include "clustered.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"

void clustered_start(clustered *all, size_t count)
{
    memset(all, 0, sizeof *all);
    all->count = count;
    for (size_t i = 0; i < count; i++) {
        char target[120];
        char problem[GIBP_PROXY_ERROR_SIZE];
        test_server_start(&all->servers[i], TEST_UNIX, NULL);
        snprintf(target, sizeof target, "unix:%s", all->servers[i].unix_socket);
        const gibp_proxy_options way = {.listen = "127.0.0.1:0", .connect = target};
        ck_assert_msg(gibp_proxy_start(&all->proxies[i], &way, problem), "%s", problem);
    }
    gibson_options_init(&all->of_clients);
    all->of_clients.timeout_ms = 20000;
    gibson_cluster_options_init(&all->options);
    all->options.client = &all->of_clients;
    all->options.failure_limit = 2;
    all->options.retry_delay_ms = all->options.retry_max_delay_ms = 60000;
}

void clustered_list(const clustered *all, gibson_cluster_server *list)
{
    for (size_t i = 0; i < all->count; i++) {
        list[i] =
            (gibson_cluster_server){.host = "127.0.0.1", .port = gibp_proxy_port(all->proxies[i])};
    }
}

void clustered_list_direct(const clustered *all, gibson_cluster_server *list)
{
    for (size_t i = 0; i < all->count; i++) {
        list[i] = (gibson_cluster_server){.unix_socket = all->servers[i].unix_socket};
    }
}

void clustered_make(clustered *all)
{
    gibson_cluster_server list[CLUSTERED_MOST];
    gibson_error error;
    clustered_list(all, list);
    const gibson_status status =
        gibson_cluster_new(&all->cluster, list, all->count, &all->options, &error);
    ck_assert_msg(status == GIBSON_OK, "%s", error.message);
    ck_assert_status(gibson_cluster_client_new(&all->client, all->cluster), GIBSON_OK);
}

void clustered_stop(clustered *all)
{
    gibson_cluster_client_free(all->client);
    gibson_cluster_free(all->cluster);
    for (size_t i = 0; i < all->count; i++) {
        gibp_proxy_stop(all->proxies[i]);
        test_server_stop(&all->servers[i]);
    }
    memset(all, 0, sizeof *all);
}

void clustered_break(clustered *all, size_t index, gibp_fault_kind kind)
{
    char problem[GIBP_PROXY_ERROR_SIZE];
    const gibp_fault fault = {.direction = GIBP_REQUESTS, .kind = kind};
    ck_assert_msg(gibp_proxy_add(all->proxies[index], &fault, problem), "%s", problem);
}

void clustered_heal(clustered *all, size_t index)
{
    gibp_proxy_heal(all->proxies[index]);
}

gibson_bytes clustered_key(clustered *all, size_t index, const char *space, unsigned number,
                           char to[64])
{
    for (unsigned i = 0;; i++) {
        snprintf(to, 64, "%s:%u:%u", space, number, i);
        if (gibson_cluster_server_of(all->client, gibson_str(to)) == index) {
            return gibson_str(to);
        }
    }
}

gibson_reply clustered_call(clustered *all, gibson_request request, gibson_status expected)
{
    gibson_reply reply;
    const gibson_status status = gibson_cluster_call(all->client, &request, &reply);
    ck_assert_msg(status == expected, "%s instead of %s: %s", gibson_status_name(status),
                  gibson_status_name(expected), gibson_cluster_error(all->client)->message);
    ck_assert_int_eq(reply.status, status);
    ck_assert_int_eq(reply.opcode, request.opcode);
    return reply;
}

bool clustered_is_ejected(gibson_cluster_client *client, size_t index)
{
    bool is_ejected;
    ck_assert_ptr_nonnull(gibson_cluster_server_at(client, index, &is_ejected, NULL));
    return is_ejected;
}

void clustered_eject(clustered *all, size_t index)
{
    char text[64];
    const gibson_request get =
        gibson_request_key(GIBSON_OP_GET, clustered_key(all, index, "eject", 0, text));
    for (int i = 0; !clustered_is_ejected(all->client, index); i++) {
        gibson_reply reply;
        ck_assert_int_lt(i, 2000);
        ck_assert_int_gt(gibson_cluster_call(all->client, &get, &reply), GIBSON_TRUNCATED);
    }
}

gibson_status clustered_await(gibson_cluster_client *client, gibson_bytes key)
{
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, key);
    const size_t index = gibson_cluster_server_of(client, key);
    const char *server = gibson_cluster_server_at(client, index, NULL, NULL);
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    for (;;) {
        gibson_reply reply;
        const gibson_status status = gibson_cluster_call(client, &get, &reply);
        if (status <= GIBSON_TRUNCATED &&
            !strcmp(gibson_cluster_answers(client, NULL)[0].server, server)) {
            return status;
        }
        ck_assert_msg(suite_now_ms() < end_ms, "%s has not come back: %s", server,
                      gibson_cluster_error(client)->message);
    }
}
