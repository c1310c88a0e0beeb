/* Runs gets through gibson/async.h, for bench/client-cost to count what they cost.

   Usage: cost_async SOCKET UNDER_WAY OPERATIONS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/adapters/poll.h>

enum { VALUE_SIZE = 100 };

typedef struct run {
    gibson_request request;
    long to_submit;
    long answered;
} run;

static const char key[] = "app:user:1000:name";

static void submit(gibson_async *async, run *all);

static void answered(gibson_async *async, const gibson_reply *reply, void *context)
{
    run *all = context;
    if (reply->status != GIBSON_OK || reply->value.bytes.size != VALUE_SIZE) {
        fprintf(stderr, "cost_async: %s\n", gibson_async_error(async)->message);
        exit(1);
    }
    all->answered++;
    submit(async, all);
}

static void submit(gibson_async *async, run *all)
{
    if (!all->to_submit) {
        return;
    }
    all->to_submit--;
    if (gibson_async_submit(async, &all->request, 0, answered, all, NULL)) {
        fprintf(stderr, "cost_async: %s\n", gibson_async_error(async)->message);
        exit(1);
    }
}

static void stored(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)async;
    *(gibson_status *)context = reply->status;
}

/* Turns until there is nothing left to do. */
static void finish(gibson_async *async)
{
    while (gibson_async_outstanding(async)) {
        struct pollfd wait;
        int timeout_ms = -1;
        gibson_poll_prepare(async, &wait, &timeout_ms);
        poll(&wait, 1, timeout_ms);
        gibson_poll_finish(async, &wait);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_async SOCKET UNDER_WAY OPERATIONS\n");
        return 2;
    }
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = argv[1];
    options.timeout_ms = 60000;
    gibson_async *async;
    if (gibson_async_new(&async, &options, NULL, NULL) || gibson_async_connect(async)) {
        return 1;
    }
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    const gibson_request set = gibson_request_value(GIBSON_OP_SET, gibson_str(key),
                                                    gibson_bytes_of(value, sizeof value), 0);
    gibson_status status = GIBSON_CLOSED;
    (void)gibson_async_submit(async, &set, 0, stored, &status, NULL);
    finish(async);
    run all = {.request = gibson_request_key(GIBSON_OP_GET, gibson_str(key)),
               .to_submit = strtol(argv[3], NULL, 10)};
    const long under_way = strtol(argv[2], NULL, 10);
    for (long i = 0; i < under_way; i++) {
        submit(async, &all);
    }
    finish(async);
    gibson_async_free(async);
    return status == GIBSON_OK && all.answered == strtol(argv[3], NULL, 10) ? 0 : 1;
}
