/* Requests of three cache protocols, and how many bytes answer them. Knowing the size of a reply
   beforehand spares the load generator from parsing it, so that it costs far less than the server
   under test. */
#ifndef BENCH_SERVER_PROTOCOL_H
#define BENCH_SERVER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GROUP_SIZE = 11, LARGEST_VALUE = 2048 };

typedef enum operation {
    OPERATION_SET,
    OPERATION_GET,
    OPERATION_MGET, /* a group: app:user:<n> and the ten it is a prefix of */
    OPERATION_MDEL, /* the same */
} operation;

typedef struct protocol {
    const char *name;
    /* Writes a request for the key (or the group) of a number. Returns its size, and in *reply the
       size of the reply to it. */
    size_t (*request)(operation what, unsigned number, char *to, size_t *reply);
    const char *miss; /* the reply to a GET of a key that is not there */
    size_t miss_size;
} protocol;

/* The longest request. */
enum { LONGEST_REQUEST = LARGEST_VALUE + 1024 };

/* Gives the items other keys and values than app:user:<n>:field and 100 bytes. */
void shape_items(const char *before_number, const char *behind_number, size_t bytes_of_value);

/* gibson, redis, memcached; NULL where the name is none. */
const protocol *protocol_by_name(const char *name);

/* Writes the key of a number, and returns its size. */
size_t write_key(char *to, unsigned number);

#endif
