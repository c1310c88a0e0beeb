/* client/settings: options are checked, and get their defaults. */
#include "connection/settings.h"

#include <string.h>

#include "support/failing_allocator.h"
#include "support/suite.h"

static gibson_options given;
static gibson_options settings;
static gibson_error error;

static void check_refused(const char *word)
{
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_INVALID);
    ck_assert_message_has(&error, word);
    gibson_options_init(&given);
}

static void check_defaults(void)
{
    ck_assert_str_eq(settings.host, "127.0.0.1");
    ck_assert_uint_eq(settings.port, 10128);
    ck_assert_ptr_null(settings.unix_socket);
    ck_assert_int_eq(settings.timeout_ms, 60);
    ck_assert_int_eq(settings.connect_timeout_ms, 1000);
    ck_assert_uint_eq(settings.max_reply_size, 64 << 20);
    ck_assert_uint_eq(settings.max_request_size, 4 << 20);
    ck_assert_uint_eq(settings.max_key_size, 1023);
    ck_assert_uint_eq(settings.max_value_size, (4 << 20) - 2);
    ck_assert_int_eq(settings.max_seconds, 0);
    ck_assert_uint_eq(settings.pipeline_window, 1024);
    ck_assert_uint_eq(settings.pipeline_bytes, 16 << 20);
    ck_assert(!settings.reconnect);
    ck_assert_int_eq(settings.reconnect_delay_ms, 10);
    ck_assert_int_eq(settings.reconnect_max_delay_ms, 2000);
    ck_assert_int_eq(settings.tcp_keepalive_s, 60);
    ck_assert(settings.allocator.allocate != NULL);
}

START_TEST(settings_of_nothing_are_the_defaults)
{
    ck_assert_status(gib_settings_make(&settings, NULL, &error), GIBSON_OK);
    check_defaults();
    memset(&given, 0xff, sizeof given);
    gibson_options_init(&given);
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
    check_defaults();
    gibson_options_init_sized(NULL, 8); /* does nothing */
}
END_TEST

START_TEST(settings_of_options_never_initialised_are_refused)
{
    memset(&given, 0, sizeof given);
    check_refused("gibson_options_init");
}
END_TEST

/* A program compiled against another version hands over a struct of another size. */
START_TEST(settings_of_a_shorter_struct_do_not_read_past_it)
{
    memset(&given, 0xff, sizeof given);
    gibson_options_init_sized(&given, offsetof(gibson_options, connect_timeout_ms));
    given.port = 99;
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
    ck_assert_uint_eq(settings.port, 99);
    ck_assert_int_eq(settings.timeout_ms, 60);
}
END_TEST

START_TEST(settings_of_a_longer_struct_pass_over_the_rest)
{
    union {
        gibson_options options;
        unsigned char bytes[sizeof(gibson_options) + 64];
    } longer;
    memset(&longer, 0xff, sizeof longer);
    gibson_options_init_sized(&longer.options, sizeof longer);
    ck_assert_status(gib_settings_make(&settings, &longer.options, &error), GIBSON_OK);
    check_defaults();
    ck_assert_uint_eq(settings.struct_size, sizeof settings);
}
END_TEST

START_TEST(settings_negative_durations_are_refused_by_name)
{
    gibson_options_init(&given);
    given.timeout_ms = -2;
    check_refused("timeout_ms is negative: -2");
    given.connect_timeout_ms = INT64_MIN;
    check_refused("connect_timeout_ms");
    given.max_seconds = -1;
    check_refused("max_seconds");
    given.reconnect_delay_ms = -1;
    check_refused("reconnect_delay_ms");
    given.reconnect_max_delay_ms = -1;
    check_refused("reconnect_max_delay_ms");
}
END_TEST

START_TEST(settings_no_deadline_is_kept)
{
    gibson_options_init(&given);
    given.timeout_ms = GIBSON_NO_DEADLINE;
    given.connect_timeout_ms = GIBSON_NO_DEADLINE;
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
    ck_assert_int_eq(settings.timeout_ms, GIBSON_NO_DEADLINE);
    ck_assert_int_eq(settings.connect_timeout_ms, GIBSON_NO_DEADLINE);
}
END_TEST

/* A size is never more than its field on the wire can say. */
START_TEST(settings_sizes_are_cut_to_what_the_wire_can_carry)
{
    gibson_options_init(&given);
    given.max_reply_size = SIZE_MAX;
    given.max_request_size = SIZE_MAX;
    given.max_key_size = SIZE_MAX;
    given.max_value_size = SIZE_MAX;
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
    gib_limits limits = gib_settings_limits(&settings);
    ck_assert_uint_eq(limits.max_reply_size, UINT32_MAX - 7);
    ck_assert_uint_eq(limits.max_request_size, UINT32_MAX - 6);
    ck_assert_uint_eq(limits.max_key_size, GIB_MOST_KEY_SIZE);
    ck_assert_uint_eq(limits.max_value_size, limits.max_request_size - 2);
    ck_assert_int_eq(limits.max_seconds, 32767);
    ck_assert_int_eq(limits.seconds_source, GIB_SECONDS_UNKNOWN);
    given.max_request_size = 100;
    given.max_key_size = 0;
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
    ck_assert_uint_eq(settings.max_key_size, 98);
    given.max_request_size = 3;
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
    given.max_request_size = 2;
    check_refused("max_request_size has no room for a key: 2");
}
END_TEST

START_TEST(settings_place_that_cannot_be_is_refused)
{
    char path[200];
    memset(path, '/', sizeof path);
    path[sizeof path - 1] = '\0';
    gibson_options_init(&given);
    given.host = "";
    check_refused("host is empty");
    given.unix_socket = "";
    check_refused("unix_socket is empty");
    given.unix_socket = path;
    check_refused("unix_socket has 199 bytes");
    given.host = "";
    given.unix_socket = "/s"; /* wins, so the host does not matter */
    ck_assert_status(gib_settings_make(&settings, &given, &error), GIBSON_OK);
}
END_TEST

START_TEST(settings_allocator_in_part_is_refused)
{
    failing_allocator counts = {0};
    for (int missing = 0; missing < 3; missing++) {
        gibson_options_init(&given);
        given.allocator = failing_allocator_functions(&counts);
        if (missing == 0) {
            given.allocator.allocate = NULL;
        } else if (missing == 1) {
            given.allocator.reallocate = NULL;
        } else {
            given.allocator.release = NULL;
        }
        check_refused("allocator");
    }
}
END_TEST

SUITE("settings", settings_of_nothing_are_the_defaults,
      settings_of_options_never_initialised_are_refused,
      settings_of_a_shorter_struct_do_not_read_past_it,
      settings_of_a_longer_struct_pass_over_the_rest,
      settings_negative_durations_are_refused_by_name, settings_no_deadline_is_kept,
      settings_sizes_are_cut_to_what_the_wire_can_carry, settings_place_that_cannot_be_is_refused,
      settings_allocator_in_part_is_refused)
