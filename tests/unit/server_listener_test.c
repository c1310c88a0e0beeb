/* The socket that clients connect to. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/listener.h"
#include "support/suite.h"

static gibson_server_config *config;
static gibson_error error;

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(gibson_server_config_set(config, name, value, &error), GIBSON_OK);
}

static long system_limit(void)
{
    char line[32];
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    fclose(file);
    return strtol(line, NULL, 10);
}

/* For a socket that listens, Linux tells the backlog in place of what was acknowledged out of
 * order. */
START_TEST(listener_lets_as_many_wait_as_may_be_connected)
{
    static const struct {
        const char *clients;
        long backlog;
    } cases[] = {{"10", 1024}, {"3000", 3000}, {"1000000", 1000000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tcp_info info;
        socklen_t size = sizeof info;
        gibs_listeners listeners;
        ck_assert_int_eq(gibson_server_config_new(&config), GIBSON_OK);
        set("port", "0");
        set("max_clients", cases[i].clients);
        ck_assert_int_eq(gibs_listeners_open(&listeners, config, &error), GIBSON_OK);
        ck_assert_int_eq(
            getsockopt(listeners.all[0].descriptor, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        long most = system_limit();
        ck_assert_int_eq(info.tcpi_sacked, cases[i].backlog < most ? cases[i].backlog : most);
        gibs_listeners_close(&listeners);
        gibson_server_config_free(config);
    }
}
END_TEST

SUITE("server_listener", listener_lets_as_many_wait_as_may_be_connected)
