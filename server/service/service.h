/* The service: answers requests with what the store says. It reads and writes buffers, no sockets,
   and is tested and fuzzed without any. One thread. */
#ifndef GIBS_SERVICE_H
#define GIBS_SERVICE_H

#include "store/store.h"
#include "wire/request_decode.h"

/* What the STATS tell of the connections, kept by the event loop. */
typedef struct gibs_counters {
    uint64_t clients;      /* connected now */
    uint64_t client_bytes; /* held for them: parts of requests, and replies that wait */
    uint64_t connections;
    uint64_t requests;
    uint64_t crons;
} gibs_counters;

typedef struct gibs_service_settings {
    size_t max_client_memory; /* told by the STATS, kept by the event loop */
    gib_limits limits;        /* max_reply_size is max_response_size: bytes of data */
    gib_excess excess;
    int64_t started_unix; /* seconds since 1970 */
} gibs_service_settings;

/* What time it is. Where there is none, the store is told by somebody else. */
typedef struct gibs_time_source {
    int64_t (*elapsed_ms)(void *context); /* since the store was made; never less than before */
    void *context;
} gibs_time_source;

typedef struct gibs_service {
    gibs_store *store; /* borrowed */
    gibs_time_source time;
    gibs_service_settings settings;
    gibs_counters counters;
} gibs_service;

/* What becomes of the connection. */
typedef enum gibs_answer {
    GIBS_ANSWER_NEXT,  /* the reply is in the buffer; go on */
    GIBS_ANSWER_LAST,  /* the reply is in the buffer; close when it is sent */
    GIBS_ANSWER_CLOSE, /* there is no reply: an opcode that is none, or no memory for it */
} gibs_answer;

/* Tells the store what time it is. */
void gibs_service_update_time(gibs_service *service);

/* Answers a request: does what it asks for and appends the reply. */
gibs_answer gibs_service_answer(gibs_service *service, const gib_request_frame *frame,
                                gib_buffer *out);

/* Appends the reply to STATS. VAL to say so, or MEM. */
gib_code gibs_service_stats(const gibs_service *service, gib_buffer *out);

#endif
