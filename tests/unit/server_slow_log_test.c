/* What the log says of requests that took long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/slow_log.h"
#include "support/suite.h"

static char path[64];
static char text[1 << 20];
static gibs_service service;
static gibs_exchange exchange;
static gibs_connection connection;

static void set_up(void)
{
    strcpy(path, "/tmp/gibson-slow-log-XXXXXX");
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    service = (gibs_service){.settings.limits = {.max_request_size = 4096,
                                                 .max_reply_size = 4096,
                                                 .max_key_size = 1024,
                                                 .max_value_size = 1024,
                                                 .max_seconds = 100}};
    exchange = (gibs_exchange){.service = &service};
    connection = (gibs_connection){.descriptor = 7};
    ck_assert_int_eq(gibs_log_open(&exchange.log, path, GIBS_LOG_WARNING, 1, NULL), GIBSON_OK);
}

static void tear_down(void)
{
    ck_assert_int_eq(unlink(path), 0);
}

static void note(gibson_opcode opcode, const char *payload, size_t size)
{
    gib_request_frame frame = {.opcode = (uint16_t)opcode, .payload = {payload, size}};
    gibs_slow_log_note(&exchange, &connection, &frame, 123456789);
}

/* Ends the log, and reads what is in it. */
static void read_log(void)
{
    gibs_log_close(exchange.log);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
}

static int lines(void)
{
    int count = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++) {
        count++;
    }
    return count;
}

START_TEST(slow_log_tells_command_key_and_time_and_no_value)
{
    note(GIBSON_OP_SET, "0 key secret", 12);
    read_log();
    ck_assert_msg(strstr(text, "slow: set key took 123.5 ms, for client 7\n") != NULL, "%s", text);
    ck_assert_ptr_null(strstr(text, "secret"));
    ck_assert_uint_eq(service.counters.slow_requests, 1);
}
END_TEST

/* Keys are any bytes; none may look like another line, or like something else in this one. */
START_TEST(slow_log_escapes_keys)
{
    note(GIBSON_OP_COUNT, "a\nb\\\x7f\xff\0", 7);
    read_log();
    ck_assert_msg(strstr(text, "slow: count a\\x0ab\\x5c\\x7f\\xff\\x00 took ") != NULL, "%s",
                  text);
    ck_assert_int_eq(lines(), 1);
}
END_TEST

START_TEST(slow_log_shortens_keys)
{
    char key[1000];
    char expected[400];
    int size = snprintf(expected, sizeof expected, "slow: keys ");
    memset(key, '\n', sizeof key);
    for (int i = 0; i < 64; i++) {
        size += snprintf(expected + size, sizeof expected - (size_t)size, "\\x0a");
    }
    snprintf(expected + size, sizeof expected - (size_t)size, "... took ");
    note(GIBSON_OP_KEYS, key, sizeof key);
    read_log();
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
}
END_TEST

START_TEST(slow_log_knows_requests_without_a_key)
{
    note(GIBSON_OP_STATS, "", 0);
    note(GIBSON_OP_SET, "0", 1);
    note((gibson_opcode)99, "key", 3); /* no command */
    read_log();
    ck_assert_ptr_nonnull(strstr(text, "slow: stats took "));
    ck_assert_ptr_nonnull(strstr(text, "slow: set took "));
    ck_assert_int_eq(lines(), 2);
}
END_TEST

/* All are counted, some are written, and one line says how many were not. */
START_TEST(slow_log_is_not_flooded)
{
    enum { MANY = 20000 };
    int64_t begin_ns = gib_now_ns();
    for (int i = 0; i < MANY; i++) {
        char payload[32];
        int size = snprintf(payload, sizeof payload, "key:%d", i);
        note(GIBSON_OP_COUNT, payload, (size_t)size);
    }
    int seconds = (int)((gib_now_ns() - begin_ns) / 1000000000);
    read_log();
    ck_assert_uint_eq(service.counters.slow_requests, MANY);
    ck_assert_int_le(lines(), INT64_C(11) * (seconds + 2));
    ck_assert_ptr_nonnull(strstr(text, " more lines like this were left out: slow: count key:0"));
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(slow_log_tells_command_key_and_time_and_no_value, slow_log_escapes_keys,
               slow_log_shortens_keys, slow_log_knows_requests_without_a_key,
               slow_log_is_not_flooded)}};
    return suite_run("server_slow_log", 1, parts, COUNT_OF(parts));
}
