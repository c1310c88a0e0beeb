/* What must be the case after a call. */
#ifndef WALK_JUDGE_H
#define WALK_JUDGE_H

#include "walk.h"

/* Which parts of a reply a call has told. */
enum { WALK_TOLD_VALUE = 1, WALK_TOLD_ITEMS = 2, WALK_TOLD_ALL = 3 };

/* The parts of a reply must be nothing, as the call has failed. */
void walk_judge_nothing(walk *self, const gibson_reply *reply);

/* They must answer a request, after which the items are these. */
void walk_judge_answer(walk *self, const space_request *request, const space_answer *expected,
                       const space_item items[SPACE_KEYS], const gibson_reply *reply, int told);

/* Checks all that can be asked of a client at any time. */
void walk_judge_client(walk *self);

#endif
