#include "proxy/link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static gibp_direction opposite(gibp_direction direction)
{
    return direction == GIBP_REQUESTS ? GIBP_REPLIES : GIBP_REQUESTS;
}

gibp_link *gibp_link_new(uint64_t number, int client, int server)
{
    gibp_link *link = calloc(1, sizeof *link);
    if (!link) {
        return NULL;
    }
    link->number = number;
    if (!gibp_flow_init(&link->ends[GIBP_REQUESTS].flow) ||
        !gibp_flow_init(&link->ends[GIBP_REPLIES].flow)) {
        gibp_flow_clear(&link->ends[GIBP_REQUESTS].flow);
        free(link);
        return NULL;
    }
    link->ends[GIBP_REQUESTS].descriptor = client;
    link->ends[GIBP_REPLIES].descriptor = server;
    return link;
}

void gibp_link_free(gibp_link *link)
{
    for (int i = GIBP_REQUESTS; i <= GIBP_REPLIES; i++) {
        if (link->ends[i].descriptor >= 0) {
            close(link->ends[i].descriptor);
        }
        gibp_flow_clear(&link->ends[i].flow);
    }
    free(link);
}

static void swallow(gibp_flow *flow)
{
    gibp_flow_heal(flow);
    flow->black_hole = true;
}

/* Ends a direction: the peer sees the end after what was passed on. Closing would be wrong, as
   bytes that the peer sends later would turn the end into a reset, which can overtake them. */
static void end_direction(gibp_link *link, gibp_direction direction)
{
    gibp_link_end *end = &link->ends[direction];
    const int descriptor = link->ends[opposite(direction)].descriptor;
    if (end->ended) {
        return;
    }
    end->ended = true;
    end->blocked = false;
    swallow(&end->flow);
    if (descriptor >= 0) {
        shutdown(descriptor, SHUT_WR);
    }
}

void gibp_link_cut(gibp_link *link)
{
    end_direction(link, GIBP_REQUESTS);
    end_direction(link, GIBP_REPLIES);
}

/* The client gets a reset. The server gets an orderly end, so that one can wait until it has done
   whatever had reached it. */
static void reset_client(gibp_link *link)
{
    gibp_link_end *client = &link->ends[GIBP_REQUESTS];
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    end_direction(link, GIBP_REQUESTS);
    link->ends[GIBP_REPLIES].ended = true;
    swallow(&link->ends[GIBP_REPLIES].flow);
    setsockopt(client->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client->descriptor);
    client->descriptor = -1;
    client->source_ended = true;
}

static bool wants_bytes(gibp_link_end *end)
{
    size_t room;
    (void)gibp_flow_room(&end->flow, &room);
    return room > 0 && !end->source_ended;
}

void gibp_link_poll(gibp_link *link, struct pollfd wanted[2])
{
    for (int i = GIBP_REQUESTS; i <= GIBP_REPLIES; i++) {
        gibp_link_end *end = &link->ends[i];
        const gibp_link_end *other = &link->ends[opposite((gibp_direction)i)];
        short events = (short)((wants_bytes(end) ? POLLIN : 0) | (other->blocked ? POLLOUT : 0));
        wanted[i] = (struct pollfd){.fd = events ? end->descriptor : -1, .events = events};
    }
}

static void read_some(gibp_link_end *end, int64_t now_ns)
{
    size_t room;
    uint8_t *to = gibp_flow_room(&end->flow, &room);
    if (end->source_ended || !room) {
        return;
    }
    ssize_t got = recv(end->descriptor, to, room, MSG_DONTWAIT);
    if (got > 0) {
        gibp_flow_received(&end->flow, (size_t)got, now_ns);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        end->source_ended = true;
    }
}

/* Passes on what may be passed on now. Returns when more may be. */
static int64_t pass_on(gibp_link *link, gibp_direction direction, int64_t now_ns)
{
    gibp_link_end *end = &link->ends[direction];
    gibp_flow *flow = &end->flow;
    const int to = link->ends[opposite(direction)].descriptor;
    int64_t wake_ns;
    size_t size;
    end->blocked = false;
    while ((size = gibp_flow_ready(flow, now_ns, &wake_ns)) > 0) {
        ssize_t sent = send(to, flow->data + flow->begin, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            end->blocked = true;
            break;
        }
        if (sent < 0 && errno != EINTR) {
            end_direction(link, direction);
            break;
        }
        gibp_flow_passed(flow, sent > 0 ? (size_t)sent : 0, now_ns);
    }
    return wake_ns;
}

static int64_t run_direction(gibp_link *link, gibp_direction direction, int64_t now_ns)
{
    gibp_link_end *end = &link->ends[direction];
    int64_t wake_ns = pass_on(link, direction, now_ns);
    if (end->ended) {
        return GIBP_FLOW_NEVER;
    }
    switch (end->flow.ending) {
    case GIBP_ENDING_CUT:
        gibp_link_cut(link);
        break;
    case GIBP_ENDING_RESET:
        reset_client(link);
        break;
    case GIBP_ENDING_HALF_CLOSE:
        end_direction(link, direction);
        break;
    case GIBP_ENDING_NONE:
        if (end->source_ended && gibp_flow_empty(&end->flow)) {
            end_direction(link, direction);
        }
        break;
    }
    return wake_ns;
}

int64_t gibp_link_run(gibp_link *link, const struct pollfd seen[2], int64_t now_ns)
{
    int64_t wake_ns = GIBP_FLOW_NEVER;
    for (int i = GIBP_REQUESTS; i <= GIBP_REPLIES; i++) {
        if (seen[i].fd >= 0 && (seen[i].revents & ~POLLOUT)) {
            read_some(&link->ends[i], now_ns);
        }
    }
    for (int i = GIBP_REQUESTS; i <= GIBP_REPLIES; i++) {
        int64_t again_ns = run_direction(link, (gibp_direction)i, now_ns);
        wake_ns = again_ns < wake_ns ? again_ns : wake_ns;
    }
    return wake_ns;
}

bool gibp_link_finished(const gibp_link *link)
{
    const gibp_link_end *requests = &link->ends[GIBP_REQUESTS];
    const gibp_link_end *replies = &link->ends[GIBP_REPLIES];
    return requests->source_ended && requests->ended && replies->source_ended && replies->ended;
}
