/* The service: answers requests with what the store says. It reads and writes buffers, no sockets,
   and is tested and fuzzed without any. One thread. */
#ifndef GIB_SERVER_SERVICE_H
#define GIB_SERVER_SERVICE_H

#include "store.h"
#include "wire/request_decode.h"

/* What the STATS tell of the connections, kept by the event loop. */
typedef struct gib_counters {
    uint64_t clients; /* connected now */
    uint64_t connections;
    uint64_t requests;
    uint64_t crons;
} gib_counters;

typedef struct gib_service_settings {
    gib_limits limits; /* max_reply_size is max_response_size: bytes of data */
    gib_excess excess;
    int64_t started_unix; /* seconds since 1970 */
} gib_service_settings;

typedef struct gib_service {
    gib_store *store; /* borrowed */
    gib_service_settings settings;
    gib_counters counters;
} gib_service;

/* What becomes of the connection. */
typedef enum gib_answer {
    GIB_ANSWER_NEXT,  /* the reply is in the buffer; go on */
    GIB_ANSWER_LAST,  /* the reply is in the buffer; close when it is sent */
    GIB_ANSWER_CLOSE, /* there is no reply: an opcode that is none, or no memory for it */
} gib_answer;

/* Answers a request: does what it asks for and appends the reply. */
gib_answer gib_service_answer(gib_service *service, const gib_request_frame *frame,
                              gib_buffer *out);

/* Appends the reply to STATS. VAL to say so, or MEM. */
gib_code gib_service_stats(const gib_service *service, gib_buffer *out);

#endif
