/* Pipelining over a cluster: many requests on their way to many servers at once, their replies read
   in order. */
#ifndef GIBSON_CLUSTER_PIPELINE_H
#define GIBSON_CLUSTER_PIPELINE_H

#include <gibson/cluster.h>

GIBSON_BEGIN_DECLS

/* As pipeline.h, with a gibson_cluster_client:

       gibson_cluster_queue(client, &first);
       gibson_cluster_queue(client, &second);
       while (gibson_cluster_next(client, &reply) != GIBSON_END) {
           use reply.status, reply.value, reply.items
       }

   Every request that was queued gets exactly one reply, in the order in which they were queued,
   whichever servers they went to. Each server gets its requests in that order; between servers
   there is none.

   What a server does not do is told by a reply, not by gibson_cluster_queue. Once one fails, each
   request that it owes a reply to gets one whose status tells why, and so do those that are queued
   for it before all of these are read; the other servers go on. However many requests that are, it
   is one failure for failure_limit: a connection is lost once. A request for a server that is
   ejected gets GIBSON_UNREACHABLE in its place, or goes to another with GIBSON_CLUSTER_REHASH, as
   it is when it is queued.

   gibson_cluster_call returns GIBSON_USAGE while replies are outstanding. The list of servers is
   followed when none is: see gibson_cluster_queue. Thread rule: one thread at a time. */

/* gibson_cluster_queue appends a request, which is checked and copied, and sends nothing yet. Views
   of the last reply stay valid. A request that was not queued gets no reply.

   It waits only where a server has to be connected to, or asked as gibson_client_queue asks, which
   a request on a prefix does to all servers at once, and where one is to be probed, as it was
   ejected and it is this caller's turn: within options.timeout_ms for each of the two. A probe is a
   PING, after what flush_prefix asks for; with flush_prefix and GIBSON_CLUSTER_REHASH only while no
   reply is outstanding, as it needs all servers. Returns:

   - GIBSON_OK
   - GIBSON_WOULD_BLOCK: the options' pipeline_window or pipeline_bytes is reached, each of which
     holds over all servers together, or a server has to be asked how long a time it keeps, and
     cannot be while replies are outstanding: read a reply first. Or gibson_cluster_set_servers has
     replaced the list, which is followed when all replies are read
   - GIBSON_INVALID: as in client.h
   - GIBSON_USAGE: STATS and END are of one server; or an argument is NULL
   - GIBSON_NOMEM: there is no memory for the request, a connection, or the list of servers
   - GIBSON_INTERRUPTED: while it waited; where it connected to all servers, the reply tells
   - GIBSON_SYSTEM: a request on a key could not connect as a system call failed

   Since 0.3. */
GIBSON_API gibson_status gibson_cluster_queue(gibson_cluster_client *client,
                                              const gibson_request *request);

/* gibson_cluster_flush sends what is queued to all servers at once, without waiting for replies,
   though it takes in those that arrive while a server is slow to read. One deadline of
   options.timeout_ms holds. It need not be called, as gibson_cluster_next does the same before it
   waits. Returns GIBSON_OK; GIBSON_USAGE; or, with the rest sent to the other servers, what
   gibson_client_flush returns of the first that has failed now, whose requests get their replies
   all the same. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_flush(gibson_cluster_client *client);

/* gibson_cluster_next returns the next reply. If it has to wait for that, it first sends what is
   queued to all servers, and reads while it writes, so that full socket buffers cannot block it; a
   server that is slow to read does not keep it from returning. The deadline is options.timeout_ms
   from the call. The reply, and what gibson_cluster_answers, _error and _take_reply tell of it, are
   as after gibson_cluster_call; they live until the next call on the client other than
   gibson_cluster_queue, after which gibson_cluster_error tells of that. Returns the status of the
   reply, which is also in *reply, or GIBSON_END when no request is without a reply; GIBSON_USAGE if
   a pointer is missing. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_next(gibson_cluster_client *client, gibson_reply *reply);

/* gibson_cluster_outstanding returns how many requests have no reply yet. Since 0.3. */
GIBSON_API size_t gibson_cluster_outstanding(const gibson_cluster_client *client);

GIBSON_END_DECLS

#endif
