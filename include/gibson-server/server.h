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

/* gibson_server_config_add_socket gives a socket to listen on that listens already, on TCP or as a
   unix socket: such as systemd passes on, or one that was bound with rights that are gone. A server
   that is started with one or more of them, at most 16, listens on these and no others: address,
   port and unix_socket have no meaning then. The descriptor stays the caller's, who may close it
   when the server runs; it must be open when the server is started. It is made non-blocking. error
   may be NULL. Returns GIBSON_OK, or GIBSON_INVALID where there are too many. Thread rule: as
   gibson_server_config_set. Since 0.3. */
GIBSON_API gibson_status gibson_server_config_add_socket(gibson_server_config *config,
                                                         int descriptor, gibson_error *error);

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

/* gibson_server_port returns the TCP port it listens on, the first if there are several, also where
   the directive was 0; and 0 where it listens on unix sockets only. Thread rule: any thread. Since
   0.1. */
GIBSON_API uint16_t gibson_server_port(const gibson_server *server);

/* gibson_server_reopen_log closes the log and opens the file of that name again, for log rotation.
   Returns GIBSON_OK, or GIBSON_SYSTEM where it cannot be opened: then the old one stays in use.
   error may be NULL. Thread rule: any thread. Since 0.1. */
GIBSON_API gibson_status gibson_server_reopen_log(gibson_server *server, gibson_error *error);

/* gibson_server_reload applies the directives of a configuration that can change while a server
   runs; docs/server.md says which those are. The log tells of each directive that has changed
   whether it is in force, or needs a restart. The log is opened again as well. When it returns,
   what clients send is answered by the new rules; lists of users hold for those that connect from
   now on, and a lower max_memory is reached by and by. Sockets that were given to the configuration
   are not looked at. Returns GIBSON_OK; GIBSON_INVALID where directives contradict each other;
   GIBSON_SYSTEM where the log cannot be opened; GIBSON_NOMEM. After a failure nothing has changed.
   error may be NULL. It waits for the thread of the server, for some milliseconds. Thread rule: any
   thread, not while gibson_server_stop is called. Since 0.3. */
GIBSON_API gibson_status gibson_server_reload(gibson_server *server,
                                              const gibson_server_config *config,
                                              gibson_error *error);

/* gibson_server_list_clients makes the server write to its log, whatever the loglevel, a line about
   each of its clients: who it is, how long it has been there and idle, and what it has sent and
   been sent. They come some at a time, and a list begins at the earliest a second after the one
   before. Thread rule: any thread, not while gibson_server_stop is called. Since 0.3. */
GIBSON_API void gibson_server_list_clients(gibson_server *server);

/* gibson_server_stop stops listening, answers the requests that have arrived, gives clients two
   seconds to take their replies, ends the thread, and frees the server. Its unix socket is removed,
   unless it was given. NULL is allowed. In a child after fork it must not be called: the thread is
   not there, and the socket that clients connect to is closed there when fork returns. Thread rule:
   any thread, once. Since 0.1. */
GIBSON_API void gibson_server_stop(gibson_server *server);

GIBSON_END_DECLS

#endif
