/* How long a COUNT takes that goes to all servers of a cluster, against one that goes to one of
   them, in turns. The servers are threads of this program; a proxy before each delays what it
   answers, as a network does, where that is asked for.

       cluster_fanout [SERVERS [DELAY_MS [ROUNDS]]]                                              */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <gibson-server/server.h>
#include <gibson/gibson.h>

#include "proxy/proxy.h"

enum { MOST_SERVERS = 64, ITEMS = 1000 };

static gibson_server *servers[MOST_SERVERS];
static gibp_proxy *proxies[MOST_SERVERS];
static gibson_cluster_server list[MOST_SERVERS];
static long server_count = 8;
static long delay_ms = 0;
static long rounds = 500;

static void check(bool succeeded, const char *message)
{
    if (!succeeded) {
        fprintf(stderr, "cluster_fanout: %s\n", message);
        exit(1);
    }
}

static uint16_t start_server(long i)
{
    gibson_server_config *config;
    gibson_error error;
    check(gibson_server_config_new(&config) == GIBSON_OK, "no memory");
    check(gibson_server_config_set(config, "port", "0", &error) == GIBSON_OK &&
              gibson_server_config_set(config, "loglevel", "3", &error) == GIBSON_OK &&
              gibson_server_config_set(config, "logfile", "/dev/stderr", &error) == GIBSON_OK,
          error.message);
    check(gibson_server_start(&servers[i], config, &error) == GIBSON_OK, error.message);
    gibson_server_config_free(config);
    return gibson_server_port(servers[i]);
}

static uint16_t start_proxy(long i, uint16_t port)
{
    char target[32];
    char problem[GIBP_PROXY_ERROR_SIZE];
    snprintf(target, sizeof target, "127.0.0.1:%u", (unsigned)port);
    const gibp_proxy_options way = {.listen = "127.0.0.1:0", .connect = target};
    const gibp_fault delay = {.direction = GIBP_REPLIES, .kind = GIBP_FAULT_DELAY, .ms = delay_ms};
    check(gibp_proxy_start(&proxies[i], &way, problem), problem);
    check(gibp_proxy_add(proxies[i], &delay, problem), problem);
    return gibp_proxy_port(proxies[i]);
}

static void start(void)
{
    for (long i = 0; i < server_count; i++) {
        const uint16_t port = start_server(i);
        list[i] = (gibson_cluster_server){.host = "127.0.0.1",
                                          .port = delay_ms ? start_proxy(i, port) : port};
    }
}

static gibson_cluster_client *new_client(size_t count)
{
    gibson_options client_options;
    gibson_cluster_options options;
    gibson_options_init(&client_options);
    client_options.timeout_ms = 60000;
    gibson_cluster_options_init(&options);
    options.client = &client_options;
    gibson_cluster *cluster;
    gibson_cluster_client *client;
    gibson_error error;
    check(gibson_cluster_new(&cluster, list, count, &options, &error) == GIBSON_OK, error.message);
    check(gibson_cluster_client_new(&client, cluster) == GIBSON_OK, "no memory");
    gibson_cluster_free(cluster);
    return client;
}

static void call(gibson_cluster_client *client, gibson_request request)
{
    gibson_reply reply;
    check(gibson_cluster_call(client, &request, &reply) == GIBSON_OK,
          gibson_cluster_error(client)->message);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t time_of(gibson_cluster_client *client)
{
    const int64_t began_ns = now_ns();
    call(client, gibson_request_key(GIBSON_OP_COUNT, gibson_str("item:")));
    return now_ns() - began_ns;
}

static int compare(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double median_us(int64_t *times)
{
    qsort(times, (size_t)rounds, sizeof *times, compare);
    const size_t middle = (size_t)rounds / 2;
    return (double)times[middle] / 1000;
}

static void measure(void)
{
    gibson_cluster_client *one = new_client(1);
    gibson_cluster_client *all = new_client((size_t)server_count);
    int64_t *of_one = calloc((size_t)rounds, sizeof *of_one);
    int64_t *of_all = calloc((size_t)rounds, sizeof *of_all);
    check(of_one && of_all, "no memory");
    for (long i = 0; i < rounds; i++) {
        of_one[i] = time_of(one);
        of_all[i] = time_of(all);
    }
    const double one_us = median_us(of_one);
    const double all_us = median_us(of_all);
    printf("COUNT, median of %ld, answers delayed by %ld ms: %.1f us of one server, %.1f us of "
           "%ld, ratio %.2f\n",
           rounds, delay_ms, one_us, all_us, server_count, all_us / one_us);
    free(of_one);
    free(of_all);
    gibson_cluster_client_free(one);
    gibson_cluster_client_free(all);
}

static void store(void)
{
    gibson_cluster_client *client = new_client((size_t)server_count);
    call(client, gibson_request_bare(GIBSON_OP_PING));
    for (int i = 0; i < (delay_ms ? 8 : ITEMS); i++) {
        char key[32];
        snprintf(key, sizeof key, "item:%d", i);
        call(client, gibson_request_value(GIBSON_OP_SET, gibson_str(key), gibson_str("v"), 0));
    }
    gibson_cluster_client_free(client);
}

int main(int argc, char **argv)
{
    server_count = argc > 1 ? strtol(argv[1], NULL, 10) : server_count;
    delay_ms = argc > 2 ? strtol(argv[2], NULL, 10) : delay_ms;
    rounds = argc > 3 ? strtol(argv[3], NULL, 10) : rounds;
    if (argc > 4 || server_count < 1 || server_count > MOST_SERVERS || delay_ms < 0 || rounds < 1) {
        fprintf(stderr, "usage: cluster_fanout [SERVERS [DELAY_MS [ROUNDS]]]\n");
        return 2;
    }
    start();
    store();
    measure();
    for (long i = 0; i < server_count; i++) {
        gibp_proxy_stop(proxies[i]);
        gibson_server_stop(servers[i]);
    }
    return 0;
}
