#include "proxy/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "proxy/link.h"

enum {
    NS_PER_S = 1000000000,
    NS_PER_MS = 1000000,
    FIRST_LINKS = 16,
    POLL_WAKE = 0, /* places in the list for poll */
    POLL_LISTENER,
    POLL_LINKS,
    ACCEPT_PAUSE_MS = 100,
};

struct gibp_proxy {
    gibp_proxy_address listen;
    gibp_proxy_address connect;
    char listens_on[GIBP_PROXY_ADDRESS_SIZE];
    size_t (*plan)(void *context, uint64_t connection, gibp_fault *faults, size_t capacity);
    void *context;
    int listener;
    int wake; /* an eventfd that tells the thread to look again */
    pthread_t thread;

    /* The thread holds the mutex whenever it does not wait. It guards all that follows. */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* some counter has */
    bool stop;
    uint64_t drops_wanted; /* calls of gibp_proxy_drop */
    uint64_t drops_done;   /* of these, how many have cut what they have to */
    uint64_t dropped;      /* number of the last connection that the latest has cut */
    gibp_fault faults[GIBP_PROXY_MAX_FAULTS];
    size_t fault_count;
    gibp_link **links;
    size_t link_count;
    size_t link_room;
    gibp_proxy_counters past; /* accepted, and what connections that are over have counted */
    struct pollfd *polled;
    int64_t accept_after_ns; /* not before: descriptors or memory have run out */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static void wake(gibp_proxy *proxy)
{
    const uint64_t one = 1;
    (void)!write(proxy->wake, &one, sizeof one);
}

static bool is_meant_for(const gibp_fault *fault, const gibp_link *link)
{
    return !fault->connection || fault->connection == link->number;
}

static void plan_faults(gibp_proxy *proxy, gibp_link *link)
{
    gibp_fault planned[GIBP_FLOW_FAULTS];
    size_t count = 0;
    if (proxy->plan) {
        count = proxy->plan(proxy->context, link->number, planned, GIBP_FLOW_FAULTS);
    }
    for (size_t i = 0; i < count; i++) {
        (void)gibp_flow_add(&link->ends[planned[i].direction].flow, &planned[i]);
    }
    for (size_t i = 0; i < proxy->fault_count; i++) {
        const gibp_fault *fault = &proxy->faults[i];
        if (is_meant_for(fault, link)) {
            (void)gibp_flow_add(&link->ends[fault->direction].flow, fault);
        }
    }
}

/* Makes room for one more link. */
static bool reserve_link(gibp_proxy *proxy)
{
    if (proxy->link_count < proxy->link_room) {
        return true;
    }
    size_t room = proxy->link_room ? proxy->link_room * 2 : FIRST_LINKS;
    gibp_link **links = realloc(proxy->links, room * sizeof(gibp_link *));
    if (!links) {
        return false;
    }
    proxy->links = links;
    struct pollfd *polled = realloc(proxy->polled, (POLL_LINKS + 2 * room) * sizeof *polled);
    if (!polled) {
        return false;
    }
    proxy->polled = polled;
    proxy->link_room = room;
    return true;
}

static void add_link(gibp_proxy *proxy, int client)
{
    gibp_proxy_no_delay(client);
    proxy->past.accepted++;
    int server = gibp_proxy_address_connect(&proxy->connect);
    gibp_link *link = NULL;
    if (server >= 0 && reserve_link(proxy)) {
        link = gibp_link_new(proxy->past.accepted, client, server);
    }
    if (!link) {
        close(client); /* as a server would that is not there */
        if (server >= 0) {
            close(server);
        }
        return;
    }
    plan_faults(proxy, link);
    proxy->links[proxy->link_count++] = link;
}

static void accept_clients(gibp_proxy *proxy)
{
    int client;
    while ((client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        add_link(proxy, client);
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        proxy->accept_after_ns = now_ns() + (int64_t)ACCEPT_PAUSE_MS * NS_PER_MS;
    }
}

/* Connections that wait to be accepted are part of what is dropped: their requests have been sent.
 */
static void drop_links(gibp_proxy *proxy)
{
    accept_clients(proxy);
    for (size_t i = 0; i < proxy->link_count; i++) {
        gibp_link_cut(proxy->links[i]);
    }
    proxy->drops_done = proxy->drops_wanted;
    proxy->dropped = proxy->past.accepted;
}

static void add_flows(const gibp_link *link, gibp_proxy_counters *counters)
{
    counters->request_bytes += link->ends[GIBP_REQUESTS].flow.passed;
    counters->reply_bytes += link->ends[GIBP_REPLIES].flow.passed;
    counters->struck +=
        link->ends[GIBP_REQUESTS].flow.struck + link->ends[GIBP_REPLIES].flow.struck;
}

static gibp_proxy_counters count(const gibp_proxy *proxy)
{
    gibp_proxy_counters counters = proxy->past;
    counters.open = proxy->link_count;
    for (size_t i = 0; i < proxy->link_count; i++) {
        const gibp_link_end *ends = proxy->links[i]->ends;
        add_flows(proxy->links[i], &counters);
        counters.server_open += !ends[GIBP_REPLIES].source_ended;
        counters.kept_back += ends[GIBP_REQUESTS].flow.end - ends[GIBP_REQUESTS].flow.begin;
        counters.kept_back += ends[GIBP_REPLIES].flow.end - ends[GIBP_REPLIES].flow.begin;
    }
    return counters;
}

static void remove_finished(gibp_proxy *proxy)
{
    size_t kept = 0;
    for (size_t i = 0; i < proxy->link_count; i++) {
        gibp_link *link = proxy->links[i];
        if (gibp_link_finished(link)) {
            add_flows(link, &proxy->past);
            gibp_link_free(link);
        } else {
            proxy->links[kept++] = link;
        }
    }
    proxy->link_count = kept;
}

/* Runs all links. Returns when to do so again if nothing else happens. `seen` is how many of them
   were there when poll looked. */
static int64_t run_links(gibp_proxy *proxy, size_t seen)
{
    static const struct pollfd nothing[2] = {{.fd = -1}, {.fd = -1}};
    int64_t wake_ns = GIBP_FLOW_NEVER;
    const int64_t now = now_ns();
    for (size_t i = 0; i < proxy->link_count; i++) {
        const struct pollfd *events = i < seen ? proxy->polled + POLL_LINKS + 2 * i : nothing;
        int64_t again_ns = gibp_link_run(proxy->links[i], events, now);
        wake_ns = again_ns < wake_ns ? again_ns : wake_ns;
    }
    return wake_ns;
}

/* Waits, without the mutex, until there is something to do. */
static void wait_for_events(gibp_proxy *proxy, int64_t wake_ns)
{
    struct pollfd *polled = proxy->polled;
    const size_t count = proxy->link_count;
    polled[POLL_WAKE] = (struct pollfd){.fd = proxy->wake, .events = POLLIN};
    const int64_t now = now_ns();
    const bool pauses = now < proxy->accept_after_ns;
    if (pauses && wake_ns > proxy->accept_after_ns) {
        wake_ns = proxy->accept_after_ns;
    }
    polled[POLL_LISTENER] = (struct pollfd){.fd = pauses ? -1 : proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        gibp_link_poll(proxy->links[i], polled + POLL_LINKS + 2 * i);
    }
    const int64_t left_ns = wake_ns - now;
    const struct timespec timeout = to_timespec(left_ns > 0 ? left_ns : 0);
    pthread_mutex_unlock(&proxy->mutex);
    int ready =
        ppoll(polled, POLL_LINKS + 2 * count, wake_ns == GIBP_FLOW_NEVER ? NULL : &timeout, NULL);
    pthread_mutex_lock(&proxy->mutex);
    if (ready < 0) { /* interrupted: the events are not set */
        for (size_t i = 0; i < POLL_LINKS + 2 * count; i++) {
            polled[i].revents = 0;
        }
    }
}

static void *run(void *context)
{
    gibp_proxy *proxy = context;
    int64_t wake_ns = GIBP_FLOW_NEVER;
    uint64_t ignored;
    pthread_mutex_lock(&proxy->mutex);
    while (!proxy->stop) {
        const size_t seen = proxy->link_count;
        wait_for_events(proxy, wake_ns);
        (void)!read(proxy->wake, &ignored, sizeof ignored);
        if (proxy->polled[POLL_LISTENER].revents) {
            accept_clients(proxy);
        }
        if (proxy->drops_done < proxy->drops_wanted) {
            drop_links(proxy);
        }
        wake_ns = run_links(proxy, seen);
        remove_finished(proxy);
        pthread_cond_broadcast(&proxy->changed);
    }
    pthread_mutex_unlock(&proxy->mutex);
    return NULL;
}

static void init_locks(gibp_proxy *proxy)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&proxy->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&proxy->mutex, NULL);
}

static void release_all(gibp_proxy *proxy)
{
    for (size_t i = 0; i < proxy->link_count; i++) {
        gibp_link_free(proxy->links[i]);
    }
    if (proxy->listener >= 0) {
        close(proxy->listener);
        gibp_proxy_address_remove(&proxy->listen);
    }
    if (proxy->wake >= 0) {
        close(proxy->wake);
    }
    pthread_cond_destroy(&proxy->changed);
    pthread_mutex_destroy(&proxy->mutex);
    free(proxy->links);
    free(proxy->polled);
    free(proxy);
}

static bool fail(gibp_proxy *proxy, const char *what, const char *which, int failure,
                 char error[GIBP_PROXY_ERROR_SIZE])
{
    snprintf(error, GIBP_PROXY_ERROR_SIZE, "%s %.80s: %.90s", what, which, strerror(failure));
    release_all(proxy);
    return false;
}

/* The thread starts with all signals blocked: they are for the program. */
static int start_thread(gibp_proxy *proxy)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&proxy->thread, NULL, run, proxy);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

bool gibp_proxy_start(gibp_proxy **proxy, const gibp_proxy_options *options,
                      char error[GIBP_PROXY_ERROR_SIZE])
{
    *proxy = NULL;
    gibp_proxy_address listen;
    gibp_proxy_address connect;
    if (!gibp_proxy_address_parse(&listen, options->listen, error) ||
        !gibp_proxy_address_parse(&connect, options->connect, error)) {
        return false;
    }
    gibp_proxy *made = calloc(1, sizeof *made);
    if (!made) {
        snprintf(error, GIBP_PROXY_ERROR_SIZE, "no memory");
        return false;
    }
    made->listen = listen;
    made->connect = connect;
    made->plan = options->plan;
    made->context = options->context;
    init_locks(made);
    made->listener = -1;
    made->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->wake < 0 || !reserve_link(made)) {
        return fail(made, "cannot", "start", errno, error);
    }
    made->listener = gibp_proxy_address_listen(&made->listen);
    if (made->listener < 0) {
        return fail(made, "cannot listen on", options->listen, errno, error);
    }
    gibp_proxy_address_format(&made->listen, made->listens_on);
    int failure = start_thread(made);
    if (failure) {
        return fail(made, "cannot", "start a thread", failure, error);
    }
    *proxy = made;
    return true;
}

void gibp_proxy_stop(gibp_proxy *proxy)
{
    if (!proxy) {
        return;
    }
    pthread_mutex_lock(&proxy->mutex);
    proxy->stop = true;
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
    pthread_join(proxy->thread, NULL);
    release_all(proxy);
}

const char *gibp_proxy_listens_on(const gibp_proxy *proxy)
{
    return proxy->listens_on;
}

uint16_t gibp_proxy_port(const gibp_proxy *proxy)
{
    const struct sockaddr_storage *storage = &proxy->listen.storage;
    switch (storage->ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)storage)->sin6_port);
    default:
        return 0;
    }
}

bool gibp_proxy_add(gibp_proxy *proxy, const gibp_fault *fault, char error[GIBP_PROXY_ERROR_SIZE])
{
    pthread_mutex_lock(&proxy->mutex);
    bool added = proxy->fault_count < GIBP_PROXY_MAX_FAULTS;
    if (added) {
        proxy->faults[proxy->fault_count++] = *fault;
    }
    for (size_t i = 0; added && i < proxy->link_count; i++) {
        if (is_meant_for(fault, proxy->links[i])) {
            added = gibp_flow_add(&proxy->links[i]->ends[fault->direction].flow, fault);
        }
    }
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
    if (!added) {
        snprintf(error, GIBP_PROXY_ERROR_SIZE, "too many faults");
    }
    return added;
}

/* Does something to both directions of all links. */
static void for_all_flows(gibp_proxy *proxy, void (*change)(gibp_flow *flow))
{
    for (size_t i = 0; i < proxy->link_count; i++) {
        for (int direction = GIBP_REQUESTS; direction <= GIBP_REPLIES; direction++) {
            gibp_link_end *end = &proxy->links[i]->ends[direction];
            if (!end->ended) {
                change(&end->flow);
            }
        }
    }
}

void gibp_proxy_heal(gibp_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->fault_count = 0;
    for_all_flows(proxy, gibp_flow_heal);
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
}

void gibp_proxy_release(gibp_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    for_all_flows(proxy, gibp_flow_release);
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
}

bool gibp_proxy_await(gibp_proxy *proxy, bool (*is_met)(const gibp_proxy_counters *, void *context),
                      void *context, int64_t timeout_ms)
{
    const struct timespec deadline = to_timespec(now_ns() + timeout_ms * NS_PER_MS);
    int failure = 0;
    pthread_mutex_lock(&proxy->mutex);
    gibp_proxy_counters counters = count(proxy);
    while (!is_met(&counters, context) && !failure) {
        failure = pthread_cond_timedwait(&proxy->changed, &proxy->mutex, &deadline);
        counters = count(proxy);
    }
    const bool met = is_met(&counters, context);
    pthread_mutex_unlock(&proxy->mutex);
    return met;
}

/* Tells whether a drop is done, and the server has closed all connections that it has cut. Those
   that came later do not count: half of one may have ended, and its client not have noticed. */
static bool is_dropped(const gibp_proxy *proxy, uint64_t drop)
{
    if (proxy->drops_done < drop) {
        return false;
    }
    for (size_t i = 0; i < proxy->link_count; i++) {
        const gibp_link *link = proxy->links[i];
        if (link->number <= proxy->dropped && !link->ends[GIBP_REPLIES].source_ended) {
            return false;
        }
    }
    return true;
}

bool gibp_proxy_drop(gibp_proxy *proxy, int64_t timeout_ms)
{
    const struct timespec deadline = to_timespec(now_ns() + timeout_ms * NS_PER_MS);
    int failure = 0;
    pthread_mutex_lock(&proxy->mutex);
    const uint64_t drop = ++proxy->drops_wanted;
    wake(proxy);
    while (!is_dropped(proxy, drop) && !failure) {
        failure = pthread_cond_timedwait(&proxy->changed, &proxy->mutex, &deadline);
    }
    const bool dropped = is_dropped(proxy, drop);
    pthread_mutex_unlock(&proxy->mutex);
    return dropped;
}

gibp_proxy_counters gibp_proxy_count(gibp_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    gibp_proxy_counters counters = count(proxy);
    pthread_mutex_unlock(&proxy->mutex);
    return counters;
}
