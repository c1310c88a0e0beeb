#include "net/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "net/portable.h"

enum { PORT_TEXT_SIZE = 6 };

/* Shared by the caller and the thread; whoever lets go last frees it. */
struct gib_lookup {
    atomic_int owners;
    atomic_bool finished; /* orders the result before the caller's reading of it */
    int done[2];          /* a pipe: the thread closes the write end when the result is there */
    int result;           /* of getaddrinfo */
    int system_errno;
    struct addrinfo *addresses;
    char port[PORT_TEXT_SIZE];
    char host[];
};

static void let_go(gib_lookup *job)
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

static int look_up(gib_lookup *job, int flags)
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
    gib_lookup *job = argument;
    look_up(job, 0);
    atomic_store_explicit(&job->finished, true, memory_order_release);
    close(job->done[1]);
    let_go(job);
    return NULL;
}

/* Starts the thread, with all signals blocked: they are the program's business. */
static int start(gib_lookup *job)
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

static gib_lookup *lookup_new(const char *host, uint16_t port)
{
    size_t size = strlen(host) + 1;
    gib_lookup *job = malloc(sizeof *job + size);
    if (job) {
        *job = (gib_lookup){.owners = 1, .done = {-1, -1}};
        memcpy(job->host, host, size);
        snprintf(job->port, sizeof job->port, "%u", port);
    }
    return job;
}

/* Starts the look-up in a thread. */
static gibson_status look_up_name(gib_lookup *job, gibson_error *error)
{
    if (gib_open_pipe(job->done)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "pipe2");
    }
    atomic_store(&job->owners, 2);
    int failure = start(job);
    if (failure) {
        atomic_store(&job->owners, 1);
        close(job->done[1]);
        return gib_error_set_errno(error, GIBSON_SYSTEM, failure, "pthread_create");
    }
    return GIBSON_OK;
}

static gibson_status resolution_error(const gib_lookup *job, gibson_error *error)
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

gibson_status gib_lookup_start(gib_lookup **lookup, const char *host, uint16_t port,
                               gibson_error *error)
{
    gib_lookup *job = lookup_new(host, port);
    *lookup = job;
    if (!job) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory to resolve %s", host);
    }
    if (!look_up(job, AI_NUMERICHOST)) {
        atomic_store(&job->finished, true);
        return GIBSON_OK;
    }
    gibson_status status = look_up_name(job, error);
    if (status != GIBSON_OK) {
        gib_lookup_end(job);
        *lookup = NULL;
    }
    return status;
}

bool gib_lookup_is_finished(const gib_lookup *job)
{
    return atomic_load_explicit(&job->finished, memory_order_acquire);
}

int gib_lookup_descriptor(const gib_lookup *job)
{
    return job->done[0];
}

gibson_status gib_lookup_take(gib_lookup *job, struct addrinfo **addresses, gibson_error *error)
{
    *addresses = NULL;
    if (job->result) {
        return resolution_error(job, error);
    }
    *addresses = job->addresses;
    job->addresses = NULL;
    return GIBSON_OK;
}

void gib_lookup_end(gib_lookup *job)
{
    if (job) {
        let_go(job);
    }
}
