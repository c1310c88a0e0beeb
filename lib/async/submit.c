/* Taking requests in. */
#include "async/async.h"
#include "base/error.h"
#include "base/likely.h"
#include "connection/look.h"
#include "session/question.h"
#include "session/queue.h"
#include "wire/command.h"

/* With what the handle asks itself: where there is room by this count, there is in the session. */
static size_t requests_kept(const gibson_async *async)
{
    return gib_session_outstanding(&async->connection.session) + async->held_count;
}

static size_t bytes_kept(const gibson_async *async)
{
    return gib_session_outstanding_bytes(&async->connection.session) + async->held_bytes;
}

/* Numbers of requests that are over, which are kept as older ones are not. */
static size_t numbers_kept(const gibson_async *async)
{
    const gib_async_list *list = &async->list;
    const uint64_t first = async->lost > list->first ? async->lost : list->first;
    const size_t numbers = (size_t)(list->last - first);
    /* While those that were held are failed, lost ones are among these. */
    const size_t kept = requests_kept(async);
    return numbers > kept ? numbers - kept : 0;
}

static bool is_full(const gibson_async *async)
{
    const gibson_options *settings = &async->connection.settings;
    const size_t requests = requests_kept(async);
    return requests >= settings->pipeline_window ||
           numbers_kept(async) >= settings->pipeline_window ||
           (requests && bytes_kept(async) >= settings->pipeline_bytes);
}

bool gib_async_has_room_to_offer(const gibson_async *async)
{
    const gibson_options *settings = &async->connection.settings;
    const size_t half = settings->pipeline_window / 2;
    const size_t requests = requests_kept(async);
    return async->end == GIB_ASYNC_STAYS && requests - async->cancelled <= half &&
           numbers_kept(async) <= half &&
           (!requests || bytes_kept(async) <= settings->pipeline_bytes / 2);
}

/* Begins to use a connection on which nothing is under way: see connection/idle.h. Returns
   GIBSON_OK, or why it is not to be trusted. */
static gibson_status trust(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    const gib_idle_check check = gib_idle_begin(&connection->idle, async->now_ns);
    gibson_status status = GIBSON_OK;
    if (check != GIB_IDLE_TRUST) {
        status = gib_connection_look(connection);
    }
    if (status == GIBSON_OK && check == GIB_IDLE_ASK) {
        return gib_session_push_question(&connection->session, &connection->error);
    }
    if (status != GIBSON_OK) {
        gib_async_lose(async);
    }
    return status;
}

/* Sees to it that there is a connection, or will be. */
static gibson_status need_connection(gibson_async *async, const gibson_request *request)
{
    gib_connection *connection = &async->connection;
    if (async->state == GIB_ASYNC_OPEN && !gib_session_count(&connection->session)) {
        const gibson_status status = trust(async);
        if (status != GIBSON_OK &&
            (async->state == GIB_ASYNC_OPEN || !connection->settings.reconnect)) {
            return status;
        }
    }
    if (async->state != GIB_ASYNC_APART) {
        return GIBSON_OK;
    }
    return gib_command_connects(request->opcode) ? gib_async_start_again(async)
                                                 : gib_connection_closed(connection);
}

static gibson_status check_not_closing(gibson_async *async)
{
    return async->end == GIB_ASYNC_STAYS
               ? GIBSON_OK
               : gib_async_fail(async, GIBSON_CLOSED,
                                "no requests are taken: the handle is closing");
}

/* Sees to it that there is room for one more. */
static gibson_status make_room(gibson_async *async)
{
    if (is_full(async)) {
        gib_async_purge(async);
        gib_async_list_trim(&async->list);
    }
    if (is_full(async)) {
        async->room_asked = true;
        return gib_async_fail(async, GIBSON_WOULD_BLOCK, "the pipeline is full");
    }
    if (!gib_async_list_reserve(&async->list, &async->connection.settings.allocator)) {
        return gib_async_fail(async, GIBSON_NOMEM, "no memory for the request");
    }
    return check_not_closing(async);
}

/* Takes a request in, to be sent or, where *fate is set to that, to be held. */
static gibson_status take_in(gibson_async *async, const gibson_request *request,
                             gib_async_fate *fate)
{
    gib_connection *connection = &async->connection;
    gib_session *session = &connection->session;
    gibson_status status = check_not_closing(async);
    if (status == GIBSON_OK) {
        status = need_connection(async, request);
    }
    if (status == GIBSON_OK) { /* whatever the hook has done, which may have been called there */
        status = make_room(async);
    }
    if (status != GIBSON_OK) {
        return status;
    }
    status = gib_session_queue(session, request, &connection->error);
    if (status == GIBSON_OK && async->held) { /* it is allowed, but those go first */
        gib_session_retract(session);
        status = GIBSON_WOULD_BLOCK;
    }
    if (status == GIBSON_WOULD_BLOCK) {
        *fate = GIB_FATE_HELD;
        status = gib_async_hold(async, request);
    }
    return status;
}

/* Appends a request that was taken in to the list. */
static GIB_INLINE uint64_t append(gibson_async *async, const gibson_request *request,
                                  gib_deadline deadline, uint32_t timeout_ms,
                                  gibson_async_callback callback, void *context,
                                  gib_async_fate fate)
{
    gib_async_list_push(&async->list, (gib_async_request){
                                          .callback = callback,
                                          .context = context,
                                          .deadline = deadline,
                                          .timeout_ms = timeout_ms,
                                          .opcode = (uint16_t)request->opcode,
                                          .fate = (uint16_t)fate,
                                      });
    return async->list.last - 1;
}

static gibson_status refuse_time(gibson_async *async, int64_t timeout_ms)
{
    return timeout_ms < 0 && timeout_ms != GIBSON_NO_DEADLINE
               ? gib_async_fail(async, GIBSON_INVALID, "timeout_ms is negative")
               : GIBSON_OK;
}

static gibson_status refuse(gibson_async *async, const gibson_request *request, int64_t timeout_ms)
{
    if (!async) {
        return GIBSON_USAGE;
    }
    if (!request) {
        gib_async_fail(async, GIBSON_USAGE, "request is NULL");
        return GIBSON_USAGE;
    }
    return refuse_time(async, timeout_ms);
}

gibson_status gibson_async_set_timeout(gibson_async *async, int64_t timeout_ms)
{
    const gibson_status status = async ? refuse_time(async, timeout_ms) : GIBSON_USAGE;
    if (status != GIBSON_OK) {
        return status;
    }
    int64_t *setting = &async->connection.settings.timeout_ms;
    gib_async_enter(async);
    *setting = timeout_ms ? timeout_ms : GIBSON_DEFAULT_TIMEOUT_MS;
    async->usual.timeout_ms = gib_async_for_messages(*setting);
    async->usual.deadline = gib_deadline_after(async->now_ns, *setting);
    gib_async_look_at(async, async->now_ns); /* what was overdue later may be now */
    gib_async_leave(async);
    return GIBSON_OK;
}

void gib_async_set_quick(gibson_async *async)
{
    gib_async_list *list = &async->list;
    const bool quick = !async->held && async->end == GIB_ASYNC_STAYS;
    if (gib_async_list_span(list) > list->capacity / 2 &&
        list->capacity / 4 < async->connection.settings.pipeline_window) {
        gib_async_list_widen(list, &async->connection.settings.allocator);
    }
    async->quick_until = quick ? list->first + list->capacity : 0;
}

static gibson_status submit_within(gibson_async *async, const gibson_request *request,
                                   int64_t timeout_ms, gibson_async_callback callback,
                                   void *context, uint64_t *id)
{
    gib_async_fate fate = GIB_FATE_CALLED;
    const gibson_status status = take_in(async, request, &fate);
    if (status != GIBSON_OK) {
        gib_idle_refused(&async->connection.idle);
        return status;
    }
    const int64_t length_ms = timeout_ms ? timeout_ms : async->connection.settings.timeout_ms;
    const gib_deadline deadline = gib_deadline_after(async->now_ns, length_ms);
    gib_async_look_at(async, deadline);
    async->connection.error.status = GIBSON_OK;
    *id = append(async, request, deadline, gib_async_for_messages(length_ms), callback, context,
                 fate);
    gib_async_set_quick(async);
    return GIBSON_OK;
}

/* Takes a request by the short way, for which there must be room in the list. What is kept of it is
   written where it will be before the frame is: so little has to be held in registers meanwhile. */
static GIB_INLINE bool submit_quickly(gibson_async *async, const gibson_request *request,
                                      gib_async_request *entry)
{
    entry->opcode = (uint16_t)request->opcode;
    if (!gib_session_queue_key(&async->connection.session, request)) {
        return false;
    }
    async->list.last++;
    return true;
}

/* What is common: a request of nothing but a key, from within a callback. */
static GIB_INLINE bool may_be_quick(const gibson_async *async, const gibson_request *request,
                                    int64_t timeout_ms)
{
    if (GIB_UNLIKELY(!async) || GIB_UNLIKELY(async->list.last >= async->quick_until) ||
        GIB_UNLIKELY(timeout_ms)) {
        return false;
    }
    GIB_FORGET(request);
    return GIB_LIKELY(request != NULL);
}

static GIB_NOINLINE gibson_status submit(gibson_async *async, const gibson_request *request,
                                         int64_t timeout_ms, gibson_async_callback callback,
                                         void *context, uint64_t *id)
{
    uint64_t unwanted = 0;
    id = id ? id : &unwanted;
    *id = 0;
    gibson_status status = refuse(async, request, timeout_ms);
    if (status != GIBSON_OK) {
        return status;
    }
    gib_async_enter(async);
    status = submit_within(async, request, timeout_ms, callback, context, id);
    gib_async_leave(async);
    return status;
}

gibson_status gibson_async_submit(gibson_async *async, const gibson_request *request,
                                  int64_t timeout_ms, gibson_async_callback callback, void *context,
                                  uint64_t *id)
{
    if (!may_be_quick(async, request, timeout_ms)) {
        return submit(async, request, timeout_ms, callback, context, id);
    }
    gib_async_request *entry = gib_async_list_at(&async->list, async->list.last);
    gib_async_set_terms(entry, &async->usual);
    entry->callback = callback;
    entry->context = context;
    if (!submit_quickly(async, request, entry)) {
        return submit(async, request, 0, entry->callback, entry->context, id);
    }
    if (id) {
        *id = async->list.last - 1;
    }
    return GIBSON_OK;
}
