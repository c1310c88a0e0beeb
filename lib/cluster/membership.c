#include "cluster/membership.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "connection/settings.h"

static void release_node(gib_node *node, const gibson_allocator *allocator)
{
    if (node && atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) == 1) {
        gib_release(allocator, node);
    }
}

void gib_membership_release(gib_membership *membership)
{
    if (!membership ||
        atomic_fetch_sub_explicit(&membership->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    const gibson_allocator *allocator = membership->allocator;
    for (size_t i = 0; i < membership->count; i++) {
        release_node(membership->nodes[i], allocator);
    }
    gib_ring_clear(&membership->ring, allocator);
    gib_release(allocator, membership);
}

/* The options to connect to a server with, whose strings are the caller's. */
static gibson_status options_of(gibson_options *options, const gib_membership_list *list, size_t i,
                                gibson_error *error)
{
    const gibson_cluster_server *server = &list->servers[i];
    gibson_options given = list->settings->client;
    given.host = server->host;
    given.port = server->port;
    given.unix_socket = server->unix_socket;
    given.reconnect = true;
    if (!server->host && !server->unix_socket) {
        return gib_error_set(error, GIBSON_INVALID, "server %zu has no address", i);
    }
    gibson_error wrong = {0};
    if (gib_settings_make(options, &given, &wrong) != GIBSON_OK) {
        return gib_error_set(error, GIBSON_INVALID, "server %zu: %.180s", i, wrong.message);
    }
    return GIBSON_OK;
}

static gib_node *new_node(const gib_membership_list *list, const gibson_options *options)
{
    const gib_node_settings *settings = list->settings;
    gib_node *node =
        gib_allocate(&options->allocator, sizeof *node + gib_settings_text_size(options));
    if (!node) {
        return NULL;
    }
    memset(node, 0, sizeof *node);
    atomic_init(&node->references, 1);
    atomic_init(&node->is_troubled, false);
    node->options = *options;
    node->peer = gib_settings_keep(&node->options, node->text);
    gib_health_init(&node->health, settings->failure_limit, settings->retry_delay_ms,
                    settings->retry_max_delay_ms,
                    (uint64_t)(uintptr_t)node ^ (uint64_t)gib_now_ns());
    return node;
}

size_t gib_membership_find(const gib_membership *membership, const char *peer)
{
    size_t first = 0;
    size_t end = membership->count;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        const uint32_t index = membership->by_peer[middle];
        const int order = strcmp(membership->nodes[index]->peer, peer);
        if (!order) {
            return index;
        }
        if (order < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return membership->count;
}

static gibson_status add_node(gib_membership *membership, const gib_membership_list *list, size_t i,
                              gibson_error *error)
{
    gibson_options options;
    const gibson_status status = options_of(&options, list, i, error);
    if (status != GIBSON_OK) {
        return status;
    }
    gib_node *node = new_node(list, &options);
    if (!node) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the list of servers");
    }
    membership->nodes[membership->count++] = node;
    return GIBSON_OK;
}

/* Uses the nodes that there are already in place of new ones. */
static void keep_known(gib_membership *membership, const gib_membership *former)
{
    for (size_t i = 0; former && i < membership->count; i++) {
        const size_t index = gib_membership_find(former, membership->nodes[i]->peer);
        if (index < former->count) {
            release_node(membership->nodes[i], membership->allocator);
            membership->nodes[i] = former->nodes[index];
            atomic_fetch_add_explicit(&membership->nodes[i]->references, 1, memory_order_relaxed);
        }
    }
}

/* What is sorted: qsort has no argument for it. */
typedef struct place {
    const char *peer;
    uint32_t index;
} place;

static int compare(const void *left, const void *right)
{
    const place *a = left;
    const place *b = right;
    const int order = strcmp(a->peer, b->peer);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Sorts the nodes by their addresses, none of which may be there twice. */
static gibson_status sort(gib_membership *membership, gibson_error *error)
{
    const size_t count = membership->count;
    place *places = gib_allocate(membership->allocator, count * sizeof *places);
    if (!places) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the list of servers");
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (place){membership->nodes[i]->peer, (uint32_t)i};
    }
    qsort(places, count, sizeof *places, compare);
    gibson_status status = GIBSON_OK;
    for (size_t i = 0; i < count && status == GIBSON_OK; i++) {
        membership->by_peer[i] = places[i].index;
        if (i && !strcmp(places[i - 1].peer, places[i].peer)) {
            status =
                gib_error_set(error, GIBSON_INVALID, "server %" PRIu32 " is there twice: %.150s",
                              places[i].index, places[i].peer);
        }
    }
    gib_release(membership->allocator, places);
    return status;
}

static gibson_status make_ring(gib_membership *membership, const gib_membership_list *list,
                               gibson_error *error)
{
    gib_ring_server *servers = gib_allocate(membership->allocator, list->count * sizeof *servers);
    bool made = servers != NULL;
    for (size_t i = 0; made && i < list->count; i++) {
        const gibson_options *options = &membership->nodes[i]->options;
        servers[i] = options->unix_socket
                         ? (gib_ring_server){options->unix_socket, 0, list->servers[i].weight}
                         : (gib_ring_server){options->host, options->port, list->servers[i].weight};
    }
    made = made && gib_ring_make(&membership->ring, servers, list->count, membership->allocator);
    gib_release(membership->allocator, servers);
    return made ? GIBSON_OK
                : gib_error_set(error, GIBSON_NOMEM, "no memory for the ring of servers");
}

static gibson_status fill(gib_membership *membership, const gib_membership_list *list,
                          gibson_error *error)
{
    gibson_status status = GIBSON_OK;
    for (size_t i = 0; i < list->count && status == GIBSON_OK; i++) {
        status = add_node(membership, list, i, error);
    }
    if (status == GIBSON_OK) {
        keep_known(membership, list->former);
        status = sort(membership, error);
    }
    return status == GIBSON_OK ? make_ring(membership, list, error) : status;
}

gibson_status gib_membership_make(gib_membership **membership, const gib_membership_list *list,
                                  gibson_error *error)
{
    const gibson_allocator *allocator = &list->settings->client.allocator;
    *membership = NULL;
    if (!list->count || !list->servers || list->count > GIBSON_MOST_CLUSTER_SERVERS) {
        return gib_error_set(error, GIBSON_INVALID, "a cluster has 1 to %d servers, not %zu",
                             GIBSON_MOST_CLUSTER_SERVERS, list->servers ? list->count : 0);
    }
    gib_membership *made = gib_allocate(
        allocator, sizeof *made + list->count * (sizeof(gib_node *) + sizeof(uint32_t)));
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the list of servers");
    }
    *made = (gib_membership){.allocator = allocator};
    made->by_peer = (uint32_t *)(made->nodes + list->count); /* they are less aligned */
    atomic_init(&made->references, 1);
    const gibson_status status = fill(made, list, error);
    if (status != GIBSON_OK) {
        gib_membership_release(made);
        return status;
    }
    *membership = made;
    return GIBSON_OK;
}
