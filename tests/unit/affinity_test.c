/* Which part of a key places it, and which prefixes lie on one server. */
#include <stdio.h>
#include <string.h>

#include "cluster/affinity.h"
#include "support/suite.h"

static const gib_affinity none = {0};
static const gib_affinity two = {.separator = ':', .depth = 2};
static const gib_affinity tag = {.hash_tag = true};

static void expect(const gib_affinity *affinity, const char *key, const char *part)
{
    const gibson_bytes got = gib_affinity_of_key(affinity, gibson_str(key));
    ck_assert_msg(got.size == strlen(part) && !memcmp(got.data, part, got.size),
                  "'%s' is placed by '%.*s' instead of '%s'", key, (int)got.size,
                  (const char *)got.data, part);
}

START_TEST(affinity_of_nothing_is_the_whole_key)
{
    expect(&none, "user:42:name", "user:42:name");
    expect(&none, "{user}:42", "{user}:42");
}
END_TEST

START_TEST(affinity_of_a_depth_is_what_is_before_that_separator)
{
    expect(&two, "user:42:name", "user:42");
    expect(&two, "user:42:", "user:42");
    expect(&two, "user:42", "user:42");
    expect(&two, "user:421", "user:421");
    expect(&two, "user", "user");
    expect(&two, "a::b", "a:");
    expect(&two, "::b", ":");
    expect(&(gib_affinity){.separator = ':', .depth = 1}, ":b", ":b"); /* not by nothing */
}
END_TEST

START_TEST(affinity_of_a_tag_is_what_is_in_the_first_braces)
{
    expect(&tag, "{user:42}:name", "user:42");
    expect(&tag, "cache:{42}:{43}", "42");
    expect(&tag, "{}{42}", "{}{42}");
    expect(&tag, "{42", "{42");
    expect(&tag, "42}", "42}");
    expect(&tag, "}{{42}}", "{42");
}
END_TEST

static gibson_bytes random_text(char *to, size_t most)
{
    const size_t size = 1 + suite_random() % most;
    for (size_t i = 0; i < size; i++) {
        to[i] = ":{}ab"[suite_random() % 5];
    }
    return gibson_bytes_of(to, size);
}

/* Whatever begins with a prefix of one part is placed by that part. */
START_TEST(affinity_of_a_prefix_holds_for_all_that_begin_with_it)
{
    const gib_affinity kinds[] = {none, two, tag, {.separator = 'a', .depth = 1}};
    size_t one_part = 0;
    for (int i = 0; i < 200000; i++) {
        char text[32];
        const gib_affinity *affinity = &kinds[i % 4];
        const gibson_bytes prefix = random_text(text, 12);
        gibson_bytes part;
        if (gib_affinity_of_prefix(affinity, prefix, &part)) {
            const gibson_bytes more = random_text(text + prefix.size, 12);
            const gibson_bytes of_key =
                gib_affinity_of_key(affinity, gibson_bytes_of(text, prefix.size + more.size));
            ck_assert_uint_eq(of_key.size, part.size);
            ck_assert_ptr_eq(of_key.data, part.data);
            one_part++;
        }
        ck_assert_uint_gt(gib_affinity_of_key(affinity, prefix).size, 0);
    }
    ck_assert_uint_gt(one_part, 20000);
}
END_TEST

SUITE("affinity", affinity_of_nothing_is_the_whole_key,
      affinity_of_a_depth_is_what_is_before_that_separator,
      affinity_of_a_tag_is_what_is_in_the_first_braces,
      affinity_of_a_prefix_holds_for_all_that_begin_with_it)
