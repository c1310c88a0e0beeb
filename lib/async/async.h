/* The asynchronous client, as its own files see it. It drives the connection as the blocking client
   does, but never waits: gibson_async_run takes one step.

   waits.c says what the handle waits for, submit.c takes requests in, cancel.c back, run.c goes
   through a turn, lone.c has the short way of that, expire.c ends those whose time is over, link.c
   makes and loses connections, held.c keeps what cannot be sent before the server has told its
   limit of times, list.h is the list of requests, and check.c says whether all that fits together.
 */
#ifndef GIB_ASYNC_ASYNC_H
#define GIB_ASYNC_ASYNC_H

#include <gibson/async.h>

#include "async/list.h"
#include "connection/connection.h"

typedef enum gib_async_state {
    GIB_ASYNC_APART,      /* no connection */
    GIB_ASYNC_CONNECTING, /* one is being made */
    GIB_ASYNC_OPEN,
} gib_async_state;

/* What becomes of the handle when its requests have ended. */
typedef enum gib_async_end {
    GIB_ASYNC_STAYS,
    GIB_ASYNC_DRAINS, /* its connection is closed */
    GIB_ASYNC_DIES,   /* it is freed, as soon as no function on it runs any more */
} gib_async_end;

typedef struct gib_held gib_held;

/* Who waits for the handle: see gibson_async_attach. */
typedef struct gib_async_loop {
    gibson_async_hook *changed; /* or NULL: nobody is attached */
    gibson_async_hook *detached;
    void *context;
} gib_async_loop;

struct gibson_async {
    gib_connection connection;
    gib_async_list list;
    gib_async_state state;
    gib_async_end end;
    bool blocked;     /* the socket took no more */
    bool telling_end; /* the hook `connection` is told that a handle was drained */
    bool has_run;     /* gibson_async_run was called since the loop was told of `waits` */
    bool room_asked;  /* a request was refused for want of room, and `room` is to be called */
    bool lone;        /* the short way of a turn is open, see lone.c: every public function that may
                         change something closes it, and the last to leave says what it is */

    unsigned int depth;         /* public functions on the stack that may call back */
    unsigned int without_reply; /* callbacks on the stack whose requests have no reply */
    int64_t now_ns;             /* the time of the turn, while depth is not 0 */
    gib_async_request usual;    /* what requests have in common that are submitted in it with the
                                   usual timeout: deadline, timeout_ms and fate */
    uint64_t quick_until; /* within a turn: requests before this number need not be looked at, as
                             there is room and none is refused or held; else 0 */
    uint64_t unsent;      /* nothing was sent of requests from this number on, but for those held */
    size_t cancelled;     /* requests of the fate of that name */
    uint64_t lost;        /* requests before this number were lost with a connection */
    uint64_t entered_at;  /* the number of the next request when the turn began */
    int64_t queued_ns;    /* when the first request that is to be sent was submitted, or before */
    int64_t progress_ns;  /* when the first request in flight became that */
    gib_deadline next;    /* no request's time is over before */
    uint64_t fail_until;  /* requests before this one are being failed; 0: none are */

    gib_held *held; /* requests that wait for the limit of times, in order; or NULL */
    gib_held **held_end;
    size_t held_count;
    size_t held_bytes;
    bool asking;           /* for that limit */
    size_t max_reply_size; /* the caller's, while it does */

    gibson_async_hooks hooks;
    gib_async_loop loop;
    gibson_async_waits waits; /* as told by `changed` */
    gibson_opcode answered;   /* the command, if the status is what the server answered */
    char text[];              /* host, unix socket and peer */
};

/* Sets the error of the handle, and returns its status. */
static inline gibson_status gib_async_fail(gibson_async *async, gibson_status status,
                                           const char *message)
{
    return gib_connection_fail(&async->connection, status, message);
}

/* A timeout as it is kept for messages. */
static inline uint32_t gib_async_for_messages(int64_t timeout_ms)
{
    return timeout_ms < UINT32_MAX ? (uint32_t)timeout_ms : UINT32_MAX;
}

/* Begins and ends a public function that may call back. A handle that came here by a fork has lost
   all of its requests after the first. The second may free it. */
void gib_async_enter(gibson_async *async);
void gib_async_leave(gibson_async *async);

/* waits.c */

/* Tells the loop what has changed of what the handle waits for. */
void gib_async_tell_waits(gibson_async *async);

/* Makes the loop forget the descriptor, which is about to be closed. */
void gib_async_forget_descriptor(gibson_async *async);

/* Ends what gibson_async_attach began. */
void gib_async_detach(gibson_async *async);

/* link.c */

/* Goes on with a connection, without waiting. */
void gib_async_advance(gibson_async *async);

/* Begins to connect. Returns what gib_connection_start does. */
gibson_status gib_async_start(gibson_async *async);

/* Begins to connect because of a request, as far as the options allow. Returns what
   gib_connection_start_again does. */
gibson_status gib_async_start_again(gibson_async *async);

/* The connection was lost for the reason in connection->error. Requests of which nothing was sent
   go to another where that is allowed; the others are failed. */
void gib_async_lose(gibson_async *async);

/* Closes the connection, or gives up connecting, and fails all requests with connection->error. */
void gib_async_shut(gibson_async *async);

/* Tells whether the handle came here by a fork, and then gives up what is the parent's. */
bool gib_async_disown(gibson_async *async);

/* Calls a request back that has no reply, with connection->error. */
void gib_async_call_without_reply(gibson_async *async, const gib_async_request *request);

/* Fails the requests before that one, the oldest first, with connection->error. Within itself it
   only sees to it that those are failed, too. */
void gib_async_fail_until(gibson_async *async, uint64_t id);

/* run.c */

/* Takes in what was read, if the status is GIBSON_OK: calls back for those replies that have come.
   Unless it is GIBSON_WOULD_BLOCK, it is why the connection is lost. */
void gib_async_take_in(gibson_async *async, gibson_status status);

/* Follows when replies were read, and no whole one is left. `begun` says whether the connection
   was begun to be used again. */
void gib_async_settle(gibson_async *async, bool begun);

/* Runs a turn of any kind. Returns GIBSON_OK. */
gibson_status gib_async_run_any(gibson_async *async, unsigned events);

/* Does the rest of a turn, which ends in gib_async_leave: ends what is over, and sends. */
void gib_async_end_turn(gibson_async *async);

/* lone.c */

/* Tells whether the short way is open. */
bool gib_async_is_lone(const gibson_async *async);

/* Runs a turn by it, when there may be something to read. Returns GIBSON_OK. */
gibson_status gib_async_run_lone(gibson_async *async);

/* expire.c */

/* Ends the requests whose time is over, and a connection on which a reply is overdue that nobody
   waits for any more: when async->next has come. */
void gib_async_expire(gibson_async *async);

/* When a reply that nobody waits for any more has been due for so long that the connection is taken
   to be dead. */
gib_deadline gib_async_overdue(const gibson_async *async, const gib_async_request *request);

/* Sees to it that gib_async_expire looks at that time. */
static inline void gib_async_look_at(gibson_async *async, gib_deadline time)
{
    if (time < async->next) {
        async->next = time;
    }
}

/* held.c */

/* Keeps a copy of a request, the last in the list, until the server has told its limit, and asks
   for that unless it is asked already. Returns GIBSON_OK or GIBSON_NOMEM. */
gibson_status gib_async_hold(gibson_async *async, const gibson_request *request);

/* Drops the copy of a request that is held. */
void gib_async_drop_held(gibson_async *async, uint64_t id);

/* submit.c */

/* Sets quick_until, within a turn. */
void gib_async_set_quick(gibson_async *async);

/* Tells whether there is room for half of the window or more, and requests are taken. */
bool gib_async_has_room_to_offer(const gibson_async *async);

/* cancel.c */

/* Gives up a request that is to be called back, which its callback is not: its reply is dropped,
   or, if nothing of it was sent, it never is. */
void gib_async_give_up(gibson_async *async, uint64_t id);

/* Takes those out of the session that were given up before anything of them was sent, which is due
   before something is sent. */
void gib_async_purge(gibson_async *async);

/* Notes what was sent. */
void gib_async_note_sent(gibson_async *async);

/* Debug and fuzz builds end the program if the state of a handle is not sound when a public
   function returns. */
#if defined(GIB_CHECK_STATE)
void gib_async_assert(const gibson_async *async);
#define GIB_ASYNC_ASSERT(async) gib_async_assert(async)
#else
#define GIB_ASYNC_ASSERT(async) (void)(async)
#endif

#endif
