/* What a connection asks the server on its own account, while nothing is pending:

   GIB_QUESTION_PROBE: whether replies still go to the requests that they answer: see
   session/question.h.

   GIB_QUESTION_SECONDS: how long a ttl or lock time may be, where that is more than every server
   can keep. */
#ifndef GIB_CONNECTION_QUESTION_H
#define GIB_CONNECTION_QUESTION_H

#include "connection/connection.h"

typedef enum gib_question_kind { GIB_QUESTION_PROBE, GIB_QUESTION_SECONDS } gib_question_kind;

typedef struct gib_question {
    gib_question_kind kind;
    gibson_reply reply;    /* of SECONDS, to be filled in by an exchange */
    gib_kept kept;         /* the caller's last reply */
    size_t max_reply_size; /* the caller's */
} gib_question;

/* Makes it pending. Whatever is returned, gib_question_end has to follow: with that status, unless
   it is GIBSON_OK, or else with that of the exchange. */
gibson_status gib_question_ask(gib_question *question, gib_connection *connection,
                               gib_question_kind kind);

/* Asks a probe by the short way, with the flags of recv, which has to be open. Returns
   GIBSON_WOULD_BLOCK if an exchange has to go on with it, before gib_question_end; any other status
   is that of gib_question_end. */
gibson_status gib_question_ask_single(gib_question *question, gib_connection *connection,
                                      int flags);

/* Takes what STATS tell of the limit of times: a server that refuses them, whose items are none,
   has not told. */
void gib_question_take_seconds(gib_connection *connection, const gibson_items *stats);

/* Takes the answer. Returns GIBSON_OK if all is well, or the status given. Unless it is GIBSON_OK,
   the connection is broken and nothing pending, but where there was no memory for asking
   GIB_QUESTION_SECONDS. */
gibson_status gib_question_end(gib_question *question, gib_connection *connection,
                               gibson_status status);

#endif
