/* The STATS: their rows, and the histogram of how long requests take. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/service.h"
#include "support/suite.h"
#include "wire/command.h"
#include "wire/reply_decode.h"

enum { ROWS_OF_REFERENCE = 27, MOST_ROWS = 200, SMALL_REPLY = 4096 };

START_TEST(latency_is_counted_below_the_first_bound_above_it)
{
    static const uint64_t bounds[] = {
#define BOUND(bound) bound,
        GIBS_LATENCY_BOUNDS(BOUND)
#undef BOUND
    };
    for (unsigned i = 0; i < GIBS_LATENCY_BOUND_COUNT; i++) {
        ck_assert_uint_eq(gibs_latency_bucket(bounds[i] * 1000 - 1), i);
        ck_assert_uint_eq(gibs_latency_bucket(bounds[i] * 1000), i + 1);
    }
    ck_assert_uint_eq(gibs_latency_bucket(0), 0);
    ck_assert_uint_eq(gibs_latency_bucket(UINT64_MAX), GIBS_LATENCY_BOUND_COUNT);
}
END_TEST

START_TEST(latency_of_requests_that_came_together_is_that_of_all)
{
    gibs_latency latency = {0};
    gibs_latency_note(&latency, 5000, 3);
    gibs_latency_note(&latency, 3999, 1);
    gibs_latency_note(&latency, -1, 1); /* a clock that goes back is none of ours, and no harm */
    ck_assert_uint_eq(latency.below[0], 2);
    ck_assert_uint_eq(latency.below[1], 3);
    ck_assert_uint_eq(latency.sum_ns, 18999);
    ck_assert_uint_eq(gibs_latency_count(&latency), 5);
}
END_TEST

static gib_buffer out;
static gibson_reply reply;

/* Asks a service that has counted nothing. */
static void ask(void)
{
    gibs_store_settings settings = {.max_memory = 1 << 20};
    gibs_service service = {.store = gibs_store_new(&settings)};
    size_t frame_size;
    gib_buffer_init(&out, &gib_default_allocator);
    ck_assert_int_eq(gibs_service_stats(&service, &out), GIB_CODE_KVAL);
    ck_assert_int_eq(gib_reply_decode(out.data, out.end, gib_command(GIBSON_OP_STATS), 1 << 20,
                                      &reply, &frame_size, NULL),
                     GIBSON_OK);
    gibs_store_free(service.store);
}

static int compare(const void *a, const void *b)
{
    const gibson_bytes *one = a;
    const gibson_bytes *other = b;
    size_t size = one->size < other->size ? one->size : other->size;
    int order = memcmp(one->data, other->data, size);
    return order ? order : (one->size > other->size) - (one->size < other->size);
}

START_TEST(stats_have_no_name_twice_and_a_small_reply)
{
    static gibson_bytes names[MOST_ROWS];
    size_t count = 0;
    ask();
    ck_assert_uint_lt(gib_buffer_size(&out), SMALL_REPLY);
    ck_assert_uint_lt(gibson_items_count(&reply.items), MOST_ROWS);
    while (gibson_items_next(&reply.items, &names[count], NULL)) {
        count++;
    }
    ck_assert_uint_gt(count, ROWS_OF_REFERENCE);
    qsort(names, count, sizeof *names, compare);
    for (size_t i = 1; i < count; i++) {
        ck_assert_int_ne(compare(&names[i - 1], &names[i]), 0);
    }
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(stats_of_the_reference_server_come_first)
{
    static const char *const names[] = {
#define NAME(name, kind, value, summary) #name,
        GIBS_STATS_OF_REFERENCE(NAME)
#undef NAME
    };
    ck_assert_uint_eq(sizeof names / sizeof *names, ROWS_OF_REFERENCE);
    ask();
    for (size_t i = 0; i < ROWS_OF_REFERENCE; i++) {
        gibson_bytes name;
        ck_assert(gibson_items_next(&reply.items, &name, NULL));
        ck_assert_uint_eq(name.size, strlen(names[i]));
        ck_assert_mem_eq(name.data, names[i], name.size);
    }
    gib_buffer_clear(&out);
}
END_TEST

SUITE("server_stats", latency_is_counted_below_the_first_bound_above_it,
      latency_of_requests_that_came_together_is_that_of_all,
      stats_have_no_name_twice_and_a_small_reply, stats_of_the_reference_server_come_first)
