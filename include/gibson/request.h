/* A command with its arguments, as a value. The typed functions of client.h are the short way to
   run a single command; requests serve pipelines, and programs that choose a command at run
   time. */
#ifndef GIBSON_REQUEST_H
#define GIBSON_REQUEST_H

#include <gibson/command.h>
#include <gibson/value.h>

GIBSON_BEGIN_DECLS

/* gibson_request names a command and its arguments. Which members count is told by the command's
   gibson_arguments; the others are ignored. The bytes are borrowed until the call that takes the
   request returns. */
typedef struct gibson_request {
    gibson_opcode opcode;
    gibson_bytes key;   /* the key or the prefix */
    gibson_bytes value; /* the value of SET and MSET */
    int64_t number;     /* ttl or lock time in seconds, limit of MGET, gibson_meta_field of META */
} gibson_request;

/* The functions below make a request of any shape; they check nothing. The call that takes the
   request checks it. Thread rule: any thread. Since 0.1. */

static inline gibson_request gibson_request_make(gibson_opcode opcode, gibson_bytes key,
                                                 gibson_bytes value, int64_t number)
{
    gibson_request request;
    request.opcode = opcode;
    request.key = key;
    request.value = value;
    request.number = number;
    return request;
}

/* For PING, STATS and END. */
static inline gibson_request gibson_request_bare(gibson_opcode opcode)
{
    return gibson_request_make(opcode, gibson_bytes_of(NULL, 0), gibson_bytes_of(NULL, 0), 0);
}

/* For a command that takes a key or a prefix and nothing else. */
static inline gibson_request gibson_request_key(gibson_opcode opcode, gibson_bytes key)
{
    return gibson_request_make(opcode, key, gibson_bytes_of(NULL, 0), 0);
}

/* For a command that takes a key or a prefix and a number: TTL, LOCK, MTTL and MLOCK (seconds),
   MGET (limit), META (gibson_meta_field). */
static inline gibson_request gibson_request_key_number(gibson_opcode opcode, gibson_bytes key,
                                                       int64_t number)
{
    return gibson_request_make(opcode, key, gibson_bytes_of(NULL, 0), number);
}

/* For SET, and with ttl_s 0 for MSET. */
static inline gibson_request gibson_request_value(gibson_opcode opcode, gibson_bytes key,
                                                  gibson_bytes value, int64_t ttl_s)
{
    return gibson_request_make(opcode, key, value, ttl_s);
}

GIBSON_END_DECLS

#endif
