/* The client and its process: signals, descriptors, forks. */
#include <gibson/pipeline.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/idle.h"
#include "support/peer.h"
#include "support/process.h"
#include "support/samples.h"
#include "support/suite.h"

static void close_at_once(peer_link *link)
{
    sample_warm_up(link);
    peer_close(link);
    peer_report(link);
}

/* hiredis 1229: SIGPIPE kills the process. With the default action it would kill this one. */
START_TEST(sigpipe_is_not_raised_when_the_peer_has_closed)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    signal(SIGPIPE, SIG_DFL);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        peer *server = peer_start(kinds[i], close_at_once, NULL);
        for (int way = 0; way < 3; way++) {
            gibson_client *client = sample_client(server, NULL);
            peer_hear(server);
            static char value[1 << 20];
            gibson_request set = gibson_request_value(GIBSON_OP_SET, gibson_str("key"),
                                                      gibson_bytes_of(value, sizeof value), 0);
            gibson_reply reply;
            pretend_busy(client); /* or else it would see the end before it sends */
            if (way == 0) {
                ck_assert_status(gibson_client_call(client, &set, &reply), GIBSON_CLOSED);
            } else if (way == 1) {
                ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
            } else {
                for (int n = 0; n < 4; n++) {
                    ck_assert_status(gibson_client_queue(client, &set), GIBSON_OK);
                }
                ck_assert_status(gibson_client_flush(client), GIBSON_CLOSED);
            }
            gibson_client_free(client);
        }
        peer_stop(server);
    }
}
END_TEST

/* hiredis 78: a descriptor above FD_SETSIZE. */
START_TEST(descriptor_above_1024_works)
{
    enum { MANY = 1100 };
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < MANY + 100) {
        struct rlimit more = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &more), 0);
    }
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    int first = dup(0) >= 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    int last = first;
    while (last < MANY) {
        last = dup(first);
        ck_assert_int_ge(last, 0);
    }
    gibson_client *client = sample_client(server, NULL);
    ck_assert_int_gt(gibson_client_descriptor(client), 1024);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        ck_assert_status(gibson_client_queue(client, &samples[i].request), GIBSON_OK);
    }
    gibson_reply reply;
    while (gibson_client_next(client, &reply) != GIBSON_END) {
        ck_assert(sample_reply_matches(&reply));
    }
    gibson_client_free(client);
    for (int descriptor = first; descriptor <= last; descriptor++) {
        close(descriptor);
    }
    peer_stop(server);
}
END_TEST

/* ---- Forks ---- */

/* What a child does with the client of its parent; it returns 0 if all is as it must be. The child
   of a process with threads must not use Check. */
typedef int child_work(gibson_client *client);

/* The threads of the peer are not in the child, which leaves without running exit handlers. */
static pid_t fork_child(child_work *work, gibson_client *client)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(work(client));
    }
    ck_assert_int_gt(child, 0);
    return child;
}

static void check_child(pid_t child)
{
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "the child found fault at step %d, or died", WEXITSTATUS(status));
}

static int child_is_told_that_its_connection_is_gone(gibson_client *client)
{
    gibson_value value;
    if (gibson_client_connected(client)) {
        return 1;
    }
    if (gibson_client_get(client, gibson_str("key"), &value) != GIBSON_CLOSED) {
        return 2;
    }
    if (!strstr(gibson_client_error(client)->message, "parent process")) {
        return 3;
    }
    if (gibson_client_descriptor(client) != -1) {
        return 4;
    }
    if (gibson_client_connect(client) != GIBSON_OK ||
        gibson_client_get(client, gibson_str("key"), &value) != GIBSON_OK) {
        return 5;
    }
    gibson_client_free(client);
    return 0;
}

static int child_quits_and_frees(gibson_client *client)
{
    int step = gibson_client_quit(client) == GIBSON_OK ? 0 : 1;
    gibson_client_free(client);
    return step;
}

static int child_reconnects_by_itself(gibson_client *client)
{
    gibson_value value;
    if (gibson_client_get(client, gibson_str("key"), &value) != GIBSON_OK ||
        value.bytes.size != 5) {
        return 1;
    }
    gibson_client_free(client);
    return 0;
}

static int child_loses_the_pipeline(gibson_client *client)
{
    gibson_reply reply;
    if (gibson_client_flush(client) != GIBSON_CLOSED) {
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        if (gibson_client_next(client, &reply) != GIBSON_CLOSED) {
            return 2 + i;
        }
    }
    if (gibson_client_next(client, &reply) != GIBSON_END) {
        return 4;
    }
    gibson_client_free(client);
    return 0;
}

static int child_reads_the_pipeline(gibson_client *client)
{
    gibson_reply reply;
    return gibson_client_next(client, &reply) == GIBSON_CLOSED ? 0 : 1;
}

/* redis-py 234 and 863, valkey-glide 6672 and 6673: the child's shutdown broke its parent, or both
   read each other's replies. */
START_TEST(fork_leaves_parent_and_child_right)
{
    static const struct {
        child_work *work;
        bool reconnect;
    } rows[] = {{child_is_told_that_its_connection_is_gone, false},
                {child_quits_and_frees, false},
                {child_reconnects_by_itself, true}};
    gibson_options options;
    gibson_options_init(&options);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        options.reconnect = rows[i].reconnect;
        peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
        gibson_client *client = sample_client(server, &options);
        gibson_value value;
        ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
        check_child(fork_child(rows[i].work, client));
        ck_assert(gibson_client_connected(client));
        ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
        ck_assert_mem_eq(value.bytes.data, "value", 5);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(fork_in_a_pipeline_leaves_the_replies_to_the_parent)
{
    static child_work *const works[] = {child_loses_the_pipeline, child_reads_the_pipeline};
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
        gibson_client *client = sample_client(server, NULL);
        ck_assert_status(gibson_client_queue(client, &sample_of(GIBSON_OP_GET)->request),
                         GIBSON_OK);
        ck_assert_status(gibson_client_queue(client, &sample_of(GIBSON_OP_MGET)->request),
                         GIBSON_OK);
        ck_assert_status(gibson_client_flush(client), GIBSON_OK);
        check_child(fork_child(works[i], client));
        gibson_reply reply;
        for (int n = 0; n < 2; n++) {
            ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
            ck_assert(sample_reply_matches(&reply));
        }
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

typedef struct busy {
    gibson_client *client;
    atomic_bool stop;
    size_t wrong;
    size_t done;
} busy;

static void *be_busy(void *argument)
{
    busy *self = argument;
    while (!atomic_load(&self->stop)) {
        gibson_value value;
        if (gibson_client_get(self->client, gibson_str("key"), &value) != GIBSON_OK ||
            value.bytes.size != 5 || memcmp(value.bytes.data, "value", 5) != 0) {
            self->wrong++;
        }
        self->done++;
    }
    return NULL;
}

/* ---- Forks within a call ---- */

enum { FORKED_REQUESTS = 5 };

/* Answers each GET with its key, after a while. */
static void serve_keys_slowly(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        if (frame.opcode == GIBSON_OP_GET) {
            poll(NULL, 0, 150); /* so that the callback is called meanwhile */
            reply_add_bytes(&reply, frame.payload, frame.size);
        } else {
            sample_reply(&reply, frame.opcode, frame.payload, frame.size);
        }
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

static pid_t forked_child;

static int fork_once(void *context)
{
    (void)context;
    if (forked_child >= 0) {
        return 0;
    }
    forked_child = fork();
    if (forked_child == 0) {
        alarm(20);
    }
    return forked_child == 0 &&
           suite_mode; /* the child ends the call, or leaves it to the client */
}

static gibson_client *forking_client(const peer *server)
{
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = 10000;
    options.interrupt = fork_once;
    forked_child = 0; /* not while it connects, which takes long enough on a busy machine */
    gibson_client *client = sample_client(server, &options);
    forked_child = -1;
    return client;
}

static atomic_int nothing_done;

static int do_nothing(void *context)
{
    (void)context;
    atomic_fetch_add(&nothing_done, 1);
    return 0;
}

static bool is_text(const gibson_value *value, const char *text)
{
    return value->bytes.size == strlen(text) && !memcmp(value->bytes.data, text, strlen(text));
}

/* In the child the call that its parent began must end. */
START_TEST(fork_in_the_callback_of_a_call_leaves_the_reply_to_the_parent)
{
    peer *server = peer_start(PEER_UNIX, serve_keys_slowly, NULL);
    gibson_client *client = forking_client(server);
    gibson_value value;
    const gibson_status status = gibson_client_get(client, gibson_str("key:1"), &value);
    if (forked_child == 0) {
        if (status != GIBSON_CLOSED ||
            !strstr(gibson_client_error(client)->message, "parent process")) {
            _exit(1);
        }
        _exit(gibson_client_connect(client) == GIBSON_OK &&
                      gibson_client_get(client, gibson_str("key:3"), &value) == GIBSON_OK &&
                      is_text(&value, "key:3")
                  ? 0
                  : 2);
    }
    check_child(forked_child);
    ck_assert_status(status, GIBSON_OK);
    ck_assert(is_text(&value, "key:1"));
    ck_assert_status(gibson_client_get(client, gibson_str("key:2"), &value), GIBSON_OK);
    ck_assert(is_text(&value, "key:2"));
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(fork_in_the_callback_of_a_pipeline_leaves_the_replies_to_the_parent)
{
    static const char *const keys[FORKED_REQUESTS] = {"key:0", "key:1", "key:2", "key:3", "key:4"};
    peer *server = peer_start(PEER_UNIX, serve_keys_slowly, NULL);
    gibson_client *client = forking_client(server);
    for (int i = 0; i < FORKED_REQUESTS; i++) {
        const gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str(keys[i]));
        ck_assert_status(gibson_client_queue(client, &request), GIBSON_OK);
    }
    for (int i = 0; i < FORKED_REQUESTS; i++) {
        gibson_reply reply;
        const gibson_status status = gibson_client_next(client, &reply);
        if (forked_child == 0 && (status != GIBSON_CLOSED || i == FORKED_REQUESTS - 1)) {
            _exit(status == GIBSON_CLOSED ? 0 : 1);
        }
        if (forked_child) {
            ck_assert_status(status, GIBSON_OK);
            ck_assert(is_text(&reply.value, keys[i]));
        }
    }
    check_child(forked_child);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

static void *get_slowly(void *argument)
{
    gibson_value value;
    const gibson_status status = gibson_client_get(argument, gibson_str("key:1"), &value);
    return status == GIBSON_OK && is_text(&value, "key:1") ? argument : NULL;
}

static void serve_one_when_told(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        reply_add_bytes(&reply, frame.payload, frame.size);
        if (link->index == 0) {
            peer_report(link);
            peer_await(link);
        }
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

static int child_gets_closed(gibson_client *client)
{
    gibson_value value;
    if (gibson_client_get(client, gibson_str("key:2"), &value) != GIBSON_CLOSED) {
        return 1;
    }
    return gibson_client_connect(client) == GIBSON_OK &&
                   gibson_client_get(client, gibson_str("key:2"), &value) == GIBSON_OK
               ? 0
               : 2;
}

/* The call of a thread that the child does not have must not keep the client busy there. */
START_TEST(fork_while_another_thread_is_in_a_call_of_that_client)
{
    peer *server = peer_start(PEER_UNIX, serve_one_when_told, NULL);
    gibson_options options;
    gibson_options_init(&options);
    peer_point(server, &options);
    options.timeout_ms = 20000;
    options.interrupt = do_nothing;
    gibson_client *client;
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, get_slowly, client), 0);
    peer_hear(server);
    while (!atomic_load(&nothing_done)) { /* then it waits by the long way */
        poll(NULL, 0, 1);
    }
    check_child(fork_child(child_gets_closed, client));
    peer_tell(server);
    void *right = NULL;
    pthread_join(thread, &right);
    ck_assert_ptr_eq(right, client);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* A fork while another thread is in the middle of an operation. */
START_TEST(fork_while_another_thread_is_mid_operation)
{
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    busy other = {.client = sample_client(server, NULL)};
    gibson_client *mine = sample_client(server, NULL);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, be_busy, &other), 0);
    for (int i = 0; i < 30; i++) {
        check_child(fork_child(child_is_told_that_its_connection_is_gone, mine));
        ck_assert_status(gibson_client_ping(mine), GIBSON_OK);
    }
    atomic_store(&other.stop, true);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(other.done, 0);
    ck_assert_uint_eq(other.wrong, 0);
    gibson_client_free(other.client);
    gibson_client_free(mine);
    peer_stop(server);
}
END_TEST

/* pymemcache 124, pylibmc 150: clients share nothing, so a thread each needs no lock. */
START_TEST(threads_with_a_client_each_do_not_meet)
{
    enum { THREADS = 4 };
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    busy works[THREADS] = {{0}};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        works[i].client = sample_client(server, NULL);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_busy, &works[i]), 0);
    }
    usleep(200000);
    for (int i = 0; i < THREADS; i++) {
        atomic_store(&works[i].stop, true);
        pthread_join(threads[i], NULL);
        ck_assert_uint_gt(works[i].done, 0);
        ck_assert_uint_eq(works[i].wrong, 0);
        gibson_client_free(works[i].client);
    }
    peer_stop(server);
}
END_TEST

SUITE_IN_MODES("client_process", SAMPLE_MODES, sigpipe_is_not_raised_when_the_peer_has_closed,
               descriptor_above_1024_works, fork_leaves_parent_and_child_right,
               fork_in_a_pipeline_leaves_the_replies_to_the_parent,
               fork_while_another_thread_is_mid_operation,
               fork_in_the_callback_of_a_call_leaves_the_reply_to_the_parent,
               fork_in_the_callback_of_a_pipeline_leaves_the_replies_to_the_parent,
               fork_while_another_thread_is_in_a_call_of_that_client,
               threads_with_a_client_each_do_not_meet)
