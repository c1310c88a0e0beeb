/* Pipelining: many requests on their way at once, their replies read in order. */
#ifndef GIBSON_PIPELINE_H
#define GIBSON_PIPELINE_H

#include <gibson/client.h>
#include <gibson/reply.h>
#include <gibson/request.h>

GIBSON_BEGIN_DECLS

/* A pipeline is a client with more than one request outstanding:

       gibson_client_queue(client, &first);
       gibson_client_queue(client, &second);
       while (gibson_client_next(client, &reply) != GIBSON_END) {
           use reply.status, reply.value, reply.items
       }

   Every request that was queued gets exactly one reply, in order, until gibson_client_connect,
   gibson_client_close or gibson_client_quit drops what is left. When the connection breaks, each
   request without a reply gets one whose status tells why. The functions of client.h that run a
   single command return GIBSON_USAGE while replies are outstanding.

   The protocol does not number its replies. Where a server leaves one out, those behind it go to
   the wrong requests, until none is left for the last, which ends in GIBSON_TIMEOUT: so after a
   TIMEOUT or PROTOCOL in a batch, the other answers of that batch are not certain. */

/* gibson_client_queue appends a request, which is checked and copied, and sends nothing yet. Views
   of the last reply stay valid. A request that was not queued gets no reply. With
   options.reconnect, and no reply outstanding, it connects first where there is no connection,
   within options.timeout_ms. Returns:

   - GIBSON_OK
   - GIBSON_WOULD_BLOCK: the options' pipeline_window or pipeline_bytes is reached, or the server
     has to be asked how long a time it keeps, and cannot be while replies are outstanding: read a
     reply first
   - GIBSON_INVALID, GIBSON_NOMEM, GIBSON_USAGE: as in client.h
   - GIBSON_CLOSED: there is no connection, and options.reconnect is off or a reply outstanding
   - GIBSON_PROTOCOL: bytes had arrived that answer nothing, see client.h
   - where it connects first, what gibson_client_connect returns
   - where it asks the server first, what a single command returns

   Since 0.1. */
GIBSON_API gibson_status gibson_client_queue(gibson_client *client, const gibson_request *request);

/* While nothing of what is queued was sent, and a pause of 1 ms or more has passed, flush and next
   look at the connection, and with options.reconnect replace one that has ended or has bytes on it
   that nobody asked for; unless a time above 32767 s is among it, which the server that is gone had
   allowed and the next one may not. */

/* gibson_client_flush sends what is queued without waiting for replies, though it takes in those
   that arrive while the peer is slow to read. One deadline of options.timeout_ms holds. It need not
   be called, as gibson_client_next does the same. Returns GIBSON_OK; GIBSON_TIMEOUT; GIBSON_CLOSED;
   GIBSON_PROTOCOL if more arrives than was asked for; GIBSON_NOMEM; GIBSON_INTERRUPTED;
   GIBSON_SYSTEM; GIBSON_USAGE. After a failure the connection is broken. Since 0.1. */
GIBSON_API gibson_status gibson_client_flush(gibson_client *client);

/* gibson_client_next sends what is queued and waits for the next reply, reading while it writes, so
   that full socket buffers on both sides cannot block it. The deadline is options.timeout_ms from
   the call. The views of *reply live until the next call on the client other than
   gibson_client_queue. Returns the status of the reply, which is also in *reply, or GIBSON_END when
   no request is without a reply; GIBSON_USAGE if a pointer is missing. Since 0.1. */
GIBSON_API gibson_status gibson_client_next(gibson_client *client, gibson_reply *reply);

/* gibson_client_outstanding returns how many requests have no reply yet. Since 0.1. */
GIBSON_API size_t gibson_client_outstanding(const gibson_client *client);

GIBSON_END_DECLS

#endif
