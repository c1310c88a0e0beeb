/* Lists of servers, and keys, that libmemcached and lib/cluster are asked to place alike. */
#ifndef CONFORMANCE_KETAMA_LISTS_H
#define CONFORMANCE_KETAMA_LISTS_H

#include <stdint.h>
#include <stdio.h>

typedef struct ketama_list {
    const char *name;
    const char *host; /* format, of a number */
    uint16_t port;    /* 0: paths of unix sockets */
    uint16_t other;   /* added to the port, times the number */
    unsigned count;
    unsigned weights[4]; /* taken in turns, up to the first 0 */
} ketama_list;

enum { KETAMA_KEYS = 10000, KETAMA_LISTS = 9 };

static const ketama_list ketama_lists[KETAMA_LISTS] = {
    {"one", "10.0.0.%u", 11211, 0, 1, {1}},
    {"three", "10.0.0.%u", 10128, 0, 3, {1}},
    {"plain port", "10.0.0.%u", 11211, 0, 5, {1}},
    {"two weights", "cache%u.example.org", 10128, 0, 4, {1, 2}},
    {"far apart", "cache%u", 10128, 0, 6, {1, 1000, 17, 3}},
    {"ports of one host", "127.0.0.1", 20000, 1, 12, {3, 1, 2}},
    {"unix sockets", "/run/gibson/%u.sock", 0, 0, 7, {5, 3}},
    {"many", "10.1.2.%u", 10128, 0, 60, {1, 1, 2, 4}},
    {"many of a kind", "fd00::%x", 10128, 0, 90, {7}},
};

typedef struct ketama_server {
    uint16_t port;
    unsigned weight;
} ketama_server;

/* Server number i, whose host is written to `host`. */
static inline ketama_server ketama_server_of(const ketama_list *list, unsigned i, char host[64])
{
    unsigned weights = 1;
    while (weights < 4 && list->weights[weights]) {
        weights++;
    }
    snprintf(host, 64, list->host, i);
    return (ketama_server){(uint16_t)(list->port + i * list->other), list->weights[i % weights]};
}

/* Key number n. Returns its size. */
static inline size_t ketama_key(unsigned n, char key[64])
{
    static const char *const formats[] = {"key:%u", "app:user:%u:name", "%u",
                                          "tenant:7:page:/articles/%u/comments?order=newest"};
    return (size_t)snprintf(key, 64, formats[n % 4], n);
}

#endif
