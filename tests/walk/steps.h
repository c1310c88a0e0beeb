/* The steps of a walk: each makes one call, foresees what it must do, and tells whether it did. */
#ifndef WALK_STEPS_H
#define WALK_STEPS_H

#include "walk.h"

typedef void walk_step(walk *self);

walk_step walk_step_single;
walk_step walk_step_queue;
walk_step walk_step_next;
walk_step walk_step_flush;
walk_step walk_step_take;
walk_step walk_step_release;
walk_step walk_step_null;
walk_step walk_step_no_client;
walk_step walk_step_connect;
walk_step walk_step_close;
walk_step walk_step_quit;
walk_step walk_step_timeout;
walk_step walk_step_peer;
walk_step walk_step_client;
walk_step walk_step_wrong_options;

/* Runs a request as a single call, by the function of its command or by gibson_client_call. */
void walk_single(walk *self, walk_request *request);

/* A call ends the views of the last reply. `left` is what it leaves to take. */
void walk_release_last(walk *self, walk_left left);

/* Forgets what is pending. */
void walk_drop_pending(walk *self);

#endif
