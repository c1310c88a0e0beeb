/* What the examples async_*.c ask a server, whatever their loop is: they store three items at once,
   read them at once, and end. */
#ifndef EXAMPLES_ASYNC_REQUESTS_H
#define EXAMPLES_ASYNC_REQUESTS_H

#include <gibson/async.h>

typedef struct requests {
    void (*ended)(void *context); /* all is over; or NULL */
    void *context;                /* of that */
    bool over;
    bool failed;
} requests;

/* Makes a handle that asks all that, and is to be run by a loop until self->over. The rest of *self
   is to be zero. Returns NULL if that fails, and has said why. */
gibson_async *requests_begin(requests *self, const char *unix_socket);

#endif
