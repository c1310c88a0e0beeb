/* The service: answers requests with what the store says. It reads and writes buffers, no sockets,
   and is tested and fuzzed without any. One thread. */
#ifndef GIBS_SERVICE_H
#define GIBS_SERVICE_H

#include "base/likely.h"
#include "service/copy.h"
#include "service/latency.h"
#include "store/store_batch.h"
#include "wire/request_decode.h"

/* Why a client was disconnected. */
typedef enum gibs_parting {
#define GIBS_PARTING_ENUM(name, summary) GIBS_PARTING_##name,
    GIBS_PARTINGS(GIBS_PARTING_ENUM)
#undef GIBS_PARTING_ENUM
        GIBS_PARTING_COUNT
} gibs_parting;

enum { GIBS_OPCODE_COUNT = 256, GIBS_CODE_COUNT = GIB_CODE_KVAL + 1 };

/* What the STATS tell beside what the store knows. The service counts the replies, the event loop
   the rest. */
typedef struct gibs_counters {
    uint64_t clients;      /* connected now */
    uint64_t client_bytes; /* held for them: parts of requests, and replies that wait */
    uint64_t connections;
    uint64_t requests;
    uint64_t crons;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t refused_clients;
    uint64_t slow_requests;
    uint64_t partings[GIBS_PARTING_COUNT];
    gibs_latency latency;
    uint64_t replies[GIBS_OPCODE_COUNT][GIBS_CODE_COUNT];
} gibs_counters;

typedef struct gibs_service_settings {
    size_t max_client_memory; /* told by the STATS, kept by the event loop */
    gib_limits limits;        /* max_reply_size is max_response_size: bytes of data */
    gib_excess excess;
    int64_t started_unix; /* seconds since 1970 */
} gibs_service_settings;

/* What time it is. Where there is none, the store is told by somebody else. */
typedef struct gibs_time_source {
    /* Since the store was made, at a time of gib_now_ns; never less than before. */
    int64_t (*elapsed_ms)(void *context, int64_t now_ns);
    void *context;
} gibs_time_source;

typedef struct gibs_service {
    gibs_store *store; /* borrowed */
    gibs_time_source time;
    gibs_service_settings settings;
    gibs_counters counters;
} gibs_service;

/* A request that takes more than one slice: what there is between them. All zero at first. */
typedef struct gibs_job {
    gibs_batch batch;
    gibs_copy copy; /* of a large value into the reply */
    size_t written; /* bytes of the reply so far, at the end of the output; not to be sent yet */
    uint32_t items; /* in it */
    size_t room;    /* of SET: bytes that it waits for; 0: it does not */
    size_t work;    /* what a slice may take */
    bool begun;
    bool more;
    gibs_service_settings settings; /* where it is kept for another turn: those it was begun with */
} gibs_job;

/* Gives memory back; all is as at first. */
void gibs_job_reset(gibs_job *job, gibs_store *store);

/* The same, which is nothing for most requests. */
static inline void gibs_job_clear(gibs_job *job, gibs_store *store)
{
    if (GIB_UNLIKELY(job->batch.last.allocator || job->written)) {
        gibs_job_reset(job, store);
    }
    job->begun = false;
    job->room = 0;
}

/* The bytes it holds. */
size_t gibs_job_held(const gibs_job *job, const gibs_store *store);

/* What becomes of the connection. */
typedef enum gibs_answer {
    GIBS_ANSWER_MORE,  /* the request is to be asked again, with the same job */
    GIBS_ANSWER_NEXT,  /* the reply is in the buffer; go on */
    GIBS_ANSWER_LAST,  /* the reply is in the buffer; close when it is sent */
    GIBS_ANSWER_CLOSE, /* there is no reply: an opcode that is none, or no memory for it */
} gibs_answer;

/* Tells the store what time it is. now_ns is what gib_now_ns has just said. */
void gibs_service_update_time(gibs_service *service, int64_t now_ns);

/* Gets what the requests at the beginning of `bytes` will read ready, if that is worth while.
   Returns how many requests that were. */
size_t gibs_service_look_ahead(const gibs_service *service, gibson_bytes bytes);

/* Answers a request, or does a slice of what it asks for: at most `work` items, as far as it goes
   by items. Appends the reply. */
gibs_answer gibs_service_answer(gibs_service *service, const gib_request_frame *frame, size_t work,
                                gibs_job *job, gib_buffer *out);

/* Appends the reply to STATS. VAL to say so, or MEM. */
gib_code gibs_service_stats(const gibs_service *service, gib_buffer *out);

#endif
