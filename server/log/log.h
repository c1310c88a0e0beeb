/* The log of a server: lines with a time and a level, appended to a file. Any thread; no function
   but gibs_log_close and gibs_log_settle waits for the file, so that a pipe whose reader has
   stopped cannot stop the server. */
#ifndef GIBS_LOG_H
#define GIBS_LOG_H

#include "base/error.h"

typedef enum gibs_log_level {
    GIBS_LOG_DEBUG,
    GIBS_LOG_INFORMATION,
    GIBS_LOG_WARNING,
    GIBS_LOG_ERROR,
    GIBS_LOG_ASKED_FOR, /* written whatever the level is */
} gibs_log_level;

typedef struct gibs_log gibs_log;

/* Opens a log that leaves out lines below a level, and writes after so many lines. "/dev/stdout"
   and
   "/dev/stderr" mean the streams of the process, whatever they are connected to. The path is
   copied. Returns GIBSON_OK, GIBSON_SYSTEM or GIBSON_NOMEM, with NULL in *log. */
gibson_status gibs_log_open(gibs_log **log, const char *path, gibs_log_level level,
                            unsigned lines_unflushed, gibson_error *error);

/* Writes what is left and closes; what the file does not take within two seconds is lost. NULL is
   allowed. */
void gibs_log_close(gibs_log *log);

/* Opens the path again, or another one: lines from now on go there. Where that fails the old file
   stays in use. One thread at a time; waits for the system to open it. */
gibson_status gibs_log_reopen(gibs_log *log, const char *path, gibson_error *error);

/* Changes what was given to gibs_log_open. */
void gibs_log_configure(gibs_log *log, gibs_log_level level, unsigned lines_unflushed);

/* Of lines with the same format only some are written a second, but for those of GIBS_LOG_DEBUG;
   then follows one that tells how many were left out. So it is with lines that find no room because
   the file takes none. */
void gibs_log_write(gibs_log *log, gibs_log_level level, const char *format, ...) GIB_PRINTF(3, 4);

/* The same without leaving any out, for lines that somebody waits for and whose number is bounded.
 */
void gibs_log_write_all(gibs_log *log, gibs_log_level level, const char *format, ...)
    GIB_PRINTF(3, 4);

/* Waits until all lines so far are written, for at most two seconds. Not for the loop. */
void gibs_log_settle(gibs_log *log);

/* Says what was left out, where that is due. To be called now and then. */
void gibs_log_catch_up(gibs_log *log);

#endif
