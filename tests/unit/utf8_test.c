/* base/utf8: text that may have been made of anything. */
#include "base/utf8.h"

#include <stdio.h>

#include "support/suite.h"

static void check(const char *given, const char *mended)
{
    char text[64];
    snprintf(text, sizeof text, "%s", given);
    gib_utf8_mend(text);
    ck_assert_str_eq(text, mended);
}

START_TEST(utf8_that_is_right_stays)
{
    check("", "");
    check("plain\n\x7F", "plain\n\x7F");
    check("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEF\xBF\xBF \xF0\x90\x80\x80 "
          "\xF4\x8F\xBF\xBF",
          "\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEF\xBF\xBF \xF0\x90\x80\x80 "
          "\xF4\x8F\xBF\xBF");
}
END_TEST

START_TEST(utf8_what_is_wrong_is_replaced_byte_for_byte)
{
    check("a\xFF\xFE"
          "b",
          "a??b");
    check("\x80", "?");
    check("\xC0\x80", "??");           /* longer than need be */
    check("\xE0\x9F\xBF", "???");      /* the same */
    check("\xED\xA0\x80", "???");      /* a surrogate */
    check("\xF4\x90\x80\x80", "????"); /* beyond the last character */
    check("\xE2\x82", "??");           /* cut */
    check("\xF0\x90\x80", "???");      /* cut */
    check("\xC3 \xA9", "? ?");         /* torn apart */
    check("\xE2\x82z\xE2\x82\xAC", "??z\xE2\x82\xAC");
}
END_TEST

SUITE("utf8", utf8_that_is_right_stays, utf8_what_is_wrong_is_replaced_byte_for_byte)
