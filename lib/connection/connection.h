/* A connection to a server, and the rules of making, trusting, using and losing it, for whatever
   waits: nothing here does, and nothing reads a clock. Its drivers are told what to wait for, and
   tell what has come of it and what time it is.

   This header is the connection itself. connecting.h makes it, look.h finds out whether it is to be
   trusted, exchange.h moves bytes, question.h asks on the connection's own account, operation.h
   puts them together to what a caller asks for, and single.h is the short way of that. */
#ifndef GIB_CONNECTION_CONNECTION_H
#define GIB_CONNECTION_CONNECTION_H

#include <gibson/options.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "connection/idle.h"
#include "net/connector.h"
#include "net/transport.h"
#include "session/session.h"

typedef struct gib_connection {
    gibson_options settings; /* checked; the strings are the owner's */
    const char *peer;        /* and so is this: the server's address, for messages */
    gib_session session;

    gib_transport transport;
    unsigned int made;            /* how many connections there were: tells one from the next */
    unsigned int fork_generation; /* of the process that connects, or has connected */
    size_t segment;               /* bytes that arrive together, of a unix socket; 0 of TCP */
    bool suspect;                 /* the one before broke by bytes that answer nothing: the next one
                                     is asked a question first */
    gib_idle idle;                /* idle.since_ns is when the operation began, until it ends */

    gib_connector connector; /* while connecting */
    gib_target target;
    gib_deadline connect_until;
    bool cut_short; /* connect_until is the deadline of an operation, not connect_timeout_ms */
    gib_backoff backoff;

    gibson_error error;
    gibson_error broken; /* why there is no connection; status OK when nothing broke */
} gib_connection;

/* Makes one that is not connected. The settings are copied, their strings and the peer borrowed;
   the seed is for what has to be random. */
void gib_connection_init(gib_connection *connection, const gibson_options *settings,
                         const char *peer, uint64_t seed);

/* Closes it, and frees its memory. */
void gib_connection_clear(gib_connection *connection);

/* Goes on with a transport that is open, and is the connection's from here on. Returns GIBSON_OK,
   or GIBSON_NOMEM, with the transport closed. */
gibson_status gib_connection_adopt(gib_connection *connection, gib_transport transport);

static inline bool gib_connection_is_open(const gib_connection *connection)
{
    return gib_transport_is_open(&connection->transport);
}

/* Tells whether it was made by this process, not by a parent of it. */
bool gib_connection_is_ours(const gib_connection *connection);

/* Closes it because the caller wants that: nothing of it is left. */
void gib_connection_close(gib_connection *connection);

/* Closes it because of connection->error, which later calls will refer to. Requests without a reply
   are kept, to be counted off. */
void gib_connection_break(gib_connection *connection);

/* Closes it because of connection->error, when nothing of what the session holds was sent, which
   can therefore be sent on another. */
void gib_connection_drop(gib_connection *connection);

/* Takes note of a reply: the answer to END is the last thing that a server sends. */
void gib_connection_answered(gib_connection *connection, const gibson_reply *reply);

/* Tells whether a request that was lost with its connection may be sent again; `sent` says whether
   some of it was sent. */
bool gib_connection_may_repeat(const gib_connection *connection, const gibson_request *request,
                               bool sent);

/* Gives connection->error its text, if its status is what the server has answered to a command. */
void gib_connection_describe(gib_connection *connection, gibson_opcode opcode);

/* These set connection->error, and return its status. */
gibson_status gib_connection_fail(gib_connection *connection, gibson_status status,
                                  const char *message);
/* It is a parent's. */
gibson_status gib_connection_parents(gib_connection *connection);
/* Why there is no connection. */
gibson_status gib_connection_closed(gib_connection *connection);
/* Which deadline has passed, its length, and what was waited for. */
gibson_status gib_connection_timed_out(gib_connection *connection, const char *deadline,
                                       int64_t length_ms, const char *waiting_for);

#endif
