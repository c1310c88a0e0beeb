/* What other threads want of the loop: they leave it a note, and wake it. */
#include <unistd.h>

#include "loop/loop_private.h"

void gibs_loop_orders_open(gibs_loop *loop)
{
    pthread_mutex_init(&loop->orders.mutex, NULL);
    pthread_cond_init(&loop->orders.done, NULL);
}

void gibs_loop_orders_close(gibs_loop *loop)
{
    pthread_mutex_destroy(&loop->orders.mutex);
    pthread_cond_destroy(&loop->orders.done);
}

void gibs_loop_wake(gibs_loop *loop)
{
    ssize_t written = write(loop->waker[1], "", 1);
    (void)written; /* a full pipe wakes as well */
}

void gibs_loop_apply(gibs_loop *loop, const gibson_server_config *config, gibs_peers *peers)
{
    gibs_orders *orders = &loop->orders;
    pthread_mutex_lock(&orders->mutex);
    orders->config = config;
    orders->peers = peers;
    gibs_loop_wake(loop);
    while (orders->config) {
        pthread_cond_wait(&orders->done, &orders->mutex);
    }
    pthread_mutex_unlock(&orders->mutex);
}

void gibs_loop_list_clients(gibs_loop *loop)
{
    atomic_store(&loop->orders.list_clients, true);
    gibs_loop_wake(loop);
}

void gibs_loop_take_orders(gibs_loop *loop)
{
    gibs_orders *orders = &loop->orders;
    char bytes[64];
    while (read(loop->waker[0], bytes, sizeof bytes) > 0) {
    }
    pthread_mutex_lock(&orders->mutex);
    if (orders->config) {
        gibs_loop_configure(loop, orders->config);
        gibs_peers_free(loop->peers);
        loop->peers = orders->peers;
        orders->config = NULL;
        pthread_cond_signal(&orders->done);
    }
    pthread_mutex_unlock(&orders->mutex);
}
