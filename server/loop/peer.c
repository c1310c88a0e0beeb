#include "loop/peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/listener_private.h"

static bool holds(const id_t *list, size_t count, id_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == id) {
            return true;
        }
    }
    return false;
}

#if defined(SO_PEERCRED)
/* The process that has connected, as it was then. */
static bool credentials(int descriptor, struct ucred *who)
{
    socklen_t size = sizeof *who;
    return !getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, who, &size) && size == sizeof *who;
}

static void name_process(int descriptor, char name[GIBS_PEER_NAME])
{
    struct ucred who;
    if (credentials(descriptor, &who)) {
        snprintf(name, GIBS_PEER_NAME, "process %ld of user %ld", (long)who.pid, (long)who.uid);
    }
}
#else
static void name_process(int descriptor, char name[GIBS_PEER_NAME])
{
    (void)descriptor;
    (void)name;
}
#endif

#if defined(SO_PEERCRED) && defined(SO_PEERGROUPS)
enum { USUAL_GROUPS = 64 };

static bool any_held(const gid_t *groups, socklen_t size, const gibs_peers *peers)
{
    for (size_t i = 0; i < size / sizeof *groups; i++) {
        if (holds(peers->groups, peers->group_count, groups[i])) {
            return true;
        }
    }
    return false;
}

/* Looks at the groups beside the first one. Few users are in many. */
static bool is_in_further_group(int descriptor, const gibs_peers *peers)
{
    gid_t usual[USUAL_GROUPS];
    socklen_t size = sizeof usual;
    if (!getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, usual, &size)) {
        return any_held(usual, size, peers);
    }
    if (size <= sizeof usual) {
        return false;
    }
    gid_t *many = malloc(size);
    bool found = many && !getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, many, &size) &&
                 any_held(many, size, peers);
    free(many);
    return found;
}
#else
static bool is_in_further_group(int descriptor, const gibs_peers *peers)
{
    (void)descriptor;
    (void)peers;
    return false;
}
#endif

bool gibs_peer_is_among(int descriptor, const gibs_peers *peers)
{
#if defined(SO_PEERCRED)
    struct ucred who;
    if (!credentials(descriptor, &who)) {
        return false;
    }
    return holds(peers->users, peers->user_count, who.uid) ||
           holds(peers->groups, peers->group_count, who.gid) ||
           (peers->group_count && is_in_further_group(descriptor, peers));
#else
    (void)descriptor;
    return !peers; /* there are none: the configuration was refused */
#endif
}

void gibs_peer_name(int descriptor, char name[GIBS_PEER_NAME])
{
    char text[INET6_ADDRSTRLEN];
    gibs_address peer = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof peer;
    snprintf(name, GIBS_PEER_NAME, "unknown");
    if (getpeername(descriptor, &peer.any, &size)) {
        return;
    }
    if (peer.any.sa_family == AF_UNIX) {
        name_process(descriptor, name);
    } else if (peer.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &peer.ipv6.sin6_addr, text, sizeof text);
        snprintf(name, GIBS_PEER_NAME, "[%s]:%u", text, (unsigned)ntohs(peer.ipv6.sin6_port));
    } else if (peer.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &peer.ipv4.sin_addr, text, sizeof text);
        snprintf(name, GIBS_PEER_NAME, "%s:%u", text, (unsigned)ntohs(peer.ipv4.sin_port));
    }
}
