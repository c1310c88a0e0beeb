#include "net/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum { PORT_TEXT_SIZE = 6 };

/* Shared by the caller and the thread; whoever lets go last frees it. */
typedef struct lookup {
    atomic_int owners;
    atomic_bool finished; /* orders the result before the caller's reading of it */
    int done[2];          /* a pipe: the thread closes the write end when the result is there */
    int result;           /* of getaddrinfo */
    int system_errno;
    struct addrinfo *addresses;
    char port[PORT_TEXT_SIZE];
    char host[];
} lookup;

static void let_go(lookup *job)
{
    if (atomic_fetch_sub_explicit(&job->owners, 1, memory_order_acq_rel) > 1) {
        return;
    }
    if (job->done[0] >= 0) {
        close(job->done[0]);
    }
    if (job->addresses) {
        freeaddrinfo(job->addresses);
    }
    free(job);
}

static int look_up(lookup *job, int flags)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    job->result = getaddrinfo(job->host, job->port, &hints, &job->addresses);
    job->system_errno = errno;
    if (job->result) {
        job->addresses = NULL;
    }
    return job->result;
}

static void *run(void *argument)
{
    lookup *job = argument;
    look_up(job, 0);
    atomic_store_explicit(&job->finished, true, memory_order_release);
    close(job->done[1]);
    let_go(job);
    return NULL;
}

/* Starts the thread, with all signals blocked: they are the program's business. */
static int start(lookup *job)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    pthread_t thread;
    int failure = pthread_attr_init(&attributes);
    if (failure) {
        return failure;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&thread, &attributes, run, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

static lookup *lookup_new(const char *host, uint16_t port)
{
    size_t size = strlen(host) + 1;
    lookup *job = malloc(sizeof *job + size);
    if (job) {
        *job = (lookup){.owners = 1, .done = {-1, -1}};
        memcpy(job->host, host, size);
        snprintf(job->port, sizeof job->port, "%u", port);
    }
    return job;
}

/* Runs the look-up in a thread and waits for it. */
static gibson_status look_up_name(lookup *job, gib_deadline deadline,
                                  const gib_interrupt *interrupt, gibson_error *error)
{
    if (pipe2(job->done, O_CLOEXEC)) {
        job->done[0] = -1;
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "pipe2");
    }
    atomic_store(&job->owners, 2);
    int failure = start(job);
    if (failure) {
        atomic_store(&job->owners, 1);
        close(job->done[1]);
        return gib_error_set_errno(error, GIBSON_SYSTEM, failure, "pthread_create");
    }
    struct pollfd done = {.fd = job->done[0], .events = POLLIN};
    gibson_status status;
    do { /* poll alone wakes up, but orders no memory */
        status = gib_wait(&done, 1, deadline, interrupt, error);
    } while (status == GIBSON_OK && !atomic_load_explicit(&job->finished, memory_order_acquire));
    if (status == GIBSON_TIMEOUT) {
        gib_error_set(error, status, "resolving %.120s", job->host);
    }
    return status;
}

static gibson_status resolution_error(const lookup *job, gibson_error *error)
{
    switch (job->result) {
    case EAI_MEMORY:
        return gib_error_set(error, GIBSON_NOMEM, "no memory to resolve %s", job->host);
    case EAI_SYSTEM:
        return gib_error_set_errno(error, GIBSON_UNREACHABLE, job->system_errno,
                                   "cannot resolve %s", job->host);
    default:
        return gib_error_set(error, GIBSON_UNREACHABLE, "cannot resolve %s: %s", job->host,
                             gai_strerror(job->result));
    }
}

gibson_status gib_resolve(const char *host, uint16_t port, gib_deadline deadline,
                          const gib_interrupt *interrupt, struct addrinfo **addresses,
                          gibson_error *error)
{
    *addresses = NULL;
    lookup *job = lookup_new(host, port);
    if (!job) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory to resolve %s", host);
    }
    gibson_status status = GIBSON_OK;
    if (look_up(job, AI_NUMERICHOST)) {
        status = look_up_name(job, deadline, interrupt, error);
    }
    if (status == GIBSON_OK) {
        if (job->result) {
            status = resolution_error(job, error);
        } else {
            *addresses = job->addresses;
            job->addresses = NULL;
        }
    }
    let_go(job);
    return status;
}
