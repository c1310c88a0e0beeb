/* Making a client believe that it has just been used, or not for a while: whether it looks at its
   connection before a call must not depend on how busy the machine is. */
#ifndef SUPPORT_IDLE_H
#define SUPPORT_IDLE_H

#include "support/inside.h"

/* The next call does not look at the connection first. */
static inline void pretend_busy(gibson_client *client)
{
    inside(client)->idle.since_ns = gib_now_ns() + INT64_C(3600000000000);
    inside(client)->idle.uses_left = GIB_IDLE_USES - 1;
}

/* The next call does. */
static inline void pretend_idle(gibson_client *client)
{
    inside(client)->idle.since_ns = gib_now_ns() - INT64_C(2) * GIB_IDLE_NS;
}

#endif
