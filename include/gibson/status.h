/* What a call can report, and the detail behind it. */
#ifndef GIBSON_STATUS_H
#define GIBSON_STATUS_H

#include <gibson/export.h>

/* The one list of statuses: X(NAME, name, text). Enumerators, names, texts, and docs/errors.md come
   from it. The order is part of the ABI: new statuses go to the end. */
#define GIBSON_STATUS_LIST(X)                                                                      \
    X(OK, ok, "success")                                                                           \
    X(NOT_FOUND, not_found, "no such key, or nothing under the prefix was changed")                \
    X(NAN, nan, "the value is not a number")                                                       \
    X(SERVER_MEMORY, server_memory, "the server is out of memory")                                 \
    X(LOCKED, locked, "the item is locked")                                                        \
    X(SERVER_ERROR, server_error, "the server refused the request as malformed")                   \
    X(TRUNCATED, truncated, "the server stored something else than was sent")                      \
    X(TIMEOUT, timeout, "the deadline has passed")                                                 \
    X(CLOSED, closed, "the connection is closed")                                                  \
    X(UNREACHABLE, unreachable, "the server cannot be reached")                                    \
    X(PROTOCOL, protocol, "the reply is malformed, or answers no request")                         \
    X(NOMEM, nomem, "out of memory")                                                               \
    X(INVALID, invalid, "the protocol cannot carry this argument")                                 \
    X(USAGE, usage, "the call does not fit the state of the handle")                               \
    X(INTERRUPTED, interrupted, "the interrupt callback ended the call")                           \
    X(WOULD_BLOCK, would_block, "nothing can be done without waiting")                             \
    X(END, end, "no reply is outstanding")                                                         \
    X(SYSTEM, system, "a system call failed")

GIBSON_BEGIN_DECLS

/* gibson_status is what nearly every function returns. 0 is success. NOT_FOUND, NAN, SERVER_MEMORY,
   LOCKED and SERVER_ERROR are what the server answered: the connection stays usable. So it does
   after TRUNCATED, INVALID, USAGE, WOULD_BLOCK and END. TIMEOUT, CLOSED, PROTOCOL, INTERRUPTED and
   SYSTEM end the connection, as NOMEM does when it struck in the middle of a reply. */
typedef enum gibson_status {
#define GIBSON_STATUS_ENUM(NAME, name, text) GIBSON_##NAME,
    GIBSON_STATUS_LIST(GIBSON_STATUS_ENUM)
#undef GIBSON_STATUS_ENUM
} gibson_status;

#define GIBSON_ERROR_MESSAGE_SIZE 200

/* gibson_error tells what went wrong in the last call on a handle. */
typedef struct gibson_error {
    gibson_status status;                    /* what the call returned */
    int system_errno;                        /* errno of the system call behind it, or 0 */
    char message[GIBSON_ERROR_MESSAGE_SIZE]; /* UTF-8 text for people, NUL-terminated */
} gibson_error;

/* gibson_status_name returns the name of a status in lower case, such as "not_found", and "unknown"
   for a number that is no status. gibson_status_text returns a sentence without a full stop. Both
   strings are static. Thread rule: any thread. Since 0.1. */
GIBSON_API const char *gibson_status_name(gibson_status status);
GIBSON_API const char *gibson_status_text(gibson_status status);

GIBSON_END_DECLS

#endif
