/* The docstrings of both Clients, of Pool and of Cluster, and those of the methods that run a
   command, DOC_ and the command's name, and SIGNATURE of a shape of arguments. */
#ifndef PYGIBSON_DOCS_H
#define PYGIBSON_DOCS_H

#include "options.h"

#define DOC_POSITIONAL(name, kind, shown, text, ...) #name "=" shown ", "
#define DOC_KEYWORD(name, kind, shown, text, ...) ", " #name "=" shown
#define DOC_OPTION(name, kind, shown, text, ...) "    " #name " (" DOC_TYPE_##kind "): " text ".\n"
#define DOC_TYPE_HOST "str"
#define DOC_TYPE_PATH "str, bytes or os.PathLike"
#define DOC_TYPE_NUMBER "int"
#define DOC_TYPE_FLAG "bool"
#define DOC_TYPE_SERVERS "iterable of str, or of pairs of str and int"
#define DOC_TYPE_CHARACTER "str"
#define DOC_TYPE_PREFIX "str or bytes"

#define DOC_POOL                                                                                   \
    "Pool(" POSITIONAL_OPTIONS(DOC_POSITIONAL) "*" KEYWORD_OPTIONS(DOC_KEYWORD) POOL_OPTIONS(      \
        DOC_KEYWORD) ")\n--\n\n"                                                                   \
                     "Connections to a Gibson server that threads use at once, one for each "      \
                     "operation. The\n"                                                            \
                     "first is made at once, others when they are needed.\n\n"                     \
                     "The methods are those of Client. An operation takes an idle connection, or " \
                     "makes one\n"                                                                 \
                     "while there are fewer than max_connections, or waits for one: first come, "  \
                     "first served.\n"                                                             \
                     "The timeout is for all of that and the operation itself. The operations of " \
                     "a Pipeline are\n"                                                            \
                     "run on one connection.\n\n" DOC_OPTION_LINES                                 \
                     POOL_OPTIONS(                                                                 \
                         DOC_OPTION) "\nRaises UnreachableError, ServerTimeoutError, "             \
                                     "InvalidArgumentError.\n\n" DOC_EVERY_METHOD                  \
                                     "A connection on which something\n"                           \
                                     "went wrong is closed, and a new one made when it is "        \
                                     "needed, whatever reconnect says: that\n"                     \
                                     "is for a connection that is lost within an operation.\n\n"   \
                                     "In a child of fork the Pool is empty, and makes "            \
                                     "connections of its own."

#define DOC_CLUSTER                                                                                \
    "Cluster(servers, " TIMEOUT_OPTION(DOC_POSITIONAL) "*" CONNECTION_OPTIONS(DOC_KEYWORD)         \
        CLUSTER_OPTIONS(                                                                           \
            DOC_KEYWORD) ")\n--\n\n"                                                               \
                         "Several Gibson servers as one, which threads use at once. Keys are "     \
                         "placed by consistent\n"                                                  \
                         "hashing, as libmemcached's weighted ketama does. It connects to a "      \
                         "server when that is\n"                                                   \
                         "first asked.\n\n"                                                        \
                         "The methods are those of Client. An operation on a key goes to the "     \
                         "server that has it; one\n"                                               \
                         "on a prefix, and ping, to all at once, or to the one that affinity "     \
                         "tells. What all have\n"                                                  \
                         "said together is returned if all have answered. If any has not, the "    \
                         "exception of its failure\n"                                              \
                         "is raised, whose attribute answers has what each server has said and "   \
                         "done. stats is of one\n"                                                 \
                         "server, so it raises UsageError; quit closes.\n\n"                       \
                         "Arguments:\n" SERVERS_OPTION(DOC_OPTION) TIMEOUT_OPTION(DOC_OPTION)      \
                             CONNECTION_OPTIONS(DOC_OPTION) CLUSTER_OPTIONS(                       \
                                 DOC_OPTION) "\nRaises InvalidArgumentError.\n\n" DOC_EVERY_METHOD \
                                             "UnreachableError is also raised, at\n"               \
                                             "once, for the keys of a server that is ejected. A "  \
                                             "child of fork makes connections of its\n"            \
                                             "own."

#define DOC_OPTIONS_SIGNATURE                                                                      \
    "Client(" POSITIONAL_OPTIONS(DOC_POSITIONAL) "*" KEYWORD_OPTIONS(DOC_KEYWORD) ")\n--\n\n"
#define DOC_OPTION_LINES "Arguments:\n" ALL_OPTIONS(DOC_OPTION)
#define DOC_OPTIONS DOC_OPTION_LINES "\n"
#define DOC_EVERY_METHOD                                                                           \
    "Every method can also raise ServerTimeoutError, ConnectionLostError, UnreachableError\n"      \
    "(with reconnect), ProtocolError, ServerError, SystemCallError, InvalidArgumentError, and\n"   \
    "MemoryError. "

#define DOC_CLIENT                                                                                 \
    DOC_OPTIONS_SIGNATURE                                                                          \
    "A connection to a Gibson server, which is made at once.\n\n" DOC_OPTIONS                      \
    "Raises UnreachableError, ServerTimeoutError, InvalidArgumentError.\n\n" DOC_EVERY_METHOD      \
    "After a timeout or any error within a reply the connection is closed, so a\n"                 \
    "late reply is never taken for that of another command.\n\n"                                   \
    "Threads may share a Client: they take turns, and waiting for one's turn counts towards "      \
    "the\n"                                                                                        \
    "timeout. A child of fork cannot use the connection of its parent: it gets\n"                  \
    "ConnectionLostError, or with reconnect a connection of its own."

#define DOC_AIO_CLIENT                                                                             \
    DOC_OPTIONS_SIGNATURE                                                                          \
    "A connection to a Gibson server for asyncio, which many tasks may use at once.\n\n"           \
    "The methods are those of pygibson.Client, and raise the same where they are awaited. What\n"  \
    "they return, a Reply, can be awaited, cancelled, and given to asyncio.gather, wait_for,\n"    \
    "create_task and the like. A request is on its way once the method was called; requests\n"     \
    "leave together, at the end of a turn of the loop, in the order of the calls. The first\n"     \
    "method that is called connects, or connect, or async with.\n\n" DOC_OPTIONS                   \
    "Raises InvalidArgumentError.\n\n" DOC_EVERY_METHOD                                            \
    "After a timeout the others go on, and a late reply is dropped.\n\n"                           \
    "A Client belongs to the event loop in which it was first used. In another one, in a thread\n" \
    "without, and in a child of fork, its methods raise at once."

/* The signature of a method, by the shape of its arguments. */
#define SIGNATURE(arguments) "($self, /" GIBSON_TAKES_##arguments(PARAMETER) ")"
#define PARAMETER(NAME, name, need) ", " #name PARAMETER_##need(NAME)
#define PARAMETER_REQUIRED(NAME)
#define PARAMETER_OPTIONAL(NAME) "=" LEFT_OUT_##NAME
#define LEFT_OUT_TTL "0"
#define LEFT_OUT_LIMIT "None"

#define DOC_KEY "    key (str or bytes): 1 to max_key_size bytes, str as UTF-8, no space, no NUL.\n"
#define DOC_PREFIX                                                                                 \
    "    prefix (str or bytes): as a key; the command is for all keys that begin so.\n"
#define DOC_VALUE "    value (str or bytes-like): 1 to max_value_size bytes, str as UTF-8.\n"

#define DOC_SET                                                                                    \
    "Store a value under a key, replacing the item with its ttl and lock.\n\n"                     \
    "Arguments:\n" DOC_KEY DOC_VALUE                                                               \
    "    ttl (int): seconds to live, 0 for no end, up to max_seconds.\n\n"                         \
    "Returns None.\n"                                                                              \
    "Raises LockedError, NoMemoryError, TruncatedError."
#define DOC_MSET                                                                                   \
    "Give all unlocked items under a prefix the same value. It makes no new items.\n\n"            \
    "Arguments:\n" DOC_PREFIX DOC_VALUE "\nReturns how many were changed (int).\n"                 \
    "Raises NotFoundError if none was, NoMemoryError."
#define DOC_TTL                                                                                    \
    "Set the time to live of an item, locked or not.\n\n"                                          \
    "Arguments:\n" DOC_KEY "    seconds (int): from now, 0 for no end, up to max_seconds.\n\n"     \
    "Returns None.\n"                                                                              \
    "Raises NotFoundError."
#define DOC_MTTL                                                                                   \
    "Set the time to live of all items under a prefix.\n\n"                                        \
    "Arguments:\n" DOC_PREFIX "    seconds (int): from now, 0 for no end, up to max_seconds.\n\n"  \
    "Returns how many were changed (int).\n"                                                       \
    "Raises NotFoundError if none was."
#define DOC_GET                                                                                    \
    "Read a value.\n\n"                                                                            \
    "Arguments:\n" DOC_KEY                                                                         \
    "\nReturns bytes, or int if inc, dec, minc or mdec made a number of it.\n"                     \
    "Raises NotFoundError."
#define DOC_MGET                                                                                   \
    "Read all keys under a prefix with their values.\n\n"                                          \
    "Arguments:\n" DOC_PREFIX                                                                      \
    "    limit (int or None): the most items wanted; None, or 0 or less, for all.\n\n"             \
    "Returns a dict of str (UTF-8, with surrogateescape for other bytes) to bytes or int.\n"       \
    "The order is not defined.\n"                                                                  \
    "Raises NotFoundError if there are none."
#define DOC_DEL                                                                                    \
    "Delete an item.\n\n"                                                                          \
    "Arguments:\n" DOC_KEY "\nReturns None.\n"                                                     \
    "Raises NotFoundError, LockedError."
#define DOC_MDEL                                                                                   \
    "Delete all unlocked items under a prefix.\n\n"                                                \
    "Arguments:\n" DOC_PREFIX "\nReturns how many were deleted (int).\n"                           \
    "Raises NotFoundError if none was."
#define DOC_INC                                                                                    \
    "Add 1 to an item and make a number of it. A missing item is made, with the value 1.\n\n"      \
    "Arguments:\n" DOC_KEY "\nReturns the new value (int, 64 bits; it wraps around).\n"            \
    "Raises NaNError, LockedError, NoMemoryError."
#define DOC_DEC                                                                                    \
    "Take 1 from an item and make a number of it. A missing item is made, with the value 1.\n\n"   \
    "Arguments:\n" DOC_KEY "\nReturns the new value (int, 64 bits; it wraps around).\n"            \
    "Raises NaNError, LockedError, NoMemoryError."
#define DOC_MINC                                                                                   \
    "Add 1 to all items under a prefix that are numbers and not locked.\n\n"                       \
    "Arguments:\n" DOC_PREFIX "\nReturns how many were changed (int).\n"                           \
    "Raises NotFoundError if none was."
#define DOC_MDEC                                                                                   \
    "Take 1 from all items under a prefix that are numbers and not locked.\n\n"                    \
    "Arguments:\n" DOC_PREFIX "\nReturns how many were changed (int).\n"                           \
    "Raises NotFoundError if none was."
#define DOC_LOCK                                                                                   \
    "Forbid changes to an item for a time. Anyone may unlock it.\n\n"                              \
    "Arguments:\n" DOC_KEY "    seconds (int): -1 for no end, 0 for none, up to max_seconds.\n\n"  \
    "Returns None.\n"                                                                              \
    "Raises NotFoundError; LockedError if it is locked already."
#define DOC_MLOCK                                                                                  \
    "Forbid changes to all items under a prefix for a time.\n\n"                                   \
    "Arguments:\n" DOC_PREFIX                                                                      \
    "    seconds (int): -1 for no end, 0 for none, up to max_seconds.\n\n"                         \
    "Returns how many this locked (int).\n"                                                        \
    "Raises NotFoundError if none was."
#define DOC_UNLOCK                                                                                 \
    "Allow changes to an item again, locked or not.\n\n"                                           \
    "Arguments:\n" DOC_KEY "\nReturns None.\n"                                                     \
    "Raises NotFoundError."
#define DOC_MUNLOCK                                                                                \
    "Allow changes to all items under a prefix again.\n\n"                                         \
    "Arguments:\n" DOC_PREFIX "\nReturns how many there are (int), locked or not.\n"               \
    "Raises NotFoundError if there are none."
#define DOC_COUNT                                                                                  \
    "Count the items under a prefix.\n\n"                                                          \
    "Arguments:\n" DOC_PREFIX "\nReturns how many there are (int), 0 for none."
#define DOC_META                                                                                   \
    "Read one property of an item.\n\n"                                                            \
    "Arguments:\n" DOC_KEY "    field (str or bytes): one of\n" GIBSON_META_LIST(                  \
        DOC_FIELD) "\nReturns it (int).\n"                                                         \
                   "Raises NotFoundError; InvalidArgumentError for another field."
#define DOC_FIELD(NAME, name, summary) "        " #name ": " summary "\n"
#define DOC_KEYS                                                                                   \
    "List all keys under a prefix.\n\n"                                                            \
    "Arguments:\n" DOC_PREFIX "\nReturns a list of bytes. The order is not defined.\n"             \
    "Raises NotFoundError if there are none."
#define DOC_STATS                                                                                  \
    "Read the statistics of the server.\n\n"                                                       \
    "Returns a dict of str to int or str."
#define DOC_PING                                                                                   \
    "Ask the server for a sign of life.\n\n"                                                       \
    "Returns None."
#define DOC_END                                                                                    \
    "Tell the server to close the connection, wait for its answer, and close this end.\n\n"        \
    "Returns None. A client without a connection has nothing to do. Afterwards the Client is\n"    \
    "closed, as by close."

#endif
