#include "program/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loop/loop.h"

struct gibson_server {
    pthread_mutex_t changing;     /* held while config or log change */
    gibson_server_config *config; /* as it is in force */
    gibs_log *log;
    gibs_store *store;
    gibs_service service;
    gibs_loop loop;
    pthread_t thread;
    gibson_server *next; /* in the list of those that run */
};

/* A child of fork has the sockets of all servers of its parent, and nobody who serves them: with
   the parent gone, clients would connect to nothing. So it closes those that they connect to. */
static pthread_mutex_t running_mutex = PTHREAD_MUTEX_INITIALIZER;
static gibson_server *running;

static void before_fork(void)
{
    pthread_mutex_lock(&running_mutex);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&running_mutex);
}

static void after_fork_in_child(void)
{
    for (gibson_server *at = running; at; at = at->next) {
        gibs_loop_leave_to_parent(&at->loop);
    }
    running = NULL;
    pthread_mutex_unlock(&running_mutex);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static void enlist(gibson_server *server)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&running_mutex);
    server->next = running;
    running = server;
    pthread_mutex_unlock(&running_mutex);
}

static void delist(gibson_server *server)
{
    pthread_mutex_lock(&running_mutex);
    gibson_server **at = &running;
    while (*at && *at != server) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = server->next;
    }
    pthread_mutex_unlock(&running_mutex);
}

static gibs_store *make_store(const gibson_server_config *config)
{
    gibs_store_settings settings = gibs_loop_store_settings(config);
    settings.unix_time = (int64_t)time(NULL);
    return gibs_store_new(&settings);
}

static void *run(void *argument)
{
    gibs_loop_run(&((gibson_server *)argument)->loop);
    return NULL;
}

/* The thread inherits the blocked signals, so that they go to the threads of the program. */
static gibson_status start_thread(gibson_server *server, gibson_error *error)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&server->thread, NULL, run, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, failure, "cannot start a thread");
    }
    return GIBSON_OK;
}

static void free_server(gibson_server *server)
{
    gibs_store_free(server->store);
    gibs_log_close(server->log);
    gibson_server_config_free(server->config);
    pthread_mutex_destroy(&server->changing);
    free(server);
}

static void warn_of_lowered(gibs_log *log, const gibson_server_config *config)
{
    char text[GIBSON_ERROR_MESSAGE_SIZE];
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        if (gibs_config_lowered(config, (gibs_directive)i, text)) {
            gibs_log_write(log, GIBS_LOG_WARNING, "%s", text);
        }
    }
}

static gibson_status start(gibson_server *server, const gibson_server_config *config,
                           gibson_error *error)
{
    gibson_status status = gibs_config_check(config, error);
    if (status != GIBSON_OK) {
        return status;
    }
    server->config = gibs_config_copy(config);
    server->store = make_store(config);
    if (!server->config || !server->store) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the store");
    }
    server->service = (gibs_service){.store = server->store};
    server->service.settings.started_unix = server->store->settings.unix_time;
    status = gibs_log_open(&server->log, GIBS_CONFIG_TEXT(config, logfile),
                           (gibs_log_level)GIBS_CONFIG_NUMBER(config, loglevel),
                           (unsigned)GIBS_CONFIG_NUMBER(config, logflushrate), error);
    if (status != GIBSON_OK) {
        return status;
    }
    warn_of_lowered(server->log, config);
    status = gibs_loop_open(&server->loop, config, &server->service, server->log, error);
    if (status != GIBSON_OK) {
        return status;
    }
    status = start_thread(server, error);
    if (status == GIBSON_OK) {
        enlist(server);
        gibs_log_settle(server->log); /* whoever looks for the port finds it */
    } else {
        gibs_loop_close(&server->loop);
    }
    return status;
}

gibson_status gibson_server_start(gibson_server **server, const gibson_server_config *config,
                                  gibson_error *error)
{
    gibson_server_config *defaults = NULL;
    gibson_status status = config ? GIBSON_OK : gibson_server_config_new(&defaults);
    *server = status == GIBSON_OK ? calloc(1, sizeof **server) : NULL;
    if (!*server) {
        status = gib_error_set(error, GIBSON_NOMEM, "no memory for the server");
    } else {
        pthread_mutex_init(&(*server)->changing, NULL);
        status = start(*server, config ? config : defaults, error);
    }
    if (status != GIBSON_OK && *server) {
        free_server(*server);
        *server = NULL;
    }
    gibson_server_config_free(defaults);
    return status;
}

uint16_t gibson_server_port(const gibson_server *server)
{
    return gibs_listeners_port(&server->loop.listeners);
}

gibson_status gibson_server_reopen_log(gibson_server *server, gibson_error *error)
{
    pthread_mutex_lock(&server->changing);
    gibson_status status = gibs_log_reopen(server->log, NULL, error);
    pthread_mutex_unlock(&server->changing);
    return status;
}

void gibson_server_list_clients(gibson_server *server)
{
    gibs_loop_list_clients(&server->loop);
}

/* A directive without a value says so. */
static const char *text_of(const gibson_server_config *config, size_t directive)
{
    const char *text = config->settings[directive].text;
    return text[0] ? text : "(none)";
}

/* Says which directives are others in the next configuration, and whether they are in force now. */
static void say_what_changed(gibson_server *server, const gibson_server_config *next)
{
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        if (!gibs_config_differs(server->config, next, (gibs_directive)i)) {
            continue;
        }
        bool live = gibs_directives[i].changes == GIBS_CHANGES_LIVE;
        gibs_log_write_all(server->log, live ? GIBS_LOG_INFORMATION : GIBS_LOG_WARNING,
                           "%s: %.200s instead of %.200s%s", gibs_directives[i].name,
                           text_of(next, i), text_of(server->config, i),
                           live ? "" : " needs a restart, and is not in force yet");
    }
}

/* Takes over what a configuration says that has been found good. Opening the log is all that can
   fail. */
static gibson_status take_over(gibson_server *server, gibson_server_config *next, gibs_peers *peers,
                               gibson_error *error)
{
    gibson_status status = gibs_log_reopen(server->log, GIBS_CONFIG_TEXT(next, logfile), error);
    if (status != GIBSON_OK) {
        gibs_peers_free(peers);
        return status;
    }
    gibs_log_configure(server->log, (gibs_log_level)GIBS_CONFIG_NUMBER(next, loglevel),
                       (unsigned)GIBS_CONFIG_NUMBER(next, logflushrate));
    gibs_loop_apply(&server->loop, next, peers);
    say_what_changed(server, next);
    warn_of_lowered(server->log, next);
    gibs_config_adopt(server->config, next);
    return GIBSON_OK;
}

gibson_status gibson_server_reload(gibson_server *server, const gibson_server_config *config,
                                   gibson_error *error)
{
    gibs_peers *peers = NULL;
    gibson_server_config *next = NULL;
    gibson_status status = gibs_config_check(config, error);
    if (status == GIBSON_OK) {
        status = gibs_peers_new(&peers, config, error);
    }
    if (status == GIBSON_OK) {
        next = gibs_config_copy(config);
        if (!next) {
            gibs_peers_free(peers);
            status = gib_error_set(error, GIBSON_NOMEM, "no memory for the configuration");
        }
    }
    if (next) {
        pthread_mutex_lock(&server->changing);
        status = take_over(server, next, peers, error);
        pthread_mutex_unlock(&server->changing);
    }
    gibson_server_config_free(next);
    return status;
}

void gibson_server_stop(gibson_server *server)
{
    if (!server) {
        return;
    }
    gibs_log_write(server->log, GIBS_LOG_INFORMATION, "stopping");
    delist(server);
    gibs_loop_stop(&server->loop);
    pthread_join(server->thread, NULL);
    gibs_loop_close(&server->loop);
    gibs_log_write(server->log, GIBS_LOG_INFORMATION, "stopped");
    free_server(server);
}

gibs_log *gibs_server_log(gibson_server *server)
{
    return server->log;
}

void gibs_server_advance_clock(gibson_server *server, int64_t ms)
{
    gibs_loop_advance_clock(&server->loop, ms);
}

void gibs_server_limit_slices(gibson_server *server, size_t work)
{
    atomic_store(&server->loop.exchange.work, work);
    atomic_store(&server->loop.exchange.slices, 0);
}

void gibs_server_give_slices(gibson_server *server, int64_t slices)
{
    atomic_store(&server->loop.exchange.slices, slices);
}

int64_t gibs_server_slices_left(gibson_server *server)
{
    return atomic_load(&server->loop.exchange.slices);
}
