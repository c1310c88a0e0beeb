#include "net/fork.h"

#include <pthread.h>
#include <stdatomic.h>

/* The only global state of the library that changes: one process has one. */
static atomic_uint generation;
static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

static void watch(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

unsigned int gib_fork_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

void gib_fork_watch(void)
{
    (void)pthread_once(&watched, watch);
}
