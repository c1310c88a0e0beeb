#include "async_requests.h"

#include <stdio.h>

enum { ITEMS = 3 };

/* Prints a reply. The views of it live until this returns. */
static void show(gibson_async *async, const gibson_reply *reply, void *context)
{
    requests *self = context;
    if (reply->status != GIBSON_OK) {
        fprintf(stderr, "%s\n", gibson_async_error(async)->message);
        self->failed = true;
        return;
    }
    printf("%s: %.*s\n", gibson_command_by_opcode(reply->opcode)->name,
           (int)reply->value.bytes.size, (const char *)reply->value.bytes.data);
}

static void submit(gibson_async *async, const gibson_request *request, requests *self)
{
    if (gibson_async_submit(async, request, 0, show, self, NULL) != GIBSON_OK) {
        fprintf(stderr, "%s\n", gibson_async_error(async)->message);
        self->failed = true; /* and show is not called */
    }
}

/* All of these leave in one system call, at the end of the turn. */
static void submit_all(gibson_async *async, requests *self)
{
    static const char *const keys[ITEMS] = {"user:1", "user:2", "user:3"};
    static const char *const names[ITEMS] = {"Ada", "Charles", "Grace"};
    for (int i = 0; i < ITEMS; i++) {
        const gibson_request set =
            gibson_request_value(GIBSON_OP_SET, gibson_str(keys[i]), gibson_str(names[i]), 60);
        submit(async, &set, self);
    }
    for (int i = 0; i < ITEMS; i++) {
        const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str(keys[i]));
        submit(async, &get, self);
    }
    gibson_async_drain(async); /* no more: close when all are answered */
}

/* The hook: there is a connection, or there is none any more. */
static void connection(gibson_async *async, gibson_status status, void *context)
{
    requests *self = context;
    if (status == GIBSON_OK) {
        submit_all(async, self);
        return;
    }
    if (status != GIBSON_END) {
        fprintf(stderr, "%s\n", gibson_async_error(async)->message);
        self->failed = true;
    }
    self->over = true;
    if (self->ended) {
        self->ended(self->context);
    }
}

gibson_async *requests_begin(requests *self, const char *unix_socket)
{
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = unix_socket;
    options.timeout_ms = 5000;
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.context = self;
    hooks.connection = connection;
    gibson_async *async;
    gibson_error error;
    if (gibson_async_new(&async, &options, &hooks, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return NULL;
    }
    if (gibson_async_connect(async) != GIBSON_OK) {
        fprintf(stderr, "%s\n", gibson_async_error(async)->message);
        gibson_async_free(async);
        return NULL;
    }
    return async;
}
