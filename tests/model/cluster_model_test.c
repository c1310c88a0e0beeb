/* Random commands of threads over a cluster, with random faults between them and its servers,
   against a model of what the servers must say.

       GIBSON_TEST_SEED=n     begins with this seed, which a failure has printed
       GIBSON_TEST_COUNT=n    runs so many rounds (one, to replay a failure)
       GIBSON_TEST_SECONDS=n  runs rounds for so long; by default 4 seconds

   With GIBSON_CLUSTER_FAIL_FAST a key is on one server whatever happens, and each answer has to be
   right in one of the worlds that are possible (worlds.h). Of a request to all servers some may
   carry out their part, and others not: what each has said is judged by itself. So it is in
   pipelines, where a server that fails loses the rest of what it was sent. With
   GIBSON_CLUSTER_REHASH keys come and go, and may come back old; but what is found is always
   something that was set under that key. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/cluster_pipeline.h>

#include "choice.h"
#include "random.h"
#include "support/suite.h"
#include "test_server.h"
#include "worker_steps.h"

enum {
    THREADS = 4,
    SERVERS = 5,
    DEFAULT_SECONDS = 4,
    STEPS = 150,
    ENOUGH_WORLDS = 300,
    LONGEST_PIPELINE = 12
};

/* A thread. Of the worker, its space, worlds, history and counts are used. */
typedef struct user {
    worker self;
    gibson_cluster_client *client;
    gibson_client *direct[SERVERS]; /* without the proxies */
    unsigned on_server[SERVERS];    /* the keys of the space that each has, as bits */
} user;

/* Requests that are under way: a call is a pipeline of one. */
typedef struct pipeline {
    space_request requests[LONGEST_PIPELINE];
    size_t queued;
    size_t read;
    size_t lost_until[SERVERS]; /* requests up to there get no answer of that server */
} pipeline;

static user users[THREADS];
static test_server servers[SERVERS];
static gibp_proxy *proxies[SERVERS];
static uint64_t fault_randoms[SERVERS]; /* each is used by the thread of its proxy */
static gibson_options of_clients;
static gibson_cluster *cluster;
static size_t server_count;
static bool faulty;
static bool rehashes;

static gibson_bytes bytes_of(const char *name)
{
    return gibson_str(name);
}

/* ---- A request to all of which some have failed ---- */

/* What one server was asked: its keys. */
static space_request part_of(const user *one, const space_request *request, size_t server)
{
    space_request part = *request;
    part.keys &= one->on_server[server];
    return part;
}

/* Whether a server may have been sent the request. */
static bool was_sent(gibson_status status)
{
    return status != GIBSON_UNREACHABLE;
}

/* A server has failed: the request that is due, and those behind it, may have been carried out
   there up to some point. */
static void lose_rest(user *one, pipeline *line, size_t server)
{
    space_request parts[LONGEST_PIPELINE];
    const space_request *lost[LONGEST_PIPELINE];
    size_t count = 0;
    if (line->read < line->lost_until[server]) {
        return; /* they are lost already */
    }
    for (size_t i = line->read; i < line->queued; i++) {
        parts[count] = part_of(one, &line->requests[i], server);
        if (parts[count].keys) {
            lost[count] = &parts[count];
            count++;
        }
    }
    line->lost_until[server] = line->queued;
    if (count) {
        worlds_lose(&one->self.worlds, lost, count);
    }
}

static void check_answer(user *one, const pipeline *line, size_t server)
{
    if (line->read < line->lost_until[server]) {
        worker_violate(&one->self, "an answer of server %zu follows an error", server);
    }
}

static void judge_part(user *one, pipeline *line, const gibson_cluster_answer *answer,
                       size_t server)
{
    const space_request part = part_of(one, &line->requests[line->read], server);
    const gibson_command *command = gibson_command_by_opcode((uint32_t)part.opcode);
    if (!worker_is_answer(answer->status)) {
        if (was_sent(answer->status)) {
            lose_rest(one, line, server);
        }
        worker_check_error(&one->self, answer->status, "a part");
        return;
    }
    check_answer(one, line, server);
    if (command->yield == GIBSON_YIELD_NUMBER) {
        const gibson_reply reply = {
            .opcode = part.opcode,
            .status = answer->status,
            .value = {.kind = GIBSON_KIND_NUMBER, .number = answer->number}};
        worker_judge(&one->self, &part, &reply);
    }
}

static size_t index_of(user *one, const char *server)
{
    size_t i = 0;
    while (i < server_count &&
           strcmp(gibson_cluster_server_at(one->client, i, NULL, NULL), server) != 0) {
        i++;
    }
    return i;
}

static void judge_failed(user *one, pipeline *line)
{
    size_t count;
    const gibson_cluster_answer *answers = gibson_cluster_answers(one->client, &count);
    if (count == server_count && count > 1) {
        for (size_t i = 0; i < count; i++) {
            judge_part(one, line, &answers[i], i);
        }
    } else if (was_sent(answers[0].status)) {
        lose_rest(one, line, index_of(one, answers[0].server));
    }
}

/* The reply to the request that is due. */
static void judge(user *one, pipeline *line, const gibson_reply *reply)
{
    size_t count;
    const gibson_cluster_answer *answers = gibson_cluster_answers(one->client, &count);
    if (!worker_is_answer(reply->status)) {
        judge_failed(one, line);
    }
    for (size_t i = 0; worker_is_answer(reply->status) && i < count; i++) {
        check_answer(one, line, index_of(one, answers[i].server));
    }
    worker_judge(&one->self, &line->requests[line->read], reply);
    line->read++;
}

/* ---- Steps ---- */

static void check_stats(user *one, gibson_status status)
{
    if (status != GIBSON_USAGE) {
        worker_violate(&one->self, "STATS returned %s", gibson_status_name(status));
    }
}

static void run_request(user *one)
{
    worker *self = &one->self;
    pipeline line = {.queued = 1};
    choice_request(&self->random, self->space, &self->writes, &line.requests[0]);
    const gibson_request sent = worker_request(self, &line.requests[0]);
    gibson_reply reply;
    const int64_t begin_ms = suite_now_ms();
    gibson_cluster_call(one->client, &sent, &reply);
    worker_check_time(self, begin_ms, of_clients.timeout_ms, "a call");
    if (sent.opcode == GIBSON_OP_STATS) {
        check_stats(one, reply.status);
    } else {
        judge(one, &line, &reply);
    }
}

/* As a call, or in a pipeline. */
static void run_refused(user *one, bool in_pipeline)
{
    worker *self = &one->self;
    space_request request;
    choice_request(&self->random, self->space, &self->writes, &request);
    gibson_request spoiled = worker_request(self, &request);
    gibson_reply reply;
    choice_spoil(&self->random, &spoiled);
    const gibson_status status = in_pipeline ? gibson_cluster_queue(one->client, &spoiled)
                                             : gibson_cluster_call(one->client, &spoiled, &reply);
    worker_note(self, "a refused request -> %s", gibson_status_name(status));
    if (status != GIBSON_INVALID && !(in_pipeline && status == GIBSON_WOULD_BLOCK)) {
        worker_violate(self, "a request that must be refused returned %s",
                       gibson_status_name(status));
    }
}

/* Tells whether each server may lose a batch more. */
static bool has_room(const worker *self)
{
    return self->worlds.batch_count + SERVERS <= WORLDS_BATCHES;
}

/* Queues up to so many. */
static void fill(user *one, pipeline *line, size_t wanted)
{
    worker *self = &one->self;
    while (line->queued < wanted && !self->violated) {
        if (choice_percent(&self->random, 5)) {
            run_refused(one, true);
        }
        space_request *request = &line->requests[line->queued];
        choice_request(&self->random, self->space, &self->writes, request);
        const gibson_request sent = worker_request(self, request);
        const gibson_status status = gibson_cluster_queue(one->client, &sent);
        if (status == GIBSON_WOULD_BLOCK && line->queued > line->read) {
            return;
        }
        if (sent.opcode == GIBSON_OP_STATS) {
            check_stats(one, status);
        } else if (status != GIBSON_OK) {
            worker_violate(self, "a request was not queued: %s", gibson_status_name(status));
        } else {
            line->queued++;
        }
    }
}

static void run_pipeline(user *one)
{
    worker *self = &one->self;
    pipeline line = {.queued = 0};
    gibson_reply reply;
    const size_t wanted = 1 + test_random_below(&self->random, LONGEST_PIPELINE);
    fill(one, &line, wanted);
    if (choice_percent(&self->random, 20)) {
        (void)gibson_cluster_flush(one->client);
    }
    while (line.read < line.queued && !self->violated) {
        const int64_t begin_ms = suite_now_ms();
        gibson_cluster_next(one->client, &reply);
        worker_check_time(self, begin_ms, of_clients.timeout_ms, "next");
        judge(one, &line, &reply);
        if (has_room(self) && choice_percent(&self->random, 30)) {
            fill(one, &line, wanted);
        }
    }
    if (!self->violated && gibson_cluster_next(one->client, &reply) != GIBSON_END) {
        worker_violate(self, "a reply too many");
    }
}

static void ask_directly(user *one, size_t server, const space_request *request)
{
    const gibson_request sent = worker_request(&one->self, request);
    gibson_reply reply;
    gibson_client_call(one->direct[server], &sent, &reply);
    if (!worker_is_answer(reply.status)) {
        worker_violate(&one->self, "directly: %s",
                       gibson_client_error(one->direct[server])->message);
        return;
    }
    worker_judge(&one->self, request, &reply);
}

/* Too many worlds to tell them apart: deletes all there is of the space. */
static void give_up(user *one)
{
    static const space_item nothing[SPACE_KEYS];
    static const gibson_opcode cleaning[] = {GIBSON_OP_MUNLOCK, GIBSON_OP_MDEL};
    for (size_t i = 0; i < 2 * server_count; i++) {
        space_request request = {.opcode = cleaning[i % 2]};
        gibson_reply reply;
        space_name_prefix(&request, one->self.space, 0);
        const gibson_request sent = worker_request(&one->self, &request);
        gibson_client_call(one->direct[i / 2], &sent, &reply);
    }
    worlds_reset(&one->self.worlds, nothing);
    one->self.counts.given_up++;
}

static void ask_for_all(user *one)
{
    static const gibson_opcode opcodes[] = {GIBSON_OP_GET, GIBSON_OP_META, GIBSON_OP_META};
    static const int64_t numbers[] = {0, GIBSON_META_TTL, GIBSON_META_LOCK};
    for (unsigned i = 0; i < 3 * SPACE_KEYS; i++) {
        space_request request = {.opcode = opcodes[i % 3], .number = numbers[i % 3]};
        space_name_key(&request, one->self.space, i / 3);
        for (size_t server = 0; server < server_count; server++) {
            if (one->on_server[server] & request.keys) {
                ask_directly(one, server, &request);
            }
        }
    }
}

/* Ends all connections, and finds out what has been carried out. */
static void settle(user *one)
{
    worker *self = &one->self;
    self->counts.settled++;
    worker_note(self, "settle %zu worlds, %zu batches", self->worlds.count,
                self->worlds.batch_count);
    for (size_t i = 0; i < server_count; i++) {
        if (!gibp_proxy_drop(proxies[i], WORKER_PATIENT_MS)) {
            worker_violate(self, "server %zu did not close what its proxy has ended", i);
            return;
        }
    }
    worlds_settle(&self->worlds);
    if (self->worlds.too_many) {
        give_up(one);
    } else {
        ask_for_all(one);
    }
}

static void step(user *one)
{
    worker *self = &one->self;
    const unsigned dice = test_random_below(&self->random, 100);
    if (dice < 65) {
        run_request(one);
    } else if (dice < 88) {
        run_pipeline(one);
    } else if (dice < 93) {
        run_refused(one, false);
    } else if (dice < 98) {
        gibp_proxy_release(proxies[test_random_below(&self->random, (unsigned)server_count)]);
    } else if (faulty) {
        settle(one);
    }
    if (worlds_may_become(&self->worlds) > ENOUGH_WORLDS || !has_room(self)) {
        settle(one);
    }
}

/* ---- A thread ---- */

static void place_keys(user *one)
{
    for (unsigned i = 0; i < SPACE_KEYS; i++) {
        space_request key;
        space_name_key(&key, one->self.space, i);
        one->on_server[gibson_cluster_server_of(one->client, bytes_of(key.name))] |= key.keys;
    }
}

static void make_direct(user *one)
{
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = WORKER_PATIENT_MS;
    options.reconnect = true;
    for (size_t i = 0; i < server_count; i++) {
        options.unix_socket = servers[i].unix_socket;
        if (gibson_client_new(&one->direct[i], &options, NULL) != GIBSON_OK) {
            abort();
        }
    }
}

static void *run_user(void *context)
{
    user *one = context;
    worker *self = &one->self;
    snprintf(self->space, sizeof self->space, "t%u", self->index);
    self->random = self->seed;
    worlds_init(&self->worlds, self->space);
    self->worlds.evicts = self->evicts;
    if (gibson_cluster_client_new(&one->client, cluster) != GIBSON_OK) {
        abort();
    }
    place_keys(one);
    make_direct(one);
    for (unsigned i = 0; i < self->steps && !self->violated; i++) {
        step(one);
    }
    if (!self->violated && faulty) { /* it cuts the connections of all threads */
        settle(one);
    }
    gibson_cluster_client_free(one->client);
    for (size_t i = 0; i < server_count; i++) {
        gibson_client_free(one->direct[i]);
    }
    worlds_clear(&self->worlds);
    return NULL;
}

/* ---- With GIBSON_CLUSTER_REHASH ---- */

/* Tells whether a value is one that was set under a key: "KEY#NUMBER". */
static bool is_of_key(const gibson_bytes *key, const gibson_value *value, int64_t writes)
{
    const char *bytes = value->bytes.data;
    if (value->bytes.size <= key->size + 1 || memcmp(bytes, key->data, key->size) != 0 ||
        bytes[key->size] != '#') {
        return false;
    }
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)(value->bytes.size - key->size - 1),
             bytes + key->size + 1);
    return strtoll(digits, NULL, 10) <= writes;
}

static void check_found(user *one, const gibson_request *request, const gibson_reply *reply)
{
    bool is_right = true;
    if (reply->status == GIBSON_OK && request->opcode == GIBSON_OP_GET) {
        is_right = is_of_key(&request->key, &reply->value, one->self.writes);
    } else if (reply->status == GIBSON_OK && request->opcode == GIBSON_OP_MGET) {
        gibson_items items = reply->items;
        gibson_bytes key;
        gibson_value value;
        while (gibson_items_next(&items, &key, &value)) {
            is_right = is_right && is_of_key(&key, &value, one->self.writes);
        }
    } else if (!worker_is_answer(reply->status)) {
        worker_check_error(&one->self, reply->status, "a call");
    }
    if (!is_right) {
        worker_violate(&one->self, "a value that was not set under the key");
    }
}

/* A request, with the memory of what it is made of. */
typedef struct made {
    space_request named;
    char value[SPACE_KEY_SIZE + 24];
    gibson_request request;
} made;

static void make_anywhere(user *one, made *to)
{
    static const gibson_opcode opcodes[] = {GIBSON_OP_SET, GIBSON_OP_SET,  GIBSON_OP_GET,
                                            GIBSON_OP_GET, GIBSON_OP_MGET, GIBSON_OP_DEL};
    worker *self = &one->self;
    const gibson_opcode opcode = opcodes[test_random_below(&self->random, COUNT_OF(opcodes))];
    if (opcode == GIBSON_OP_MGET) {
        space_name_prefix(&to->named, self->space,
                          test_random_below(&self->random, SPACE_PREFIXES));
    } else {
        space_name_key(&to->named, self->space, test_random_below(&self->random, SPACE_KEYS));
    }
    self->writes += opcode == GIBSON_OP_SET;
    snprintf(to->value, sizeof to->value, "%s#%" PRId64, to->named.name, self->writes);
    const gibson_bytes name = bytes_of(to->named.name);
    to->request = opcode == GIBSON_OP_SET
                      ? gibson_request_value(opcode, name, bytes_of(to->value), 0)
                      : gibson_request_key(opcode, name);
}

static void take_anywhere(user *one, const made *of, const gibson_reply *reply, int64_t begin_ms)
{
    worker *self = &one->self;
    worker_check_time(self, begin_ms, of_clients.timeout_ms, "a call, or next");
    self->counts.requests++;
    self->counts.by_status[reply->status]++;
    check_found(one, &of->request, reply);
}

static void step_anywhere(user *one)
{
    made one_made;
    gibson_reply reply;
    make_anywhere(one, &one_made);
    const int64_t begin_ms = suite_now_ms();
    gibson_cluster_call(one->client, &one_made.request, &reply);
    take_anywhere(one, &one_made, &reply, begin_ms);
}

static void pipeline_anywhere(user *one)
{
    made all_made[LONGEST_PIPELINE];
    size_t queued = 0;
    gibson_reply reply;
    while (queued < LONGEST_PIPELINE) {
        make_anywhere(one, &all_made[queued]);
        if (gibson_cluster_queue(one->client, &all_made[queued].request) != GIBSON_OK) {
            break; /* the window is full */
        }
        queued++;
    }
    if (gibson_cluster_outstanding(one->client) != queued || !queued) {
        worker_violate(&one->self, "%zu requests are outstanding instead of %zu",
                       gibson_cluster_outstanding(one->client), queued);
    }
    for (size_t i = 0; i < queued; i++) {
        const int64_t begin_ms = suite_now_ms();
        gibson_cluster_next(one->client, &reply);
        take_anywhere(one, &all_made[i], &reply, begin_ms);
    }
}

static void *run_user_anywhere(void *context)
{
    user *one = context;
    worker *self = &one->self;
    snprintf(self->space, sizeof self->space, "t%u", self->index);
    self->random = self->seed;
    if (gibson_cluster_client_new(&one->client, cluster) != GIBSON_OK) {
        abort();
    }
    for (unsigned i = 0; i < self->steps && !self->violated; i++) {
        const unsigned dice = test_random_below(&self->random, 20);
        if (dice < 15) {
            step_anywhere(one);
        } else if (dice < 19) {
            pipeline_anywhere(one);
        } else {
            run_refused(one, false);
        }
    }
    gibson_cluster_client_free(one->client);
    return NULL;
}

/* ---- A round ---- */

static size_t plan(void *context, uint64_t connection, gibp_fault *faults, size_t capacity)
{
    (void)connection;
    return faulty ? choice_faults(context, faults, capacity) : 0;
}

static void start_server(size_t i, uint64_t *random)
{
    /* So that META tells the size that was set. */
    static const char *const directives[] = {"max_value_size", "1M", "compression", "1M", NULL};
    char target[120];
    char problem[GIBP_PROXY_ERROR_SIZE];
    fault_randoms[i] = test_random(random);
    test_server_start(&servers[i], TEST_UNIX, directives);
    snprintf(target, sizeof target, "unix:%s", servers[i].unix_socket);
    const gibp_proxy_options way = {
        .listen = "127.0.0.1:0", .connect = target, .plan = plan, .context = &fault_randoms[i]};
    ck_assert_msg(gibp_proxy_start(&proxies[i], &way, problem), "%s", problem);
}

static void choose_cluster(uint64_t *random, gibson_cluster_options *options)
{
    gibson_options_init(&of_clients);
    choice_options(random, &of_clients);
    of_clients.retry_repeatable = false; /* told apart by model_test */
    if (!faulty) {
        of_clients.timeout_ms = WORKER_PATIENT_MS;
    }
    gibson_cluster_options_init(options);
    options->client = &of_clients;
    options->policy = rehashes ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    options->failure_limit = 1 + test_random_below(random, 3);
    options->retry_delay_ms = 1 + test_random_below(random, 3);
    options->retry_max_delay_ms = 5;
    options->depth = test_random_below(random, 3);
    options->separator = options->depth ? ':' : 0;
    options->flush_prefix = choice_percent(random, 40) ? "t" : NULL;
}

static bool make_cluster(uint64_t *random)
{
    gibson_cluster_options options;
    gibson_cluster_server list[SERVERS];
    choose_cluster(random, &options);
    for (size_t i = 0; i < server_count; i++) {
        list[i] = (gibson_cluster_server){.host = "127.0.0.1",
                                          .port = gibp_proxy_port(proxies[i]),
                                          .weight = test_random_below(random, 3)};
    }
    ck_assert_status(gibson_cluster_new(&cluster, list, server_count, &options, NULL), GIBSON_OK);
    return options.flush_prefix;
}

static void add_counts(worker_counts *to, const worker_counts *from)
{
    to->requests += from->requests;
    to->settled += from->settled;
    to->given_up += from->given_up;
    for (size_t i = 0; i < WORKER_STATUSES; i++) {
        to->by_status[i] += from->by_status[i];
    }
}

static bool run_threads(uint64_t *random, bool flushes, worker_counts *counts)
{
    pthread_t threads[THREADS];
    const unsigned count = 1 + test_random_below(random, THREADS);
    bool fine = true;
    for (unsigned i = 0; i < count; i++) {
        users[i] = (user){.self = {.seed = test_random(random),
                                   .index = i,
                                   .steps = STEPS,
                                   .faulty = faulty,
                                   .evicts = flushes && faulty}};
        pthread_create(&threads[i], NULL, rehashes ? run_user_anywhere : run_user, &users[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        add_counts(counts, &users[i].self.counts);
        if (users[i].self.violated) {
            worker_tell(&users[i].self);
            fine = false;
        }
    }
    return fine;
}

static bool run_round(uint64_t seed, worker_counts *counts)
{
    uint64_t random = seed;
    faulty = choice_percent(&random, 85);
    server_count = 1 + test_random_below(&random, SERVERS);
    for (size_t i = 0; i < server_count; i++) {
        start_server(i, &random);
    }
    const bool flushes = make_cluster(&random);
    const bool fine = run_threads(&random, flushes, counts);
    gibson_cluster_free(cluster);
    for (size_t i = 0; i < server_count; i++) {
        counts->faults += gibp_proxy_count(proxies[i]).struck;
        gibp_proxy_stop(proxies[i]);
        test_server_stop(&servers[i]);
    }
    return fine;
}

static void print_counts(const worker_counts *counts, uint64_t rounds)
{
    printf("%" PRIu64 " rounds: %" PRIu64 " requests, %" PRIu64 " faults, settled %" PRIu64
           " times (gave up %" PRIu64 ")\n",
           rounds, counts->requests, counts->faults, counts->settled, counts->given_up);
    for (int i = 0; i < WORKER_STATUSES; i++) {
        if (counts->by_status[i]) {
            printf("  %-14s %" PRIu64 "\n", gibson_status_name((gibson_status)i),
                   counts->by_status[i]);
        }
    }
    fflush(stdout);
}

static void run_rounds(void)
{
    const uint64_t count = suite_number("GIBSON_TEST_COUNT", 0);
    const int64_t for_ms = 1000 * (int64_t)suite_number("GIBSON_TEST_SECONDS", DEFAULT_SECONDS);
    const int64_t begin_ms = suite_now_ms();
    worker_counts counts = {0};
    uint64_t seed = suite_seed();
    uint64_t rounds = 0;
    bool fine = true;
    while (fine && (count ? rounds < count : suite_now_ms() - begin_ms < for_ms)) {
        fine = run_round(seed, &counts);
        rounds++;
        if (!fine) {
            fprintf(stderr, "replay: GIBSON_TEST_SEED=%" PRIu64 " GIBSON_TEST_COUNT=1\n", seed);
        }
        seed = suite_next_seed(seed);
    }
    print_counts(&counts, rounds);
    ck_assert_msg(fine, "a reply was wrong: see above");
}

START_TEST(cluster_under_random_faults_every_reply_is_right_or_an_error)
{
    rehashes = false;
    run_rounds();
}
END_TEST

START_TEST(cluster_that_rehashes_under_random_faults_finds_what_was_set_under_the_key)
{
    rehashes = true;
    run_rounds();
}
END_TEST

SUITE("cluster_model", cluster_under_random_faults_every_reply_is_right_or_an_error,
      cluster_that_rehashes_under_random_faults_finds_what_was_set_under_the_key)
