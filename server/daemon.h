/* Running in the background, and the file that says so. */
#ifndef GIB_SERVER_DAEMON_H
#define GIB_SERVER_DAEMON_H

#include "base/error.h"

/* Goes to the background: the process that was started stays until gib_daemon_ready is called or
   the background process ends, and then exits with 0 or 1. Returns in the background process only,
   with a descriptor for gib_daemon_ready in *ready; or with GIBSON_SYSTEM. To be called before any
   thread is started. */
gibson_status gib_daemon_fork(int *ready, gibson_error *error);

/* Tells the process that was started that all is well, and lets go of the terminal. */
void gib_daemon_ready(int ready);

typedef struct gib_pidfile {
    int fd; /* -1: none */
    const char *path;
} gib_pidfile;

/* Writes the process id to a file, which stays locked: a second server with the same file is
   refused. The path is borrowed. Returns GIBSON_OK or GIBSON_SYSTEM. */
gibson_status gib_pidfile_open(gib_pidfile *pidfile, const char *path, gibson_error *error);

/* Removes the file, if there is one. */
void gib_pidfile_close(gib_pidfile *pidfile);

/* Tells the service manager the state of the service, as sd_notify of systemd does: a datagram to
   the socket that NOTIFY_SOCKET names. Does nothing where that is not set. */
void gib_notify(const char *state);

#endif
