/* The blocking client, as its own files see it. */
#ifndef GIB_CLIENT_CLIENT_H
#define GIB_CLIENT_CLIENT_H

#include <gibson/client.h>
#include <sys/types.h>

#include "base/clock.h"
#include "client/backoff.h"
#include "net/connect.h"
#include "session/session.h"

/* A connection that was idle for longer is looked at before it is used again, if a new one may be
   made: servers close idle connections. */
enum { GIB_IDLE_CHECK_NS = 1000000000 };

struct gibson_client {
    gibson_options settings; /* checked; its strings point into `text` */
    gib_session session;
    gib_interrupt interrupt;
    gib_backoff backoff;

    int descriptor;               /* the connection, or -1 */
    bool settled;                 /* connected, and gib_session_is_settled: see get.c */
    size_t queue_until;           /* requests that can be queued with no more ado: see pipeline.c */
    unsigned int fork_generation; /* of the process that connected */
    size_t segment;               /* bytes that arrive together, of a unix socket; 0 of TCP */
    int64_t receive_timeout_ms;   /* SO_RCVTIMEO of the connection */
    int64_t last_used_ns;         /* when the last operation began */

    gibson_error error;
    gibson_error broken; /* why there is no connection; status OK when nothing broke */
    const char *peer;    /* points into `text` */
    char text[];         /* host, unix socket and peer */
};

/* Sets the error of the client, and returns its status. */
gibson_status gib_client_fail(gibson_client *client, gibson_status status, const char *message);

/* Closes the connection because of client->error, which later calls will refer to. Requests without
   a reply are kept, for the pipeline to report. */
void gib_client_break(gibson_client *client);

/* Makes sure that there is a connection to use: looks whether this is still the process that made
   it, and with options.reconnect connects where there is none. client->last_used_ns is when the
   deadline starts to run, which is after connecting. Returns GIBSON_OK or the reason. */
gibson_status gib_client_ready(gibson_client *client);

/* Sets the error to GIBSON_CLOSED with the reason why there is no connection. */
gibson_status gib_client_closed(gibson_client *client);

/* Sends what the session has to send, reading while it writes, and goes on until the next reply is
   there; if reply is NULL, until all is sent. The whole is to be done within options.timeout_ms
   from client->last_used_ns. `fresh` says that none of that time has passed. Returns GIBSON_OK, or
   the reason in client->error, after which the connection must be broken. */
gibson_status gib_client_exchange(gibson_client *client, gibson_reply *reply, bool fresh);

/* Takes note of what send or recv returned, with errno if that is negative. Returns GIBSON_OK;
   GIBSON_WOULD_BLOCK if the call has to be tried again; or the reason as above. */
gibson_status gib_client_sent(gibson_client *client, ssize_t sent);
gibson_status gib_client_received(gibson_client *client, ssize_t received);

/* Ends a single request after an exchange with that status: repeats it if it was lost and may be
   repeated, and fills in the reply. Returns the status of the reply. */
gibson_status gib_client_finish(gibson_client *client, const gibson_request *request,
                                gibson_reply *reply, gibson_status status);

/* Notes that a reply was read: sets the status of client->error, and closes the connection after
   the answer to END, which is the last thing that a server sends. */
void gib_client_answered(gibson_client *client, const gibson_reply *reply);

/* Sets the error of the client, which may be NULL: an out-parameter is. Returns GIBSON_USAGE. */
gibson_status gib_client_missing(gibson_client *client);

#endif
