/* The blocking client, as its own files see it: a connection, and the waiting for it. */
#ifndef GIB_CLIENT_CLIENT_H
#define GIB_CLIENT_CLIENT_H

#include <gibson/client.h>

#include "connection/operation.h"
#include "net/wait.h"

struct gibson_client {
    gib_connection connection;
    gib_operation operation; /* the one under way, or the last */
    gib_interrupt interrupt;
    unsigned int prepared; /* connection.made of the socket that is set up for waiting in recv */
    int64_t receive_timeout_ms; /* SO_RCVTIMEO of that */
    gibson_opcode answered;     /* the command, if the status is what the server answered */
    void *lender;               /* what has made the client in order to lend it, if anything */
    char text[];                /* host, unix socket and peer */
};

/* Sets the error of the client, and returns its status. */
static inline gibson_status gib_client_fail(gibson_client *client, gibson_status status,
                                            const char *message)
{
    return gib_connection_fail(&client->connection, status, message);
}

/* Runs an operation to its end: see gib_operation_begin. */
gibson_status gib_client_run(gibson_client *client, gib_operation_kind kind,
                             const gibson_request *request, gibson_reply *reply);

/* The same in steps, for who waits for several clients at once: steps.c. The first begins it, to
   end at the deadline of the client or that one, whichever is first. Both return GIBSON_WOULD_BLOCK
   as long as client->operation waits for something, else what the function of the client does.
   Request and reply, where the kind has them, have to stay until then. Of FLUSH and NEXT something
   has to be pending, of QUEUE nothing may be. */
gibson_status gib_client_start(gibson_client *client, gib_operation_kind kind,
                               const gibson_request *request, gibson_reply *reply,
                               gib_deadline until, int64_t now_ns);
gibson_status gib_client_step(gibson_client *client, const gibson_request *request,
                              gibson_reply *reply, int64_t now_ns);

/* Takes back the request that was queued last, of which nothing may have been sent. */
void gib_client_take_back(gibson_client *client);

/* Makes SO_RCVTIMEO of the socket what the timeout of the client is. */
void gib_client_set_receive_timeout(gibson_client *client);

/* Notes what the server answered, and that the operation has ended. */
static inline void gib_client_note_answer(gibson_client *client, gibson_opcode opcode,
                                          gibson_status status)
{
    gib_idle *idle = &client->connection.idle;
    client->answered = opcode;
    client->connection.error.status = status;
    if (GIB_UNLIKELY(gib_idle_is_timed(idle))) {
        gib_idle_end(idle, gib_now_ns());
    }
}

/* Takes note of a reply that was read. */
static inline void gib_client_answered(gibson_client *client, const gibson_reply *reply)
{
    gib_connection_answered(&client->connection, reply);
    gib_client_note_answer(client, reply->opcode, reply->status);
}

/* For pipelines. The first takes the next reply if it has arrived, and all else that needs no
   waiting: it returns what gibson_client_next does, or GIBSON_WOULD_BLOCK. The second ends that
   after an operation with that status. */
gibson_status gib_next_held(gibson_client *client, gibson_reply *reply);
gibson_status gib_next_end(gibson_client *client, gibson_reply *reply, gibson_status status);

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
