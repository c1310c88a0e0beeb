#include "log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct gibs_log {
    pthread_mutex_t mutex; /* for what follows */
    FILE *file;
    char *path;
    gibs_log_level level;
    unsigned lines_unflushed; /* allowed */
    unsigned lines;           /* not flushed */
};

/* A stream may be a socket or a closed terminal, which the path in /dev cannot open. */
static FILE *open_stream(int descriptor)
{
    int copy = dup(descriptor);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "a");
    if (!file && copy >= 0) {
        close(copy);
    }
    return file;
}

static FILE *open_path(const char *path)
{
    if (!strcmp(path, "/dev/stdout")) {
        return open_stream(STDOUT_FILENO);
    }
    if (!strcmp(path, "/dev/stderr")) {
        return open_stream(STDERR_FILENO);
    }
    return fopen(path, "ae");
}

gibson_status gibs_log_open(gibs_log **log, const char *path, gibs_log_level level,
                            unsigned lines_unflushed, gibson_error *error)
{
    *log = calloc(1, sizeof **log);
    char *copy = strdup(path);
    if (!*log || !copy) {
        free(*log);
        free(copy);
        *log = NULL;
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the log");
    }
    FILE *file = open_path(path);
    if (!file) {
        int cause = errno;
        free(*log);
        free(copy);
        *log = NULL;
        return gib_error_set_errno(error, GIBSON_SYSTEM, cause, "cannot open the log %.100s", path);
    }
    **log =
        (gibs_log){.file = file, .path = copy, .level = level, .lines_unflushed = lines_unflushed};
    pthread_mutex_init(&(*log)->mutex, NULL);
    return GIBSON_OK;
}

void gibs_log_close(gibs_log *log)
{
    if (log) {
        fclose(log->file);
        free(log->path);
        pthread_mutex_destroy(&log->mutex);
        free(log);
    }
}

gibson_status gibs_log_reopen(gibs_log *log, gibson_error *error)
{
    FILE *file = open_path(log->path);
    if (!file) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot open the log %.100s",
                                   log->path);
    }
    pthread_mutex_lock(&log->mutex);
    FILE *old = log->file;
    log->file = file;
    log->lines = 0;
    pthread_mutex_unlock(&log->mutex);
    fclose(old);
    return GIBSON_OK;
}

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void gibs_log_write(gibs_log *log, gibs_log_level level, const char *format, ...)
{
    if (level < log->level) {
        return;
    }
    struct timespec now;
    struct tm calendar;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &calendar);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &calendar);
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&log->mutex);
    fprintf(log->file, "%s.%03dZ %s: ", stamp, (int)(now.tv_nsec / 1000000), level_names[level]);
    vfprintf(log->file, format, arguments);
    putc('\n', log->file);
    if (++log->lines >= log->lines_unflushed || level >= GIBS_LOG_WARNING) {
        fflush(log->file);
        log->lines = 0;
    }
    pthread_mutex_unlock(&log->mutex);
    va_end(arguments);
}
