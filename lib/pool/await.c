/* Waiting for a place. */
#include <inttypes.h>

#include "base/error.h"
#include "net/portable.h"
#include "pool/gate.h"

/* Until when to sleep: something may have to be done before the end. */
static gib_deadline sleep_until(const gib_pool_core *core, const gib_pool_wait *wait,
                                int64_t now_ns)
{
    gib_deadline until = wait->until;
    if (core->empty && core->backoff.failures && !core->connecting &&
        core->backoff.not_before_ns < until) {
        until = core->backoff.not_before_ns;
    }
    if (core->pool->settings.interrupt) {
        const gib_deadline slice = gib_deadline_after(now_ns, GIB_INTERRUPT_SLICE_MS);
        until = slice < until ? slice : until;
    }
    return until;
}

static gibson_status timed_out(gib_pool_core *core, const gib_pool_wait *wait, gibson_error *error)
{
    core->stats.timeouts++;
    const char *before = core->backoff.failures ? "; connecting failed: " : "";
    return gib_error_set(error, GIBSON_TIMEOUT,
                         "%s of %" PRId64 " ms passed while waiting for a client of the pool: %u "
                         "of %" PRIu32 " in use, %u waiting%s%.60s",
                         wait->name, wait->length_ms, core->open, core->pool->policy.max,
                         core->queue.count, before,
                         core->backoff.failures ? core->failure.message : "");
}

/* Asks options.interrupt, without the lock. GIBSON_WOULD_BLOCK: this is a child now. */
static gibson_status ask_interrupt(gib_pool_core *core, gibson_error *error)
{
    const gibson_options *settings = &core->pool->settings;
    const gib_interrupt interrupt = {settings->interrupt, settings->interrupt_context};
    if (!interrupt.callback) {
        return GIBSON_OK;
    }
    gib_pool_unlock(core);
    const gibson_status status = gib_interrupt_check(&interrupt, error);
    if (core->fork_generation != gib_fork_generation()) {
        return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status;
    }
    gib_pool_lock(core);
    return status;
}

/* Sleeps once. Returns GIBSON_OK to go on. */
static gibson_status sleep_once(gib_pool_core *core, gib_waiter *waiter, const gib_pool_wait *wait,
                                gibson_error *error)
{
    gib_condition_wait(&waiter->woken, &core->lock, sleep_until(core, wait, gib_now_ns()));
    gib_gate_close(core); /* if the queue was empty for a while, it was opened */
    const int64_t now_ns = gib_now_ns();
    if (waiter->is_served) {
        return GIBSON_OK;
    }
    gib_pool_serve(core, now_ns); /* the delay after a failure may be over */
    if (waiter->is_served) {
        return GIBSON_OK;
    }
    if (now_ns >= wait->until) {
        return timed_out(core, wait, error);
    }
    return ask_interrupt(core, error);
}

/* Takes a waiter out that gives up. What it was served with meanwhile goes to the next. */
static void give_up(gib_pool_core *core, gib_waiter *waiter)
{
    if (!waiter->is_served) {
        gib_pool_queue_remove(&core->queue, waiter);
        return;
    }
    gib_place *place = waiter->place;
    if (!place) {
        return;
    }
    if (atomic_load_explicit(&place->state, memory_order_relaxed) == GIB_PLACE_MAKING) {
        core->connecting--;
        gib_pool_empty(place);
    } else {
        gib_gate_push_locked(core, place);
    }
    gib_pool_serve(core, gib_now_ns());
}

static gibson_status sleep_until_served(gib_pool_core *core, gib_waiter *waiter,
                                        const gib_pool_wait *wait, gibson_error *error)
{
    gibson_status status = GIBSON_OK;
    const int failure = gib_condition_init(&waiter->woken);
    if (failure) {
        status = gib_error_set_errno(error, GIBSON_SYSTEM, failure, "pthread_cond_init");
    }
    waiter->is_asleep = !failure;
    while (status == GIBSON_OK && !waiter->is_served) {
        status = sleep_once(core, waiter, wait, error);
    }
    if (core->fork_generation != gib_fork_generation()) {
        return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status; /* the rest is the parent's */
    }
    if (status != GIBSON_OK) {
        give_up(core, waiter);
    }
    if (!failure) {
        pthread_cond_destroy(&waiter->woken);
    }
    return status;
}

/* A call that has to wait again, as what it was served with was not fit, has waited once. */
static void count_wait(gib_pool_core *core, gib_pool_wait *wait, int64_t began_ns)
{
    const uint64_t waited_ns = (uint64_t)(gib_now_ns() - began_ns);
    core->stats.waited += !wait->waited_ns;
    core->stats.waited_ns += waited_ns;
    wait->waited_ns += waited_ns;
    if (wait->waited_ns > core->stats.longest_wait_ns) {
        core->stats.longest_wait_ns = wait->waited_ns;
    }
}

gibson_status gib_pool_await(gib_pool_core *core, gib_pool_wait *wait, gib_place **place,
                             gibson_error *error)
{
    gib_waiter waiter = {0};
    const int64_t began_ns = gib_now_ns();
    gibson_status status = GIBSON_OK;
    if (wait->is_first && began_ns >= wait->until) { /* it has had its turns */
        gib_pool_serve(core, began_ns);
        return timed_out(core, wait, error);
    }
    gib_pool_queue_add(&core->queue, &waiter, wait->is_first);
    core->present++;
    if (began_ns >= atomic_load_explicit(&core->sweep_ns, memory_order_relaxed)) {
        gib_pool_sweep(core, began_ns); /* from within the queue, so that nobody gets ahead */
    }
    gib_pool_serve(core, gib_now_ns());
    if (!waiter.is_served) {
        status = sleep_until_served(core, &waiter, wait, error);
        if (core->fork_generation != gib_fork_generation()) {
            return status;
        }
        count_wait(core, wait, began_ns);
    }
    core->present--;
    *place = waiter.place;
    wait->served_ns = waiter.served_ns;
    if (status == GIBSON_OK && !waiter.place) {
        status = waiter.error.status;
        if (error) {
            *error = waiter.error;
        }
    }
    return status;
}
