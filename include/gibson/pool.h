/* A pool of clients, for programs in which many threads use one server. */
#ifndef GIBSON_POOL_H
#define GIBSON_POOL_H

#include <gibson/client.h>

GIBSON_BEGIN_DECLS

#define GIBSON_DEFAULT_POOL_MAX 8
#define GIBSON_MOST_POOL_MAX 65535
#define GIBSON_DEFAULT_ACQUIRE_TIMEOUT_MS 1000
#define GIBSON_DEFAULT_POOL_IDLE_TIMEOUT_MS 300000
#define GIBSON_DEFAULT_POOL_LIFETIME_MS 1800000

/* gibson_pool lends connected clients: no more than a number at a time, to whoever asked first.
   See docs/pool.md.

   Thread rule: any number of threads may use a pool at once; only gibson_pool_free ends that. A
   client that was lent belongs to whoever acquired it, as client.h says, until it is released; any
   thread may release it. pthread_cancel of a thread that is in a function of the pool takes effect
   after that has returned; a thread that ends with a client must have released it.

   Fork: in a child the pool is empty, and the sockets of the parent are not touched. A client that
   was lent before the fork has lost its connection there; it may be released, also after
   gibson_pool_free. Locks that threads of the parent held do not matter. What was lent to threads
   that the child does not have stays open in the child, unused, until that ends or runs another
   program. */
typedef struct gibson_pool gibson_pool;

/* gibson_pool_options says how many connections there are, and how long. Zero means the default for
   every member. Durations are in milliseconds, and may be GIBSON_NO_DEADLINE. */
typedef struct gibson_pool_options {
    size_t struct_size; /* set by gibson_pool_options_init; tells the version of the struct */

    /* Of every client, and of the pool itself (allocator, interrupt). Copied; NULL for the
       defaults. connect_timeout_ms holds for each attempt, reconnect_delay_ms between attempts:
       while those fail, there is one at a time. */
    const gibson_options *client;

    uint32_t max; /* connections at a time; default 8, at most 65535 */
    uint32_t min; /* what idle_timeout_ms leaves; default 0. They are made when they are needed */

    int64_t acquire_timeout_ms; /* for a client to become free and to connect, together; default
                                   1000 */
    int64_t idle_timeout_ms;    /* since a connection was last used; default 300000 */
    int64_t lifetime_ms; /* since it was made, 10 % more or less at random, so that those which were
                            made together do not end together; default 1800000. It does not end a
                            lease. min does not keep it up */
} gibson_pool_options;

/* gibson_pool_options_init sets every member to its default. Thread rule: any thread. Since 0.3. */
#define gibson_pool_options_init(options)                                                          \
    gibson_pool_options_init_sized((options), sizeof(gibson_pool_options))
GIBSON_API void gibson_pool_options_init_sized(gibson_pool_options *options, size_t struct_size);

/* The one list of reasons for which a pool drops a connection: X(name, text). The members of
   gibson_pool_stats and the table in docs/pool.md come from it. New ones go to the end. */
#define GIBSON_POOL_DROP_LIST(X)                                                                   \
    X(idle, "it was not used for idle_timeout_ms")                                                 \
    X(lifetime, "its lifetime was over")                                                           \
    X(closed, "the server had closed it, found before it was lent")                                \
    X(unasked, "bytes that nobody asked for had arrived, found before it was lent")                \
    X(broken, "it broke, or was closed, while it was lent")                                        \
    X(unread, "it was released with replies unread, or requests queued")                           \
    X(cleared, "gibson_pool_clear, gibson_pool_close or gibson_pool_free ended it")

/* The one list of what else it tells: X(type, name, text). */
#define GIBSON_POOL_STATS_LIST(X)                                                                  \
    X(uint32_t, in_use, "clients that are lent, or being connected for a caller")                  \
    X(uint32_t, connecting, "of these, those that are being connected")                            \
    X(uint32_t, idle, "connections that nobody uses")                                              \
    X(uint32_t, waiting, "calls that wait for a client now")                                       \
    X(uint64_t, waited, "calls that had to wait")                                                  \
    X(uint64_t, waited_ns, "how long, together, in nanoseconds")                                   \
    X(uint64_t, longest_wait_ns, "the longest of them")                                            \
    X(uint64_t, timeouts, "calls that ended because no client became free in time")                \
    X(uint64_t, made, "connections made")                                                          \
    X(uint64_t, connect_failures, "attempts to connect that failed")

/* gibson_pool_stats is what a pool has done. Numbers count from its beginning, in this process. */
typedef struct gibson_pool_stats {
    size_t struct_size; /* set by the caller: sizeof(gibson_pool_stats) */
#define GIBSON_POOL_MEMBER(type, name, text) type name;
#define GIBSON_POOL_DROP_MEMBER(name, text) uint64_t dropped_##name;
    GIBSON_POOL_STATS_LIST(GIBSON_POOL_MEMBER)
    GIBSON_POOL_DROP_LIST(GIBSON_POOL_DROP_MEMBER)
#undef GIBSON_POOL_DROP_MEMBER
#undef GIBSON_POOL_MEMBER
} gibson_pool_stats;

/* gibson_pool_new makes a pool, and connects nothing. options may be NULL for the defaults. *pool
   is NULL unless the call succeeds; the caller frees it with gibson_pool_free.
   Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_INVALID with *error saying which option; GIBSON_SYSTEM;
   GIBSON_USAGE if pool is NULL. error may be NULL, here and below. Since 0.3. */
GIBSON_API gibson_status gibson_pool_new(gibson_pool **pool, const gibson_pool_options *options,
                                         gibson_error *error);

/* gibson_pool_free does gibson_pool_close, and gives the memory back once the last client that is
   lent has been released: until then those clients may be used, and released to the pool; nothing
   else may be asked of it. In a child of fork, those that were lent before count as lent, so that
   the memory stays where a thread that the child does not have had one. NULL is allowed. Since 0.3.
 */
GIBSON_API void gibson_pool_free(gibson_pool *pool);

/* gibson_pool_close lends no more clients: whoever waits, and whoever asks later, gets
   GIBSON_CLOSED. Idle connections are closed at once, those that are lent when they are released.
   Who is connecting gets that, too, within 50 ms. It waits for nothing, and cannot be undone.
   Since 0.3. */
GIBSON_API void gibson_pool_close(gibson_pool *pool);

/* gibson_pool_clear closes the idle connections, and those that are lent when they are released:
   from here on only new ones are lent, as after a failover. Since 0.3. */
GIBSON_API void gibson_pool_clear(gibson_pool *pool);

/* gibson_pool_acquire lends a connected client: one that is idle, the last used first; or, while
   there are fewer than max, one that it connects; or the next that is released. Calls that wait are
   served in the order in which they came. timeout_ms is the time for all of that, in milliseconds:
   0 for options.acquire_timeout_ms, GIBSON_NO_DEADLINE for none. What is done with the client then
   has its own deadlines; gibson_pool_call puts both under one.

   A connection on which there was a pause of 1 ms or more is looked at first: if the server has
   closed it, or bytes have come that nobody asked for, it is dropped and the next is lent. What
   happens to it afterwards is noticed by the client: with options.reconnect it connects again, else
   its calls return GIBSON_CLOSED. A connection that a client makes so is not counted as made, and
   has the lifetime of the one before.

   Returns, with *client set only if it is GIBSON_OK:

   - GIBSON_OK: release it with gibson_pool_release
   - GIBSON_TIMEOUT: the time passed; the message says whether while waiting for a client, with how
     many in use and waiting, or while connecting, and which timeout that was. An attempt to connect
     that the time of its caller has ended is no failure of the server
   - GIBSON_UNREACHABLE: connecting failed, and no client came free meanwhile. After that, and
     after a connect_timeout_ms, calls fail at once with this status for a random delay as of
     options.reconnect_delay_ms, as long as no client is in use; else they wait for one. Then there
     is one attempt at a time, until one succeeds.
   - GIBSON_SYSTEM: the same for a failure of this side
   - GIBSON_NOMEM: there was no memory to connect
   - GIBSON_INTERRUPTED: options.interrupt, which is called every 50 ms of a wait, ended the call
   - GIBSON_CLOSED: the pool was closed
   - GIBSON_INVALID: timeout_ms is negative
   - GIBSON_USAGE: pool or client is NULL

   Since 0.3. */
GIBSON_API gibson_status gibson_pool_acquire(gibson_pool *pool, int64_t timeout_ms,
                                             gibson_client **client, gibson_error *error);

/* gibson_pool_release gives a client back; views of its replies end. If it is broken, or has
   replies unread or requests queued, its connection is closed. A timeout that was set on it is
   undone. Never waits. A client that is lent must not be freed otherwise.
   Returns GIBSON_OK; GIBSON_USAGE, which changes nothing, if an argument is NULL, or the client is
   not one of the pool, or is not lent. That is no check against releasing a client which somebody
   else has acquired meanwhile. Since 0.3. */
GIBSON_API gibson_status gibson_pool_release(gibson_pool *pool, gibson_client *client);

/* gibson_pool_call runs one request on a client of the pool: it acquires, calls and releases within
   timeout_ms, from the start of this call, in milliseconds: 0 for options.client->timeout_ms,
   GIBSON_NO_DEADLINE for none. The wait for a client ends with options.acquire_timeout_ms if that
   is earlier. What was waited for a client is not there for the request, and the message of
   GIBSON_TIMEOUT says how the time was spent. Nothing is repeated but by the client's own options.

   *owned, which the caller frees with gibson_owned_reply_free, is what the views of *reply live by;
   it is NULL where there are none. owned may be NULL: then *reply has its status and number only.

   Returns what gibson_pool_acquire returns, or gibson_client_call; *reply has the same status.
   GIBSON_NOMEM may mean that the request was carried out and its reply could not be kept. *error
   tells more, also of what the server answered. Since 0.3. */
GIBSON_API gibson_status gibson_pool_call(gibson_pool *pool, const gibson_request *request,
                                          int64_t timeout_ms, gibson_reply *reply,
                                          gibson_owned_reply **owned, gibson_error *error);

/* gibson_pool_get_stats fills in *stats, as far as stats->struct_size says. In a child of fork the
   counts begin at 0. Returns GIBSON_OK; GIBSON_NOMEM, only in a child; GIBSON_USAGE if an argument
   is NULL or struct_size is not set. Since 0.3. */
GIBSON_API gibson_status gibson_pool_get_stats(gibson_pool *pool, gibson_pool_stats *stats);

GIBSON_END_DECLS

#endif
