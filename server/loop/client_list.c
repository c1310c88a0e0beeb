/* The list of clients in the log. It is written some lines at a time, so that clients do not wait
   for it, and the ring of the log has time to empty. */
#include <inttypes.h>

#include "loop/loop_private.h"
#include "loop/peer.h"

enum {
    LINES_AT_ONCE = 64,
    PAUSE_MS = 10,     /* between two such portions */
    REST_MS = 1000,    /* between two lists, however often somebody asks for one */
    NEVER_MS = 100000, /* later than the next round of housekeeping */
};

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

static void write_line(const gibs_loop *loop, const gibs_connection *client)
{
    char name[GIBS_PEER_NAME];
    gibs_peer_name(client->descriptor, name);
    const char *state = client->lingering                ? ", is ending"
                        : client->job                    ? ", is being served"
                        : gibs_connection_output(client) ? ", has replies waiting"
                                                         : "";
    gibs_log_write_all(loop->log, GIBS_LOG_ASKED_FOR,
                       "client %d: %s, age %.1f s, idle %.1f s, %" PRIu64 " requests, %" PRIu64
                       " bytes in, %" PRIu64 " bytes out, %zu bytes held%s",
                       client->descriptor, name, seconds(loop->now_ms - client->come_ms),
                       seconds(loop->now_ms - client->active_ms), client->requests,
                       client->bytes_in, client->bytes_out, client->counted, state);
}

int64_t gibs_loop_listing_due(const gibs_loop *loop)
{
    const gibs_listing *listing = &loop->listing;
    bool wanted = listing->active || atomic_load(&loop->orders.list_clients);
    return wanted ? listing->next_ms : loop->now_ms + NEVER_MS;
}

static void begin(gibs_loop *loop)
{
    loop->listing.active = true;
    loop->listing.next = loop->connections;
    loop->listing.count = 0;
    gibs_log_write_all(loop->log, GIBS_LOG_ASKED_FOR, "clients: %" PRIu64,
                       loop->exchange.service->counters.clients);
}

void gibs_loop_list_some_clients(gibs_loop *loop)
{
    gibs_listing *listing = &loop->listing;
    if (loop->now_ms < gibs_loop_listing_due(loop)) {
        return;
    }
    if (!listing->active) {
        atomic_store(&loop->orders.list_clients, false);
        begin(loop);
    }
    for (int i = 0; i < LINES_AT_ONCE && listing->next; i++) {
        write_line(loop, listing->next);
        listing->next = listing->next->next;
        listing->count++;
    }
    listing->active = listing->next;
    listing->next_ms = loop->now_ms + (listing->active ? PAUSE_MS : REST_MS);
    if (!listing->active) {
        gibs_log_write_all(loop->log, GIBS_LOG_ASKED_FOR, "clients: %" PRIu64 " listed",
                           listing->count);
    }
}
