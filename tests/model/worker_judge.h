/* What the parts of a worker share: telling right from wrong. */
#ifndef MODEL_WORKER_JUDGE_H
#define MODEL_WORKER_JUDGE_H

#include "worker.h"

/* Adds to the history. */
void worker_note(worker *self, const char *format, ...) __attribute__((__format__(printf, 2, 3)));

/* Notes a violation; the first one stays. */
void worker_violate(worker *self, const char *format, ...)
    __attribute__((__format__(printf, 2, 3)));

/* Tells whether a status is what a server has said. */
bool worker_is_answer(gibson_status status);

/* An error must be one that the faults can have led to. */
void worker_check_error(worker *self, gibson_status status, const char *where);

/* An answer must be right in some world, and an error be one that can be. */
void worker_judge(worker *self, const space_request *request, const gibson_reply *reply);

/* A call that began then must have kept its deadline. */
void worker_check_time(worker *self, int64_t begin_ms, int64_t allowed_ms, const char *call);

#endif
