/* gibson-server as a process, in a directory of its own, for tests of what the program does.
   Whatever fails here fails the test of Check that calls it. */
#ifndef SERVER_PROGRAM_H
#define SERVER_PROGRAM_H

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/un.h>

enum { PATIENCE_MS = 20000 };

extern char directory[64];
extern rlim_t descriptor_limit;      /* of gibson-server, 0 for that of this process */
extern int notifications;            /* the socket that NOTIFY_SOCKET names */
extern void (*before_program)(void); /* called in the process that becomes it; or NULL */

/* The fixture: makes the directory, and removes it. What a test makes there is for it to remove,
   but for log, log.1 and config. */
void set_up(void);
void tear_down(void);

/* A path in the directory; valid until three more were asked for. */
const char *path_of(const char *name);
struct sockaddr_un address_of(const char *name);

/* Makes a file of the directory. */
void write_file(const char *name, const char *text);

/* Starts gibson-server with the arguments, a list that ends with NULL. output takes both streams;
   -1 leaves them. */
pid_t spawn(const char *const *arguments, int output);

/* The same for another program, found on PATH, whose name is the first of the arguments. */
pid_t spawn_program(const char *const *arguments, int output);

/* Waits for a message to the service manager. */
void expect_notification(const char *message);

/* Waits for the end of a process. */
int exit_code(pid_t child);

/* Sends SIGTERM, and expects the end with 0. */
void end_server(pid_t child);

/* Runs gibson-server to its end. Returns its exit code, and what it has printed. */
int run(const char *const *arguments, char *output, size_t room);

/* Reads what fits, and ends it with a NUL. Returns its size. */
size_t read_file(const char *path, char *text, size_t room);

/* Looks into a file until it holds a text. */
void await_text(const char *path, const char *text);

/* Connects to the unix socket "socket" of the directory. */
int connect_unix(void);

#endif
