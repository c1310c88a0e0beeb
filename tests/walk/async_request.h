/* The requests of the walk. Each has a number, which is in its key and decides what a right server
   answers, so a reply of another request is recognised. */
#ifndef WALK_ASYNC_REQUEST_H
#define WALK_ASYNC_REQUEST_H

#include <gibson/reply.h>
#include <gibson/request.h>

#include "base/buffer.h"
#include "choices.h"

enum { ASYNC_KEY_SIZE = 16, ASYNC_LARGEST_VALUE = 20000, ASYNC_MOST_VALUE = 30000 };

typedef struct async_walk async_walk;

typedef struct async_request {
    async_walk *walk;
    uint32_t number;
    gibson_opcode opcode;
    char key[ASYNC_KEY_SIZE];
    uint8_t *value; /* what it may store */
    bool is_valid;
    bool is_long; /* its time needs the word of the server */
    uint64_t id;
    size_t most_size; /* bytes that it may count for */
    int64_t deadline_ns;

    bool submitting; /* the call has not returned; its hooks may end the request already */
    bool was_apart;  /* there was no connection, nor one being made, when it was submitted */
    bool accepted;
    bool cancelled;
    bool called;

    bool begun; /* some of it was sent */
    bool whole;
    unsigned connection; /* on which */
    size_t reply_end;    /* bytes of that connection up to the end of its reply; 0: none is owed */
} async_request;

typedef struct async_requests {
    async_request **all; /* each where it stays */
    size_t count;
    size_t capacity;
    size_t first_open; /* those before are over */
} async_requests;

/* Makes the next request, of a random command, and fills in *with. */
async_request *async_request_make(async_requests *all, walk_choices *choices, gibson_request *with);

/* Makes *with one that must be refused. */
void async_request_spoil(async_request *self, walk_choices *choices, gibson_request *with);

/* Appends what a right server answers. */
void async_request_answer(const async_request *self, gib_buffer *to);

/* Tells whether a reply is that. */
bool async_request_matches(const async_request *self, const gibson_reply *reply);

/* The one of that key, or NULL. */
async_request *async_request_find(const async_requests *all, gibson_bytes key);

/* Tells whether it is to be called back. */
static inline bool async_request_is_open(const async_request *self)
{
    return self->accepted && !self->cancelled && !self->called;
}

void async_requests_clear(async_requests *all);

#endif
