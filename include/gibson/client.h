/* The blocking client: one connection to one server. */
#ifndef GIBSON_CLIENT_H
#define GIBSON_CLIENT_H

#include <gibson/options.h>
#include <gibson/reply.h>
#include <gibson/request.h>
#include <gibson/status.h>
#include <gibson/value.h>

GIBSON_BEGIN_DECLS

/* gibson_client is a connection and the buffers that go with it.

   Thread rule: one thread at a time may use a client; two clients share nothing. A client does not
   survive a fork: in the child its connection counts as lost, the child's calls never touch the
   socket of the parent, and the child may connect or free its copy. */
typedef struct gibson_client gibson_client;

/* Statuses. Every operation below can return these, beside what it lists itself:

   - GIBSON_INVALID: the protocol cannot carry an argument, such as a key or value that is empty or
     whose data is NULL, or it is past a limit of the options; nothing was sent
   - GIBSON_USAGE: the client, the request or an out-parameter is NULL, or replies of a pipeline are
     unread; nothing was sent
   - GIBSON_NOMEM: the allocator failed; the connection breaks if anything had been sent
   - GIBSON_SERVER_ERROR: the server answered ERR, that is, found the request malformed
   - GIBSON_TIMEOUT: the deadline passed; the connection breaks
   - GIBSON_CLOSED: the connection was lost, or was never made, or broke before this call
   - GIBSON_UNREACHABLE: connecting again, with options.reconnect, failed
   - GIBSON_PROTOCOL: the reply is malformed or does not fit the command, or bytes had arrived that
     answer no request; the connection breaks
   - GIBSON_INTERRUPTED: the interrupt callback ended the call; the connection breaks
   - GIBSON_SYSTEM: a system call failed; the connection breaks

   A connection that breaks is closed at once, so a late reply is never read. With options.reconnect
   the next operation connects again, else it returns GIBSON_CLOSED.

   What arrived before a call began is never its answer: before it sends, a call looks at a
   connection on which there was a pause of 1 ms or more. So bytes that nobody asked for, and the
   end of a connection, are noticed before anything is sent: with options.reconnect any command then
   runs on a new connection, else the call returns GIBSON_PROTOCOL or GIBSON_CLOSED. A reply that
   nobody asked for and that comes without such a pause is taken for an answer, and later ones go to
   the wrong requests. So that this ends, the client asks a question now and then to which it knows
   the answer: before one in 127 calls, or batches of a pipeline, and in front of one in 509
   requests of a pipeline. It is COUNT of a prefix that is random and so has no key, which must be
   0, and META of that three times, which must not be found, or ERR to these three or to all four,
   from a server that refuses or cuts keys of that length. It is also the first that goes over the
   connection which replaces one that ended by bytes nobody asked for. Up to three replies too many
   are noticed by that, whatever they are, and more unless they read just so. In a batch, replies
   one too many are noticed when the last of them is read, too, or when more is sent after a pause.

   A request may be made of the views of the last reply: they live until the call that takes it
   returns. But one of 4096 bytes or less is not repeated, as options.retry_repeatable would else
   do, once a part of its reply has come, or if it has a time; the call then returns GIBSON_CLOSED.

   The deadline of an operation is options.timeout_ms from the start of the call, and holds over all
   of it: connecting again, asking the server (the question above, and for its limit of times),
   sending, repeating, reading. So it has to suffice for two round trips. The message of
   GIBSON_TIMEOUT names the deadline that passed, its length, and what was waited for.

   Out-parameters are set on every path: to nothing where the call does not return GIBSON_OK. */

/* gibson_client_new makes a client without connecting it. options may be NULL for the defaults.
   *client is NULL unless the call succeeds; the caller frees it with gibson_client_free.
   Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_INVALID for options that contradict themselves or that no
   socket can meet (such as a path too long for a unix socket), with *error saying which;
   GIBSON_USAGE if client is NULL. error may be NULL. Thread rule: any thread. Since 0.1. */
GIBSON_API gibson_status gibson_client_new(gibson_client **client, const gibson_options *options,
                                           gibson_error *error);

/* gibson_client_free closes the connection and frees the client and all borrowed views. NULL is
   allowed. Since 0.1. */
GIBSON_API void gibson_client_free(gibson_client *client);

/* gibson_client_connect connects to the server, and closes the connection first if there is one:
   queued requests and unread replies are dropped. Every address of a host name is tried, the next
   one 250 ms after the one before or as soon as that has failed, with no more than 8 under way: the
   oldest, which has not answered for 2 s, is given up for a ninth. All before one deadline.
   Returns GIBSON_OK; GIBSON_UNREACHABLE if every address failed or the name does not resolve;
   GIBSON_TIMEOUT; GIBSON_INTERRUPTED; GIBSON_NOMEM; GIBSON_SYSTEM; GIBSON_USAGE if client is NULL.
   After a failure the client is closed and can be connected again. Since 0.1. */
GIBSON_API gibson_status gibson_client_connect(gibson_client *client);

/* gibson_client_close closes the connection. Queued requests, unread replies and borrowed views are
   dropped. The client can be connected again. Since 0.1. */
GIBSON_API void gibson_client_close(gibson_client *client);

/* gibson_client_connected tells whether the client has a connection that, as far as it knows,
   works. No system call is made, so it does not see that the server has gone. Since 0.1. */
GIBSON_API bool gibson_client_connected(const gibson_client *client);

/* gibson_client_descriptor returns the descriptor of the connection, or -1. It is for looking at
   only (socket options, tests); reading from it or closing it breaks the client. Since 0.1. */
GIBSON_API int gibson_client_descriptor(const gibson_client *client);

/* gibson_client_peer returns where the client connects to, such as "127.0.0.1:10128", "[::1]:10128"
   or "unix:/run/gibson.sock". The string lives as long as the client. Since 0.1. */
GIBSON_API const char *gibson_client_peer(const gibson_client *client);

/* gibson_client_error returns what happened in the last call on the client. It is never NULL, and
   lives until the next call on the client. Since 0.1. */
GIBSON_API const gibson_error *gibson_client_error(gibson_client *client);

/* gibson_client_set_timeout changes options.timeout_ms for the calls that follow: milliseconds, 0
   for the default of the library, GIBSON_NO_DEADLINE for none. Returns GIBSON_OK, or GIBSON_INVALID
   for any other negative number, which changes nothing. Since 0.1. */
GIBSON_API gibson_status gibson_client_set_timeout(gibson_client *client, int64_t timeout_ms);

/* gibson_client_call runs the command of any request and fills in *reply, whose views live until
   the next call on the client. Returns what the function of that command, below, returns; *reply
   has the same status. Since 0.1. */
GIBSON_API gibson_status gibson_client_call(gibson_client *client, const gibson_request *request,
                                            gibson_reply *reply);

/* gibson_client_take_reply makes the views of the last reply outlive the next call: they live until
   gibson_owned_reply_free(*owned). The bytes are not moved, so the views stay as they are. Returns
   GIBSON_OK; GIBSON_NOMEM, and the views are still borrowed; GIBSON_USAGE if the last call left no
   reply, or it has been taken. *owned is NULL unless the call succeeds. Since 0.1. */
GIBSON_API gibson_status gibson_client_take_reply(gibson_client *client,
                                                  gibson_owned_reply **owned);

/* Keys, prefixes and values are views (see value.h) of bytes that have to stay until the call
   returns. Keys and prefixes: 1 to options.max_key_size bytes, without space or NUL. Values: 1 to
   options.max_value_size bytes of any kind. Ttl and lock times: seconds, up to options.max_seconds,
   or what the server at hand keeps.

   Views of replies live until the next call on the client, which may be made of them. */

/* gibson_client_set stores a value under a key, with a ttl in seconds, 0 for no end. It replaces
   the item: ttl and lock of a former one are gone. The value is not copied. Returns GIBSON_OK;
   GIBSON_LOCKED; GIBSON_SERVER_MEMORY; GIBSON_TRUNCATED if the server stored something else than
   was sent (it cuts what is over its own limits), which stays stored. Since 0.1. */
GIBSON_API gibson_status gibson_client_set(gibson_client *client, gibson_bytes key,
                                           gibson_bytes value, int64_t ttl_s);

/* gibson_client_mset gives all unlocked items under a prefix the same value, and ends their ttl. It
   makes no new items. The value is not copied. *changed, which may be NULL, is how many were
   changed.
   Returns GIBSON_OK; GIBSON_NOT_FOUND if none was changed; GIBSON_SERVER_MEMORY. Since 0.1. */
GIBSON_API gibson_status gibson_client_mset(gibson_client *client, gibson_bytes prefix,
                                            gibson_bytes value, int64_t *changed);

/* gibson_client_get reads a value. It is of kind NUMBER if INC, DEC, MINC or MDEC last changed the
   item, else of kind BYTES. Locked items can be read.
   Returns GIBSON_OK; GIBSON_NOT_FOUND. Since 0.1. */
GIBSON_API gibson_status gibson_client_get(gibson_client *client, gibson_bytes key,
                                           gibson_value *value);

/* gibson_client_mget reads all keys under a prefix with their values, at most limit of them, or all
   if limit is 0 or less. Their order is not defined.
   Returns GIBSON_OK; GIBSON_NOT_FOUND if there are none. Since 0.1. */
GIBSON_API gibson_status gibson_client_mget(gibson_client *client, gibson_bytes prefix,
                                            int64_t limit, gibson_items *items);

/* gibson_client_del deletes an item.
   Returns GIBSON_OK; GIBSON_NOT_FOUND; GIBSON_LOCKED. Since 0.1. */
GIBSON_API gibson_status gibson_client_del(gibson_client *client, gibson_bytes key);

/* gibson_client_mdel deletes all unlocked items under a prefix. *deleted, which may be NULL, is how
   many. Returns GIBSON_OK; GIBSON_NOT_FOUND if none was deleted. Since 0.1. */
GIBSON_API gibson_status gibson_client_mdel(gibson_client *client, gibson_bytes prefix,
                                            int64_t *deleted);

/* gibson_client_ttl sets the ttl of an item in seconds from now, 0 for no end. Locked items are
   changed too. On the reference server it restarts the lock time of the item as well.
   Returns GIBSON_OK; GIBSON_NOT_FOUND. Since 0.1. */
GIBSON_API gibson_status gibson_client_ttl(gibson_client *client, gibson_bytes key, int64_t ttl_s);

/* gibson_client_mttl does gibson_client_ttl for all items under a prefix. *changed, which may be
   NULL, is how many. Returns GIBSON_OK; GIBSON_NOT_FOUND if none was changed. Since 0.1. */
GIBSON_API gibson_status gibson_client_mttl(gibson_client *client, gibson_bytes prefix,
                                            int64_t ttl_s, int64_t *changed);

/* gibson_client_inc adds 1 to an item and turns it into a number; gibson_client_dec takes 1 away. A
   missing item is made, with the value 1, by either. 2^63-1 wraps around. *number, which may be
   NULL, is the new value. Returns GIBSON_OK; GIBSON_NAN if the value is no decimal number;
   GIBSON_LOCKED; GIBSON_SERVER_MEMORY. Since 0.1. */
GIBSON_API gibson_status gibson_client_inc(gibson_client *client, gibson_bytes key,
                                           int64_t *number);
GIBSON_API gibson_status gibson_client_dec(gibson_client *client, gibson_bytes key,
                                           int64_t *number);

/* gibson_client_minc and gibson_client_mdec do so for all items under a prefix, passing over locked
   ones and those that are no number. *changed, which may be NULL, is how many were changed.
   Returns GIBSON_OK; GIBSON_NOT_FOUND if none was changed. Since 0.1. */
GIBSON_API gibson_status gibson_client_minc(gibson_client *client, gibson_bytes prefix,
                                            int64_t *changed);
GIBSON_API gibson_status gibson_client_mdec(gibson_client *client, gibson_bytes prefix,
                                            int64_t *changed);

/* gibson_client_lock forbids changes to an item for a time in seconds, -1 for no end, 0 for none.
   Anyone may unlock it. On the reference server it restarts the ttl of the item as well.
   Returns GIBSON_OK; GIBSON_NOT_FOUND; GIBSON_LOCKED if it is locked already. Since 0.1. */
GIBSON_API gibson_status gibson_client_lock(gibson_client *client, gibson_bytes key,
                                            int64_t seconds);

/* gibson_client_mlock does so for all items under a prefix that are not locked. *locked, which may
   be NULL, is how many.
   Returns GIBSON_OK; GIBSON_NOT_FOUND if none was locked by this. Since 0.1. */
GIBSON_API gibson_status gibson_client_mlock(gibson_client *client, gibson_bytes prefix,
                                             int64_t seconds, int64_t *locked);

/* gibson_client_unlock ends the lock of an item, if it has one.
   Returns GIBSON_OK; GIBSON_NOT_FOUND. Since 0.1. */
GIBSON_API gibson_status gibson_client_unlock(gibson_client *client, gibson_bytes key);

/* gibson_client_munlock does so for all items under a prefix. *found, which may be NULL, is how
   many there are, locked or not.
   Returns GIBSON_OK; GIBSON_NOT_FOUND if there are none. Since 0.1. */
GIBSON_API gibson_status gibson_client_munlock(gibson_client *client, gibson_bytes prefix,
                                               int64_t *found);

/* gibson_client_count counts the items under a prefix: *number is 0 where there are none.
   Returns GIBSON_OK; GIBSON_USAGE if number is NULL. Since 0.1. */
GIBSON_API gibson_status gibson_client_count(gibson_client *client, gibson_bytes prefix,
                                             int64_t *number);

/* gibson_client_meta reads one property of an item; command.h has their units.
   Returns GIBSON_OK; GIBSON_NOT_FOUND; GIBSON_INVALID if field is none. Since 0.1. */
GIBSON_API gibson_status gibson_client_meta(gibson_client *client, gibson_bytes key,
                                            gibson_meta_field field, int64_t *number);

/* gibson_client_keys reads all keys under a prefix. They are the values of the items (whose own
   keys are "0", "1" and so on). Their order is not defined. Returns GIBSON_OK; GIBSON_NOT_FOUND if
   there are none. Since 0.1. */
GIBSON_API gibson_status gibson_client_keys(gibson_client *client, gibson_bytes prefix,
                                            gibson_items *keys);

/* gibson_client_stats reads the statistics of the server: names, with values of either kind. See
   gibson_items_find. Returns GIBSON_OK. Since 0.1. */
GIBSON_API gibson_status gibson_client_stats(gibson_client *client, gibson_items *stats);

/* gibson_client_ping asks the server for a sign of life. Returns GIBSON_OK. Since 0.1. */
GIBSON_API gibson_status gibson_client_ping(gibson_client *client);

/* gibson_client_quit tells the server to close the connection, waits for its answer, and closes
   this end whatever the answer is. It never makes a connection: a client without one, or one whose
   server has closed it, or with replies outstanding, is only closed. Returns GIBSON_OK, or what
   became of the request. Since 0.1. */
GIBSON_API gibson_status gibson_client_quit(gibson_client *client);

GIBSON_END_DECLS

#endif
