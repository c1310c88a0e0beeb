/* What systems have in different ways: nothing else in lib/ knows more than one, but for strerror_r
   in base/error.c. */
#ifndef GIB_NET_PORTABLE_H
#define GIB_NET_PORTABLE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/clock.h"

/* How to send: without waiting; without SIGPIPE; and so that the kernel does not merge what comes
   later into the same segment, where a header might be cut: the reference server loses its memory
   over that. Only Linux knows the last; the others take MSG_EOR for a mistake on a stream. */
#if defined(__linux__)
#define GIB_SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT | MSG_EOR)
#elif defined(__APPLE__)
#define GIB_SEND_FLAGS MSG_DONTWAIT /* its sockets have SO_NOSIGPIPE */
#else
#define GIB_SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)
#endif

/* Options of TCP under one name each, or one that no socket has. */
enum {
    GIB_NO_OPTION = -1,
#if defined(TCP_KEEPIDLE)
    GIB_TCP_KEEPIDLE = TCP_KEEPIDLE,
#elif defined(TCP_KEEPALIVE)
    GIB_TCP_KEEPIDLE = TCP_KEEPALIVE, /* macOS */
#else
    GIB_TCP_KEEPIDLE = GIB_NO_OPTION, /* OpenBSD has one setting for the whole system */
#endif
#if defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
    GIB_TCP_KEEPINTVL = TCP_KEEPINTVL,
    GIB_TCP_KEEPCNT = TCP_KEEPCNT,
#else
    GIB_TCP_KEEPINTVL = GIB_NO_OPTION,
    GIB_TCP_KEEPCNT = GIB_NO_OPTION,
#endif
#if defined(TCP_USER_TIMEOUT)
    GIB_TCP_USER_TIMEOUT = TCP_USER_TIMEOUT,
#else
    GIB_TCP_USER_TIMEOUT = GIB_NO_OPTION,
#endif
};

/* Makes a close-on-exec stream socket that raises no SIGPIPE when GIB_SEND_FLAGS are used. Returns
   it, or -1 with errno. */
int gib_open_socket(int family, bool blocking);

/* Makes a close-on-exec pipe. Returns 0, or -1 with errno and nothing open. */
int gib_open_pipe(int ends[2]);

/* Makes a condition whose waits are on the monotonic clock. Returns 0 or an errno. */
int gib_condition_init(pthread_cond_t *condition);

/* Waits for it until that time, or for no reason. */
void gib_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, gib_deadline until);

#endif
