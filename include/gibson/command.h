/* The commands of the protocol: one table that the library, the server, the bindings and the
   documentation are made from. */
#ifndef GIBSON_COMMAND_H
#define GIBSON_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gibson/export.h>
#include <gibson/value.h>

/* The one list of commands: X(NAME, name, opcode, arguments, yield, effect, summary). The words in
   capitals are the enumerators below without their prefix. */
#define GIBSON_COMMAND_LIST(X)                                                                     \
    X(SET, set, 1, KEY_VALUE_TTL, ECHO, REPEATABLE, "store a value under a key")                   \
    X(TTL, ttl, 2, KEY_SECONDS, NONE, REPEATABLE, "set the time to live of an item")               \
    X(GET, get, 3, KEY, VALUE, READ, "read a value")                                               \
    X(DEL, del, 4, KEY, NONE, WRITE, "delete an item")                                             \
    X(INC, inc, 5, KEY, NUMBER, WRITE, "add one to a number")                                      \
    X(DEC, dec, 6, KEY, NUMBER, WRITE, "take one from a number")                                   \
    X(LOCK, lock, 7, KEY_LOCK_SECONDS, NONE, WRITE, "forbid changes to an item for a time")        \
    X(UNLOCK, unlock, 8, KEY, NONE, REPEATABLE, "allow changes to an item again")                  \
    X(MSET, mset, 9, PREFIX_VALUE, NUMBER, REPEATABLE, "change all values under a prefix")         \
    X(MTTL, mttl, 10, PREFIX_SECONDS, NUMBER, REPEATABLE,                                          \
      "set the time to live of all items under a prefix")                                          \
    X(MGET, mget, 11, PREFIX_LIMIT, ITEMS, READ, "read all keys and values under a prefix")        \
    X(MDEL, mdel, 12, PREFIX, NUMBER, WRITE, "delete all items under a prefix")                    \
    X(MINC, minc, 13, PREFIX, NUMBER, WRITE, "add one to all numbers under a prefix")              \
    X(MDEC, mdec, 14, PREFIX, NUMBER, WRITE, "take one from all numbers under a prefix")           \
    X(MLOCK, mlock, 15, PREFIX_LOCK_SECONDS, NUMBER, WRITE,                                        \
      "forbid changes to all items under a prefix for a time")                                     \
    X(MUNLOCK, munlock, 16, PREFIX, NUMBER, REPEATABLE,                                            \
      "allow changes to all items under a prefix again")                                           \
    X(COUNT, count, 17, PREFIX, NUMBER, READ, "count the items under a prefix")                    \
    X(STATS, stats, 18, NONE, FACTS, READ, "read the statistics of the server")                    \
    X(PING, ping, 19, NONE, NONE, READ, "ask for a sign of life")                                  \
    X(META, meta, 20, KEY_FIELD, NUMBER, READ, "read one property of an item")                     \
    X(KEYS, keys, 21, PREFIX, KEYS, READ, "read all keys under a prefix")                          \
    X(END, end, 255, NONE, NONE, CLOSE, "close the connection")

/* The one list of the shapes of arguments, X(NAME), and for each what it consists of, in the order
   a person would type it: A(NAME, name, need). The need is REQUIRED, or OPTIONAL where 0 does for
   one that is left out. */
#define GIBSON_ARGUMENTS_LIST(X)                                                                   \
    X(NONE)                                                                                        \
    X(KEY)                                                                                         \
    X(KEY_VALUE_TTL)                                                                               \
    X(KEY_SECONDS)                                                                                 \
    X(KEY_LOCK_SECONDS)                                                                            \
    X(KEY_FIELD)                                                                                   \
    X(PREFIX)                                                                                      \
    X(PREFIX_VALUE)                                                                                \
    X(PREFIX_SECONDS)                                                                              \
    X(PREFIX_LOCK_SECONDS)                                                                         \
    X(PREFIX_LIMIT)
#define GIBSON_TAKES_NONE(A)
#define GIBSON_TAKES_KEY(A) A(KEY, key, REQUIRED)
#define GIBSON_TAKES_KEY_VALUE_TTL(A)                                                              \
    A(KEY, key, REQUIRED) A(VALUE, value, REQUIRED) A(TTL, ttl, OPTIONAL)
#define GIBSON_TAKES_KEY_SECONDS(A) A(KEY, key, REQUIRED) A(SECONDS, seconds, REQUIRED)
#define GIBSON_TAKES_KEY_LOCK_SECONDS(A) A(KEY, key, REQUIRED) A(LOCK_SECONDS, seconds, REQUIRED)
#define GIBSON_TAKES_KEY_FIELD(A) A(KEY, key, REQUIRED) A(FIELD, field, REQUIRED)
#define GIBSON_TAKES_PREFIX(A) A(PREFIX, prefix, REQUIRED)
#define GIBSON_TAKES_PREFIX_VALUE(A) A(PREFIX, prefix, REQUIRED) A(VALUE, value, REQUIRED)
#define GIBSON_TAKES_PREFIX_SECONDS(A) A(PREFIX, prefix, REQUIRED) A(SECONDS, seconds, REQUIRED)
#define GIBSON_TAKES_PREFIX_LOCK_SECONDS(A)                                                        \
    A(PREFIX, prefix, REQUIRED) A(LOCK_SECONDS, seconds, REQUIRED)
#define GIBSON_TAKES_PREFIX_LIMIT(A) A(PREFIX, prefix, REQUIRED) A(LIMIT, limit, OPTIONAL)

/* The one list of the fields of META: X(NAME, name, summary). */
#define GIBSON_META_LIST(X)                                                                        \
    X(SIZE, size, "bytes of the value as stored")                                                  \
    X(ENCODING, encoding, "0 bytes, 1 compressed bytes, 2 number")                                 \
    X(ACCESS, access, "when it was last read or written, seconds since 1970")                      \
    X(CREATED, created, "when its age began, seconds since 1970")                                  \
    X(TTL, ttl, "time to live in seconds, -1 for no end")                                          \
    X(LEFT, left, "seconds left to live, -1 for no end")                                           \
    X(LOCK, lock, "lock time in seconds, 0 for none, -1 for no end")

GIBSON_BEGIN_DECLS

typedef enum gibson_opcode {
#define GIBSON_COMMAND_ENUM(NAME, name, opcode, arguments, yield, effect, summary)                 \
    GIBSON_OP_##NAME = opcode,
    GIBSON_COMMAND_LIST(GIBSON_COMMAND_ENUM)
#undef GIBSON_COMMAND_ENUM
} gibson_opcode;

typedef enum gibson_meta_field {
#define GIBSON_META_ENUM(NAME, name, summary) GIBSON_META_##NAME,
    GIBSON_META_LIST(GIBSON_META_ENUM)
#undef GIBSON_META_ENUM
} gibson_meta_field;

/* One argument: a bit in a gibson_arguments. Key or prefix, the value, and the number of a request,
   of which a command has one at most. */
typedef enum gibson_argument {
    GIBSON_ARGUMENT_KEY = 1,
    GIBSON_ARGUMENT_PREFIX = 1 << 1, /* in place of the key */
    GIBSON_ARGUMENT_VALUE = 1 << 2,
    GIBSON_ARGUMENT_TTL = 1 << 3,          /* of a new item, in seconds, 0 for no end */
    GIBSON_ARGUMENT_SECONDS = 1 << 4,      /* left to live, 0 for no end */
    GIBSON_ARGUMENT_LOCK_SECONDS = 1 << 5, /* 0 for none, -1 for no end */
    GIBSON_ARGUMENT_FIELD = 1 << 6,        /* a gibson_meta_field */
    GIBSON_ARGUMENT_LIMIT = 1 << 7,        /* 0 or less means no limit */
} gibson_argument;

/* What a command takes: GIBSON_ARGUMENTS_ and the name of a shape, which is a set of bits. */
typedef enum gibson_arguments {
#define GIBSON_ARGUMENT_BIT(NAME, name, need) | GIBSON_ARGUMENT_##NAME
#define GIBSON_ARGUMENTS_ENUM(NAME)                                                                \
    GIBSON_ARGUMENTS_##NAME = 0 GIBSON_TAKES_##NAME(GIBSON_ARGUMENT_BIT),
    GIBSON_ARGUMENTS_LIST(GIBSON_ARGUMENTS_ENUM)
#undef GIBSON_ARGUMENTS_ENUM
#undef GIBSON_ARGUMENT_BIT
} gibson_arguments;

/* gibson_takes tells whether a shape has an argument, as in gibson_takes(command->arguments,
   GIBSON_ARGUMENT_PREFIX), and gibson_takes_time whether it has one that is a time in seconds.
   Thread rule: any thread. Since 0.1. */
static inline bool gibson_takes(gibson_arguments arguments, gibson_argument argument)
{
    return ((unsigned)arguments & (unsigned)argument) != 0;
}

static inline bool gibson_takes_time(gibson_arguments arguments)
{
    return ((unsigned)arguments &
            ((unsigned)GIBSON_ARGUMENT_TTL | (unsigned)GIBSON_ARGUMENT_SECONDS |
             (unsigned)GIBSON_ARGUMENT_LOCK_SECONDS)) != 0;
}

/* What a command yields when it succeeds. */
typedef enum gibson_yield {
    GIBSON_YIELD_NONE,
    GIBSON_YIELD_VALUE,  /* a gibson_value of either kind */
    GIBSON_YIELD_ECHO,   /* the value that was sent, as it was stored; the library compares it */
    GIBSON_YIELD_NUMBER, /* a gibson_value of kind NUMBER */
    GIBSON_YIELD_ITEMS,  /* gibson_items */
    GIBSON_YIELD_KEYS,   /* gibson_items whose values are the keys */
    GIBSON_YIELD_FACTS,  /* gibson_items whose values are text or numbers about the server */
} gibson_yield;

/* gibson_yields_items tells whether what a command yields is gibson_items. Thread rule: any thread.
   Since 0.1. */
static inline bool gibson_yields_items(gibson_yield yield)
{
    return yield == GIBSON_YIELD_ITEMS || yield == GIBSON_YIELD_KEYS || yield == GIBSON_YIELD_FACTS;
}

/* What a command does to the items. */
typedef enum gibson_effect {
    GIBSON_EFFECT_READ,       /* changes nothing but the time of last access */
    GIBSON_EFFECT_REPEATABLE, /* changes items; done twice, it has the effect and reply of once */
    GIBSON_EFFECT_WRITE,      /* changes items; done twice, the effect or the reply differs */
    GIBSON_EFFECT_CLOSE,      /* ends the connection: no other is made for it */
} gibson_effect;

typedef struct gibson_command {
    const char *name; /* in lower case; static */
    gibson_opcode opcode;
    gibson_arguments arguments;
    gibson_yield yield;
    gibson_effect effect;
    const char *summary; /* a few words without a full stop; static */
} gibson_command;

/* gibson_command_count returns how many commands there are, and gibson_command_at the one with the
   index 0 to that count less one, in the order of the opcodes, or NULL. gibson_command_by_opcode
   and gibson_command_by_name return the command, or NULL where there is none; the name is
   case-insensitive. The results are static. Thread rule: any thread. Since 0.1. */
GIBSON_API size_t gibson_command_count(void);
GIBSON_API const gibson_command *gibson_command_at(size_t index);
GIBSON_API const gibson_command *gibson_command_by_opcode(uint32_t opcode);
GIBSON_API const gibson_command *gibson_command_by_name(gibson_bytes name);

/* gibson_meta_field_name returns the name of a field, or NULL for a number that is none.
   gibson_meta_field_by_name finds the field with exactly that name, in lower case, and returns
   false where there is none. The name is static. Thread rule: any thread. Since 0.1. */
GIBSON_API const char *gibson_meta_field_name(gibson_meta_field field);
GIBSON_API bool gibson_meta_field_by_name(gibson_bytes name, gibson_meta_field *field);

GIBSON_END_DECLS

#endif
