/* The requests of a walk: valid ones, and those that the client has to refuse. */
#ifndef WALK_REQUEST_H
#define WALK_REQUEST_H

#include <gibson/request.h>

#include "base/buffer.h"
#include "limits.h"
#include "model/space.h"

#define WALK_SPACE "w"

enum { WALK_SOME_STATS = 600 }; /* bytes, less than there are in a reply to STATS */

typedef struct walk_request {
    gibson_request call; /* as the client gets it; its bytes are in blocks of just their size */
    space_request means; /* what it asks for, if it is valid */
    void *key;           /* those blocks */
    size_t key_size;
    void *value;
    size_t value_size;
} walk_request;

/* Makes a request of any command. *writes counts the texts of the space. */
void walk_request_choose(walk_choices *choices, const walk_limits *limits, int64_t *writes,
                         walk_request *request);

/* Frees the bytes: after the call, nothing may look at them. */
void walk_request_clear(walk_request *request);

/* Tells whether the number of a command is a time. */
bool walk_request_takes_time(gibson_opcode opcode);

/* Tells whether the client must accept it. */
bool walk_request_is_valid(const gibson_request *request, const walk_limits *limits);

/* Appends the frame of a valid request. */
void walk_request_frame(const gibson_request *request, gib_buffer *to);

/* Does what it asks for, as space_apply does, also to keys that are outside the space. */
void walk_request_apply(const space_request *request, space_item items[SPACE_KEYS],
                        space_answer *expected);

/* The bytes of data in the reply to it; of STATS, which nobody can know, some number between. */
size_t walk_request_reply_size(const space_request *request, const space_item items[SPACE_KEYS],
                               const space_answer *expected);

#endif
