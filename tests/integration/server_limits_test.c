/* Where gibson-server differs from the reference server on purpose, and what its limits do. */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gibson/command.h>

#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

static test_server server;
static int client;

static void start(const char *const *directives)
{
    test_server_start(&server, TEST_UNIX, directives);
    client = test_server_connect(&server);
}

static void stop(void)
{
    close(client);
    test_server_stop(&server);
}

/* Sends a SET of a key and a value of these sizes. */
static raw_reply set_sizes(size_t key_size, size_t value_size)
{
    size_t size = 3 + key_size + value_size;
    uint8_t *payload = malloc(size);
    ck_assert_ptr_nonnull(payload);
    memset(payload, 'k', size);
    memcpy(payload, "0 ", 2);
    payload[2 + key_size] = ' ';
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, size));
    free(payload);
    return raw_read_reply(client);
}

static void expect_set(size_t key_size, size_t value_size, int code)
{
    raw_reply reply = set_sizes(key_size, value_size);
    ck_assert(!reply.closed);
    ck_assert_int_eq(reply.code, code);
    ck_assert_uint_eq(reply.size, code == GIB_CODE_VAL ? value_size : 1);
    raw_reply_free(&reply);
}

START_TEST(limits_of_key_and_value_are_errors_not_truncation)
{
    start((const char *[]){"max_key_size", "32", "max_value_size", "1000", NULL});
    expect_set(32, 1000, GIB_CODE_VAL);
    expect_set(33, 10, GIB_CODE_ERR);
    expect_set(10, 1001, GIB_CODE_ERR);
    ck_assert_int_eq(raw_stat(client, "total_items"), 1);
    stop();
}
END_TEST

START_TEST(compat_cuts_the_value_and_lets_the_key_spill_into_it)
{
    start((const char *[]){"max_key_size", "32", "max_value_size", "1000", "compat", "1", NULL});
    raw_reply reply = set_sizes(10, 1500);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    ck_assert_uint_eq(reply.size, 1000);
    raw_reply_free(&reply);
    reply = set_sizes(40, 5);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    ck_assert_uint_eq(reply.size, 40 - 31 + 1 + 5);
    raw_reply_free(&reply);
    stop();
}
END_TEST

START_TEST(short_set_is_an_error)
{
    start(NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 key"), GIB_CODE_ERR);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, ""), GIB_CODE_ERR);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    stop();
}
END_TEST

START_TEST(ttl_up_to_max_item_ttl_works_and_above_is_an_error)
{
    start(NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "2592000 k v"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k ttl"), 2592000);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "2592001 k v"), GIB_CODE_ERR);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_LOCK, "k 2592001"), GIB_CODE_ERR);
    test_server_pass_time(&server, INT64_C(2592000) * 1000);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "k"), GIB_CODE_VAL);
    test_server_pass_time(&server, 1000);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "k"), GIB_CODE_NOT_FOUND);
    stop();
}
END_TEST

START_TEST(meta_takes_whole_names_and_tells_of_no_ttl)
{
    start((const char *[]){"compat", _i ? "1" : "0", NULL});
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "100 k value"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k size"), 5);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_META, "k sizeXYZ"), GIB_CODE_ERR);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_TTL, "k 0"), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k ttl"), -1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_TTL, "k -70000"), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k ttl"), -1);
    stop();
}
END_TEST

START_TEST(keys_with_nul_work_with_prefixes)
{
    start(NULL);
    ck_assert(raw_send_request(client, GIBSON_OP_SET, "0 a\0b v", 7));
    raw_reply reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    raw_reply_free(&reply);
    ck_assert(raw_send_request(client, GIBSON_OP_KEYS, "a\0", 2));
    reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_KVAL);
    ck_assert_uint_eq(reply.size, 4 + 9 + 1 + 3);
    ck_assert_mem_eq(reply.data + reply.size - 3, "a\0b", 3);
    raw_reply_free(&reply);
    stop();
}
END_TEST

START_TEST(reply_above_its_limit_is_an_error_and_the_connection_lives)
{
    start((const char *[]){"max_response_size", "2000", "max_value_size", "1000", NULL});
    expect_set(4, 900, GIB_CODE_VAL);
    expect_set(5, 900, GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_MGET, "kkkk"), GIB_CODE_KVAL);
    expect_set(6, 900, GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_MGET, "kkkk"), GIB_CODE_ERR);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_MGET, "kkkk 2"), GIB_CODE_KVAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_KEYS, "kkkk"), GIB_CODE_KVAL);
    stop();
}
END_TEST

START_TEST(request_above_max_request_size_closes)
{
    start((const char *[]){"max_request_size", "100", NULL});
    uint8_t header[GIB_SIZE_FIELD];
    gib_store_u32(header, 101);
    ck_assert(raw_send(client, header, sizeof header));
    ck_assert(raw_read_reply(client).closed);
    int other = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(other);
    stop();
}
END_TEST

START_TEST(what_came_before_a_bad_request_is_answered)
{
    uint8_t bytes[64];
    start(NULL);
    size_t size = raw_request(bytes, GIBSON_OP_PING, "", 0);
    size += raw_request(bytes + size, 77, "", 0);
    ck_assert(raw_send(client, bytes, size));
    raw_reply reply = raw_read_reply(client);
    ck_assert(!reply.closed);
    ck_assert_int_eq(reply.code, GIB_CODE_OK);
    raw_reply_free(&reply);
    ck_assert(raw_read_reply(client).closed);
    stop();
}
END_TEST

START_TEST(max_clients_accepts_and_closes)
{
    start((const char *[]){"max_clients", "2", NULL});
    int second = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(second, GIBSON_OP_PING, ""), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    int third = test_server_connect(&server);
    ck_assert(raw_read_reply(third).closed);
    close(third);
    close(second);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    second = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(second, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(second);
    stop();
}
END_TEST

START_TEST(full_memory_makes_room_for_what_is_new)
{
    enum { ITEMS = 5000 };
    char payload[64];
    start((const char *[]){"max_memory", "64K", NULL});
    for (int i = 0; i < ITEMS; i++) {
        snprintf(payload, sizeof payload, "0 key:%d some value", i);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
        snprintf(payload, sizeof payload, "key:%d", i);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, payload), GIB_CODE_VAL);
    }
    int64_t items = raw_stat(client, "total_items");
    ck_assert_int_eq(raw_stat(client, "total_evicted_items"), ITEMS - items);
    ck_assert_int_gt(items, 300);
    ck_assert_int_le(raw_stat(client, "memory_used"), 65536 + 512);
    stop();
}
END_TEST

START_TEST(full_memory_answers_mem_and_collects_after_gc_ratio)
{
    char payload[64];
    int code;
    int count = 0;
    start((const char *[]){"max_memory", "64K", "gc_ratio", "60", "max_mem_cron", "1", "eviction",
                           "none", NULL});
    do {
        snprintf(payload, sizeof payload, "0 key:%d some value", count++);
        code = raw_ask_code(client, GIBSON_OP_SET, payload);
    } while (code == GIB_CODE_VAL);
    ck_assert_int_eq(code, GIB_CODE_MEM);
    ck_assert_int_gt(count, 300);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "key:0"), GIB_CODE_VAL);
    test_server_pass_time(&server, 58000);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "key:0"), GIB_CODE_VAL);
    test_server_pass_time(&server, 5000);
    ck_assert(raw_await_stat(client, "total_items", 1));
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "key:0"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
    stop();
}
END_TEST

START_TEST(sweep_deletes_expired_items_that_nobody_asks_for)
{
    char payload[64];
    start((const char *[]){"cron_period", "1", NULL});
    for (int i = 0; i < 3000; i++) {
        snprintf(payload, sizeof payload, "%d key:%d v", i % 2 ? 30 : 0, i);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
    }
    test_server_pass_time(&server, 31000);
    ck_assert(raw_await_stat(client, "total_items", 1500));
    stop();
}
END_TEST

START_TEST(stats_tell_the_truth)
{
    start(NULL);
    int other = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_SET, "0 a 12345"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_SET, "0 b 12345"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_stat(client, "total_items"), 2);
    ck_assert_int_eq(raw_stat(client, "total_clients"), 2);
    ck_assert_int_eq(raw_stat(client, "total_connections"), 2);
    ck_assert_int_eq(raw_stat(client, "total_requests"), 6);
    ck_assert_int_eq(raw_stat(client, "memory_usable"), INT64_C(2) << 30);
    int64_t used = raw_stat(client, "memory_used");
    ck_assert_int_ge(used, INT64_C(2) * (23 + 1 + 5));
    ck_assert_int_le(used, 400);
    ck_assert_int_eq(raw_stat(client, "memory_peak"), used);
    int64_t started = raw_stat(client, "server_started");
    ck_assert_int_le(started, raw_stat(client, "server_time"));
    ck_assert_int_le(started, raw_stat(client, "first_item_seen"));
    ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_MDEL, "a"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_stat(client, "total_items"), 1);
    ck_assert_int_lt(raw_stat(client, "memory_used"), used);
    close(other);
    stop();
}
END_TEST

START_TEST(mget_that_is_refused_does_not_count_as_access)
{
    start((const char *[]){"max_response_size", "2000", "max_value_size", "1000", NULL});
    char payload[1000];
    memset(payload, 'x', sizeof payload);
    for (const char *name = "abc"; *name; name++) {
        memcpy(payload, "0 k: ", 5);
        payload[3] = *name;
        ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
        raw_reply reply = raw_read_reply(client);
        raw_reply_free(&reply);
    }
    int64_t before = raw_ask_number(client, GIBSON_OP_META, "ka access");
    test_server_pass_time(&server, 60000);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_MGET, "k"), GIB_CODE_ERR);
    ck_assert_int_lt(raw_ask_number(client, GIBSON_OP_META, "ka access"), before + 50);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_MGET, "k 1"), GIB_CODE_KVAL);
    ck_assert_int_ge(raw_ask_number(client, GIBSON_OP_META, "ka access"), before + 50);
    ck_assert_int_lt(raw_ask_number(client, GIBSON_OP_META, "kb access"), before + 50);
    stop();
}
END_TEST

START_TEST(stats_say_which_times_are_kept)
{
    start(NULL);
    ck_assert_int_eq(raw_stat(client, "max_item_ttl"), 2592000);
    stop();
    start((const char *[]){"max_item_ttl", "2d", NULL});
    ck_assert_int_eq(raw_stat(client, "max_item_ttl"), 172800);
    stop();
}
END_TEST

START_TEST(unix_socket_has_the_permissions_asked_for)
{
    struct stat info;
    start(NULL);
    ck_assert_int_eq(stat(server.unix_socket, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0660);
    stop();
    start((const char *[]){"unix_socket_mode", "0602", NULL});
    ck_assert_int_eq(stat(server.unix_socket, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0602);
    stop();
}
END_TEST

/* What a server that was killed leaves behind. */
static void leave_stale_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_uint_lt(strlen(path), sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    close(descriptor);
}

START_TEST(unix_socket_that_is_in_use_or_no_socket_is_refused_and_a_stale_one_replaced)
{
    gibson_server_config *config;
    gibson_server *second;
    gibson_error error;
    start(NULL);
    ck_assert_int_eq(gibson_server_config_new(&config), GIBSON_OK);
    gibson_server_config_set(config, "loglevel", "3", NULL);
    gibson_server_config_set(config, "unix_socket", server.unix_socket, NULL);
    ck_assert_int_eq(gibson_server_start(&second, config, &error), GIBSON_SYSTEM);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(error.message, "Address already in use"));
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    char path[200];
    snprintf(path, sizeof path, "%s/file", server.directory);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    gibson_server_config_set(config, "unix_socket", path, NULL);
    ck_assert_int_eq(gibson_server_start(&second, config, &error), GIBSON_SYSTEM);
    unlink(path);
    leave_stale_socket(path);
    ck_assert_int_eq(gibson_server_start(&second, config, &error), GIBSON_OK);
    gibson_server_stop(second);
    gibson_server_config_free(config);
    stop();
}
END_TEST

START_TEST(abstract_unix_socket_needs_no_file)
{
    char name[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gibson_server_config *config;
    gibson_server *abstract;
    gibson_error error;
    snprintf(name, sizeof name, "@gibson-test-%ld", (long)getpid());
    ck_assert_int_eq(gibson_server_config_new(&config), GIBSON_OK);
    gibson_server_config_set(config, "loglevel", "3", NULL);
    gibson_server_config_set(config, "unix_socket", name, NULL);
    ck_assert_int_eq(gibson_server_start(&abstract, config, &error), GIBSON_OK);
    gibson_server_config_free(config);
    memcpy(address.sun_path + 1, name + 1, strlen(name + 1)); /* after a NUL */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(descriptor, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(descriptor);
    gibson_server_stop(abstract);
    ck_assert_int_eq(access(name, F_OK), -1);
}
END_TEST

START_TEST(unix_socket_that_is_too_long_or_an_empty_name_is_refused)
{
    gibson_server_config *config;
    gibson_server *none;
    gibson_error error;
    char path[200];
    memset(path, 'p', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(gibson_server_config_new(&config), GIBSON_OK);
    gibson_server_config_set(config, "unix_socket", path, NULL);
    ck_assert_int_eq(gibson_server_start(&none, config, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "unix_socket has 199 bytes, and 107 fit a socket address");
    gibson_server_config_set(config, "unix_socket", "@", NULL);
    ck_assert_int_eq(gibson_server_start(&none, config, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "unix_socket is empty");
    gibson_server_config_free(config);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(limits_of_key_and_value_are_errors_not_truncation,
               compat_cuts_the_value_and_lets_the_key_spill_into_it, short_set_is_an_error,
               ttl_up_to_max_item_ttl_works_and_above_is_an_error, keys_with_nul_work_with_prefixes,
               reply_above_its_limit_is_an_error_and_the_connection_lives,
               request_above_max_request_size_closes, what_came_before_a_bad_request_is_answered,
               max_clients_accepts_and_closes, full_memory_makes_room_for_what_is_new,
               full_memory_answers_mem_and_collects_after_gc_ratio,
               sweep_deletes_expired_items_that_nobody_asks_for, stats_tell_the_truth,
               mget_that_is_refused_does_not_count_as_access, stats_say_which_times_are_kept,
               unix_socket_has_the_permissions_asked_for,
               unix_socket_that_is_in_use_or_no_socket_is_refused_and_a_stale_one_replaced,
               abstract_unix_socket_needs_no_file,
               unix_socket_that_is_too_long_or_an_empty_name_is_refused)},
        {.runs = 2, TESTS(meta_takes_whole_names_and_tells_of_no_ttl)},
    };
    return suite_run("server_limits", 1, parts, COUNT_OF(parts));
}
