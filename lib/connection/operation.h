/* What a caller asks of a connection, one operation at a time, as steps that do not wait: trusting
   the connection or making another, asking the server what has to be known first, sending, reading,
   and doing so again where that is allowed, all before one deadline.

       gib_operation_begin(&operation, &connection, kind, request, reply, now_ns);
       while ((status = gib_operation_step(&operation, now_ns)) == GIBSON_WOULD_BLOCK) {
           wait for what gib_operation_waits returns, set its revents; now_ns = the time
       }
*/
#ifndef GIB_CONNECTION_OPERATION_H
#define GIB_CONNECTION_OPERATION_H

#include "connection/connection.h"
#include "connection/exchange.h"
#include "connection/question.h"

typedef enum gib_operation_kind {
    GIB_OPERATION_CONNECT, /* make a connection; there must be none */
    GIB_OPERATION_CALL,    /* run a request; nothing may be pending */
    GIB_OPERATION_QUEUE,   /* make a request pending: the first, or one that gib_session_queue has
                              refused with GIBSON_WOULD_BLOCK; nothing may be pending */
    GIB_OPERATION_FLUSH,   /* send what is pending; that must be something */
    GIB_OPERATION_NEXT,    /* read the next reply; something must be pending */
} gib_operation_kind;

typedef enum gib_phase {
    GIB_PHASE_OVER,
    GIB_PHASE_CONNECTING,
    GIB_PHASE_ASKING, /* on the connection's own account */
    GIB_PHASE_EXCHANGING,
} gib_phase;

/* What has been found out about the connection before an operation begins. */
typedef enum gib_found {
    GIB_FOUND_NOTHING,
    GIB_FOUND_TRUSTED, /* it is fine */
    GIB_FOUND_ASKED,   /* a probe is under way, by gib_question_ask_single */
    GIB_FOUND_BAD,     /* it is not fine, and connection->error tells why */
    GIB_FOUND_SENT,    /* it was, and the request of this CALL is under way: `failure` tells how */
} gib_found;

typedef struct gib_operation {
    gib_connection *connection;
    gib_found found; /* for the next operation; GIB_FOUND_NOTHING outside of one */

    gib_operation_kind kind;
    gib_phase phase;
    gibson_status status;          /* when it is over */
    gibson_status failure;         /* of the phase, before a step was taken; or GIBSON_OK */
    const gibson_request *request; /* of CALL and QUEUE */
    gibson_reply *reply;           /* of CALL and NEXT */
    int64_t began_ns;
    int64_t now_ns; /* as the driver has told */
    gib_deadline deadline;
    gib_deadline latest; /* no operation that begins has a later one; GIB_NO_DEADLINE unless set */
    gib_exchange exchange;
    gib_question question;
    gib_kept lender; /* the reply that the request is made of, until it is over */
    bool is_lent;  /* the request was sent by the short way, and is made of a reply that is not put
                      aside: it can only be repeated while that reply stays */
    bool once;     /* it may not go on on another connection: it has already, or the memory that
                      the request is made of is used for its reply */
    bool was_sent; /* to a connection that was lost */
    bool is_anew;  /* this connection, which was made for the operation, is asked a question */
    gibson_error lost;
} gib_operation;

/* What a driver waits for: an event on one of the descriptors, or until that time, whatever comes
   first. Where one of the revents is set already, there is nothing to wait for. */
typedef struct gib_waits {
    struct pollfd *fds;
    nfds_t count;
    gib_deadline until;
} gib_waits;

/* Makes one for the connection, which is borrowed. */
void gib_operation_init(gib_operation *operation, gib_connection *connection);

/* Begins an operation, whose time runs from connection->idle.since_ns if something has been found
   out already, and else from now_ns. Steps follow until it is over. The request and the reply are
   borrowed until then. */
void gib_operation_begin(gib_operation *operation, gib_operation_kind kind,
                         const gibson_request *request, gibson_reply *reply, int64_t now_ns);

/* Tells whether it was begun by a parent of this process and is not over: it must not go on here.
 */
static inline bool gib_operation_is_parents(const gib_operation *operation)
{
    return operation->phase != GIB_PHASE_OVER && !gib_connection_is_ours(operation->connection);
}

/* Ends such an operation, with GIBSON_CLOSED. A step does that, too. */
void gib_operation_disown(gib_operation *operation);

static inline bool gib_operation_connects(const gib_operation *operation)
{
    return operation->phase == GIB_PHASE_CONNECTING;
}

/* Ends a FLUSH that does not connect, as if it had not been begun: what it has not sent is still
   pending. */
static inline void gib_operation_leave(gib_operation *operation)
{
    operation->phase = GIB_PHASE_OVER;
}

/* Goes on as far as it can. Returns GIBSON_WOULD_BLOCK, or how it has ended: GIBSON_OK, or the
   reason in connection->error. What is pending after a failed FLUSH or NEXT is to be counted off;
   after a failed CALL that is nothing. */
gibson_status gib_operation_step(gib_operation *operation, int64_t now_ns);

/* What to wait for after GIBSON_WOULD_BLOCK. */
gib_waits gib_operation_waits(gib_operation *operation);

/* Tells whether nothing is to be waited for but bytes of the connection, for as long as its timeout
   says: then a driver may wait for them in gib_connection_receive, too. */
bool gib_operation_may_receive(const gib_operation *operation);

/* Tells it that waiting has ended with that status, in connection->error: GIBSON_INTERRUPTED, or a
   failure of a system call, or of gib_connection_receive. The next step acts on that. */
void gib_operation_fail(gib_operation *operation, gibson_status status);

#endif
