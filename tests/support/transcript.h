/* Recorded requests and replies of the reference server: tests/conformance/. A file that
   cannot be read, or is not of the shape, ends the program with a message. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a reply is compared with the recorded one. */
typedef enum transcript_compare {
    TRANSCRIPT_EXACT,
    TRANSCRIPT_NUMBER,                /* same code, encoding and size, any value */
    TRANSCRIPT_KVAL_UNORDERED,        /* same pairs, any order */
    TRANSCRIPT_KVAL_COUNT,            /* same count */
    TRANSCRIPT_KVAL_UNORDERED_VALUES, /* same values, any order */
    TRANSCRIPT_STATS,                 /* same keys and encodings */
} transcript_compare;

typedef struct transcript_step {
    int64_t sleep_ms; /* > 0: let time pass, and nothing else */
    uint16_t opcode;
    uint8_t *payload;
    size_t payload_size;
    transcript_compare compare;
    bool closed; /* the connection was closed instead of a reply */
    uint16_t code;
    uint8_t encoding;
    uint8_t *data; /* of the reply, or its beginning */
    size_t data_size;
    size_t reply_size; /* the whole size of the reply's data, at least data_size */
} transcript_step;

typedef struct transcript {
    char *scenario;
    transcript_step *steps;
    size_t count;
} transcript;

typedef struct transcripts {
    transcript *all;
    size_t count;
} transcripts;

/* Each scenario is meant for a fresh server with these directives: name, value, ..., NULL. */
extern const char *const transcript_directives[];

void transcripts_load(transcripts *list, const char *path);
void transcripts_free(transcripts *list);

/* Compares a reply that came with what a step expects. */
bool transcript_reply_matches(const transcript_step *step, uint16_t code, uint8_t encoding,
                              const uint8_t *data, size_t size);

#endif
