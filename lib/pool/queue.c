#include "pool/queue.h"

#include <stddef.h>

void gib_pool_queue_add(gib_pool_queue *queue, gib_waiter *waiter, bool is_first)
{
    waiter->before = is_first ? NULL : queue->last;
    waiter->next = is_first ? queue->first : NULL;
    *(waiter->before ? &waiter->before->next : &queue->first) = waiter;
    *(waiter->next ? &waiter->next->before : &queue->last) = waiter;
    queue->count++;
}

void gib_pool_queue_remove(gib_pool_queue *queue, gib_waiter *waiter)
{
    *(waiter->before ? &waiter->before->next : &queue->first) = waiter->next;
    *(waiter->next ? &waiter->next->before : &queue->last) = waiter->before;
    queue->count--;
}

void gib_waiter_wake(gib_waiter *waiter)
{
    if (waiter->is_asleep) {
        pthread_cond_signal(&waiter->woken);
    }
}

void gib_pool_queue_serve(gib_pool_queue *queue, gib_place *place, int64_t now_ns)
{
    gib_waiter *waiter = queue->first;
    gib_pool_queue_remove(queue, waiter);
    waiter->place = place;
    waiter->is_served = true;
    waiter->served_ns = now_ns;
    gib_waiter_wake(waiter);
}
