/* The connection as the model sees it: what must have been sent on it, and how it ends. */
#ifndef WALK_LINK_H
#define WALK_LINK_H

#include "walk.h"

/* The client has made a connection. */
void walk_link_begin(walk *self);

/* The client has none any more. What is pending counts as lost; the store is what the requests that
   arrived have made of it. */
void walk_link_end(walk *self);

/* The peer ends it, while the client is not looking. */
void walk_link_cut(walk *self);

/* The peer sends bytes that nobody has asked for. */
void walk_link_stray(walk *self);

/* A request was accepted: its frame belongs to the connection. */
void walk_link_push(walk *self, const gibson_request *request);

/* All that was accepted has been sent, but for what is behind END. */
void walk_link_sent(walk *self);

/* Compares what has arrived with what was accepted. */
void walk_link_compare(walk *self);

/* Which connection the client has; 0 for none. Descriptors are used again, these numbers are not.
 */
ino_t walk_link_socket(const walk *self);

#endif
