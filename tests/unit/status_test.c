/* The list of statuses, and errors that are filled in. */
#include <gibson/status.h>

#include <errno.h>
#include <string.h>

#include <gibson/version.h>

#include "base/error.h"
#include "support/suite.h"

static const struct {
    gibson_status status;
    const char *name;
} list[] = {
#define ROW(NAME, name, text) {GIBSON_##NAME, #name},
    GIBSON_STATUS_LIST(ROW)
#undef ROW
};

START_TEST(status_each_has_its_own_name_and_text)
{
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        ck_assert_uint_eq(list[i].status, i);
        ck_assert_str_eq(gibson_status_name(list[i].status), list[i].name);
        const char *text = gibson_status_text(list[i].status);
        ck_assert_str_ne(text, "unknown status");
        ck_assert_int_ne(text[strlen(text) - 1], '.');
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(list[j].name, list[i].name);
            ck_assert_str_ne(gibson_status_text(list[j].status), text);
        }
    }
}
END_TEST

/* Success and what the server answers keep their numbers: they are part of the ABI. */
START_TEST(status_numbers_are_stable)
{
    ck_assert_int_eq(GIBSON_OK, 0);
    ck_assert_int_eq(GIBSON_NOT_FOUND, 1);
    ck_assert_int_eq(GIBSON_SERVER_ERROR, 5);
    ck_assert_int_eq(GIBSON_SYSTEM, 17);
}
END_TEST

START_TEST(status_number_that_is_none_is_unknown)
{
    ck_assert_str_eq(gibson_status_name((gibson_status)COUNT_OF(list)), "unknown");
    ck_assert_str_eq(gibson_status_text((gibson_status)COUNT_OF(list)), "unknown status");
    ck_assert_str_eq(gibson_status_name((gibson_status)-1), "unknown");
}
END_TEST

START_TEST(error_set_returns_its_status)
{
    gibson_error error = {.system_errno = 5};
    ck_assert_int_eq(gib_error_set(&error, GIBSON_LOCKED, "item %d", 7), GIBSON_LOCKED);
    ck_assert_int_eq(error.status, GIBSON_LOCKED);
    ck_assert_int_eq(error.system_errno, 0);
    ck_assert_str_eq(error.message, "item 7");
    ck_assert_int_eq(gib_error_set(NULL, GIBSON_NAN, "nobody looks"), GIBSON_NAN);
}
END_TEST

START_TEST(error_set_errno_appends_the_text)
{
    gibson_error error;
    ck_assert_int_eq(gib_error_set_errno(&error, GIBSON_SYSTEM, EPIPE, "send"), GIBSON_SYSTEM);
    ck_assert_int_eq(error.system_errno, EPIPE);
    ck_assert_str_eq(error.message, "send: Broken pipe");
    ck_assert_int_eq(gib_error_set_errno(NULL, GIBSON_SYSTEM, EPIPE, "send"), GIBSON_SYSTEM);
}
END_TEST

START_TEST(error_message_too_long_is_cut)
{
    char text[2 * GIBSON_ERROR_MESSAGE_SIZE];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    gibson_error error;
    gib_error_set(&error, GIBSON_INVALID, "%s", text);
    ck_assert_uint_eq(strlen(error.message), GIBSON_ERROR_MESSAGE_SIZE - 1);
    gib_error_set_errno(&error, GIBSON_SYSTEM, EPIPE, "%s", text);
    ck_assert_uint_eq(strlen(error.message), GIBSON_ERROR_MESSAGE_SIZE - 1);
    ck_assert_int_eq(error.system_errno, EPIPE);
}
END_TEST

START_TEST(version_of_library_and_headers_agree)
{
    ck_assert_str_eq(gibson_version(), GIBSON_VERSION);
}
END_TEST

SUITE("status", status_each_has_its_own_name_and_text, status_numbers_are_stable,
      status_number_that_is_none_is_unknown, error_set_returns_its_status,
      error_set_errno_appends_the_text, error_message_too_long_is_cut,
      version_of_library_and_headers_agree)
