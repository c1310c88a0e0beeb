/* base/unix_address: addresses of unix sockets. */
#include "base/unix_address.h"

#include <stddef.h>
#include <string.h>

#include "support/suite.h"

static struct sockaddr_un address;
static socklen_t size;
static gibson_error error;

enum { ROOM = sizeof address.sun_path };

static const char *text_of_length(size_t length, char first)
{
    static char text[2 * ROOM];
    memset(text, 'p', sizeof text);
    text[0] = first;
    text[length] = '\0';
    return text;
}

START_TEST(unix_address_path_ends_with_nul)
{
    ck_assert_status(gib_unix_address("/run/g.sock", &address, &size, &error), GIBSON_OK);
    ck_assert_int_eq(address.sun_family, AF_UNIX);
    ck_assert_str_eq(address.sun_path, "/run/g.sock");
    ck_assert_uint_eq(size, offsetof(struct sockaddr_un, sun_path) + strlen("/run/g.sock") + 1);
}
END_TEST

START_TEST(unix_address_abstract_name_begins_with_nul)
{
    ck_assert_status(gib_unix_address("@name", &address, &size, &error), GIBSON_OK);
    ck_assert_mem_eq(address.sun_path, "\0name", 5);
    ck_assert_uint_eq(size, offsetof(struct sockaddr_un, sun_path) + 5);
}
END_TEST

START_TEST(unix_address_too_long_is_refused_not_cut)
{
    ck_assert_status(gib_unix_address(text_of_length(ROOM - 1, '/'), &address, &size, &error),
                     GIBSON_OK);
    ck_assert_uint_eq(size, sizeof address);
    ck_assert_status(gib_unix_address(text_of_length(ROOM, '/'), &address, &size, &error),
                     GIBSON_INVALID);
    ck_assert_message_has(&error, "unix_socket has 108 bytes, and 107 fit");
    ck_assert_status(gib_unix_address(text_of_length(ROOM, '@'), &address, &size, &error),
                     GIBSON_OK);
    ck_assert_status(gib_unix_address(text_of_length(ROOM + 1, '@'), &address, &size, &error),
                     GIBSON_INVALID);
}
END_TEST

START_TEST(unix_address_empty_is_refused)
{
    ck_assert_status(gib_unix_address("", &address, &size, &error), GIBSON_INVALID);
    ck_assert_message_has(&error, "empty");
    ck_assert_status(gib_unix_address("@", &address, &size, &error), GIBSON_INVALID);
}
END_TEST

SUITE("unix_address", unix_address_path_ends_with_nul, unix_address_abstract_name_begins_with_nul,
      unix_address_too_long_is_refused_not_cut, unix_address_empty_is_refused)
