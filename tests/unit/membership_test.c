/* Lists of servers: what is wrong with one is told, and what two have in common is kept. */
#include <stdio.h>
#include <string.h>

#include "cluster/membership.h"
#include "connection/settings.h"
#include "support/failing_allocator.h"
#include "support/suite.h"

static gib_node_settings settings;
static failing_allocator failing;

static void set_up(void)
{
    gibson_options given;
    gibson_options_init(&given);
    failing = (failing_allocator){0};
    given.allocator = failing_allocator_functions(&failing);
    settings =
        (gib_node_settings){.failure_limit = 3, .retry_delay_ms = 100, .retry_max_delay_ms = 1000};
    ck_assert_status(gib_settings_make(&settings.client, &given, NULL), GIBSON_OK);
}

static void tear_down(void)
{
    ck_assert_uint_eq(failing.live, 0);
}

static gib_membership *make(gib_membership *former, const gibson_cluster_server *servers,
                            size_t count)
{
    gib_membership *made;
    gibson_error error;
    const gib_membership_list list = {servers, count, former, &settings};
    const gibson_status status = gib_membership_make(&made, &list, &error);
    ck_assert_msg(status == GIBSON_OK, "%s", error.message);
    return made;
}

static void refuse(const gibson_cluster_server *servers, size_t count, const char *word)
{
    gib_membership *made;
    gibson_error error;
    const gib_membership_list list = {servers, count, NULL, &settings};
    ck_assert_status(gib_membership_make(&made, &list, &error), GIBSON_INVALID);
    ck_assert_ptr_null(made);
    ck_assert_message_has(&error, word);
}

START_TEST(membership_refuses_what_is_no_list)
{
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    refuse(NULL, 3, "1 to 65535 servers, not 0");
    refuse((gibson_cluster_server[]){{.host = "a"}}, 0, "not 0");
    refuse((gibson_cluster_server[]){{.host = "a"}, {.port = 1}}, 2, "server 1 has no address");
    refuse((gibson_cluster_server[]){{.host = "a"}, {.unix_socket = path}}, 2, "server 1: ");
    refuse((gibson_cluster_server[]){{.host = "a", .port = 10128}, {.host = "b"}, {.host = "a"}}, 3,
           "server 2 is there twice: a:10128");
}
END_TEST

START_TEST(membership_keeps_the_nodes_that_stay)
{
    gib_membership *first =
        make(NULL, (gibson_cluster_server[]){{.host = "a"}, {.host = "b"}, {.host = "c"}}, 3);
    gib_health_failed(&first->nodes[2]->health, false, 0);
    gib_membership *second = make(
        first, (gibson_cluster_server[]){{.host = "c", .weight = 7}, {.unix_socket = "/d"}}, 2);
    ck_assert_ptr_eq(second->nodes[0], first->nodes[2]);
    gib_membership_release(first);
    ck_assert_uint_eq(second->nodes[0]->health.failures, 1);
    ck_assert_str_eq(second->nodes[0]->peer, "c:10128");
    ck_assert_str_eq(second->nodes[1]->peer, "unix:/d");
    ck_assert(second->nodes[1]->options.reconnect);
    gib_membership_release(second);
    gib_membership_release(NULL);
}
END_TEST

/* aws-elasticache-cluster-client-libmemcached 18: several servers replaced at once. */
START_TEST(membership_may_be_replaced_as_a_whole)
{
    static char hosts[64][16];
    gibson_cluster_server servers[64];
    gib_membership *at = NULL;
    for (int round = 0; round < 50; round++) {
        const size_t count = 1 + suite_random() % 64;
        const unsigned first = suite_random() % 100;
        for (size_t i = 0; i < count; i++) {
            snprintf(hosts[i], sizeof hosts[i], "host%zu", first + i);
            servers[i] = (gibson_cluster_server){.host = hosts[i], .weight = suite_random() % 4};
        }
        gib_membership *next = make(at, servers, count);
        gib_membership_keep(next);
        gib_membership_release(next);
        gib_membership_release(at);
        at = next;
    }
    gib_membership_release(at);
}
END_TEST

START_TEST(membership_may_find_no_memory)
{
    const gibson_cluster_server servers[] = {{.host = "a"}, {.host = "b"}, {.host = "c"}};
    gib_membership *made = NULL;
    for (size_t n = 1; !made; n++) {
        ck_assert_uint_lt(n, 20);
        failing_allocator_arm(&failing, n);
        gibson_error error;
        const gib_membership_list list = {servers, 3, NULL, &settings};
        const gibson_status status = gib_membership_make(&made, &list, &error);
        ck_assert_int_eq(status, made ? GIBSON_OK : GIBSON_NOMEM);
        ck_assert(made || !failing.live);
    }
    gib_membership_release(made);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(membership_refuses_what_is_no_list, membership_keeps_the_nodes_that_stay,
               membership_may_be_replaced_as_a_whole, membership_may_find_no_memory)}};
    return suite_run("membership", 1, parts, COUNT_OF(parts));
}
