/* The event loop: the clients of a server and its housekeeping, in one thread. */
#ifndef GIB_SERVER_LOOP_H
#define GIB_SERVER_LOOP_H

#include <stdatomic.h>

#include "connection.h"
#include "listener.h"
#include "log.h"

typedef struct gib_loop {
    gib_exchange exchange;
    gib_poller *poller;
    gib_listener listener;
    gib_source listener_source; /* what the poller hands back for it */
    gib_source waker_source;
    int waker[2]; /* a pipe: writing to it ends the wait */
    int spare_fd; /* given up for a moment to refuse clients when descriptors are used up */
    gib_log *log; /* borrowed */

    gib_connection *connections;
    gib_connection *backlog, *backlog_last; /* those whose turn was over, first come first served */
    uint64_t max_clients;
    int keepalive_s;
    int64_t max_write_stall_ms;

    int64_t started_ms; /* on the monotonic clock; all times below are in ms since then */
    int64_t now_ms;
    int64_t cron_period_ms, next_cron_ms;
    int64_t expired_cron_ms, next_expired_ms;
    int64_t max_mem_cron_ms, next_max_mem_ms;
    bool draining;

    _Atomic bool stop;
    _Atomic int64_t clock_offset_ms; /* added to the clock, by tests */
} gib_loop;

/* Listens, and gets ready to run. The service and the log are borrowed. Returns GIBSON_OK or what
   kept it from that; then nothing is left. */
gibson_status gib_loop_open(gib_loop *loop, const gibson_server_config *config,
                            gib_service *service, gib_log *log, gibson_error *error);

/* Serves until gib_loop_stop, then drains. */
void gib_loop_run(gib_loop *loop);

/* Makes the loop end. Any thread. */
void gib_loop_stop(gib_loop *loop);

/* Sets the clock of the loop forward. Any thread. What is sent after it returned is answered with
   the new time. */
void gib_loop_advance_clock(gib_loop *loop, int64_t ms);

/* Closes all that is open. */
void gib_loop_close(gib_loop *loop);

#endif
