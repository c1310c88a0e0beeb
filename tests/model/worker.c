#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "random.h"
#include "support/suite.h"
#include "worker_steps.h"

enum { ENOUGH_WORLDS = 300 };

static void connect_client(worker *self, unsigned which)
{
    self->interrupted = false;
    const int64_t begin_ms = suite_now_ms();
    gibson_status status = gibson_client_connect(self->clients[which]);
    worker_check_time(self, begin_ms, self->options[which].connect_timeout_ms, "connect");
    worker_check_error(self, status, "connect");
}

static void quit(worker *self, unsigned which)
{
    self->interrupted = false;
    gibson_status status = gibson_client_quit(self->clients[which]);
    worker_check_error(self, status, "quit");
    if (gibson_client_connected(self->clients[which])) {
        worker_violate(self, "connected after quit");
    }
}

static void step(worker *self)
{
    const unsigned which = test_random_below(&self->random, self->client_count);
    gibson_client *client = self->clients[which];
    const unsigned dice = test_random_below(&self->random, 100);
    self->may_close = self->ended[which];
    if (!gibson_client_connected(client) &&
        (!self->options[which].reconnect || choice_percent(&self->random, 20))) {
        connect_client(self, which);
    }
    if (!gibson_client_connected(client) && !self->options[which].reconnect) {
        return;
    }
    if (dice < 66) {
        worker_run_single(self, which);
    } else if (dice < 70) {
        worker_run_refused(self, which);
    } else if (dice < 88) {
        worker_run_pipeline(self, which);
    } else if (dice < 94) {
        gibp_proxy_release(self->proxy);
    } else if (dice < 96) {
        worker_settle(self);
        return;
    } else if (dice < 98) {
        gibson_client_close(client);
    } else {
        quit(self, which);
    }
    /* Then the client was not used: what it refuses need not have made it look at its connection.
     */
    self->ended[which] &= (dice >= 66 && dice < 70) || (dice >= 88 && dice < 94);
    if (worlds_may_become(&self->worlds) > ENOUGH_WORLDS ||
        self->worlds.batch_count + 2 > WORLDS_BATCHES) {
        worker_settle(self);
    }
}

static int interrupt(void *context)
{
    worker *self = context;
    bool now = choice_percent(&self->interrupt_random, self->interrupt_percent);
    self->interrupted |= now;
    return now;
}

static size_t plan(void *context, uint64_t connection, gibp_fault *faults, size_t capacity)
{
    worker *self = context;
    (void)connection;
    return self->faulty ? choice_faults(&self->fault_random, faults, capacity) : 0;
}

/* Sets where to connect to, from the text of a unix socket, which is borrowed, or a TCP port. */
static void set_address(gibson_options *options, const char *address, uint16_t port)
{
    if (port) {
        options->port = port;
    } else {
        options->unix_socket = address + strlen("unix:");
    }
}

static void make_client(worker *self, gibson_client **client, const gibson_options *options)
{
    gibson_error error;
    if (gibson_client_new(client, options, &error) != GIBSON_OK) {
        worker_violate(self, "client_new: %s", error.message);
    }
}

static void start_proxy(worker *self)
{
    char error[GIBP_PROXY_ERROR_SIZE];
    const bool is_unix = strncmp(self->server, "unix:", 5) == 0;
    char listen[GIBP_PROXY_ADDRESS_SIZE];
    snprintf(listen, sizeof listen, is_unix ? "%s.%u" : "127.0.0.1:0", self->server, self->index);
    const gibp_proxy_options options = {
        .listen = listen, .connect = self->server, .plan = plan, .context = self};
    if (!gibp_proxy_start(&self->proxy, &options, error)) {
        worker_violate(self, "%s", error);
    }
}

static void start(worker *self)
{
    self->random = self->seed;
    self->fault_random = test_random(&self->random);
    self->interrupt_random = test_random(&self->random);
    self->interrupt_percent = self->faulty ? 5 : 0;
    snprintf(self->space, sizeof self->space, "t%u", self->index);
    worlds_init(&self->worlds, self->space);
    self->worlds.evicts = self->evicts;
    start_proxy(self);
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = WORKER_PATIENT_MS;
    options.reconnect = true;
    const char *colon = strrchr(self->server, ':');
    const bool is_unix = strncmp(self->server, "unix:", 5) == 0;
    set_address(&options, self->server, is_unix ? 0 : (uint16_t)strtol(colon + 1, NULL, 10));
    make_client(self, &self->direct, &options);
    self->client_count = 1 + test_random_below(&self->random, WORKER_CLIENTS);
    for (unsigned i = 0; i < self->client_count && !self->violated; i++) {
        gibson_options_init(&self->options[i]);
        choice_options(&self->random, &self->options[i]);
        if (!self->faulty) {
            self->options[i].timeout_ms = WORKER_PATIENT_MS;
            self->options[i].reconnect = true;
        }
        self->options[i].interrupt = interrupt;
        self->options[i].interrupt_context = self;
        set_address(&self->options[i], gibp_proxy_listens_on(self->proxy),
                    gibp_proxy_port(self->proxy));
        make_client(self, &self->clients[i], &self->options[i]);
    }
}

static void stop(worker *self)
{
    for (unsigned i = 0; i < self->client_count; i++) {
        gibson_client_free(self->clients[i]);
    }
    gibson_client_free(self->direct);
    if (self->proxy) {
        gibp_proxy_counters counters = gibp_proxy_count(self->proxy);
        self->counts.connections = counters.accepted;
        self->counts.faults = counters.struck;
    }
    gibp_proxy_stop(self->proxy);
    self->counts.most_worlds = self->worlds.most;
    worlds_clear(&self->worlds);
}

void *worker_run(void *context)
{
    worker *self = context;
    start(self);
    for (unsigned i = 0; i < self->steps && !self->violated; i++) {
        step(self);
    }
    if (!self->violated) {
        worker_settle(self);
    }
    stop(self);
    return NULL;
}
