/* The log of a server: lines with a time and a level, appended to a file. Any thread. */
#ifndef GIB_SERVER_LOG_H
#define GIB_SERVER_LOG_H

#include "base/error.h"

typedef enum gib_log_level {
    GIB_LOG_DEBUG,
    GIB_LOG_INFORMATION,
    GIB_LOG_WARNING,
    GIB_LOG_ERROR,
} gib_log_level;

typedef struct gib_log gib_log;

/* Opens a log that leaves out lines below a level, and flushes after so many lines. "/dev/stdout"
   and "/dev/stderr" mean the streams of the process, whatever they are connected to. The path is
   copied. Returns GIBSON_OK, GIBSON_SYSTEM or GIBSON_NOMEM, with NULL in *log. */
gibson_status gib_log_open(gib_log **log, const char *path, gib_log_level level,
                           unsigned lines_unflushed, gibson_error *error);

/* Flushes and closes. NULL is allowed. */
void gib_log_close(gib_log *log);

/* Opens the path again. Where that fails the old file stays in use. */
gibson_status gib_log_reopen(gib_log *log, gibson_error *error);

void gib_log_write(gib_log *log, gib_log_level level, const char *format, ...) GIB_PRINTF(3, 4);

#endif
