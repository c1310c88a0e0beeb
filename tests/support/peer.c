#include "support/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/frame.h"

enum { PATIENCE_MS = 20000, LARGEST_FRAME = 64 << 20 };

typedef struct worker {
    peer_link link;
    pthread_t thread;
    atomic_bool done;
    struct worker *next;
} worker;

struct peer {
    peer_kind kind;
    peer_script *script;
    void *context;
    int listener;
    int stop[2];    /* a pipe: closing the write end wakes every wait */
    int told[2];    /* a pipe of bytes from the test to the scripts */
    int reports[2]; /* and back */
    pthread_t thread;
    bool up;
    atomic_size_t connections;
    worker *workers;
    char directory[64];
    char address[96]; /* of a unix socket, or the host */
    uint16_t port;
};

static void die(const char *what)
{
    perror(what);
    abort();
}

/* Waits for events; false when the peer is stopped. */
static bool wait_for(const peer *owner, int descriptor, short events, int timeout_ms)
{
    struct pollfd both[] = {{.fd = owner->stop[0], .events = POLLIN},
                            {.fd = descriptor, .events = events}};
    int ready;
    do {
        ready = poll(both, 2, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return !both[0].revents;
}

size_t peer_read(peer_link *link, void *to, size_t size)
{
    size_t got = 0;
    while (got < size && wait_for(link->owner, link->descriptor, POLLIN, -1)) {
        ssize_t n = recv(link->descriptor, (uint8_t *)to + got, size - got, MSG_DONTWAIT);
        if (n > 0) {
            got += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    return got;
}

bool peer_read_frame(peer_link *link, peer_frame *frame)
{
    uint8_t head[GIB_REQUEST_HEADER];
    if (peer_read(link, head, sizeof head) < sizeof head) {
        return false;
    }
    uint32_t size = gib_load_u32(head);
    if (size < GIB_OPCODE_FIELD || size > LARGEST_FRAME) {
        return false;
    }
    frame->opcode = gib_load_u16(head + GIB_SIZE_FIELD);
    frame->size = size - GIB_OPCODE_FIELD;
    frame->wire_size = size + GIB_SIZE_FIELD;
    link->frame = realloc(link->frame, frame->size + 1);
    if (!link->frame) {
        die("realloc");
    }
    frame->payload = link->frame;
    return peer_read(link, link->frame, frame->size) == frame->size;
}

size_t peer_read_to_end(peer_link *link)
{
    uint8_t byte;
    size_t got = 0;
    while (peer_read(link, &byte, 1)) {
        got++;
    }
    return got;
}

bool peer_send(peer_link *link, const void *data, size_t size)
{
    const uint8_t *from = data;
    while (size && wait_for(link->owner, link->descriptor, POLLOUT, -1)) {
        ssize_t n = send(link->descriptor, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            from += n;
            size -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return false;
        }
    }
    return !size;
}

bool peer_send_steps(peer_link *link, const void *data, size_t size, size_t step,
                     unsigned int pause_ms)
{
    const uint8_t *from = data;
    while (size) {
        size_t now = size < step ? size : step;
        if (!peer_send(link, from, now)) {
            return false;
        }
        from += now;
        size -= now;
        if (size && pause_ms && !wait_for(link->owner, -1, 0, (int)pause_ms)) {
            return false;
        }
    }
    return true;
}

void peer_wait_until_read(peer_link *link)
{
    /* There is no event for it. A reader that is waiting reads at once, so this does not last. */
    int left = 0;
    while (ioctl(link->descriptor, SIOCOUTQ, &left) == 0 && left > 0 &&
           wait_for(link->owner, -1, 0, 0)) {
        sched_yield();
    }
}

void peer_close(peer_link *link)
{
    if (link->descriptor >= 0) {
        close(link->descriptor);
        link->descriptor = -1;
    }
}

void peer_reset(peer_link *link)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(link->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_close(link);
}

static void put_byte(const int pipe_ends[2])
{
    if (write(pipe_ends[1], "", 1) != 1) {
        die("write");
    }
}

void peer_tell(peer *owner)
{
    put_byte(owner->told);
}

bool peer_await(peer_link *link)
{
    char byte;
    return wait_for(link->owner, link->owner->told[0], POLLIN, -1) &&
           read(link->owner->told[0], &byte, 1) == 1;
}

void peer_report(peer_link *link)
{
    put_byte(link->owner->reports);
}

void peer_hear(peer *owner)
{
    char byte;
    struct pollfd report = {.fd = owner->reports[0], .events = POLLIN};
    int ready;
    do {
        ready = poll(&report, 1, PATIENCE_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready != 1 || read(owner->reports[0], &byte, 1) != 1) {
        die("the script reported nothing");
    }
}

size_t peer_connections(const peer *owner)
{
    return atomic_load(&owner->connections);
}

static void *run_script(void *argument)
{
    worker *self = argument;
    self->link.owner->script(&self->link);
    peer_close(&self->link);
    free(self->link.frame);
    atomic_store(&self->done, true);
    return NULL;
}

/* Joins the workers that are done, or all of them. */
static void reap(peer *owner, bool all)
{
    worker **at = &owner->workers;
    while (*at) {
        worker *each = *at;
        if (all || atomic_load(&each->done)) {
            pthread_join(each->thread, NULL);
            *at = each->next;
            free(each);
        } else {
            at = &each->next;
        }
    }
}

static void *accept_all(void *argument)
{
    peer *owner = argument;
    while (wait_for(owner, owner->listener, POLLIN, -1)) {
        int descriptor = accept4(owner->listener, NULL, NULL, SOCK_CLOEXEC);
        if (descriptor < 0) {
            continue; /* the client has gone already */
        }
        reap(owner, false);
        worker *made = calloc(1, sizeof *made);
        if (!made) {
            die("calloc");
        }
        made->link = (peer_link){.owner = owner, .context = owner->context};
        made->link.index = atomic_fetch_add(&owner->connections, 1);
        made->link.descriptor = descriptor;
        made->next = owner->workers;
        owner->workers = made;
        if (pthread_create(&made->thread, NULL, run_script, made)) {
            die("pthread_create");
        }
    }
    return NULL;
}

typedef union address {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static socklen_t make_address(const peer *owner, address *to)
{
    *to = (address){0};
    if (owner->kind == PEER_TCP4) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to->v4.sin_port = htons(owner->port);
        return sizeof to->v4;
    }
    if (owner->kind == PEER_TCP6) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_addr = in6addr_loopback;
        to->v6.sin6_port = htons(owner->port);
        return sizeof to->v6;
    }
    size_t length = strlen(owner->address);
    to->local.sun_family = AF_UNIX;
    memcpy(to->local.sun_path, owner->address, length);
    if (owner->kind == PEER_ABSTRACT) {
        to->local.sun_path[0] = '\0';
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    }
    return sizeof to->local;
}

/* The port that the kernel has chosen. */
static uint16_t bound_port(int listener)
{
    address bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(listener, &bound.any, &size)) {
        die("getsockname");
    }
    return ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
}

/* Binds and listens; false if the address is not to be had. */
static bool open_listener(peer *owner)
{
    address at;
    socklen_t size = make_address(owner, &at);
    owner->listener = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (owner->listener < 0) {
        return false;
    }
    int on = 1;
    (void)setsockopt(owner->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(owner->listener, &at.any, size) || listen(owner->listener, owner->script ? 128 : 0)) {
        close(owner->listener);
        return false;
    }
    if (at.any.sa_family != AF_UNIX) {
        owner->port = bound_port(owner->listener);
    }
    return true;
}

/* Starts the thread with all signals blocked, as its scripts do: signals are for the test. */
static void start_thread(peer *owner)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&owner->thread, NULL, accept_all, owner)) {
        die("pthread_create");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool go_up(peer *owner)
{
    if (!open_listener(owner)) {
        return false;
    }
    if (pipe2(owner->stop, O_CLOEXEC)) {
        die("pipe2");
    }
    if (owner->script) {
        start_thread(owner);
    }
    owner->up = true;
    return true;
}

void peer_go_down(peer *owner)
{
    if (!owner->up) {
        return;
    }
    close(owner->stop[1]);
    if (owner->script) {
        pthread_join(owner->thread, NULL);
    }
    reap(owner, true);
    close(owner->stop[0]);
    close(owner->listener);
    if (owner->kind == PEER_UNIX) {
        unlink(owner->address);
    }
    owner->up = false;
}

void peer_come_up(peer *owner)
{
    if (!go_up(owner)) {
        die("listen again");
    }
}

static void choose_address(peer *owner)
{
    const char *temporary = getenv("TMPDIR");
    static atomic_uint serial;
    switch (owner->kind) {
    case PEER_UNIX:
        snprintf(owner->directory, sizeof owner->directory, "%.40s/gibson-XXXXXX",
                 temporary && strlen(temporary) <= 40 ? temporary : "/tmp");
        if (!mkdtemp(owner->directory)) {
            die("mkdtemp");
        }
        snprintf(owner->address, sizeof owner->address, "%s/socket", owner->directory);
        break;
    case PEER_ABSTRACT:
        snprintf(owner->address, sizeof owner->address, "@gibson-test-%ld-%u", (long)getpid(),
                 atomic_fetch_add(&serial, 1));
        break;
    case PEER_TCP4:
        strcpy(owner->address, "127.0.0.1");
        break;
    case PEER_TCP6:
        strcpy(owner->address, "::1");
        break;
    }
}

peer *peer_start(peer_kind kind, peer_script *script, void *context)
{
    peer *made = calloc(1, sizeof *made);
    if (!made || pipe2(made->told, O_CLOEXEC) || pipe2(made->reports, O_CLOEXEC)) {
        die("peer_start");
    }
    made->kind = kind;
    made->script = script;
    made->context = context;
    choose_address(made);
    if (!go_up(made)) {
        if (kind != PEER_TCP6) {
            die("listen");
        }
        peer_stop(made);
        return NULL;
    }
    return made;
}

void peer_stop(peer *owner)
{
    if (!owner) {
        return;
    }
    peer_go_down(owner);
    for (int i = 0; i < 2; i++) {
        close(owner->told[i]);
        close(owner->reports[i]);
    }
    if (owner->directory[0]) {
        rmdir(owner->directory);
    }
    free(owner);
}

void peer_point(const peer *owner, gibson_options *options)
{
    bool local = owner->kind == PEER_UNIX || owner->kind == PEER_ABSTRACT;
    options->unix_socket = local ? owner->address : NULL;
    options->host = local ? NULL : owner->address;
    options->port = owner->port;
}
