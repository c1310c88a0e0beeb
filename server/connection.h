/* A connection: the bytes that have come and those that are to go. One thread. */
#ifndef GIB_SERVER_CONNECTION_H
#define GIB_SERVER_CONNECTION_H

#include "poller.h"
#include "service.h"

/* What the poller hands back; the first member of its owners. */
typedef enum gib_source {
    GIB_SOURCE_WAKER,
    GIB_SOURCE_LISTENER,
    GIB_SOURCE_CONNECTION,
} gib_source;

typedef struct gib_connection {
    gib_source source;
    int fd;
    unsigned interest;   /* what the poller waits for */
    bool backlog;        /* `in` may hold whole requests that could not be answered yet */
    bool waits_for_turn; /* in the list of the loop */
    bool closing;        /* no more requests; closed once the replies are gone */
    gib_buffer in;       /* owns memory only while a part of a request, or a backlog, waits */
    gib_buffer out;      /* owns memory only while the client is slow */
    int64_t moved_ms;    /* when the client has last taken some bytes of `out` */
    struct gib_connection *previous, *next; /* in the list of all */
    struct gib_connection *next_backlog;
} gib_connection;

/* What connections of a loop share. */
typedef struct gib_exchange {
    gib_service *service;
    size_t max_output_size; /* bytes in `out` above which requests wait */
    int64_t slice_ns;       /* how long one connection may keep the others waiting */
    gib_buffer in;          /* used in place of a connection's own while that is empty, so that */
    gib_buffer out;         /* those which wait for nothing hold no memory */
} gib_exchange;

typedef enum gib_outcome {
    GIB_OUTCOME_OPEN,
    GIB_OUTCOME_CLOSED, /* the connection is of no more use */
} gib_outcome;

/* Makes a connection for a descriptor, which it closes when it is freed; or returns NULL. */
gib_connection *gib_connection_new(int fd);
void gib_connection_free(gib_connection *connection);

/* Reads what has come, once, answers it, and sends the replies. */
gib_outcome gib_connection_read(gib_connection *connection, gib_exchange *exchange, int64_t now_ms);

/* Sends what waits, and goes on with the backlog. */
gib_outcome gib_connection_write(gib_connection *connection, gib_exchange *exchange,
                                 int64_t now_ms);

/* Answers the backlog, and sends the replies. */
gib_outcome gib_connection_go_on(gib_connection *connection, gib_exchange *exchange,
                                 int64_t now_ms);

/* What to wait for. */
unsigned gib_connection_interest(const gib_connection *connection, const gib_exchange *exchange);

/* Tells whether replies wait for the client. */
bool gib_connection_has_output(const gib_connection *connection);

/* Tells whether nothing is left to do: no replies, no backlog, and nothing that has arrived. */
bool gib_connection_is_idle(const gib_connection *connection);

#endif
