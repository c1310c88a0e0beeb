/* The log of a server: lines with a time and a level, appended to a file. Any thread. */
#ifndef GIBS_LOG_H
#define GIBS_LOG_H

#include "base/error.h"

typedef enum gibs_log_level {
    GIBS_LOG_DEBUG,
    GIBS_LOG_INFORMATION,
    GIBS_LOG_WARNING,
    GIBS_LOG_ERROR,
} gibs_log_level;

typedef struct gibs_log gibs_log;

/* Opens a log that leaves out lines below a level, and flushes after so many lines. "/dev/stdout"
   and "/dev/stderr" mean the streams of the process, whatever they are connected to. The path is
   copied. Returns GIBSON_OK, GIBSON_SYSTEM or GIBSON_NOMEM, with NULL in *log. */
gibson_status gibs_log_open(gibs_log **log, const char *path, gibs_log_level level,
                            unsigned lines_unflushed, gibson_error *error);

/* Flushes and closes. NULL is allowed. */
void gibs_log_close(gibs_log *log);

/* Opens the path again. Where that fails the old file stays in use. */
gibson_status gibs_log_reopen(gibs_log *log, gibson_error *error);

void gibs_log_write(gibs_log *log, gibs_log_level level, const char *format, ...) GIB_PRINTF(3, 4);

#endif
