/* Callbacks that do something to the handle they are called for, in each way a request can end.
   hiredis 335, 343, 488 and 931, hiredis-cluster 107, 125 and 203: handles freed, closed and used
   again from within callbacks, and requests that were never called back. */
#include <gibson/async.h>

#include <string.h>

#include "support/async_loop.h"
#include "support/samples.h"
#include "support/suite.h"

enum { REQUESTS = 6 };

/* What the callback of the third request does. */
typedef enum action {
    SUBMIT,
    CANCEL_NEXT,
    CANCEL_ALL,
    CANCEL_ITSELF,
    CLOSE,
    CLOSE_AND_CONNECT,
    CLOSE_AND_SUBMIT,
    DRAIN,
    CONNECT,
    RUN,
    FREE,
    ACTIONS,
} action;

/* How its request ends. */
typedef enum ending {
    ANSWERED,
    TIMED_OUT,
    LOST,        /* the peer closes the connection */
    MALFORMED,   /* the peer sends nonsense */
    CLOSED,      /* the owner does */
    FREED,       /* the owner does */
    NOT_REACHED, /* connecting fails */
    ENDINGS,
} ending;

typedef struct request {
    struct scene *scene;
    uint64_t id;
    int calls;
    bool cancelled;
} request;

typedef struct scene {
    gibson_async *async;
    action what;
    bool freed;
    request requests[REQUESTS];
    request more; /* submitted by the callback */
    bool more_accepted;
} scene;

static const gibson_request *get(void)
{
    return &sample_of(GIBSON_OP_GET)->request;
}

static void count(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)reply;
    request *self = context;
    ck_assert_ptr_eq(async, self->scene->async);
    self->calls++;
}

static void cancel(scene *all, int i)
{
    all->requests[i].cancelled |= gibson_async_cancel(all->async, all->requests[i].id);
}

static void submit_more(scene *all)
{
    all->more = (request){.scene = all};
    all->more_accepted =
        gibson_async_submit(all->async, get(), 0, count, &all->more, &all->more.id) == GIBSON_OK;
}

static void act(gibson_async *async, const gibson_reply *reply, void *context)
{
    count(async, reply, context);
    request *self = context;
    scene *all = self->scene;
    switch (all->what) {
    case SUBMIT:
        submit_more(all);
        break;
    case CANCEL_NEXT:
        cancel(all, 3);
        break;
    case CANCEL_ALL:
        for (int i = 0; i < REQUESTS; i++) {
            cancel(all, i);
        }
        break;
    case CANCEL_ITSELF:
        ck_assert(!gibson_async_cancel(async, self->id));
        break;
    case CLOSE:
        gibson_async_close(async);
        break;
    case CLOSE_AND_CONNECT:
        gibson_async_close(async);
        (void)gibson_async_connect(async);
        break;
    case CLOSE_AND_SUBMIT:
        gibson_async_close(async);
        submit_more(all);
        break;
    case DRAIN:
        gibson_async_drain(async);
        break;
    case CONNECT:
        (void)gibson_async_connect(async);
        break;
    case RUN:
        ck_assert_status(gibson_async_run(async, GIBSON_ASYNC_READ), GIBSON_USAGE);
        break;
    default:
        all->freed = true;
        gibson_async_free(async);
        break;
    }
}

static void serve_one(peer_link *link, ending how)
{
    peer_frame frame;
    if (link->index) { /* a second connection is served */
        sample_serve(link);
        return;
    }
    for (int i = 0; i < REQUESTS && peer_read_frame(link, &frame); i++) {
        if (how == ANSWERED || (i < 2 && how != TIMED_OUT)) {
            sample_answer(link, &frame);
        }
    }
    if (how == MALFORMED) {
        peer_send(link, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    }
    if (how != LOST) {
        peer_read_to_end(link);
    }
}

static void serve(peer_link *link)
{
    serve_one(link, *(ending *)link->context);
}

static void end_it(scene *all, ending how)
{
    if (how == CLOSED || how == FREED) {
        async_turn(all->async, 0);
    }
    if (how == CLOSED) {
        gibson_async_close(all->async);
    } else if (how == FREED) {
        all->freed = true;
        gibson_async_free(all->async);
    }
    const int64_t until = suite_now_ms() + 20000;
    while (!all->freed && gibson_async_outstanding(all->async)) {
        ck_assert_int_lt(suite_now_ms(), until);
        async_turn(all->async, 100);
    }
}

static void play(ending how, action what, bool reconnect)
{
    peer *server = peer_start(PEER_UNIX, serve, &how);
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = how == TIMED_OUT ? 30 : 5000;
    options.reconnect = reconnect;
    async_told told;
    scene all = {.async = async_new(server, &options, &told), .what = what};
    if (how == NOT_REACHED) {
        peer_go_down(server);
        ck_assert_status(gibson_async_connect(all.async), GIBSON_OK);
    } else {
        async_connect(all.async, &told);
    }
    for (int i = 0; i < REQUESTS; i++) {
        request *self = &all.requests[i];
        self->scene = &all;
        ck_assert_status(
            gibson_async_submit(all.async, get(), 0, i == 2 ? act : count, self, &self->id),
            GIBSON_OK);
    }
    end_it(&all, how);
    if (!all.freed) {
        gibson_async_free(all.async);
    }
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert_msg(all.requests[i].calls == !all.requests[i].cancelled,
                      "ending %d, action %d: request %d was called back %d times", how, what, i,
                      all.requests[i].calls);
    }
    ck_assert_int_eq(all.more.calls, all.more_accepted);
    peer_stop(server);
}

START_TEST(async_callback_does_anything_in_any_state)
{
    const ending how = (ending)_i;
    for (int what = 0; what < ACTIONS; what++) {
        play(how, (action)what, false);
        play(how, (action)what, true);
    }
}
END_TEST

/* The hook `connection` does so, too. */
static void reconnect_or_free(gibson_async *async, gibson_status status, void *context)
{
    scene *all = context;
    if (all->what == FREE) {
        all->freed = true;
        gibson_async_free(async);
    } else if (all->what == CLOSE) {
        gibson_async_close(async);
    } else if (status != GIBSON_OK && all->what == CONNECT) {
        (void)gibson_async_connect(async);
    } else if (status != GIBSON_OK && all->what == SUBMIT) {
        submit_more(all);
    } else if (all->what == DRAIN) {
        gibson_async_drain(async);
    }
}

static void play_hook(action what, bool reconnect)
{
    ending how = LOST;
    peer *server = peer_start(PEER_UNIX, serve, &how);
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = 5000;
    options.reconnect = reconnect;
    peer_point(server, &options);
    scene all = {.what = what};
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.context = &all;
    hooks.connection = reconnect_or_free;
    ck_assert_status(gibson_async_new(&all.async, &options, &hooks, NULL), GIBSON_OK);
    ck_assert_status(gibson_async_connect(all.async), GIBSON_OK);
    int accepted[REQUESTS] = {0};
    for (int i = 0; i < REQUESTS && !all.freed; i++) {
        request *self = &all.requests[i];
        self->scene = &all;
        accepted[i] = gibson_async_submit(all.async, get(), 0, count, self, &self->id) == GIBSON_OK;
    }
    end_it(&all, LOST);
    if (!all.freed) {
        gibson_async_free(all.async);
    }
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert_int_eq(all.requests[i].calls, accepted[i]);
    }
    ck_assert_int_eq(all.more.calls, all.more_accepted);
    peer_stop(server);
}

START_TEST(async_connection_hook_does_anything)
{
    static const action actions[] = {RUN, FREE, CLOSE, CONNECT, SUBMIT, DRAIN};
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        play_hook(actions[i], false);
        play_hook(actions[i], true);
    }
}
END_TEST

enum { DEEP = 100000 };

static int closed;

static void close_it(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)reply;
    (void)context;
    closed++;
    gibson_async_close(async);
}

static void submit_deep(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)reply;
    (void)context;
    for (int i = 0; i < DEEP; i++) {
        ck_assert_status(gibson_async_submit(async, get(), 0, close_it, NULL, NULL), GIBSON_OK);
    }
    gibson_async_close(async);
}

/* Each callback closes the handle, and so fails the next request: as deep as no stack is, if that
   were done by recursion. They are submitted in a callback, as debug builds check the state of all
   after each call outside of one. */
START_TEST(async_callbacks_that_all_close_do_not_recurse)
{
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    async_told told;
    gibson_options options;
    gibson_options_init(&options);
    options.pipeline_window = DEEP + 1;
    gibson_async *async = async_new(server, &options, &told);
    async_connect(async, &told);
    closed = 0;
    ck_assert_status(gibson_async_submit(async, get(), 0, submit_deep, NULL, NULL), GIBSON_OK);
    async_until(async, closed);
    ck_assert_int_eq(closed, DEEP);
    gibson_async_free(async);
    peer_stop(server);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(async_callback_does_anything_in_any_state), .runs = ENDINGS},
        {TESTS(async_connection_hook_does_anything, async_callbacks_that_all_close_do_not_recurse)},
    };
    return suite_run("async_callbacks", 1, parts, COUNT_OF(parts));
}
