/* What can go wrong between a client and a server, and the line of text that asks for it. */
#ifndef GIBP_PROXY_FAULT_H
#define GIBP_PROXY_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one list of faults: X(NAME, name, argument, meaning). The argument is what `=` gives. */
#define GIBP_FAULT_LIST(X)                                                                         \
    X(DELAY, "delay", MS, "pass bytes on so many milliseconds after they came")                    \
    X(DRIBBLE, "dribble", MS, "pass bytes on one by one, so many milliseconds apart")              \
    X(HOLD, "hold", MS_OR_NONE, "keep bytes back: so many milliseconds, or until `release`")       \
    X(BLACK_HOLE, "blackhole", NONE, "swallow all bytes, and keep the connection open")            \
    X(CORRUPT, "corrupt", MASK, "change one byte: exclusive or with a number, 0xff by default")    \
    X(CUT, "cut", NONE, "close the connection, on both sides")                                     \
    X(RESET, "reset", NONE, "close it with a reset (RST) on the client's side")                    \
    X(HALF_CLOSE, "half-close", NONE, "end this direction, and let the other one go on")

typedef enum gibp_fault_kind {
#define GIBP_FAULT_ENUM(NAME, name, argument, meaning) GIBP_FAULT_##NAME,
    GIBP_FAULT_LIST(GIBP_FAULT_ENUM)
#undef GIBP_FAULT_ENUM
} gibp_fault_kind;

typedef enum gibp_direction {
    GIBP_REQUESTS, /* from the client to the server */
    GIBP_REPLIES,  /* from the server to the client */
} gibp_direction;

/* gibp_fault is a fault that strikes once, in one direction of each connection it is meant for. */
typedef struct gibp_fault {
    gibp_direction direction;
    gibp_fault_kind kind;
    uint64_t connection; /* which one, counted from 1 in the order of accepting; 0 for each */
    uint64_t at;         /* bytes of the direction that pass before it strikes */
    int64_t ms;          /* DELAY, DRIBBLE, HOLD: milliseconds; of HOLD, 0 means until released */
    uint8_t mask;        /* CORRUPT: what the byte is combined with by exclusive or */
} gibp_fault;

#define GIBP_FAULT_MAX_MS INT64_C(86400000) /* a day */
#define GIBP_FAULT_ERROR_SIZE 160

/* Reads a fault from text: [CONNECTION/]DIRECTION:KIND[@BYTE][=ARGUMENT], where DIRECTION is
   request or reply, such as "reply:cut@7" or "2/request:delay=50". Returns false, and a sentence in
   error, where the text is none. */
bool gibp_fault_parse(gibp_fault *fault, const char *text, char error[GIBP_FAULT_ERROR_SIZE]);

/* Writes a fault as text that gibp_fault_parse reads. Returns what snprintf returns. */
int gibp_fault_format(const gibp_fault *fault, char *to, size_t size);

/* The list of kinds by index, for help texts: false past the end. */
bool gibp_fault_describe(size_t index, const char **name, const char **meaning);

#endif
