/* Options of sockets, and moving bytes through them. */
#ifndef GIB_NET_SOCKET_H
#define GIB_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <gibson/value.h>

#include "net/portable.h"

/* Sets TCP_NODELAY, keepalive (off if 0 or less) and TCP_USER_TIMEOUT (0: the system's default). A
   socket works without them too, so failures are passed over, and so is what a system lacks. */
void gib_socket_set_tcp(int descriptor, int keepalive_s, unsigned int user_timeout_ms);

/* Sets SO_RCVTIMEO or SO_SNDTIMEO; less than 0 waits for ever. */
void gib_socket_set_timeout(int descriptor, int option, int64_t timeout_ms);

/* The most bytes that are sure to arrive together when they are sent together. */
size_t gib_socket_segment_size(int descriptor);

/* Tells whether a TCP socket is connected to itself: a connection to a port of this machine on
   which nobody listens succeeds if the kernel happens to choose that port for the near end. */
bool gib_socket_meets_itself(int descriptor);

/* Tells whether a socket cannot be made for want of something on this machine. */
bool gib_socket_lacks(int failure);

/* Sends up to two parts, as many bytes as the socket takes, with GIB_SEND_FLAGS. Returns the bytes
   taken, or -1. */
ssize_t gib_socket_send(int descriptor, const gibson_bytes parts[2]);

#endif
