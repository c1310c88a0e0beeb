/* A program that knows nothing but the installed headers and library. */
#include <stdio.h>
#include <string.h>

#include <gibson/adapters/poll.h>
#include <gibson/gibson.h>

static void note(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)async;
    *(gibson_status *)context = reply->status;
}

/* A request of the client for event loops. */
static gibson_status ask(const gibson_options *options)
{
    gibson_async *async;
    gibson_status status = gibson_async_new(&async, options, NULL, NULL);
    if (status != GIBSON_OK) {
        return status;
    }
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    status = gibson_async_connect(async);
    if (status == GIBSON_OK) {
        status = gibson_async_submit(async, &ping, 0, note, &status, NULL);
    }
    while (gibson_async_outstanding(async)) {
        struct pollfd wait;
        int timeout_ms = -1;
        gibson_poll_prepare(async, &wait, &timeout_ms);
        (void)poll(&wait, 1, timeout_ms);
        gibson_poll_finish(async, &wait);
    }
    gibson_async_free(async);
    return status;
}

int main(void)
{
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = "/nonexistent/gibson.sock";
    gibson_client *client;
    gibson_error error;
    if (gibson_client_new(&client, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    gibson_status status = gibson_client_connect(client);
    gibson_value value;
    gibson_status without = gibson_client_get(client, gibson_str("key"), &value);
    const gibson_status asynchronous = ask(&options);
    printf("%s %s %s %s\n", gibson_version(), gibson_status_name(status),
           gibson_status_name(without), gibson_status_name(asynchronous));
    gibson_client_free(client);
    const bool right = status == GIBSON_UNREACHABLE && without == GIBSON_CLOSED &&
                       asynchronous == GIBSON_UNREACHABLE;
    return right && !strcmp(gibson_version(), GIBSON_VERSION) ? 0 : 1;
}
