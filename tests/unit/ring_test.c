/* The ring: where keys are placed, how evenly, and how few move when the list of servers changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/md5.h"
#include "cluster/ring.h"
#include "conformance/ketama_lists.h"
#include "support/failing_allocator.h"
#include "support/suite.h"

enum { MOST = 128 };

static char hosts[MOST][64];
static gib_ring_server servers[MOST];

static size_t server_of(const gib_ring *ring, const char *key, size_t size)
{
    const uint32_t hash = gib_ring_hash(gibson_bytes_of(key, size));
    return ring->points[gib_ring_find(ring, hash)].server;
}

static gib_ring ring_of(size_t count)
{
    gib_ring ring;
    ck_assert(gib_ring_make(&ring, servers, count, &gib_default_allocator));
    return ring;
}

static void fill(const ketama_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        const ketama_server server = ketama_server_of(list, i, hosts[i]);
        servers[i] = (gib_ring_server){hosts[i], server.port, server.weight};
    }
}

/* Servers of equal weight. */
static void fill_evenly(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(hosts[i], sizeof hosts[i], "10.0.0.%zu", i);
        servers[i] = (gib_ring_server){hosts[i], 10128, 1};
    }
}

/* The test vectors of RFC 1321, appendix A.5, and sizes around the blocks. */
START_TEST(md5_is_that_of_rfc_1321)
{
    static const struct {
        const char *text;
        const char *digest;
    } known[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"1234567890123456789012345678901234567890123456789012345678901234567890"
         "1234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        char text[33];
        const gib_md5 digest = gib_md5_of(known[i].text, strlen(known[i].text));
        for (size_t byte = 0; byte < 16; byte++) {
            snprintf(text + 2 * byte, 3, "%02x", digest.words[byte / 4] >> 8 * (byte % 4) & 0xff);
        }
        ck_assert_str_eq(text, known[i].digest);
    }
}
END_TEST

/* Reads the next line of libmemcached's placements. */
static void read_line(FILE *file, char *line, size_t room)
{
    ck_assert_ptr_nonnull(fgets(line, (int)room, file));
    line[strcspn(line, "\n")] = 0;
}

START_TEST(keys_are_placed_as_libmemcached_does)
{
    char line[256];
    FILE *file = fopen(KETAMA_GOLDEN, "r");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < KETAMA_LISTS; i++) {
        size_t differs = 0;
        read_line(file, line, sizeof line);
        ck_assert_str_eq(line, ketama_lists[i].name);
        fill(&ketama_lists[i]);
        gib_ring ring = ring_of(ketama_lists[i].count);
        for (unsigned n = 0; n < KETAMA_KEYS; n++) {
            if (n % 50 == 0) {
                read_line(file, line, sizeof line);
            }
            const size_t at = (size_t)n % 50 * 2;
            const char digits[] = {line[at], line[at + 1], 0};
            const unsigned long expected = strtoul(digits, NULL, 16);
            char key[64];
            const size_t size = ketama_key(n, key);
            differs += server_of(&ring, key, size) != expected;
        }
        ck_assert_msg(!differs, "%s: %zu of %d keys are placed otherwise", ketama_lists[i].name,
                      differs, KETAMA_KEYS);
        gib_ring_clear(&ring, &gib_default_allocator);
    }
    fclose(file);
}
END_TEST

enum { MOVED_KEYS = 100000 };

/* What part of many keys, in percent, moves between two rings, to or from another server than that
 * one. */
static size_t moved(const gib_ring *before, const gib_ring *after, size_t changed, size_t *strays)
{
    size_t count = 0;
    *strays = 0;
    for (unsigned n = 0; n < MOVED_KEYS; n++) {
        char key[32];
        const size_t size = (size_t)snprintf(key, sizeof key, "user:%u", n);
        const size_t first = server_of(before, key, size);
        const size_t second = server_of(after, key, size);
        count += first != second;
        *strays += first != second && first != changed && second != changed;
    }
    return count * 100 / MOVED_KEYS;
}

/* A server more or less: the keys that move are its own, a share of 1/N, and few others, as the
   number of points of each server is rounded with the number of servers. */
START_TEST(one_server_more_takes_little_more_than_its_share)
{
    const size_t counts[] = {2, 3, 8, 30, 100};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        size_t strays;
        const size_t count = counts[i];
        fill_evenly(count + 1);
        gib_ring before = ring_of(count);
        gib_ring after = ring_of(count + 1);
        ck_assert_uint_le(moved(&before, &after, count, &strays), 100 / (count + 1) + 5);
        ck_assert_uint_le(strays, MOVED_KEYS / 20);
        gib_ring_clear(&before, &gib_default_allocator);
        gib_ring_clear(&after, &gib_default_allocator);
    }
}
END_TEST

/* memcached 873: one weight was changed, and keys moved between servers that it does not concern.
   With libmemcached's scheme the points of all depend on the total weight, so some do. */
START_TEST(one_weight_changed_moves_few_keys_between_the_others)
{
    size_t strays;
    fill_evenly(10);
    gib_ring before = ring_of(10);
    servers[3].weight = 2;
    gib_ring after = ring_of(10);
    ck_assert_uint_le(moved(&before, &after, 3, &strays), 100 / 10 + 5);
    ck_assert_uint_le(strays, MOVED_KEYS / 10);
    gib_ring_clear(&before, &gib_default_allocator);
    gib_ring_clear(&after, &gib_default_allocator);
}
END_TEST

START_TEST(ring_of_nothing_is_empty_and_memory_may_run_out)
{
    failing_allocator failing = {0};
    const gibson_allocator allocator = failing_allocator_functions(&failing);
    gib_ring ring;
    ck_assert(gib_ring_make(&ring, NULL, 0, &allocator));
    ck_assert_uint_eq(ring.count, 0);
    gib_ring_clear(&ring, &allocator);
    fill_evenly(3);
    for (size_t n = 1; n <= 2; n++) {
        failing_allocator_arm(&failing, n);
        ck_assert(!gib_ring_make(&ring, servers, 3, &allocator));
        ck_assert_uint_eq(failing.live, 0);
    }
}
END_TEST

SUITE("ring", md5_is_that_of_rfc_1321, keys_are_placed_as_libmemcached_does,
      one_server_more_takes_little_more_than_its_share,
      one_weight_changed_moves_few_keys_between_the_others,
      ring_of_nothing_is_empty_and_memory_may_run_out)
