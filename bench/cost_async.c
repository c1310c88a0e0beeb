/* Runs gets through gibson/async.h, for bench/client-cost to count what they cost.

   Usage: cost_async SOCKET epoll|poll UNDER_WAY OPERATIONS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/adapters/epoll.h>
#include <gibson/adapters/poll.h>

enum { VALUE_SIZE = 100 };

/* What is asked through which loop. */
typedef struct run {
    gibson_async *async;
    bool in_epoll; /* else around poll */
    int epoll;
    gibson_epoll watch;
    gibson_request request;
    long to_submit;
    long to_answer;
} run;

static const char key[] = "app:user:1000:name";

static void submit(run *all);

static void refuse(const run *all)
{
    fprintf(stderr, "cost_async: %s\n", gibson_async_error(all->async)->message);
    exit(1);
}

static void answered(gibson_async *async, const gibson_reply *reply, void *context)
{
    run *all = context;
    (void)async;
    if (reply->status != GIBSON_OK || reply->value.bytes.size != VALUE_SIZE) {
        refuse(all);
    }
    all->to_answer--;
    submit(all);
}

static void submit(run *all)
{
    if (!all->to_submit) {
        return;
    }
    all->to_submit--;
    if (gibson_async_submit(all->async, &all->request, 0, answered, all, NULL)) {
        refuse(all);
    }
}

static void stored(gibson_async *async, const gibson_reply *reply, void *context)
{
    run *all = context;
    (void)async;
    if (reply->status != GIBSON_OK) {
        refuse(all);
    }
    all->to_answer--;
}

/* These turn until there is nothing left to do. */

static void finish_around_poll(run *all)
{
    while (all->to_answer) {
        struct pollfd wait;
        int timeout_ms = -1;
        gibson_poll_prepare(all->async, &wait, &timeout_ms);
        poll(&wait, 1, timeout_ms);
        gibson_poll_finish(all->async, &wait);
    }
}

static void finish_in_epoll(run *all)
{
    while (all->to_answer) {
        struct epoll_event events[8];
        const int count = epoll_wait(all->epoll, events, 8, gibson_epoll_timeout_ms(&all->watch));
        for (int i = 0; i < count; i++) {
            (void)gibson_epoll_dispatch(&all->watch, &events[i]);
        }
        gibson_epoll_finish(&all->watch);
    }
}

static void finish(run *all)
{
    if (all->in_epoll) {
        finish_in_epoll(all);
    } else {
        finish_around_poll(all);
    }
}

static void begin(run *all, const char *socket, const char *loop)
{
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = socket;
    options.timeout_ms = 60000;
    all->in_epoll = !strcmp(loop, "epoll");
    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (gibson_async_new(&all->async, &options, NULL, NULL) ||
        (all->in_epoll && gibson_epoll_attach(&all->watch, all->async, all->epoll)) ||
        gibson_async_connect(all->async)) {
        fprintf(stderr, "cost_async: cannot begin\n");
        exit(1);
    }
}

static void store(run *all)
{
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    const gibson_request set = gibson_request_value(GIBSON_OP_SET, gibson_str(key),
                                                    gibson_bytes_of(value, sizeof value), 0);
    all->to_answer = 1;
    if (gibson_async_submit(all->async, &set, 0, stored, all, NULL)) {
        refuse(all);
    }
    finish(all);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: cost_async SOCKET epoll|poll UNDER_WAY OPERATIONS\n");
        return 2;
    }
    run all = {.request = gibson_request_key(GIBSON_OP_GET, gibson_str(key))};
    begin(&all, argv[1], argv[2]);
    store(&all);
    all.to_submit = all.to_answer = strtol(argv[4], NULL, 10);
    const long under_way = strtol(argv[3], NULL, 10);
    for (long i = 0; i < under_way; i++) {
        submit(&all);
    }
    finish(&all);
    gibson_async_free(all.async);
    close(all.epoll);
    return 0;
}
