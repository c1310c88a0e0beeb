/* net/address: addresses as text. */
#include "net/address.h"

#include "support/suite.h"

START_TEST(address_text_is_what_people_write)
{
    static const struct {
        const char *host;
        const char *unix_socket;
        const char *text;
    } rows[] = {{"127.0.0.1", NULL, "127.0.0.1:10128"},
                {"::1", NULL, "[::1]:10128"},
                {"example.org", NULL, "example.org:10128"},
                {"ignored", "/run/g.sock", "unix:/run/g.sock"},
                {"ignored", "@name", "unix:@name"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[64];
        int needed = gib_address_text(text, sizeof text, rows[i].host, 10128, rows[i].unix_socket);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_int_eq(gib_address_text(NULL, 0, rows[i].host, 10128, rows[i].unix_socket),
                         needed);
    }
}
END_TEST

SUITE("address", address_text_is_what_people_write)
