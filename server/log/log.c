/* Lines go into a ring, and a thread of the log writes from there to the file: it is the only one
   that waits for it. What finds no room in the ring is counted and lost. */
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/repeats.h"

enum {
    RING_SIZE = 256 * 1024,
    LONGEST_LINE = 1024,
    GLANCE_MS = 100, /* between two looks at whether to go on waiting for the file */
    PATIENCE_S = 2,  /* for the file to take what is left in the end */
};

struct gibs_log {
    char *path;
    _Atomic gibs_log_level level;
    pthread_t thread;

    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t work;   /* there is something to do for the thread */
    pthread_cond_t done;   /* the thread has written something, or ended */
    char *ring;
    uint64_t appended, written; /* bytes since the start: those between are in the ring */
    int descriptor;
    int next_descriptor;      /* takes the place of descriptor, or -1 */
    uint64_t next_from;       /* when that much was written */
    unsigned lines;           /* not flushed */
    unsigned lines_unflushed; /* allowed */
    uint64_t lost;            /* lines, for lack of room */
    gibs_repeats repeats;
    bool flush; /* write all there is */
    bool stop;
    bool give_up; /* what is left is lost */
    bool ended;
};

/* A stream may be a socket or a closed terminal, which the path in /dev cannot open. */
static int open_path(const char *path)
{
    if (!strcmp(path, "/dev/stdout")) {
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    }
    if (!strcmp(path, "/dev/stderr")) {
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    }
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

/* Writes some bytes when the file takes some: no more than a pipe that can be written to has room
   for, so that the thread does not get stuck in it. Returns how many were written; those of a file
   that takes none (a full disk, a pipe without a reader) count as well. */
static size_t write_some(int descriptor, const char *bytes, size_t size)
{
    struct pollfd room = {.fd = descriptor, .events = POLLOUT};
    if (poll(&room, 1, GLANCE_MS) <= 0) {
        return 0;
    }
    ssize_t done = write(descriptor, bytes, size < PIPE_BUF ? size : PIPE_BUF);
    if (done >= 0) {
        return (size_t)done;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : size;
}

/* The bytes that can be written next, up to the end of the ring or to where the file changes. */
static size_t next_piece(const gibs_log *log, const char **bytes)
{
    size_t at = (size_t)(log->written % RING_SIZE);
    uint64_t end = log->next_descriptor >= 0 ? log->next_from : log->appended;
    uint64_t size = end - log->written;
    *bytes = log->ring + at;
    return size < RING_SIZE - at ? (size_t)size : RING_SIZE - at;
}

static void change_file(gibs_log *log)
{
    if (log->next_descriptor >= 0 && log->written == log->next_from) {
        close(log->descriptor);
        log->descriptor = log->next_descriptor;
        log->next_descriptor = -1;
    }
}

/* Puts bytes into the ring; false where it is full. */
static bool append(gibs_log *log, const char *bytes, size_t size)
{
    if (size > RING_SIZE - (log->appended - log->written)) {
        return false;
    }
    size_t at = (size_t)(log->appended % RING_SIZE);
    size_t first = size < RING_SIZE - at ? size : RING_SIZE - at;
    memcpy(log->ring + at, bytes, first);
    memcpy(log->ring, bytes + first, size - first);
    log->appended += size;
    return true;
}

/* Appends a line. False where there is no room for it. */
static bool append_line(gibs_log *log, gibs_log_level level, const char *text)
{
    static const char *const level_names[] = {"debug", "info", "warning", "error", "info"};
    struct timespec now;
    struct tm calendar;
    char stamp[32];
    char line[LONGEST_LINE + 64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &calendar);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &calendar);
    int size = snprintf(line, sizeof line, "%s.%03dZ %s: %s\n", stamp, (int)(now.tv_nsec / 1000000),
                        level_names[level], text);
    if (size < 0 || !append(log, line, (size_t)size)) {
        return false;
    }
    bool half_full = log->appended - log->written > RING_SIZE / 2;
    if (++log->lines >= log->lines_unflushed || level >= GIBS_LOG_WARNING || half_full) {
        log->flush = true;
        log->lines = 0;
        pthread_cond_signal(&log->work);
    }
    return true;
}

static int64_t now_ms(void)
{
    return gib_now_ns() / 1000000;
}

/* Says what has been left out. */
static void catch_up(gibs_log *log, bool all)
{
    char text[LONGEST_LINE];
    gibs_repeat ended;
    if (log->lost) {
        snprintf(text, sizeof text, "%" PRIu64 " lines were lost: the log took them too slowly",
                 log->lost);
        if (!append_line(log, GIBS_LOG_WARNING, text)) {
            return;
        }
        log->lost = 0;
    }
    while (gibs_repeats_end(&log->repeats, now_ms(), all, &ended)) {
        snprintf(text, sizeof text, "%" PRIu64 " more lines like this were left out: %s",
                 ended.left_out, ended.example);
        log->lost += !append_line(log, GIBS_LOG_WARNING, text);
    }
}

/* The thread. */
static void *write_lines(void *argument)
{
    gibs_log *log = argument;
    pthread_mutex_lock(&log->mutex);
    while (!log->give_up) {
        change_file(log);
        const char *bytes;
        size_t size = log->flush ? next_piece(log, &bytes) : 0;
        if (size) {
            int descriptor = log->descriptor;
            pthread_mutex_unlock(&log->mutex);
            size = write_some(descriptor, bytes, size);
            pthread_mutex_lock(&log->mutex);
            log->written += size;
            pthread_cond_broadcast(&log->done);
            continue;
        }
        if (log->next_descriptor < 0) { /* else there may be more behind the change */
            log->flush = false;
            if (log->stop) {
                catch_up(log, true); /* now there is room to say what was lost */
                if (log->appended == log->written) {
                    break;
                }
                log->flush = true;
                continue;
            }
        }
        pthread_cond_wait(&log->work, &log->mutex);
    }
    log->ended = true;
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* Signals are for the threads of the program. */
static int start_thread(gibs_log *log)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&log->thread, NULL, write_lines, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

static void free_log(gibs_log *log)
{
    if (log) {
        if (log->descriptor >= 0) {
            close(log->descriptor);
        }
        if (log->next_descriptor >= 0) {
            close(log->next_descriptor);
        }
        free(log->path);
        free(log->ring);
        free(log);
    }
}

static gibson_status open_log(gibs_log *log, gibson_error *error)
{
    log->descriptor = open_path(log->path);
    if (log->descriptor < 0) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot open the log %.100s",
                                   log->path);
    }
    pthread_mutex_init(&log->mutex, NULL);
    pthread_cond_init(&log->work, NULL);
    pthread_cond_init(&log->done, NULL);
    int failure = start_thread(log);
    if (failure) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, failure, "cannot start a thread");
    }
    return GIBSON_OK;
}

gibson_status gibs_log_open(gibs_log **log, const char *path, gibs_log_level level,
                            unsigned lines_unflushed, gibson_error *error)
{
    gibs_log *made = calloc(1, sizeof *made);
    *log = NULL;
    if (made) {
        made->level = level;
        made->lines_unflushed = lines_unflushed;
        made->descriptor = made->next_descriptor = -1;
        made->path = strdup(path);
        made->ring = malloc(RING_SIZE);
    }
    gibson_status status = made && made->path && made->ring
                               ? open_log(made, error)
                               : gib_error_set(error, GIBSON_NOMEM, "no memory for the log");
    if (status == GIBSON_OK) {
        *log = made;
    } else {
        free_log(made);
    }
    return status;
}

void gibs_log_catch_up(gibs_log *log)
{
    pthread_mutex_lock(&log->mutex);
    catch_up(log, false);
    pthread_mutex_unlock(&log->mutex);
}

/* Writes a line; `repeats` tells whether it is one of those that are left out when there are many.
 */
static void write_line(gibs_log *log, gibs_log_level level, bool repeats, const char *format,
                       va_list arguments)
{
    char text[LONGEST_LINE];
    vsnprintf(text, sizeof text, format, arguments);
    pthread_mutex_lock(&log->mutex);
    catch_up(log, false);
    if (!repeats || gibs_repeats_allow(&log->repeats, format, text, now_ms())) {
        log->lost += !append_line(log, level, text);
    }
    pthread_mutex_unlock(&log->mutex);
}

void gibs_log_write(gibs_log *log, gibs_log_level level, const char *format, ...)
{
    if (level >= atomic_load_explicit(&log->level, memory_order_relaxed)) {
        va_list arguments;
        va_start(arguments, format);
        write_line(log, level, level != GIBS_LOG_DEBUG, format, arguments);
        va_end(arguments);
    }
}

void gibs_log_write_all(gibs_log *log, gibs_log_level level, const char *format, ...)
{
    if (level >= atomic_load_explicit(&log->level, memory_order_relaxed)) {
        va_list arguments;
        va_start(arguments, format);
        write_line(log, level, false, format, arguments);
        va_end(arguments);
    }
}

void gibs_log_configure(gibs_log *log, gibs_log_level level, unsigned lines_unflushed)
{
    pthread_mutex_lock(&log->mutex);
    log->lines_unflushed = lines_unflushed;
    log->flush = true; /* what was kept back under the old rule */
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->mutex);
    atomic_store(&log->level, level);
}

gibson_status gibs_log_reopen(gibs_log *log, const char *path, gibson_error *error)
{
    char *copy = strdup(path ? path : log->path);
    int descriptor = copy ? open_path(copy) : -1;
    if (descriptor < 0) {
        gibson_status status = copy ? gib_error_set_errno(error, GIBSON_SYSTEM, errno,
                                                          "cannot open the log %.100s", copy)
                                    : gib_error_set(error, GIBSON_NOMEM, "no memory for the log");
        free(copy);
        return status;
    }
    free(log->path);
    log->path = copy;
    pthread_mutex_lock(&log->mutex);
    if (log->next_descriptor >= 0) {
        close(log->next_descriptor); /* the file before has not been finished yet: this one comes
                                        instead */
    } else {
        log->next_from = log->appended;
    }
    log->next_descriptor = descriptor;
    log->flush = true;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->mutex);
    return GIBSON_OK;
}

/* Waits for the thread to have written so much, or to have ended, with the mutex held. Returns
   whether it has ended. */
static bool await_thread(gibs_log *log, uint64_t written)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    int failure = 0;
    while (!log->ended && log->written < written && !failure) {
        failure = pthread_cond_timedwait(&log->done, &log->mutex, &end);
    }
    return log->ended;
}

void gibs_log_settle(gibs_log *log)
{
    pthread_mutex_lock(&log->mutex);
    log->flush = true;
    pthread_cond_signal(&log->work);
    await_thread(log, log->appended);
    pthread_mutex_unlock(&log->mutex);
}

void gibs_log_close(gibs_log *log)
{
    if (!log) {
        return;
    }
    pthread_mutex_lock(&log->mutex);
    log->flush = log->stop = true;
    pthread_cond_signal(&log->work);
    bool ended = await_thread(log, UINT64_MAX);
    log->give_up = true;
    ended = ended || await_thread(log, UINT64_MAX);
    pthread_mutex_unlock(&log->mutex);
    if (!ended) { /* stuck in a disk that hangs: there is no way to free what it uses */
        pthread_detach(log->thread);
        return;
    }
    pthread_join(log->thread, NULL);
    pthread_mutex_destroy(&log->mutex);
    pthread_cond_destroy(&log->work);
    pthread_cond_destroy(&log->done);
    free_log(log);
}
