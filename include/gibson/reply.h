/* A reply of any command, as a value. */
#ifndef GIBSON_REPLY_H
#define GIBSON_REPLY_H

#include <gibson/command.h>
#include <gibson/status.h>
#include <gibson/value.h>

GIBSON_BEGIN_DECLS

/* gibson_reply is the answer to one request. Its views are borrowed: they live until the next call
   on the handle that filled them in, or until gibson_owned_reply_free where the reply was taken. */
typedef struct gibson_reply {
    /* GIBSON_OK, what the server answered instead, or why there is no answer */
    gibson_status status;
    gibson_opcode opcode; /* the command that was answered */
    gibson_value value;   /* of commands that yield VALUE or NUMBER, else of kind NONE */
    gibson_items items;   /* of commands that yield ITEMS or KEYS, else empty */
} gibson_reply;

/* gibson_owned_reply is the memory behind a reply, taken over from a client. */
typedef struct gibson_owned_reply gibson_owned_reply;

/* gibson_owned_reply_free ends the life of the views of a reply that was taken. NULL is allowed. It
   uses the allocator of the client, which may itself be gone. Thread rule: any thread, once.
   Since 0.1. */
GIBSON_API void gibson_owned_reply_free(gibson_owned_reply *owned);

GIBSON_END_DECLS

#endif
