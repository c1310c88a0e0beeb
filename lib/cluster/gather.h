/* One reply of those of many servers. */
#ifndef GIB_CLUSTER_GATHER_H
#define GIB_CLUSTER_GATHER_H

#include "base/buffer.h"
#include "cluster/fanout.h"

/* Puts the replies of the parts, all of which have answered, together to that of the request. Items
   are copied to the buffer. Returns the status, which is also that of the reply: GIBSON_NOMEM if
   there is no room for them. */
gibson_status gib_gather(const gib_fanout_part *parts, size_t count, const gibson_request *request,
                         gib_buffer *to, gibson_reply *reply);

#endif
