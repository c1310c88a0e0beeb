/* What a correct server does, told in a few lines: a handful of keys that one thread of the test
   has for itself, what each command does to them, and what it answers.

   The texts under the keys name the space and the write they come from, so that a value of another
   client, or an old one, is recognised. Ttls and lock times are so long that nothing expires. */
#ifndef MODEL_SPACE_H
#define MODEL_SPACE_H

#include <gibson/reply.h>
#include <gibson/request.h>

enum {
    SPACE_KEYS = 6,
    SPACE_PREFIXES = 6,
    SPACE_NAME_SIZE = 32,
    SPACE_KEY_SIZE = 48,
    SPACE_SHORTEST_TIME_S = 5000,
    SPACE_LARGEST_TEXT = 70000, /* bytes; above what one read or one segment takes */
};

typedef enum space_kind {
    SPACE_ABSENT,
    SPACE_TEXT,   /* number is which write it comes from */
    SPACE_DIGITS, /* the number as decimal text */
    SPACE_NUMBER, /* a number that INC or its like have made */
} space_kind;

/* No padding, so that states compare and hash as bytes. */
typedef struct space_item {
    int64_t number;
    int32_t kind;   /* space_kind */
    uint32_t size;  /* bytes of a TEXT */
    int32_t ttl_s;  /* 0 for none */
    int32_t lock_s; /* 0 for none, -1 for no end */
} space_item;

typedef struct space_request {
    gibson_opcode opcode;
    unsigned keys; /* a bit for each key that it is about */
    char name[SPACE_KEY_SIZE];
    space_item value;
    int64_t number;
} space_request;

/* Sets name and keys of a request: one key, or a prefix of several. */
void space_name_key(space_request *request, const char *space, unsigned index);
void space_name_prefix(space_request *request, const char *space, unsigned index);

/* Writes the bytes of a value, at most SPACE_LARGEST_TEXT. Returns their size. */
size_t space_value_bytes(const char *space, const space_item *value, char *to);

/* The bytes that a server holds for an item, as META and a reply tell it. */
size_t space_value_size(const char *space, const space_item *item);

/* Does what a request asks for. `expected` becomes the status, and the number where one is due. */
typedef struct space_answer {
    gibson_status status;
    int64_t number;
} space_answer;
void space_apply(space_item items[SPACE_KEYS], const space_request *request,
                 space_answer *expected);

/* Tells whether a reply is what the server says in that state, after space_apply. */
bool space_matches(const char *space, const space_item items[SPACE_KEYS],
                   const space_request *request, const space_answer *expected,
                   const gibson_reply *reply);

#endif
