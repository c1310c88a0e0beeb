/* A pool and its process: forks, and memory. */
#include <gibson/pool.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/pooled.h"
#include "support/process.h"
#include "support/samples.h"
#include "support/suite.h"

static peer *server;
static pooled options;
static gibson_pool *pool;

/* An allocator without locks: a sanitizer's malloc can be left locked by a fork. */

typedef union mapped {
    size_t size; /* of all of it */
    max_align_t alignment;
} mapped;

static void *map(size_t size, void *context)
{
    (void)context;
    mapped *block = mmap(NULL, sizeof *block + size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        return NULL;
    }
    block->size = sizeof *block + size;
    return block + 1;
}

static void unmap(void *memory, void *context)
{
    (void)context;
    if (memory) {
        mapped *block = (mapped *)memory - 1;
        (void)munmap(block, block->size);
    }
}

static void *map_again(void *memory, size_t size, void *context)
{
    void *larger = map(size, context);
    if (larger && memory) {
        const size_t before = ((mapped *)memory - 1)->size - sizeof(mapped);
        memcpy(larger, memory, before < size ? before : size);
        unmap(memory, context);
    }
    return larger;
}

static void set_up(void)
{
    server = peer_start(PEER_UNIX, sample_serve, NULL);
    pooled_init(&options, server, 4);
    options.client.allocator = (gibson_allocator){map, map_again, unmap, NULL};
}

static void tear_down(void)
{
    peer_stop(server);
}

typedef int child_work(gibson_client *lent);

/* Forks, and expects of the child that it ends well. */
static void in_child(child_work *work, gibson_client *lent)
{
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(work(lent));
    }
    int status = -1;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "the child found fault at step %d, or died", WEXITSTATUS(status));
}

/* The pool is empty in the child, and works. */
static int use_pool(gibson_client *lent)
{
    (void)lent;
    gibson_pool_stats stats = {.struct_size = sizeof stats};
    if (gibson_pool_get_stats(pool, &stats) != GIBSON_OK || stats.idle || stats.in_use ||
        stats.made || stats.waiting) {
        return 1;
    }
    gibson_client *clients[4];
    for (int i = 0; i < 4; i++) {
        if (gibson_pool_acquire(pool, 0, &clients[i], NULL) != GIBSON_OK ||
            gibson_client_ping(clients[i]) != GIBSON_OK) {
            return 2;
        }
    }
    for (int i = 0; i < 4; i++) {
        if (gibson_pool_release(pool, clients[i]) != GIBSON_OK) {
            return 3;
        }
    }
    if (gibson_pool_get_stats(pool, &stats) != GIBSON_OK || stats.idle != 4 || stats.made != 4) {
        return 4;
    }
    gibson_pool_free(pool);
    return 0;
}

static int free_pool(gibson_client *lent)
{
    (void)lent;
    gibson_pool_free(pool);
    return 0;
}

static int free_and_release_parents(gibson_client *lent)
{
    gibson_pool_free(pool);
    return gibson_pool_release(pool, lent) == GIBSON_OK ? 0 : 21;
}

static int use_free_and_release_parents(gibson_client *lent)
{
    gibson_client *client;
    if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_OK) {
        return 31;
    }
    gibson_pool_free(pool);
    if (gibson_client_ping(client) != GIBSON_OK || gibson_pool_release(pool, lent) != GIBSON_OK ||
        gibson_client_ping(client) != GIBSON_OK || gibson_pool_release(pool, client) != GIBSON_OK) {
        return 32;
    }
    return 0;
}

/* What its thread was lent before the fork. */
static int release_parents(gibson_client *lent)
{
    if (gibson_client_ping(lent) != GIBSON_CLOSED) {
        return 11;
    }
    if (gibson_pool_release(pool, lent) != GIBSON_OK) {
        return 12;
    }
    if (gibson_pool_release(pool, lent) != GIBSON_USAGE) {
        return 13;
    }
    return use_pool(lent);
}

/* A child of the child. */
static int use_and_fork(gibson_client *lent)
{
    gibson_client *own;
    if (gibson_pool_acquire(pool, 0, &own, NULL) != GIBSON_OK) {
        return 21;
    }
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(release_parents(own));
    }
    int status = -1;
    if (waitpid(child, &status, 0) != child || status) {
        return 22;
    }
    if (gibson_client_ping(own) != GIBSON_OK || gibson_pool_release(pool, own) != GIBSON_OK) {
        return 23;
    }
    return gibson_client_ping(lent) == GIBSON_CLOSED && gibson_pool_release(pool, lent) == GIBSON_OK
               ? 0
               : 24;
}

/* redis-py 234 and 863, valkey-glide 6672: in a child the pool is empty, the parent's untouched. */
START_TEST(child_starts_with_an_empty_pool_and_leaves_the_parents_alone)
{
    static child_work *const works[] = {use_pool,
                                        free_pool,
                                        release_parents,
                                        free_and_release_parents,
                                        use_free_and_release_parents,
                                        use_and_fork};
    pool = pooled_new(&options);
    gibson_client *idle = pooled_acquire(pool);
    gibson_client *lent = pooled_acquire(pool);
    gibson_pool_release(pool, idle);
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        in_child(works[i], lent);
        ck_assert_status(gibson_client_ping(lent), GIBSON_OK);
        ck_assert_ptr_eq(pooled_acquire(pool), idle);
        ck_assert_status(gibson_client_ping(idle), GIBSON_OK);
        gibson_pool_release(pool, idle);
    }
    gibson_pool_release(pool, lent);
    ck_assert_uint_eq(pooled_stats(pool).made, 2);
    gibson_pool_free(pool);
}
END_TEST

static int expect_closed(gibson_client *lent)
{
    (void)lent;
    gibson_client *client;
    const int result = gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_CLOSED;
    gibson_pool_free(pool);
    return result;
}

START_TEST(closed_pool_is_closed_in_a_child)
{
    pool = pooled_new(&options);
    gibson_pool_close(pool);
    in_child(expect_closed, NULL);
    gibson_pool_free(pool);
}
END_TEST

static atomic_bool stop;
static atomic_int wrong;
static atomic_int done;

static void *use_all_the_time(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        gibson_client *client;
        gibson_value value;
        if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_OK ||
            gibson_client_get(client, gibson_str("key"), &value) != GIBSON_OK ||
            value.bytes.size != 5 || memcmp(value.bytes.data, "value", 5) != 0 ||
            gibson_pool_release(pool, client) != GIBSON_OK) {
            atomic_fetch_add(&wrong, 1);
        }
        atomic_fetch_add(&done, 1);
    }
    return NULL;
}

/* Some of the threads hold the lock, wait or connect when the fork happens. */
START_TEST(forks_under_load_neither_deadlock_nor_disturb)
{
    enum { THREADS = 8, FORKS = 60 };
    options.pool.lifetime_ms = 5; /* so that they connect now and then */
    pool = pooled_new(&options);
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_all_the_time, NULL), 0);
    }
    for (int i = 0; i < FORKS; i++) {
        const int before = atomic_load(&done);
        while (atomic_load(&done) == before) {
            usleep(100);
        }
        in_child(use_pool, NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&wrong), 0);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

/* ---- Forks within a call ---- */

static pid_t forked;
static gibson_client *held;

/* The first call forks; in the parent, the second gives back what is waited for. */
static int fork_once(void *context)
{
    (void)context;
    if (forked == 0) {
        return 0;
    }
    if (forked < 0) {
        forked = fork();
        if (forked == 0) {
            alarm(60);
        }
    } else if (held) {
        gibson_pool_release(pool, held);
        held = NULL;
    }
    return 0;
}

static void check_forked(void)
{
    int status = -1;
    ck_assert_int_gt(forked, 0);
    ck_assert_int_eq(waitpid(forked, &status, 0), forked);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "the child found fault at step %d, or died", WEXITSTATUS(status));
}

START_TEST(fork_in_the_callback_of_a_wait_gives_the_child_a_client_of_its_own)
{
    options.pool.max = 1;
    options.client.interrupt = fork_once;
    forked = 0;
    pool = pooled_new(&options);
    held = pooled_acquire(pool);
    forked = -1;
    gibson_client *client;
    gibson_error error;
    const gibson_status status = gibson_pool_acquire(pool, 0, &client, &error);
    if (forked == 0) {
        if (status != GIBSON_OK || client == held || gibson_client_ping(client) != GIBSON_OK) {
            _exit(1);
        }
        gibson_pool_release(pool, client);
        gibson_pool_release(pool, held);
        gibson_pool_free(pool);
        _exit(0);
    }
    check_forked();
    ck_assert_status(status, GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_pool_release(pool, client);
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(fork_in_the_callback_of_connecting_leaves_that_to_the_parent)
{
    enum { MANY = 8 };
    peer *deaf = peer_start(PEER_UNIX, NULL, NULL);
    pooled_init(&options, deaf, MANY);
    options.client.interrupt = fork_once;
    forked = 0;
    pool = pooled_new(&options);
    gibson_client *client;
    gibson_status status = GIBSON_OK;
    gibson_client *clients[MANY];
    int count = 0;
    while (status == GIBSON_OK && count < MANY) { /* the backlog takes some */
        status = gibson_pool_acquire(pool, 100, &clients[count], NULL);
        count += status == GIBSON_OK;
    }
    ck_assert_status(status, GIBSON_TIMEOUT);
    forked = -1;
    held = NULL;
    while (forked < 0) { /* after the delay of the failure */
        status = gibson_pool_acquire(pool, 300, &client, NULL);
    }
    if (forked == 0) {
        gibson_pool_free(pool);
        _exit(status == GIBSON_CLOSED || status == GIBSON_TIMEOUT ? 0 : 1);
    }
    ck_assert_status(status, GIBSON_TIMEOUT);
    check_forked();
    ck_assert_uint_eq(pooled_stats(pool).connecting, 0);
    while (count) {
        gibson_pool_release(pool, clients[--count]);
    }
    pooled_check(pool);
    gibson_pool_free(pool);
    peer_stop(deaf);
}
END_TEST

/* ---- Memory ---- */

static failing_allocator counts;

/* A use from beginning to end. Returns the first status that is not OK. */
static gibson_status use_a_pool(void)
{
    gibson_error error = {0};
    gibson_status status = gibson_pool_new(&pool, &options.pool, &error);
    if (status != GIBSON_OK) {
        ck_assert_ptr_null(pool);
        ck_assert_status(error.status, status);
        return status;
    }
    gibson_client *client;
    status = gibson_pool_acquire(pool, 0, &client, &error);
    if (status == GIBSON_OK) {
        gibson_value value;
        status = gibson_client_get(client, gibson_str("key"), &value);
        ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    }
    gibson_reply reply;
    gibson_owned_reply *owned = NULL;
    if (status == GIBSON_OK) {
        status =
            gibson_pool_call(pool, &sample_of(GIBSON_OP_MGET)->request, 0, &reply, &owned, &error);
        ck_assert(status != GIBSON_OK || sample_reply_matches(&reply));
    }
    if (status == GIBSON_OK) {
        status = gibson_pool_call(pool, &sample_of(GIBSON_OP_GET)->request, 0, &reply, NULL, NULL);
    }
    gibson_owned_reply_free(owned);
    counts.fail_at = 0;
    ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
    client = pooled_acquire(pool); /* it works, whatever has failed */
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_pool_release(pool, client);
    pooled_check(pool);
    gibson_pool_free(pool);
    return status;
}

START_TEST(allocation_n_failing_gives_nomem_and_the_pool_goes_on)
{
    counts = (failing_allocator){0};
    options.client.allocator = failing_allocator_functions(&counts);
    options.client.reconnect_delay_ms = 1;
    const size_t descriptors = process_open_descriptors();
    int refused = 0;
    for (size_t n = 1;; n++) {
        failing_allocator_arm(&counts, n);
        const gibson_status status = use_a_pool();
        ck_assert_uint_eq(counts.live, 0);
        if (status == GIBSON_OK) {
            break;
        }
        ck_assert_status(status, GIBSON_NOMEM);
        refused++;
    }
    ck_assert_int_ge(refused, 5); /* the pool, its places, a client, its buffers, the kept reply */
    ck_assert(process_await_descriptors(descriptors));
}
END_TEST

static int be_out_of_memory(gibson_client *lent)
{
    (void)lent;
    gibson_client *client;
    gibson_pool_stats stats = {.struct_size = sizeof stats};
    failing_allocator_arm(&counts, 1);
    if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_NOMEM || client) {
        return 31;
    }
    failing_allocator_arm(&counts, 1);
    if (gibson_pool_get_stats(pool, &stats) != GIBSON_NOMEM) {
        return 32;
    }
    const int step = use_pool(NULL);
    return step ? step : counts.live != 0;
}

START_TEST(child_without_memory_says_so_and_goes_on)
{
    counts = (failing_allocator){0};
    options.client.allocator = failing_allocator_functions(&counts);
    pool = pooled_new(&options);
    gibson_pool_release(pool, pooled_acquire(pool));
    in_child(be_out_of_memory, NULL);
    gibson_pool_free(pool);
    ck_assert_uint_eq(counts.live, 0);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(child_starts_with_an_empty_pool_and_leaves_the_parents_alone,
               closed_pool_is_closed_in_a_child, forks_under_load_neither_deadlock_nor_disturb,
               fork_in_the_callback_of_a_wait_gives_the_child_a_client_of_its_own,
               fork_in_the_callback_of_connecting_leaves_that_to_the_parent,
               allocation_n_failing_gives_nomem_and_the_pool_goes_on,
               child_without_memory_says_so_and_goes_on)},
    };
    return suite_run("pool_process", 1, parts, COUNT_OF(parts));
}
