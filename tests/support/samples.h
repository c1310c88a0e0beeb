/* One request of each command, with the frame it must become and a reply that answers it. */
#ifndef SUPPORT_SAMPLES_H
#define SUPPORT_SAMPLES_H

#include <stddef.h>

#include <gibson/client.h>
#include <gibson/command.h>
#include <gibson/reply.h>
#include <gibson/request.h>

#include "support/peer.h"
#include "support/replies.h"

typedef struct sample {
    gibson_request request;
    const char *payload; /* of the frame, as text */
} sample;

#define SAMPLE_ADD_ONE(...) +1
enum { SAMPLE_COUNT = 0 GIBSON_COMMAND_LIST(SAMPLE_ADD_ONE) };
#undef SAMPLE_ADD_ONE

/* In the order of the opcodes. */
extern const sample samples[SAMPLE_COUNT];

/* The sample of an opcode; aborts if there is none. */
const sample *sample_of(gibson_opcode opcode);

/* Appends the reply of a server that does what it is asked: NUMBER commands yield 42, GET yields
   "value", SET echoes the value of its payload, ITEMS and KEYS have two entries. */
void sample_reply(gib_buffer *to, unsigned int opcode, const void *payload, size_t payload_size);

/* Tells whether a reply is the one that sample_reply gives to the sample. */
bool sample_reply_matches(const gibson_reply *reply);

/* What the typed functions of the client fill in. */
typedef struct sample_out {
    int64_t number;
    gibson_value value;
    gibson_items items;
} sample_out;

/* Runs the typed function of a command with the arguments of a request. Only the place for what the
   command yields is used; of the functions that take NULL for it, it may be NULL. */
gibson_status sample_run(gibson_client *client, const gibson_request *with, int64_t *number,
                         gibson_value *value, gibson_items *items);

/* Runs that of a sample. */
gibson_status sample_call(gibson_client *client, gibson_opcode opcode, sample_out *out);

/* Tells whether a request is the client's own, to which the answer is known: COUNT of a prefix that
   no key has, or META of such a key. sample_reply gives that answer. */
bool sample_is_probe(unsigned int opcode, const void *payload, size_t payload_size);

/* A script that answers every request with sample_reply until the connection ends. */
void sample_serve(peer_link *link);

/* A script that answers the first request with "late", once the test says so with peer_tell, and
   those after it with sample_reply. */
void sample_serve_first_late(peer_link *link);

/* Answers one frame. */
bool sample_answer(peer_link *link, const peer_frame *frame);

/* The first request on a connection goes another way through the client than those after it. With
   SUITE_IN_MODES(…, SAMPLE_MODES, …), in mode SAMPLE_WARM, sample_connect and sample_client have
   sent a PING before the test begins, which a script answers with sample_warm_up, or anyway. */
enum { SAMPLE_COLD, SAMPLE_WARM, SAMPLE_MODES };
void sample_connect(gibson_client *client);
bool sample_warm_up(peer_link *link);

/* A client of the peer with options that tests like: operations of 5 s. options may be NULL. It is
   connected, or the program aborts. */
gibson_client *sample_client(const peer *owner, const gibson_options *options);

#endif
