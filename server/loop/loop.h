/* The event loop: the clients of a server and its housekeeping, in one thread. */
#ifndef GIBS_LOOP_H
#define GIBS_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/peers.h"
#include "loop/connection.h"
#include "loop/listener.h"
#include "store/memory.h"

/* What other threads want of the loop. */
typedef struct gibs_orders {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    const gibson_server_config *config; /* to be applied, or NULL */
    gibs_peers *peers;                  /* with it */
    _Atomic bool list_clients;
} gibs_orders;

/* Where the list of clients has come to. */
typedef struct gibs_listing {
    bool active;
    const gibs_connection *next;
    uint64_t count;
    int64_t next_ms; /* not before */
} gibs_listing;

typedef struct gibs_loop {
    gibs_exchange exchange;
    gibs_poller *poller;
    gibs_listeners listeners;
    gibs_peers *peers; /* who may connect to unix sockets; NULL: all */
    gibs_source waker_source;
    int waker[2];         /* a pipe: writing to it ends the wait */
    int spare_descriptor; /* given up for a moment to refuse clients when descriptors are used up */
    gibs_log *log;        /* borrowed */

    gibs_connection *connections;
    gibs_connection *backlog,
        *backlog_last; /* those that wait for their turn, first come first served */
    size_t backlog_count;
    gibs_connection *cut_clients; /* those that are cut, and to be dropped */
    uint64_t max_clients;
    int keepalive_s;
    int64_t max_write_stall_ms;
    int64_t idle_timeout_ms; /* 0: none */
    size_t max_memory;       /* where the limit of the store is going */

    gibs_orders orders;
    gibs_listing listing;
    gibs_memory_tide tide;
    int64_t started_ms; /* on the monotonic clock; all times below are in ms since then */
    int64_t now_ms;
    int64_t cron_period_ms, next_cron_ms;
    int64_t expired_cron_ms, next_expired_ms;
    int64_t max_mem_cron_ms, next_max_mem_ms;
    bool draining;

    _Atomic bool stop;
    _Atomic int64_t clock_offset_ms; /* added to the clock, by tests */
} gibs_loop;

/* Listens, and gets ready to run. The service and the log are borrowed. Returns GIBSON_OK or what
   kept it from that; then nothing is left. */
gibson_status gibs_loop_open(gibs_loop *loop, const gibson_server_config *config,
                             gibs_service *service, gibs_log *log, gibson_error *error);

/* Serves until gibs_loop_stop, then drains. */
void gibs_loop_run(gibs_loop *loop);

/* What a store is made with, but for the time. */
gibs_store_settings gibs_loop_store_settings(const gibson_server_config *config);

/* Applies the directives that can change live, and returns when that is done; what is sent after it
   is answered accordingly. config is borrowed, peers are taken over. Any thread but that of the
   loop, while it runs. */
void gibs_loop_apply(gibs_loop *loop, const gibson_server_config *config, gibs_peers *peers);

/* Makes the loop write a list of its clients to the log. Any thread. */
void gibs_loop_list_clients(gibs_loop *loop);

/* Makes the loop end. Any thread. */
void gibs_loop_stop(gibs_loop *loop);

/* Sets the clock of the loop forward. Any thread. What is sent after it returned is answered with
   the new time. */
void gibs_loop_advance_clock(gibs_loop *loop, int64_t ms);

/* In a child after fork: lets go of the sockets that clients connect to, which are the parent's. */
void gibs_loop_leave_to_parent(gibs_loop *loop);

/* Closes all that is open. */
void gibs_loop_close(gibs_loop *loop);

#endif
