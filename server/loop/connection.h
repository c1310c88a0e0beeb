/* A connection: the bytes that have come and those that are to go. One thread. */
#ifndef GIBS_CONNECTION_H
#define GIBS_CONNECTION_H

#include <stdatomic.h>

#include "log/log.h"
#include "loop/holders.h"
#include "loop/poller.h"
#include "service/service.h"

typedef struct gibs_connection {
    gibs_source source;
    int descriptor;
    unsigned interest;   /* what the poller waits for */
    bool cut;            /* it has cost too much, and is only to be dropped */
    bool backlog;        /* `in` may hold whole requests that could not be answered yet */
    bool waits_for_turn; /* in the queue of the loop */
    unsigned ready;      /* what the poller has found since it waits there */
    unsigned char heavy; /* it asked for much, or nothing is known of it yet: so many times more it
                            waits for its turn with what comes */
    bool closing;        /* no more requests are answered; it ends once the replies are gone */
    bool peer_ended;     /* the client sends nothing more */
    bool lingering;      /* all is sent and said to be; what still comes is thrown away */
    gib_buffer in;       /* owns memory only while a part of a request, or a backlog, waits */
    gib_buffer out;      /* owns memory only while the client is slow */
    gibs_job *job;       /* the first request of `in` is under way; or NULL */
    size_t counted;      /* its part of client_bytes */
    size_t holder;       /* its place among the holders, from 1 on, or 0 */
    size_t due;          /* bytes of `out` that the client has to take, or it stalls */
    int64_t moved_ms;    /* when it last had taken them, or since when it lingers */
    int64_t taken;   /* of bytes_out, what it had taken out of the kernel when that was looked at */
    int64_t come_ms; /* when it came */
    int64_t active_ms; /* when it last sent something */
    int64_t asked_ns;  /* when the turn began in which it sent what is being answered */
    int64_t begun_ns;  /* when the job was begun */
    uint64_t requests; /* answered */
    uint64_t bytes_in, bytes_out;
    struct gibs_connection *previous, *next; /* in the list of all */
    struct gibs_connection *previous_backlog, *next_backlog;
    struct gibs_connection *next_cut;
} gibs_connection;

/* What connections of a loop share. */
typedef struct gibs_exchange {
    gibs_service *service;
    gibs_log *log;
    int64_t slow_ns;        /* from which on a request is slow; 0: none is */
    size_t max_output_size; /* bytes in `out` above which requests wait */
    int64_t slice_ns;       /* how long one connection may keep the others waiting */
    _Atomic size_t work;    /* items, or KB, between two looks at the clock */
    _Atomic int64_t slices; /* of commands that are under way, which may be done; negative: all */
    int64_t turn_ns;        /* when the turn began */
    int64_t
        timed_since_ns;   /* how long the requests that were answered last took is known when the */
    unsigned timed;       /* clock is looked at next, which is done anyway: when they were asked, */
                          /* and how many there were */
    gibs_job job;         /* of requests that are answered at one go, which are nearly all */
    gibs_holders holders; /* the connections that count for client_bytes */
    gib_buffer in;        /* used in place of a connection's own while that is empty, so that */
    gib_buffer out;       /* those which wait for nothing hold no memory */
} gibs_exchange;

typedef enum gibs_outcome {
    GIBS_OUTCOME_OPEN,
    GIBS_OUTCOME_CLOSED, /* the connection is of no more use */
} gibs_outcome;

/* Gets what connections share ready. */
void gibs_exchange_open(gibs_exchange *exchange, gibs_service *service, gibs_log *log);
void gibs_exchange_close(gibs_exchange *exchange);

/* Makes a connection for a descriptor, which it closes when it is freed; or returns NULL. */
gibs_connection *gibs_connection_new(int descriptor, gibs_exchange *exchange, int64_t now_ms);
void gibs_connection_free(gibs_connection *connection, gibs_exchange *exchange);

/* Notes how long the requests that were answered last took, if they are over by now. */
static inline void gibs_exchange_note_time(gibs_exchange *exchange, int64_t now_ns)
{
    if (exchange->timed) {
        gibs_latency_note(&exchange->service->counters.latency, now_ns - exchange->timed_since_ns,
                          exchange->timed);
        exchange->timed = 0;
    }
}

/* Reads what has come, once, answers it, and sends the replies. */
gibs_outcome gibs_connection_read(gibs_connection *connection, gibs_exchange *exchange,
                                  int64_t now_ms);

/* Sends what waits, and goes on with the backlog. */
gibs_outcome gibs_connection_write(gibs_connection *connection, gibs_exchange *exchange,
                                   int64_t now_ms);

/* Answers the backlog, and sends the replies. */
gibs_outcome gibs_connection_go_on(gibs_connection *connection, gibs_exchange *exchange,
                                   int64_t now_ms);

/* Takes note of how many bytes were read and sent at once: many are much to ask for. */
void gibs_connection_weigh(gibs_connection *connection, uint64_t bytes);

/* What to wait for. */
unsigned gibs_connection_interest(const gibs_connection *connection, const gibs_exchange *exchange);

/* Gives back the memory of a connection that is to be dropped. */
void gibs_connection_cut(gibs_connection *connection, gibs_exchange *exchange);

/* Tells whether a client that has taken nothing for long, as far as that shows in what the kernel
   has taken of the replies, has taken some of what the kernel holds; and notes that. */
bool gibs_connection_has_moved(gibs_connection *connection, int64_t now_ms);

/* The bytes of replies that wait for the client. */
size_t gibs_connection_output(const gibs_connection *connection);

/* Tells whether nothing is left to do: no replies, no backlog, and nothing that has arrived. */
bool gibs_connection_is_idle(const gibs_connection *connection);

#endif
