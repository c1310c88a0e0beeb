/* A gibson server inside a program: for tests, and for programs that bring their own cache. It is
   the same server that gibson-server runs. It is in libgibson_server.a, not in libgibson. */
#ifndef GIBSON_SERVER_SERVER_H
#define GIBSON_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gibson/export.h>
#include <gibson/status.h>

GIBSON_BEGIN_DECLS

/* gibson_server_config holds the directives of docs/server.md, at first with their defaults. */
typedef struct gibson_server_config gibson_server_config;

/* gibson_server is a server that listens, and runs in a thread of its own. */
typedef struct gibson_server gibson_server;

/* gibson_server_config_new makes a configuration with all defaults. Returns GIBSON_OK, or
   GIBSON_NOMEM with NULL in *config. Thread rule: any thread. Since 0.1. */
GIBSON_API gibson_status gibson_server_config_new(gibson_server_config **config);

/* gibson_server_config_free frees a configuration. NULL is allowed. A server that was started with
   it does not need it any more. Thread rule: any thread, once. Since 0.1. */
GIBSON_API void gibson_server_config_free(gibson_server_config *config);

/* gibson_server_config_set sets a directive to a value, both written as in the configuration file.
   They are copied. A size or time above the largest that the server can hold becomes the largest,
   and gibson_server_start says so in the log. Returns GIBSON_OK; GIBSON_INVALID where there is no
   such directive or the value is not one of its values, with an error that says which;
   GIBSON_NOMEM. After a failure the configuration is as it was. error may be NULL. Thread rule: one
   thread at a time for each configuration. Since 0.1. */
GIBSON_API gibson_status gibson_server_config_set(gibson_server_config *config, const char *name,
                                                  const char *value, gibson_error *error);

/* gibson_server_config_load sets the directives that stand in a file. Returns GIBSON_OK;
   GIBSON_SYSTEM where the file cannot be read; GIBSON_INVALID with an error that begins with the
   file and the number of the line; GIBSON_NOMEM. After a failure, the directives of earlier lines
   are set. error may be NULL. Thread rule: as gibson_server_config_set. Since 0.1. */
GIBSON_API gibson_status gibson_server_config_load(gibson_server_config *config, const char *path,
                                                   gibson_error *error);

/* gibson_server_start listens and starts the thread. When it returns, clients can connect. NULL as
   config means all defaults. daemonize and pidfile are for gibson-server, and ignored here. The
   thread blocks all signals; the log goes where logfile says, by default to the standard output.
   Returns GIBSON_OK; GIBSON_INVALID where directives contradict each other; GIBSON_SYSTEM where a
   system call failed, with an error that says which; GIBSON_NOMEM. After a failure, *server is NULL
   and nothing is left. error may be NULL. Thread rule: any thread; any number of servers may run in
   a process. Since 0.1. */
GIBSON_API gibson_status gibson_server_start(gibson_server **server,
                                             const gibson_server_config *config,
                                             gibson_error *error);

/* gibson_server_port returns the TCP port it listens on, also where the directive was 0; and 0 on a
   unix socket. Thread rule: any thread. Since 0.1. */
GIBSON_API uint16_t gibson_server_port(const gibson_server *server);

/* gibson_server_reopen_log closes the log and opens the file of that name again, for log rotation.
   Returns GIBSON_OK, or GIBSON_SYSTEM where it cannot be opened: then the old one stays in use.
   error may be NULL. Thread rule: any thread. Since 0.1. */
GIBSON_API gibson_status gibson_server_reopen_log(gibson_server *server, gibson_error *error);

/* gibson_server_stop stops listening, answers the requests that have arrived, gives clients two
   seconds to take their replies, ends the thread, and frees the server. Its unix socket is removed.
   NULL is allowed. In a child after fork it must not be called: the thread is not there, and the
   socket that clients connect to is closed there when fork returns. Thread rule: any thread, once.
   Since 0.1. */
GIBSON_API void gibson_server_stop(gibson_server *server);

GIBSON_END_DECLS

#endif
