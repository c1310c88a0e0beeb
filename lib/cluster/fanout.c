#include "cluster/fanout.h"

#include <string.h>

#include "connection/operation.h"

static bool waits(const gib_fanout_part *part)
{
    return part->client && part->status == GIBSON_WOULD_BLOCK;
}

/* Tells whether the run is not over before this part is. */
static bool is_needed(const gib_fanout_part *part)
{
    return !part->is_aside || gib_operation_connects(&part->client->operation);
}

/* What all wait for. */
typedef struct gathering {
    struct pollfd *fds;
    nfds_t count;
    gib_deadline until;
    bool is_ready; /* there is something that need not be waited for */
    const gib_interrupt *interrupt;
    bool is_needed; /* one of them has to come to its end */
} gathering;

static void add(gathering *all, gib_waits one)
{
    for (nfds_t i = 0; i < one.count; i++) {
        all->is_ready = all->is_ready || one.fds[i].revents;
        all->fds[all->count++] = one.fds[i];
    }
    all->until = one.until < all->until ? one.until : all->until;
}

/* Tells the operations what has come. */
static void share(const gib_fanout_part *parts, size_t count, const gathering *all)
{
    nfds_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (waits(&parts[i])) {
            const gib_waits one = gib_operation_waits(&parts[i].client->operation);
            memcpy(one.fds, all->fds + at, one.count * sizeof *one.fds);
            at += one.count;
        }
    }
}

static void fail_all(gib_fanout_part *parts, size_t count, gibson_status status,
                     const gibson_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (waits(&parts[i])) {
            parts[i].client->connection.error = *error;
            gib_operation_fail(&parts[i].client->operation, status);
        }
    }
}

/* Waits for one of them. False if none waits any more that has to. */
static bool await(gib_fanout_part *parts, size_t count, struct pollfd *fds)
{
    gathering all = {.fds = fds, .until = GIB_NO_DEADLINE};
    for (size_t i = 0; i < count; i++) {
        if (waits(&parts[i])) {
            add(&all, gib_operation_waits(&parts[i].client->operation));
            all.interrupt = &parts[i].client->interrupt;
            all.is_needed = all.is_needed || is_needed(&parts[i]);
        }
    }
    if (!all.is_needed) {
        return false;
    }
    gibson_error error = {0};
    gibson_status status = GIBSON_OK;
    if (!all.is_ready) {
        status = gib_wait(all.fds, all.count, all.until, all.interrupt, &error);
    }
    if (status == GIBSON_INTERRUPTED || status == GIBSON_SYSTEM) {
        fail_all(parts, count, status, &error);
    } else {
        share(parts, count, &all);
    }
    return true;
}

static const gibson_request *due(const gib_fanout_part *part)
{
    return part->before ? part->before : part->request;
}

static gib_operation_kind kind_of(const gib_fanout_part *part)
{
    return part->before ? GIB_OPERATION_CALL : part->kind;
}

static void start(gib_fanout_part *part, gib_deadline until, int64_t now_ns)
{
    if (kind_of(part) != GIB_OPERATION_CALL || due(part)) {
        part->status =
            gib_client_start(part->client, kind_of(part), due(part), &part->reply, until, now_ns);
    }
}

/* Goes from what has to be done before to the request, if that has ended well. */
static void go_on(gib_fanout_part *part, gib_deadline until, int64_t now_ns)
{
    if (part->before && (part->status == GIBSON_OK || part->status == GIBSON_NOT_FOUND)) {
        part->before = NULL;
        start(part, until, now_ns);
    }
}

static void step(gib_fanout_part *part, gib_deadline until, int64_t now_ns)
{
    if (waits(part)) {
        part->status = gib_client_step(part->client, due(part), &part->reply, now_ns);
        go_on(part, until, now_ns);
    }
}

void gib_fanout_run(gib_fanout_part *parts, size_t count, struct pollfd *waits_of_all,
                    gib_deadline until)
{
    int64_t now_ns = gib_now_ns();
    for (size_t i = 0; i < count; i++) {
        if (parts[i].client && parts[i].status == GIBSON_OK) {
            start(&parts[i], until, now_ns);
            go_on(&parts[i], until, now_ns);
        }
    }
    while (await(parts, count, waits_of_all)) {
        now_ns = gib_now_ns();
        for (size_t i = 0; i < count; i++) {
            step(&parts[i], until, now_ns);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (waits(&parts[i])) {
            gib_operation_leave(&parts[i].client->operation);
        }
    }
}
