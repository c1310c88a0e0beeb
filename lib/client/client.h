/* The blocking client, as its own files see it. */
#ifndef GIB_CLIENT_CLIENT_H
#define GIB_CLIENT_CLIENT_H

#include <gibson/client.h>
#include <sys/types.h>

#include "base/clock.h"
#include "client/backoff.h"
#include "client/idle.h"
#include "net/connect.h"
#include "session/session.h"

/* What gib_client_check has found, where the operation cannot go the short way. */
typedef enum gib_checked {
    GIB_CHECKED_NOT,
    GIB_CHECKED_SLOWLY, /* the connection is fine, and some of the deadline has passed */
    GIB_CHECKED_BAD,    /* it is not, and `error` tells why */
} gib_checked;

struct gibson_client {
    gibson_options settings; /* checked; its strings point into `text` */
    gib_session session;
    gib_interrupt interrupt;
    gib_backoff backoff;

    int descriptor;               /* the connection, or -1 */
    unsigned int fork_generation; /* of the process that connected */
    gib_idle idle;                /* idle.since_ns is when the operation began, until it ends */
    gib_checked checked;          /* by gib_client_check, for gib_client_ready */
    bool fresh;                   /* nothing of the time of the operation has passed */
    size_t segment;               /* bytes that arrive together, of a unix socket; 0 of TCP */
    int64_t receive_timeout_ms;   /* SO_RCVTIMEO of the connection */

    gibson_error error;
    gibson_opcode answered; /* the command, if error.status is what the server answered */
    gibson_error broken;    /* why there is no connection; status OK when nothing broke */
    const char *peer;       /* points into `text` */
    char text[];            /* host, unix socket and peer */
};

/* Sets the error of the client, and returns its status. */
gibson_status gib_client_fail(gibson_client *client, gibson_status status, const char *message);

/* Sets the error to GIBSON_TIMEOUT: which deadline passed, its length, and what was waited for. */
gibson_status gib_client_timed_out(gibson_client *client, const char *deadline, int64_t length_ms,
                                   const char *waiting_for);

/* When the operation has to be over. */
gib_deadline gib_client_deadline(const gibson_client *client);

/* Closes the connection because of client->error, which later calls will refer to. Requests without
   a reply are kept, for the pipeline to report. */
void gib_client_break(gibson_client *client);

/* Begins an operation: its deadline runs from now. Makes sure that there is a connection to use:
   that this is still the process which made it, that after a pause nothing has arrived on it, and
   with options.reconnect connects where there is none. `connect` says whether a new connection
   would be of any use. Returns GIBSON_OK or the reason. */
gibson_status gib_client_ready(gibson_client *client, bool connect);

/* Begins an operation that reads replies or sends what is queued: as gib_client_ready, but a
   connection is replaced only while nothing of what is queued was sent on it. After a failure it
   is broken. */
gibson_status gib_client_resume(gibson_client *client);

/* Checks the connection in the way that gib_idle_begin has asked for. True if the operation may go
   the short way; else gib_client_ready is to be called next, which goes on from there. */
bool gib_client_check(gibson_client *client, gib_idle_check check);

/* Tells whether nothing has arrived on the connection that nobody has asked for. */
bool gib_client_is_quiet(gibson_client *client);

/* Reads what has arrived, without waiting, while requests are in flight. Returns GIBSON_OK;
   GIBSON_PROTOCOL if that is more than was asked for; GIBSON_NOMEM. A connection that has ended is
   left for those who need more of it. */
gibson_status gib_client_take_in(gibson_client *client);

/* Asks the server a question whose answer is known. Returns GIBSON_OK if that comes,
   GIBSON_PROTOCOL if another does; after a failure the connection is broken, and nothing is
   pending. No request may be pending. */
gibson_status gib_client_probe(gibson_client *client);

/* Connects within the operation that has begun, after a connection was lost. */
gibson_status gib_client_reconnect(gibson_client *client);

/* Sets the error to GIBSON_CLOSED with the reason why there is no connection. */
gibson_status gib_client_closed(gibson_client *client);

/* Asks the server at hand how long a ttl or lock time may be. No request may be pending. After a
   failure the connection is broken, and nothing is pending. */
gibson_status gib_client_learn_seconds(gibson_client *client);

/* Sends what the session has to send, reading while it writes, and goes on until the next reply is
   there; if reply is NULL, until all is sent. The whole is to be done before the deadline of the
   operation. Returns GIBSON_OK, or the reason in client->error, after which the connection must be
   broken. */
gibson_status gib_client_exchange(gibson_client *client, gibson_reply *reply);

/* Takes note of what send or recv returned, with errno if that is negative. Returns GIBSON_OK;
   GIBSON_WOULD_BLOCK if the call has to be tried again; or the reason as above. */
gibson_status gib_client_sent(gibson_client *client, ssize_t sent);
gibson_status gib_client_received(gibson_client *client, ssize_t received);

/* Notes what the server answered, and that the operation has ended. */
static inline void gib_client_note_answer(gibson_client *client, gibson_opcode opcode,
                                          gibson_status status)
{
    client->answered = opcode;
    client->error.status = status;
    gib_idle_end(&client->idle);
}

/* Notes that a reply was read: sets the status of client->error, and closes the connection after
   the answer to END, which is the last thing that a server sends. */
void gib_client_answered(gibson_client *client, const gibson_reply *reply);

/* Sets the error of the client, which may be NULL: an out-parameter is. Returns GIBSON_USAGE. */
gibson_status gib_client_missing(gibson_client *client);

/* GIB_CHECKED(client) at the top of a public function: debug and fuzz builds end the program if the
   state of the client is not sound when the function returns. */
#if defined(GIB_CHECK_STATE)
void gib_client_assert(gibson_client **client);
#define GIB_CHECKED(client)                                                                        \
    __attribute__((cleanup(gib_client_assert), unused)) gibson_client *gib_to_assert = (client)
#else
#define GIB_CHECKED(client) (void)(client)
#endif

#endif
