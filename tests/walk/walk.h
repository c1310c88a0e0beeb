/* A random walk over the public functions of a client, against an exact model of it. */
#ifndef WALK_WALK_H
#define WALK_WALK_H

#include <gibson/client.h>
#include <sys/types.h>

#include "kept.h"
#include "request.h"
#include "rules.h"
#include "world.h"

enum {
    WALK_MOST_PENDING = 96,          /* so many replies, and bytes, fit into the socket buffers: */
    WALK_MOST_PENDING_BYTES = 98304, /* so nobody has to read for a walk to go on */
    WALK_OWNED = 6,
    WALK_HISTORY = 30,
    WALK_NOTE_SIZE = 400,
    WALK_STATUSES = GIBSON_SYSTEM + 1,
};

/* A request that was queued and whose reply was not read. */
typedef struct walk_pending {
    space_request request;
    space_answer expected;
    space_item after[SPACE_KEYS]; /* what there is once it was carried out */
    size_t end;                   /* bytes of the connection up to the end of its frame */
    size_t frame_size;
    size_t reply_size;
    bool lost; /* it cannot be answered, as the connection had ended */
} walk_pending;

/* What became of a connection while the client was not looking. */
typedef enum walk_stale {
    WALK_FRESH,
    WALK_CUT,   /* the peer has ended it */
    WALK_STRAY, /* there are bytes on it that nobody has asked for, for long enough to be seen */
} walk_stale;

/* What a client may do with a request. */
typedef enum walk_verdict {
    WALK_VALID,
    WALK_INVALID,
    WALK_ASK, /* its time is more than any server keeps: the one at hand must be asked first */
} walk_verdict;

/* Whether gibson_client_take_reply has a reply to take. The documentation leaves it open for some
   calls. */
typedef enum walk_left { WALK_LEFT_NONE, WALK_LEFT_MAYBE, WALK_LEFT_REPLY } walk_left;

typedef struct walk {
    /* Set by the caller. */
    walk_world *world;
    walk_choices choices;
    walk_rules rules;

    gibson_client *client;
    gibson_options options;
    walk_limits limits;

    /* What the client must be like. */
    bool connected;
    walk_stale stale;
    bool asked;  /* the server was asked for its limit of times, since the connection was made */
    bool ending; /* END is pending */
    bool doomed; /* the peer will end the connection in place of an answer */
    ino_t socket;
    walk_pending pending[WALK_MOST_PENDING]; /* a ring */
    size_t first;
    size_t count;
    size_t unsent;      /* how many, from the end, may not have been sent */
    size_t sure_unsent; /* and how many surely have not */
    gib_buffer frames;  /* of all that is pending */
    gibson_status error;
    walk_left left;

    /* What must be in the store, after all that is pending, and after what was answered. */
    space_item items[SPACE_KEYS];
    space_item settled[SPACE_KEYS];
    int64_t writes;

    /* What must be on the connection. */
    size_t connection;
    size_t pushed;       /* bytes that were accepted */
    size_t certain;      /* of those, bytes that must have arrived */
    size_t compared;     /* bytes that have arrived and were right */
    size_t answered;     /* requests whose replies were read */
    gib_buffer expected; /* the accepted bytes after the compared ones */
    bool finished;       /* all that arrived on it was compared */

    walk_kept last; /* the last reply */
    walk_kept owned[WALK_OWNED];

    /* What came of it. */
    bool failed;
    uint64_t steps;
    uint64_t by_status[WALK_STATUSES];
    char history[WALK_HISTORY][WALK_NOTE_SIZE];
} walk;

/* Takes so many steps, or until the choices run out, or a call does not do what it must: then
   `failed` is set, and the last steps are on the standard error as C. */
void walk_run(walk *self, uint64_t steps);

/* Frees all that it holds. */
void walk_clear(walk *self);

#endif
