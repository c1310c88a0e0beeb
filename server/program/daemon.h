/* Running in the background, and the file that says so. */
#ifndef GIBS_DAEMON_H
#define GIBS_DAEMON_H

#include "base/error.h"

/* Goes to the background: the process that was started stays until gibs_daemon_ready is called or
   the background process ends, and then exits with 0 or 1. Returns in the background process only,
   with a descriptor for gibs_daemon_ready in *ready; or with GIBSON_SYSTEM. To be called before any
   thread is started. */
gibson_status gibs_daemon_fork(int *ready, gibson_error *error);

/* Lets go of the terminal, or whatever the standard streams are. */
void gibs_daemon_detach(void);

/* Tells the process that was started that all is well. */
void gibs_daemon_ready(int ready);

typedef struct gibs_pidfile {
    int descriptor; /* -1: none */
    const char *path;
} gibs_pidfile;

/* Writes the process id to a file, which stays locked: a second server with the same file is
   refused. The path is borrowed. Returns GIBSON_OK or GIBSON_SYSTEM. */
gibson_status gibs_pidfile_open(gibs_pidfile *pidfile, const char *path, gibson_error *error);

/* Removes the file, if there is one. */
void gibs_pidfile_close(gibs_pidfile *pidfile);

/* Tells the service manager the state of the service, as sd_notify of systemd does: a datagram to
   the socket that NOTIFY_SOCKET names. Does nothing where that is not set. */
void gibs_notify(const char *state);

#endif
