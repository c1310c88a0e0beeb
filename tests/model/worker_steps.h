/* The steps that a worker takes with its clients. */
#ifndef MODEL_WORKER_STEPS_H
#define MODEL_WORKER_STEPS_H

#include "worker_judge.h"

enum { WORKER_PATIENT_MS = 20000 };

/* Makes a request of the library. Its value lives until the next one in the same thread. */
gibson_request worker_request(worker *self, const space_request *request);

/* Runs or queues a request that must be refused: nothing of it may ever be sent. */
void worker_run_refused(worker *self, unsigned which);
void worker_queue_refused(worker *self, unsigned which);

/* Runs a random request, or a pipeline of them, with one of the clients. */
void worker_run_single(worker *self, unsigned which);
void worker_run_pipeline(worker *self, unsigned which);

/* Ends all connections through the proxy, and finds out what has been carried out. */
void worker_settle(worker *self);

#endif
