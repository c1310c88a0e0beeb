/* The peer of the asynchronous walk, and the system that the library sees: what it sends passes
   through here, so it is known to the byte what was sent, and the socket takes less of it than it
   could. The clock is a number. All in the thread of the walk: nothing happens by itself. */
#ifndef WALK_ASYNC_PEER_H
#define WALK_ASYNC_PEER_H

#include <gibson/options.h>

#include "base/buffer.h"
#include "choices.h"
#include "wire/request_decode.h"

typedef struct async_peer {
    char directory[64];
    char path[96];
    int listener;   /* -1 while it is down */
    int descriptor; /* its end of the newest connection, or -1 */
    int client;     /* the library's end, since it has sent something; or -1 */
    unsigned connection;

    gib_buffer begun;  /* a frame of which only a part was sent, as a whole */
    size_t begun_sent; /* how much of it was */

    gib_buffer owed;  /* replies that were not sent yet */
    size_t owed_end;  /* bytes of the connection up to the end of that */
    size_t delivered; /* bytes that were sent */

    bool silent;       /* it answers nothing any more */
    bool lies;         /* it has left out a reply: no other can be trusted */
    bool tells_limit;  /* of times, in STATS */
    unsigned short_of; /* how many sends of a hundred are cut short */

    walk_choices *choices;
    void *context;
    /* Some of a frame was sent, or all of it: then the answer is to be appended to `owed`. */
    void (*sent)(void *context, const gib_request_frame *frame, bool whole);
    /* The library closes a descriptor. */
    void (*closes)(void *context, int descriptor);
} async_peer;

/* There is one at a time. */
void async_peer_start(async_peer *self);
void async_peer_stop(async_peer *self);

void async_peer_point(const async_peer *self, gibson_options *options);

/* Takes connections that were made. */
void async_peer_accept(async_peer *self);

/* Sends so many bytes of what it owes. */
void async_peer_deliver(async_peer *self, size_t size);

/* Sends bytes that answer nothing. */
void async_peer_garbage(async_peer *self, const void *bytes, size_t size);

/* Ends the connection. */
void async_peer_cut(async_peer *self);

void async_peer_go_down(async_peer *self);
void async_peer_come_up(async_peer *self);

/* The clock that the library sees. */
extern int64_t async_peer_now_ns;

#endif
