/* The client for event loops: a connection that never makes its caller wait, and serves any number
   of requests at once. */
#ifndef GIBSON_ASYNC_H
#define GIBSON_ASYNC_H

#include <gibson/options.h>
#include <gibson/reply.h>
#include <gibson/request.h>
#include <gibson/status.h>

GIBSON_BEGIN_DECLS

/* gibson_async is a connection to a server for programs with an event loop. Requests are submitted
   at any time, and each has a callback for its reply. They go over the connection in order, as many
   at a time as options.pipeline_window and options.pipeline_bytes allow; those that were submitted
   in one turn of the loop leave in one system call, as far as the socket takes them. See
   docs/async.md.

   The loop does the waiting. gibson_async_wants says for what: one descriptor, and a time. The loop
   calls gibson_async_run when that is there. The adapters in gibson/adapters/ do so for libuv,
   libevent, GLib and poll; the one for poll shows how to write another.

   Thread rule: a gibson_async belongs to the thread of its loop: one thread at a time may use it.
   No function waits: names are resolved by a thread of the library's. Of options.interrupt and
   options.retry_repeatable no use is made: a request of which a byte was sent is never sent again.
   After a fork the connection is the parent's: in the child, the next call on the handle fails all
   requests that it has, with GIBSON_CLOSED, and never touches the parent's socket.

   Callbacks: a reply callback or hook (but `changed`) may call every function on the handle it is
   called for: submit, cancel, close, drain, connect, even free. gibson_async_run alone returns
   GIBSON_USAGE there. */
typedef struct gibson_async gibson_async;

/* gibson_async_callback is called with the reply to a request: once for each request that
   gibson_async_submit accepted, unless gibson_async_cancel took it back. reply->status is what a
   call of the blocking client returns (see client.h and pipeline.h), with these differences:

   - GIBSON_TIMEOUT: the request was not answered within its time. Others go on: its reply is
     dropped when it comes. What the server did with it is not known.
   - GIBSON_CLOSED: the connection was lost, or closed by gibson_async_close or gibson_async_free.
   - All requests that are lost with a connection get the status that the hook `connection` is
     told: beside GIBSON_CLOSED, GIBSON_PROTOCOL where the server sends what answers no request,
     GIBSON_TIMEOUT where a reply that nobody waits for any more stays away for
     options.timeout_ms after the last that came, with none before it whose time is longer,
     GIBSON_NOMEM, GIBSON_SYSTEM; where connecting
     fails, what gibson_client_connect returns.

   gibson_async_error tells more, while the callback runs. The views of *reply live until the
   callback returns, or as long as gibson_async_take_reply makes them. */
typedef void (*gibson_async_callback)(gibson_async *async, const gibson_reply *reply,
                                      void *context);

/* gibson_async_hooks tell the owner of a handle what has become of it. Each may be NULL. */
typedef struct gibson_async_hooks {
    size_t struct_size; /* set by gibson_async_hooks_init; tells the version of the struct */
    void *context;      /* of all hooks */

    /* What gibson_async_wants returns is not what it was. Called from within any function on the
       handle, and always before a descriptor is closed, so that the loop can be told to forget it.
       It may call gibson_async_wants and gibson_async_timeout_ms, and nothing else. A time that has
       become a later one is not always told: to run too early does no harm. */
    void (*changed)(gibson_async *async, void *context);

    /* status GIBSON_OK: there is a connection. Another: connecting has failed, or the connection
       was lost, and this is why (gibson_async_error tells more); GIBSON_END: gibson_async_drain is
       done. Called before the callbacks of the requests that were lost. gibson_async_close,
       gibson_async_free and the end of a parent's connection in a child do not call it. */
    void (*connection)(gibson_async *async, gibson_status status, void *context);

    /* After gibson_async_submit has returned GIBSON_WOULD_BLOCK: there is room again, for half of
       options.pipeline_window and pipeline_bytes or more. */
    void (*room)(gibson_async *async, void *context);
} gibson_async_hooks;

/* gibson_async_hooks_init sets every member to NULL. Thread rule: any thread. Since 0.3. */
#define gibson_async_hooks_init(hooks)                                                             \
    gibson_async_hooks_init_sized((hooks), sizeof(gibson_async_hooks))
GIBSON_API void gibson_async_hooks_init_sized(gibson_async_hooks *hooks, size_t struct_size);

/* A function that is told something of a handle. */
typedef void gibson_async_hook(gibson_async *async, void *context);

/* Events of a descriptor. */
typedef enum gibson_async_events {
    GIBSON_ASYNC_READ = 1,
    GIBSON_ASYNC_WRITE = 2,
} gibson_async_events;

#define GIBSON_ASYNC_NEVER INT64_MAX

/* gibson_async_waits is what a handle waits for. */
typedef struct gibson_async_waits {
    int descriptor; /* -1: none. A later one of the same number may be another: `changed` was called
                       with -1, or other events, in between */
    unsigned events; /* of the descriptor: GIBSON_ASYNC_READ, GIBSON_ASYNC_WRITE, or both */
    int64_t wake_ns; /* when to run whatever happens, on CLOCK_MONOTONIC, in nanoseconds: 0 for
                        before the loop waits next, GIBSON_ASYNC_NEVER */
} gibson_async_waits;

/* gibson_async_new makes a handle, and does not connect it. options and hooks, which are copied,
   may be NULL. *async is NULL unless the call succeeds; the caller frees it with gibson_async_free.
   Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_INVALID with *error saying which option; GIBSON_USAGE if
   async is NULL. error may be NULL. Thread rule: any thread. Since 0.3. */
GIBSON_API gibson_status gibson_async_new(gibson_async **async, const gibson_options *options,
                                          const gibson_async_hooks *hooks, gibson_error *error);

/* gibson_async_free closes the connection, calls back every request that has no reply with
   GIBSON_CLOSED, and frees the handle. Nothing can be submitted from then on. In a callback of the
   handle, the memory goes when that has returned. NULL is allowed. Since 0.3. */
GIBSON_API void gibson_async_free(gibson_async *async);

/* gibson_async_connect begins to connect, unless there is a connection or one is being made.
   The hook `connection` tells the outcome. Requests may be submitted at once, and are sent then.
   Addresses are tried as gibson_client_connect does, before options.connect_timeout_ms. Returns
   GIBSON_OK; GIBSON_NOMEM or GIBSON_SYSTEM if that failed at once; GIBSON_CLOSED while the handle
   is drained or freed; GIBSON_USAGE if async is NULL. Since 0.3. */
GIBSON_API gibson_status gibson_async_connect(gibson_async *async);

/* gibson_async_close closes the connection, or ends connecting, and calls back every request that
   has no reply with GIBSON_CLOSED before it returns; but where it is called by the callback of one
   that is just being failed with its connection, the others are when that callback has returned.
   The handle can be connected again. Since 0.3. */
GIBSON_API void gibson_async_close(gibson_async *async);

/* gibson_async_drain refuses requests from here on (GIBSON_CLOSED), and closes the connection once
   all that there are have been called back; then the hook `connection` gets GIBSON_END, from within
   this call if there are none. From that on, the handle can be connected again. Does nothing in the
   hook that is told so. Since 0.3. */
GIBSON_API void gibson_async_drain(gibson_async *async);

/* gibson_async_submit makes a request wait for its turn. Key and value are copied. timeout_ms is
   its time from now (in a callback or hook: from when the function was called that calls it, such
   as gibson_async_run) to its reply, connecting included, in milliseconds; 0 for
   options.timeout_ms, GIBSON_NO_DEADLINE for none. callback may be NULL: then the reply is dropped.
   *id, which may be NULL, is for gibson_async_cancel, and is never 0.

   Without a connection, and with options.reconnect, it begins to connect, but for END. Requests of
   which nothing was sent when a connection is lost go to the next one then, in their order.

   Returns GIBSON_OK; GIBSON_INVALID; GIBSON_NOMEM; GIBSON_WOULD_BLOCK when options.pipeline_window
   or pipeline_bytes is reached, see the hook `room`: requests count until their reply has come,
   also those that were cancelled or timed out after they were sent, and so does the question for
   the limit of times, below; of those that never were sent, as many as pipeline_window may be
   cancelled behind a request that has no reply; GIBSON_CLOSED without a connection, or while the
   handle is drained or freed; GIBSON_PROTOCOL if bytes are found on an idle connection that nobody
   has asked for, without options.reconnect; GIBSON_UNREACHABLE while no attempt to connect is made
   after one has failed, see options.reconnect_delay_ms; GIBSON_USAGE for a NULL. What was not
   accepted is not called back. A time above 32767 s is checked when the server has been asked for
   its limit: then GIBSON_INVALID goes to the callback. Since 0.3. */
GIBSON_API gibson_status gibson_async_submit(gibson_async *async, const gibson_request *request,
                                             int64_t timeout_ms, gibson_async_callback callback,
                                             void *context, uint64_t *id);

/* gibson_async_cancel takes a request back: its callback is not called. If nothing of it was sent
   it never is; else its reply is dropped when it comes, and what the server did is not known.
   Returns false if there is no such request, or it was called back already. Since 0.3. */
GIBSON_API bool gibson_async_cancel(gibson_async *async, uint64_t id);

/* gibson_async_run does what there is to do: the loop calls it with the events that have come for
   the descriptor, 0 if the time has come, and may call it at any time. Reads once, calls back those
   requests that are answered or whose time is over, and sends what is to be sent. Returns
   GIBSON_OK; GIBSON_USAGE if async is NULL, or from within a callback of the handle. Since 0.3. */
GIBSON_API gibson_status gibson_async_run(gibson_async *async, unsigned events);

/* gibson_async_wants returns what the handle waits for. Since 0.3. */
GIBSON_API gibson_async_waits gibson_async_wants(const gibson_async *async);

/* gibson_async_timeout_ms returns the milliseconds until waits.wake_ns, rounded up, for those that
   do not wait on CLOCK_MONOTONIC: 0 if that has come, -1 for GIBSON_ASYNC_NEVER. Since 0.3. */
GIBSON_API int gibson_async_timeout_ms(const gibson_async *async);

/* gibson_async_attach gives the handle to a loop: adapters call it. `changed` is called as the hook
   of that name, besides it, and once before gibson_async_attach returns, so that the loop begins to
   wait. `detached`, which may be NULL, is the last call: the handle is being freed, or was
   detached. It may call what `changed` may. Returns GIBSON_OK; GIBSON_USAGE if async or changed is
   NULL, or the handle is attached already, or being freed. Since 0.3. */
GIBSON_API gibson_status gibson_async_attach(gibson_async *async, gibson_async_hook *changed,
                                             gibson_async_hook *detached, void *context);

/* gibson_async_detach ends what gibson_async_attach began: nothing runs the handle from then on,
   until it is attached again. Requests stay. Does nothing if it is not attached. Since 0.3. */
GIBSON_API void gibson_async_detach(gibson_async *async);

/* gibson_async_take_reply, in a callback, makes the views of its reply live until
   gibson_owned_reply_free(*owned). Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_USAGE if there is no
   such reply. *owned is NULL unless the call succeeds. Since 0.3. */
GIBSON_API gibson_status gibson_async_take_reply(gibson_async *async, gibson_owned_reply **owned);

/* gibson_async_set_timeout changes options.timeout_ms for the requests that are submitted from here
   on, and for how long the connection may be silent while a reply is overdue: milliseconds, 0 for
   the default of the library, GIBSON_NO_DEADLINE for none. Returns GIBSON_OK; GIBSON_INVALID for
   any other negative number, which changes nothing; GIBSON_USAGE if async is NULL. Since 0.3. */
GIBSON_API gibson_status gibson_async_set_timeout(gibson_async *async, int64_t timeout_ms);

/* gibson_async_outstanding returns how many requests have not been called back. Since 0.3. */
GIBSON_API size_t gibson_async_outstanding(const gibson_async *async);

/* gibson_async_connected tells whether there is a connection. Since 0.3. */
GIBSON_API bool gibson_async_connected(const gibson_async *async);

/* gibson_async_error returns what happened: in a callback, to its request; in the hook
   `connection`, to the connection; else in the last call. It is never NULL, and lives until the
   callback returns or the next call on the handle. Since 0.3. */
GIBSON_API const gibson_error *gibson_async_error(gibson_async *async);

/* gibson_async_peer returns where it connects to, as gibson_client_peer does. Since 0.3. */
GIBSON_API const char *gibson_async_peer(const gibson_async *async);

GIBSON_END_DECLS

#endif
