/* Making, looking at, closing and freeing a handle. */
#include "async/async.h"

#include <string.h>

#include "base/error.h"
#include "base/likely.h"
#include "connection/connecting.h"
#include "connection/settings.h"
#include "net/fork.h"

void gibson_async_hooks_init_sized(gibson_async_hooks *hooks, size_t struct_size)
{
    if (hooks) {
        memset(hooks, 0, struct_size);
        hooks->struct_size = struct_size;
    }
}

static gibson_status check_hooks(const gibson_async_hooks *hooks, gibson_error *error)
{
    return !hooks || hooks->struct_size == sizeof *hooks
               ? GIBSON_OK
               : gib_error_set(error, GIBSON_INVALID,
                               "hooks were not set up by gibson_async_hooks_init");
}

static void init(gibson_async *async, gibson_options settings, const gibson_async_hooks *hooks)
{
    memset(async, 0, sizeof *async);
    const char *peer = gib_settings_keep(&settings, async->text);
    gib_connection_init(&async->connection, &settings, peer,
                        (uint64_t)gib_now_ns() ^ (uint64_t)(uintptr_t)async);
    async->list.first = async->list.last = async->unsent = 1;
    async->usual.timeout_ms = gib_async_for_messages(settings.timeout_ms);
    async->next = GIB_NO_DEADLINE;
    async->held_end = &async->held;
    async->waits = (gibson_async_waits){.descriptor = -1, .wake_ns = GIBSON_ASYNC_NEVER};
    if (hooks) {
        async->hooks = *hooks;
    }
}

gibson_status gibson_async_new(gibson_async **async, const gibson_options *options,
                               const gibson_async_hooks *hooks, gibson_error *error)
{
    if (error) {
        memset(error, 0, sizeof *error);
    }
    if (!async) {
        return gib_error_set(error, GIBSON_USAGE, "async is NULL");
    }
    *async = NULL;
    gibson_options settings;
    gibson_status status = gib_settings_make(&settings, options, error);
    status = status == GIBSON_OK ? check_hooks(hooks, error) : status;
    if (status != GIBSON_OK) {
        return status;
    }
    const size_t size = sizeof(gibson_async) + gib_settings_text_size(&settings);
    gibson_async *made = gib_allocate(&settings.allocator, size);
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the handle");
    }
    init(made, settings, hooks);
    gib_fork_watch();
    *async = made;
    return GIBSON_OK;
}

static void destroy(gibson_async *async)
{
    gib_async_detach(async);
    gibson_allocator allocator = async->connection.settings.allocator;
    gib_connection_clear(&async->connection);
    gib_async_list_clear(&async->list, &allocator);
    gib_release(&allocator, async);
}

static bool has_drained(const gibson_async *async)
{
    return async->end == GIB_ASYNC_DRAINS && !gib_async_list_called(&async->list);
}

/* Closes the connection once the last request of a handle that drains has ended. */
static void finish_draining(gibson_async *async)
{
    if (!has_drained(async)) {
        return;
    }
    gib_async_fail(async, GIBSON_CLOSED, "the connection was closed: all requests have ended");
    gib_async_shut(async);
    async->end = GIB_ASYNC_STAYS;
    if (async->hooks.connection) {
        gib_async_fail(async, GIBSON_END, "all requests have ended");
        async->telling_end = true;
        async->hooks.connection(async, GIBSON_END, async->hooks.context);
        async->telling_end = false;
    }
}

static void offer_room(gibson_async *async)
{
    if (async->room_asked && gib_async_has_room_to_offer(async)) {
        async->room_asked = false;
        if (async->hooks.room) {
            async->hooks.room(async, async->hooks.context);
        }
    }
}

/* Calls the hooks that are due at the end of a turn. */
static GIB_NOINLINE void tell_owner(gibson_async *async)
{
    do {
        finish_draining(async);
        offer_room(async);
    } while (has_drained(async)); /* by the hook */
}

void gib_async_enter(gibson_async *async)
{
    async->lone = false;
    if (async->depth++) {
        return;
    }
    async->now_ns = gib_now_ns();
    async->usual.deadline =
        gib_deadline_after(async->now_ns, async->connection.settings.timeout_ms);
    gib_async_set_quick(async);
    async->entered_at = async->list.last;
    if (!gib_session_unsent_frames(&async->connection.session)) {
        async->queued_ns = async->now_ns;
    }
    gib_async_disown(async);
}

void gib_async_leave(gibson_async *async)
{
    if (async->depth == 1) {
        gib_async_list_trim(&async->list);
        if (GIB_UNLIKELY(async->room_asked || async->end == GIB_ASYNC_DRAINS)) {
            tell_owner(async);
        }
    }
    if (--async->depth) {
        return;
    }
    async->quick_until = 0;
    if (async->list.last != async->entered_at) {
        gib_async_look_at(async, async->usual.deadline);
    }
    if (async->end == GIB_ASYNC_DIES) {
        destroy(async);
        return;
    }
    gib_async_tell_waits(async);
    async->lone = gib_async_list_span(&async->list) == 1 && gib_async_is_lone(async);
    GIB_ASYNC_ASSERT(async);
}

void gibson_async_free(gibson_async *async)
{
    if (!async || async->end == GIB_ASYNC_DIES) {
        return;
    }
    gib_async_enter(async);
    async->end = GIB_ASYNC_DIES;
    async->quick_until = 0;
    gib_async_fail(async, GIBSON_CLOSED, "the handle was freed");
    gib_async_shut(async);
    async->hooks = (gibson_async_hooks){0};
    gib_async_leave(async);
}

gibson_status gibson_async_connect(gibson_async *async)
{
    if (!async) {
        return GIBSON_USAGE;
    }
    gib_async_enter(async);
    gibson_status status = GIBSON_OK;
    if (async->end != GIB_ASYNC_STAYS) {
        status = gib_async_fail(async, GIBSON_CLOSED, "the handle is closing");
    } else if (async->state == GIB_ASYNC_APART) {
        status = gib_async_start(async);
    }
    gib_async_leave(async);
    return status;
}

void gibson_async_close(gibson_async *async)
{
    if (async) {
        gib_async_enter(async);
        gib_async_fail(async, GIBSON_CLOSED, "the connection was closed by its owner");
        gib_async_shut(async);
        gib_async_leave(async);
    }
}

void gibson_async_drain(gibson_async *async)
{
    if (async) {
        gib_async_enter(async);
        if (async->end == GIB_ASYNC_STAYS && !async->telling_end) {
            async->end = GIB_ASYNC_DRAINS;
            async->quick_until = 0;
        }
        gib_async_leave(async);
    }
}

gibson_status gibson_async_take_reply(gibson_async *async, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!async || !owned) {
        return GIBSON_USAGE;
    }
    async->lone = false; /* the buffer goes with the reply */
    return async->without_reply ? GIBSON_USAGE
                                : gib_session_take_reply(&async->connection.session, owned);
}

size_t gibson_async_outstanding(const gibson_async *async)
{
    return async ? gib_async_list_called(&async->list) : 0;
}

bool gibson_async_connected(const gibson_async *async)
{
    return async && async->state == GIB_ASYNC_OPEN && gib_connection_is_ours(&async->connection);
}

const gibson_error *gibson_async_error(gibson_async *async)
{
    static const gibson_error none = {.status = GIBSON_USAGE, .message = "async is NULL"};
    if (!async) {
        return &none;
    }
    gib_connection_describe(&async->connection, async->answered);
    return &async->connection.error;
}

const char *gibson_async_peer(const gibson_async *async)
{
    return async ? async->connection.peer : "";
}
