/* What SET stored must be what was sent: the server cuts what is over its limits. */
#ifndef GIB_SESSION_ECHO_H
#define GIB_SESSION_ECHO_H

#include <gibson/reply.h>

/* Compares the reply to SET with the value that was sent. If they differ, the status of the reply
   becomes GIBSON_TRUNCATED, with an error that says how. */
void gib_echo_check(const uint8_t *sent, size_t size, gibson_reply *reply, gibson_error *error);

#endif
