/* What SET stored must be what was sent: the server cuts what is over its limits. */
#ifndef GIB_SESSION_ECHO_H
#define GIB_SESSION_ECHO_H

#include <gibson/reply.h>
#include <string.h>

static inline bool gib_echo_is_same(const gibson_bytes *sent, const gibson_bytes *stored)
{
    /* What was sent has a byte at least. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    return stored->size == sent->size && !memcmp(stored->data, sent->data, sent->size);
}

/* Compares a reply that echoes with the value that was sent. If they differ, the status of the
   reply becomes GIBSON_TRUNCATED, with an error that says how. */
void gib_echo_check(const gibson_bytes *sent, gibson_reply *reply, gibson_error *error);

#endif
