/* The configuration: directives, file, command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "program/options.h"
#include "support/suite.h"

static gibson_server_config *config;
static gibson_error error;

static void set_up(void)
{
    ck_assert_int_eq(gibson_server_config_new(&config), GIBSON_OK);
}

static void tear_down(void)
{
    gibson_server_config_free(config);
}

static void expect_set(const char *name, const char *value, int64_t number)
{
    ck_assert_int_eq(gibson_server_config_set(config, name, value, &error), GIBSON_OK);
    const gibs_directive_row *row = gibs_directive_find(name, strlen(name));
    ck_assert_int_eq(config->settings[row - gibs_directives].number, number);
    ck_assert_str_eq(config->settings[row - gibs_directives].text, value);
}

static void expect_refused(const char *name, const char *value, const char *message)
{
    gibson_server_config *before = gibs_config_copy(config);
    ck_assert_int_eq(gibson_server_config_set(config, name, value, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message, message);
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        ck_assert_str_eq(config->settings[i].text, before->settings[i].text);
    }
    gibson_server_config_free(before);
}

START_TEST(config_values_have_units)
{
    expect_set("max_memory", "65536", 65536);
    expect_set("max_memory", "100000b", 100000);
    expect_set("max_memory", "64K", 65536);
    expect_set("max_memory", "4m", 4 << 20);
    expect_set("max_memory", "3G", INT64_C(3) << 30);
    expect_set("gc_ratio", "90", 90);
    expect_set("gc_ratio", "90s", 90);
    expect_set("gc_ratio", "15m", 900);
    expect_set("gc_ratio", "2h", 7200);
    expect_set("max_item_ttl", "30d", 2592000);
    expect_set("cron_period", "250", 250);
    expect_set("cron_period", "50ms", 50);
    expect_set("cron_period", "2s", 2000);
    expect_set("unix_socket_mode", "0600", 0600);
    expect_set("compat", "1", 1);
}
END_TEST

START_TEST(config_bad_values_are_refused_and_change_nothing)
{
    expect_refused("nonsense", "1", "there is no directive 'nonsense'");
    expect_refused("port", "abc", "port: 'abc' is not a number");
    expect_refused("port", "", "port: '' is not a number");
    expect_refused("port", "70000", "port: '70000' is not between 0 and 65535");
    expect_refused("port", "-1", "port: '-1' is not a number");
    expect_refused("port", "99999999999999999999",
                   "port: '99999999999999999999' is not between 0 and 65535");
    expect_refused("compat", "2", "compat: '2' is not between 0 and 1");
    expect_refused("unix_socket_mode", "0888", "unix_socket_mode: '0888' is not an octal number");
    expect_refused("unix_socket_mode", "1777", "unix_socket_mode: '1777' is not between 0 and 777");
    expect_refused("max_memory", "1T", "max_memory: '1T' is not a size such as 512, 64K, 4M or 2G");
    expect_refused("max_memory", "1",
                   "max_memory: '1' is not between 65536 and 4611686018427387903");
    expect_refused("gc_ratio", "1w",
                   "gc_ratio: '1w' is not a time such as 90, 90s, 15m, 2h or 30d");
}
END_TEST

START_TEST(config_quantities_above_the_largest_become_the_largest)
{
    char text[GIBSON_ERROR_MESSAGE_SIZE];
    expect_set("max_key_size", "512K", UINT16_MAX);
    ck_assert(gibs_config_lowered(config, GIBS_DIRECTIVE_max_key_size, text));
    ck_assert_str_eq(text,
                     "max_key_size: '512K' is more than this server can hold, taken as 65535");
    expect_set("max_memory", "9223372036854775807G", INT64_MAX / 2);
    expect_set("gc_ratio", "99999d", INT32_MAX);
    expect_set("max_key_size", "1K", 1024);
    ck_assert(!gibs_config_lowered(config, GIBS_DIRECTIVE_max_key_size, text));
    ck_assert(gibs_config_lowered(config, GIBS_DIRECTIVE_gc_ratio, text));
}
END_TEST

START_TEST(config_quantities_above_what_any_number_holds_become_the_largest)
{
    static const char *const sizes[] = {"9223372036854775808", "18446744073709551616",
                                        "18446744073709551615K", "99999999999999999999",
                                        "99999999999999999999G"};
    char text[GIBSON_ERROR_MESSAGE_SIZE];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        expect_set("max_memory", "1M", 1 << 20);
        expect_set("max_memory", sizes[i], INT64_MAX / 2);
        ck_assert(gibs_config_lowered(config, GIBS_DIRECTIVE_max_memory, text));
        ck_assert_ptr_nonnull(strstr(text, sizes[i]));
    }
    expect_set("gc_ratio", "99999999999999999999d", INT32_MAX);
    ck_assert(gibs_config_lowered(config, GIBS_DIRECTIVE_gc_ratio, text));
}
END_TEST

static gibson_status parse(const char *text)
{
    return gibs_config_parse(config, "test.conf", text, strlen(text), &error);
}

START_TEST(config_file_with_comments_and_blanks)
{
    ck_assert_int_eq(parse("# a comment\n\n  port\t7 # seven\r\n"
                           "logfile /tmp/a b#c\naddress ::1"),
                     GIBSON_OK);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, port), 7);
    ck_assert_str_eq(GIBS_CONFIG_TEXT(config, logfile), "/tmp/a b#c");
    ck_assert_str_eq(GIBS_CONFIG_TEXT(config, address), "::1");
    ck_assert(GIBS_CONFIG_GIVEN(config, port));
    ck_assert(!GIBS_CONFIG_GIVEN(config, pidfile));
}
END_TEST

START_TEST(config_file_errors_name_file_and_line)
{
    ck_assert_int_eq(parse("port 1\nprot 2\nport 3\n"), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "test.conf:2: there is no directive 'prot'");
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, port), 1);
    ck_assert_int_eq(parse("\n\nport # nothing\n"), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "test.conf:3: the value is missing");
    ck_assert_int_eq(parse("port x\n"), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "test.conf:1: port: 'x' is not a number");
    ck_assert_int_eq(gibs_config_parse(config, "f", "port 1\nport\0 2", 14, &error),
                     GIBSON_INVALID);
    ck_assert_str_eq(error.message, "f:2: there is a NUL byte");
}
END_TEST

START_TEST(config_file_with_an_endless_line_is_refused)
{
    static char line[10000];
    memset(line, 'x', sizeof line);
    ck_assert_int_eq(gibs_config_parse(config, "f", line, sizeof line, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "f:1: the line is too long");
}
END_TEST

START_TEST(config_file_that_cannot_be_read_is_a_system_error)
{
    ck_assert_int_eq(gibson_server_config_load(config, "/nonexistent/file", &error), GIBSON_SYSTEM);
    ck_assert_str_eq(error.message, "cannot read /nonexistent/file: No such file or directory");
    ck_assert_int_eq(gibson_server_config_load(config, "/", &error), GIBSON_SYSTEM);
}
END_TEST

START_TEST(config_contradictions_are_refused)
{
    ck_assert_int_eq(gibs_config_check(config, &error), GIBSON_OK);
    gibson_server_config_set(config, "max_response_size", "1K", &error);
    ck_assert_int_eq(gibs_config_check(config, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "max_value_size (2097152) is above max_response_size (1024): "
                                    "such values could be stored and not read");
    gibson_server_config_set(config, "max_response_size", "4M", &error);
    gibson_server_config_set(config, "max_client_memory", "17M", &error);
    ck_assert_int_eq(gibs_config_check(config, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message,
                     "max_client_memory (17825792) is below 18874368: max_request_size, "
                     "max_value_size, max_output_size and twice max_response_size");
    gibson_server_config_set(config, "max_client_memory", "18M", &error);
    ck_assert_int_eq(gibs_config_check(config, &error), GIBSON_OK);
}
END_TEST

/* A configuration of the reference server has no such directive, and may have large requests. */
START_TEST(config_client_memory_grows_with_what_a_client_needs)
{
    ck_assert_int_eq(gibs_config_client_memory(config), 256 << 20);
    gibson_server_config_set(config, "max_response_size", "1G", &error);
    ck_assert_int_eq(gibs_config_check(config, &error), GIBSON_OK);
    ck_assert_int_eq(gibs_config_client_memory(config), (INT64_C(2) << 30) + (10 << 20));
}
END_TEST

static gibson_status parse_options(gibs_action *action, const char *const *arguments)
{
    char *copies[16] = {"gibson-server"};
    int count = 1;
    for (; arguments[count - 1]; count++) {
        copies[count] = (char *)(uintptr_t)arguments[count - 1];
    }
    return gibs_options_parse(config, count, copies, action, &error);
}

START_TEST(options_come_in_both_spellings_and_flags_alone)
{
    gibs_action action;
    const char *arguments[] = {"--port", "5", "--loglevel=2", "--compat", "--daemonize", "0", NULL};
    ck_assert_int_eq(parse_options(&action, arguments), GIBSON_OK);
    ck_assert_int_eq(action, GIBS_ACTION_SERVE);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, port), 5);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, loglevel), 2);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, compat), 1);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, daemonize), 0);
    ck_assert(GIBS_CONFIG_GIVEN(config, daemonize));
}
END_TEST

START_TEST(options_win_over_the_file_wherever_they_stand)
{
    char path[] = "/tmp/gibson-config-XXXXXX";
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_gt(dprintf(descriptor, "port 1\nloglevel 3\n"), 0);
    close(descriptor);
    gibs_action action;
    const char *arguments[] = {"--port", "2", "-c", path, NULL};
    gibson_status status = parse_options(&action, arguments);
    unlink(path);
    ck_assert_int_eq(status, GIBSON_OK);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, port), 2);
    ck_assert_int_eq(GIBS_CONFIG_NUMBER(config, loglevel), 3);
}
END_TEST

START_TEST(options_that_are_wrong_are_named)
{
    static const struct {
        const char *arguments[3];
        const char *message;
    } cases[] = {
        {{"--prot", "1"}, "there is no option '--prot'"},
        {{"--port"}, "--port: the value is missing"},
        {{"--port", "x"}, "--port: 'x' is not a number"},
        {{"-c"}, "-c: the file is missing"},
        {{"file"}, "unexpected argument 'file'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gibs_action action;
        ck_assert_int_eq(parse_options(&action, cases[i].arguments), GIBSON_INVALID);
        ck_assert_str_eq(error.message, cases[i].message);
    }
}
END_TEST

START_TEST(options_ask_for_help_and_version)
{
    static const struct {
        const char *arguments[3];
        gibs_action action;
    } cases[] = {{{"-h"}, GIBS_ACTION_HELP},
                 {{"--help"}, GIBS_ACTION_HELP},
                 {{"-v"}, GIBS_ACTION_VERSION},
                 {{"--version"}, GIBS_ACTION_VERSION},
                 {{"--check-config"}, GIBS_ACTION_CHECK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gibs_action action;
        ck_assert_int_eq(parse_options(&action, cases[i].arguments), GIBSON_OK);
        ck_assert_int_eq(action, cases[i].action);
    }
}
END_TEST

/* Where a directive is given as what it is anyway, that is a change only where it means something.
 */
START_TEST(config_differs_by_what_is_given_where_that_matters)
{
    gibson_server_config *next = gibs_config_copy(config);
    expect_set("loglevel", "1", 1);
    expect_set("port", "10128", 10128);
    expect_set("pidfile", "/var/run/gibson.pid", 0);
    ck_assert(!gibs_config_differs(config, next, GIBS_DIRECTIVE_loglevel));
    ck_assert(!gibs_config_differs(config, next, GIBS_DIRECTIVE_port));
    ck_assert(gibs_config_differs(config, next, GIBS_DIRECTIVE_pidfile)); /* now it is written */
    ck_assert_int_eq(gibson_server_config_set(next, "unix_socket", "/s", &error), GIBSON_OK);
    expect_set("unix_socket", "/s", 0);
    ck_assert(gibs_config_differs(config, next, GIBS_DIRECTIVE_port)); /* it is on TCP too */
    ck_assert(!gibs_config_differs(config, next, GIBS_DIRECTIVE_address));
    gibson_server_config_free(next);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(config_values_have_units, config_bad_values_are_refused_and_change_nothing,
               config_quantities_above_the_largest_become_the_largest,
               config_quantities_above_what_any_number_holds_become_the_largest,
               config_file_with_comments_and_blanks, config_file_errors_name_file_and_line,
               config_file_with_an_endless_line_is_refused,
               config_file_that_cannot_be_read_is_a_system_error, config_contradictions_are_refused,
               config_client_memory_grows_with_what_a_client_needs,
               options_come_in_both_spellings_and_flags_alone,
               options_win_over_the_file_wherever_they_stand, options_that_are_wrong_are_named,
               options_ask_for_help_and_version,
               config_differs_by_what_is_given_where_that_matters)},
    };
    return suite_run("server_config", 1, parts, COUNT_OF(parts));
}
