/* A scripted peer: a listening socket whose connections are each handled by a function of the test,
   in a thread of their own. No Gibson server is involved, so it can misbehave in every way.

   A script runs in a thread where Check's assertions must not be used: it tells the test what it
   saw through its context and peer_report, and the test does the asserting. Every wait of a script
   ends when the peer is stopped. */
#ifndef SUPPORT_PEER_H
#define SUPPORT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gibson/options.h>

typedef enum peer_kind { PEER_UNIX, PEER_ABSTRACT, PEER_TCP4, PEER_TCP6 } peer_kind;

typedef struct peer peer;

/* One accepted connection. */
typedef struct peer_link {
    peer *owner;
    void *context;  /* of peer_start */
    size_t index;   /* which connection it is, from 0 */
    int descriptor; /* -1 once it is closed */
    uint8_t *frame; /* memory of the last frame */
} peer_link;

typedef struct peer_frame {
    unsigned int opcode;
    const uint8_t *payload; /* until the next frame is read */
    size_t size;            /* bytes of the payload */
    size_t wire_size;       /* bytes of the whole frame */
} peer_frame;

typedef void peer_script(peer_link *link);

/* Listens at an address of its own; the connection is closed when the script returns. Without a
   script, connections are never accepted, and the backlog is as small as can be. Aborts where the
   system cannot do it, except that NULL is returned for PEER_TCP6 without IPv6. */
peer *peer_start(peer_kind kind, peer_script *script, void *context);

/* Ends the scripts, closes everything, and waits for the threads. NULL is allowed. */
void peer_stop(peer *owner);

/* Closes the listening socket and the connections as a server that goes down, and listens at the
   same address again. */
void peer_go_down(peer *owner);
void peer_come_up(peer *owner);

/* Sets the address in the options; the strings live as long as the peer. */
void peer_point(const peer *owner, gibson_options *options);

/* How many connections were accepted. */
size_t peer_connections(const peer *owner);

/* The test lets one peer_await of a script go on; a script waits for that, and gets false if the
   peer is stopped instead. */
void peer_tell(peer *owner);
bool peer_await(peer_link *link);

/* A script lets one peer_hear of the test go on; the test aborts if that takes 20 seconds. */
void peer_report(peer_link *link);
void peer_hear(peer *owner);

/* Reads exactly so many bytes. Returns how many came before the end of the connection or of the
   peer. */
size_t peer_read(peer_link *link, void *to, size_t size);

/* Reads a whole request. False at the end of the connection. */
bool peer_read_frame(peer_link *link, peer_frame *frame);

/* Reads and drops what comes until the end of the connection; returns how many bytes that was. */
size_t peer_read_to_end(peer_link *link);

/* Sends bytes: at once, or `step` at a time with a pause between. False if the connection ended. */
bool peer_send(peer_link *link, const void *data, size_t size);
bool peer_send_steps(peer_link *link, const void *data, size_t size, size_t step,
                     unsigned int pause_ms);

/* Waits until the other end of a unix socket has read all that was sent. */
void peer_wait_until_read(peer_link *link);

/* Closes the connection, or makes the other end see a reset (of TCP). */
void peer_close(peer_link *link);
void peer_reset(peer_link *link);

#endif
