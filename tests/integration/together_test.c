/* Library, server and proxy in one program, linked statically: a client talks to a server through a
   proxy. tests/package/names_test.sh looks at the names of all three. */
#include <stdio.h>

#include <gibson/gibson.h>

#include "proxy/proxy.h"
#include "support/suite.h"
#include "test_server.h"

START_TEST(client_proxy_and_server_in_one_program_work)
{
    test_server server;
    test_server_start(&server, TEST_UNIX, NULL);
    char target[sizeof server.unix_socket + 8];
    snprintf(target, sizeof target, "unix:%s", server.unix_socket);
    gibp_proxy *proxy;
    char problem[GIBP_PROXY_ERROR_SIZE];
    gibp_proxy_options way = {.listen = "127.0.0.1:0", .connect = target};
    ck_assert_msg(gibp_proxy_start(&proxy, &way, problem), "%s", problem);

    gibson_client *client;
    gibson_options options;
    gibson_options_init(&options);
    options.port = gibp_proxy_port(proxy);
    options.timeout_ms = 20000;
    ck_assert_int_eq(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    ck_assert_int_eq(gibson_client_connect(client), GIBSON_OK);
    ck_assert_int_eq(gibson_client_ping(client), GIBSON_OK);
    gibson_client_free(client);

    gibp_proxy_counters counters = gibp_proxy_count(proxy);
    ck_assert_uint_eq(counters.accepted, 1);
    ck_assert_uint_gt(counters.reply_bytes, 0);
    gibp_proxy_stop(proxy);
    test_server_stop(&server);
}
END_TEST

SUITE("together", client_proxy_and_server_in_one_program_work)
