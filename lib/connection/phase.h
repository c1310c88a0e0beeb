/* Entering the phases of an operation. For lib/connection. */
#ifndef GIB_CONNECTION_PHASE_H
#define GIB_CONNECTION_PHASE_H

#include "connection/operation.h"

/* Tells whether what is pending after a failure has lost its connection: that of FLUSH and NEXT. */
static inline bool gib_phase_needs_connection(const gib_operation *operation)
{
    return operation->kind == GIB_OPERATION_FLUSH || operation->kind == GIB_OPERATION_NEXT;
}

/* Ends the operation with that status. */
void gib_phase_end(gib_operation *operation, gibson_status status);

/* Goes on with requests that are pending. */
void gib_phase_exchange(gib_operation *operation);

/* Goes on with a question that was asked. */
void gib_phase_asking(gib_operation *operation, gib_question_kind kind);

/* Asks a question, and goes on with it. */
void gib_phase_ask(gib_operation *operation, gib_question_kind kind);

/* Connects within the operation, after a connection was lost. */
void gib_phase_connect_again(gib_operation *operation);

/* The connection has been made: it is to be trusted, unless it has to be asked first. */
void gib_phase_connected(gib_operation *operation);

/* The connection is there, and to be trusted. */
void gib_phase_go_on(gib_operation *operation);

/* That is known about the connection, before anything of the request was sent. */
void gib_phase_judge(gib_operation *operation, gibson_status status);

#endif
