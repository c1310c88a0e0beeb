/* Running handles of gibson/async.h in a main loop of GLib.

       gibson_async_new(&async, &options, NULL, &error);
       gibson_glib_attach(async, NULL);
       gibson_async_connect(async);
       g_main_loop_run(loop);

   gibson_async_free, or gibson_async_detach before it, ends that. */
#ifndef GIBSON_ADAPTERS_GLIB_H
#define GIBSON_ADAPTERS_GLIB_H

#include <glib.h>

#include <gibson/async.h>

GIBSON_BEGIN_DECLS

/* A source that is an attached handle. It asks the handle for the time before each wait, so it has
   to be told of its descriptor only. */
typedef struct gibson_glib {
    GSource source;
    gibson_async *async;
    gpointer tag;   /* of the descriptor, or NULL */
    int descriptor; /* that it watches, or -1 */
    unsigned events;
} gibson_glib;

static inline gboolean gibson_glib_prepare(GSource *source, gint *timeout_ms)
{
    *timeout_ms = gibson_async_timeout_ms(((gibson_glib *)source)->async);
    return *timeout_ms == 0;
}

/* The events of the descriptor are looked at by GLib. */
static inline gboolean gibson_glib_check(GSource *source)
{
    return gibson_async_timeout_ms(((gibson_glib *)source)->async) == 0;
}

static inline gboolean gibson_glib_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    const gibson_glib *self = (const gibson_glib *)source;
    const int ready = self->tag ? (int)g_source_query_unix_fd(source, self->tag) : 0;
    unsigned happened = 0;
    (void)callback;
    (void)data;
    if (ready & (G_IO_IN | G_IO_ERR | G_IO_HUP)) { /* an error is read, too */
        happened |= GIBSON_ASYNC_READ;
    }
    if (ready & G_IO_OUT) {
        happened |= GIBSON_ASYNC_WRITE;
    }
    (void)gibson_async_run(self->async, happened);
    return G_SOURCE_CONTINUE;
}

static inline void gibson_glib_changed(gibson_async *async, void *context)
{
    gibson_glib *self = (gibson_glib *)context;
    const gibson_async_waits waits = gibson_async_wants(async);
    if (waits.descriptor == self->descriptor && waits.events == self->events) {
        return;
    }
    if (self->tag) {
        g_source_remove_unix_fd(&self->source, self->tag);
        self->tag = NULL;
    }
    self->descriptor = waits.descriptor;
    self->events = waits.events;
    if (waits.descriptor >= 0) {
        const int events = (waits.events & GIBSON_ASYNC_READ ? G_IO_IN : 0) |
                           (waits.events & GIBSON_ASYNC_WRITE ? G_IO_OUT : 0);
        self->tag = g_source_add_unix_fd(&self->source, waits.descriptor, (GIOCondition)events);
    }
}

static inline void gibson_glib_detached(gibson_async *async, void *context)
{
    GSource *source = &((gibson_glib *)context)->source;
    (void)async;
    g_source_destroy(source);
    g_source_unref(source);
}

/* gibson_glib_attach makes the context (NULL: the default one) run the handle, until that is
   detached or freed. Returns GIBSON_OK; GIBSON_USAGE if async is NULL, or attached already. */
static inline gibson_status gibson_glib_attach(gibson_async *async, GMainContext *context)
{
    static GSourceFuncs functions = {
        gibson_glib_prepare, gibson_glib_check, gibson_glib_dispatch, NULL, NULL, NULL};
    GSource *source = g_source_new(&functions, sizeof(gibson_glib));
    gibson_glib *self = (gibson_glib *)source;
    self->async = async;
    self->descriptor = -1;
    const gibson_status status =
        gibson_async_attach(async, gibson_glib_changed, gibson_glib_detached, self);
    if (status != GIBSON_OK) {
        g_source_unref(source);
        return status;
    }
    (void)g_source_attach(source, context);
    return GIBSON_OK;
}

GIBSON_END_DECLS

#endif
