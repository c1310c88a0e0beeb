/* The connection as the model sees it: what must have been sent on it, and how it ends. */
#ifndef WALK_LINK_H
#define WALK_LINK_H

#include "walk.h"

/* The client has made a connection. */
void walk_link_begin(walk *self);

/* The client has none any more. What is pending counts as lost; the store is what the requests that
   arrived have made of it. */
void walk_link_end(walk *self);

/* The client has made another one for all that is pending, of which nothing had been sent. */
void walk_link_replace(walk *self);

/* The peer ends it, or sends bytes that nobody has asked for, while the client is not looking. */
void walk_link_cut(walk *self);
void walk_link_stray(walk *self);

/* The peer is to end it when it gets the next request. Nothing may be pending. */
void walk_link_doom(walk *self);

/* Bytes were accepted: they belong to the connection. */
void walk_link_push(walk *self, const void *frame, size_t size);

/* A single request was sent and carried out. */
void walk_link_single(walk *self, const gibson_request *request);

/* A single request was sent and got no answer, as the connection was doomed. */
void walk_link_lose(walk *self, const gibson_request *request);

/* All that was accepted has been sent, but for what is behind END. */
void walk_link_sent(walk *self);

/* Compares what has arrived with what was accepted. */
void walk_link_compare(walk *self);

/* Which connection the client has; 0 for none. Descriptors are used again, these numbers are not.
 */
ino_t walk_link_socket(const walk *self);

/* What a client may do with a request on this connection. */
walk_verdict walk_link_verdict(const walk *self, const gibson_request *request);

/* Whether a time is pending that is allowed only because the server has told that it keeps it. */
bool walk_link_has_long_time(const walk *self);

/* The server was asked for its limit of times. */
void walk_link_ask(walk *self);

#endif
