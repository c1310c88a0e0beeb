/* The log of requests that took long. */
#ifndef GIBS_SLOW_LOG_H
#define GIBS_SLOW_LOG_H

#include "base/likely.h"
#include "loop/connection.h"

/* Counts a request that took long, and writes what it was to the log: not its value. */
GIB_COLD void gibs_slow_log_note(gibs_exchange *exchange, const gibs_connection *connection,
                                 const gib_request_frame *frame, int64_t took_ns);

#endif
