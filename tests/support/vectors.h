/* Replies that a client must refuse, each with the field that its error must name. */
#ifndef SUPPORT_VECTORS_H
#define SUPPORT_VECTORS_H

#include <stddef.h>

#include <gibson/command.h>

#include "base/buffer.h"

/* What clients that are fed vectors accept, in bytes of reply data. */
enum { VECTOR_MAX_REPLY = 1 << 20 };

typedef struct vector {
    const char *name;
    gibson_opcode opcode; /* the command that the reply pretends to answer */
    const char *field;    /* a word of the error */
    void (*build)(gib_buffer *to);
} vector;

extern const vector vectors[];
extern const size_t vector_count;

#endif
