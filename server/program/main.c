/* gibson-server: reads the command line, runs a server, and waits for signals. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gibson/version.h>

#include "program/daemon.h"
#include "program/options.h"
#include "program/server.h"
#include "store/memory.h"

enum { EXIT_USAGE = 2 };

/* Descriptors that are needed beside those of the clients. */
enum { OTHER_DESCRIPTORS = 32 };

/* Raises the limit of descriptors as far as max_clients needs it and the system allows it. Returns
   how many clients there is room for. */
static uint64_t make_room_for_clients(const gibson_server_config *config)
{
    rlim_t wanted = (rlim_t)GIBS_CONFIG_NUMBER(config, max_clients) + OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        return UINT64_MAX;
    }
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > OTHER_DESCRIPTORS ? limit.rlim_cur - OTHER_DESCRIPTORS : 0;
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* the log may be a pipe */
}

/* Waits for a signal to end. */
static void wait_for_end(gibson_server *server, const sigset_t *signals)
{
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number)) {
            continue;
        }
        gibs_log *log = gibs_server_log(server);
        if (number != SIGHUP) {
            gibs_log_write(log, GIBS_LOG_INFORMATION, "%s", strsignal(number));
            return;
        }
        gibson_error error;
        if (gibson_server_reopen_log(server, &error) == GIBSON_OK) {
            gibs_log_write(log, GIBS_LOG_INFORMATION, "opened the log again");
        } else {
            gibs_log_write(log, GIBS_LOG_ERROR, "%s", error.message);
        }
    }
}

/* Starts the server and runs it to its end. ready is a descriptor for gibs_daemon_ready, or -1. */
static gibson_status serve(const gibson_server_config *config, int ready, gibson_error *error)
{
    uint64_t clients = make_room_for_clients(config);
    sigset_t signals;
    block_signals(&signals);
    gibson_server *server;
    gibson_status status = gibson_server_start(&server, config, error);
    if (status != GIBSON_OK) {
        return status;
    }
    if (clients < (uint64_t)GIBS_CONFIG_NUMBER(config, max_clients)) {
        gibs_log_write(gibs_server_log(server), GIBS_LOG_WARNING,
                       "max_clients is %" PRId64 ", but there are descriptors for %" PRIu64,
                       GIBS_CONFIG_NUMBER(config, max_clients), clients);
    }
    if (ready >= 0) {
        gibs_daemon_detach();
        gibson_server_reopen_log(server, NULL); /* it may have been one of the streams */
        gibs_daemon_ready(ready);
    }
    gibs_notify("READY=1");
    wait_for_end(server, &signals);
    gibs_notify("STOPPING=1");
    gibson_server_stop(server);
    return GIBSON_OK;
}

static gibson_status run(const gibson_server_config *config, gibson_error *error)
{
    int ready = -1;
    bool daemonize = GIBS_CONFIG_NUMBER(config, daemonize);
    gibson_status status = daemonize ? gibs_daemon_fork(&ready, error) : GIBSON_OK;
    gibs_pidfile pidfile = {-1, NULL};
    if (status == GIBSON_OK && (daemonize || GIBS_CONFIG_GIVEN(config, pidfile))) {
        status = gibs_pidfile_open(&pidfile, GIBS_CONFIG_TEXT(config, pidfile), error);
    }
    if (status == GIBSON_OK) {
        status = serve(config, ready, error);
    }
    gibs_pidfile_close(&pidfile);
    return status;
}

static int fail(const gibson_error *error, int code)
{
    fprintf(stderr, "gibson-server: %s\n", error->message);
    return code;
}

/* What --check-config does. */
static int check(const gibson_server_config *config)
{
    gibson_error error;
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        if (gibs_config_lowered(config, (gibs_directive)i, error.message)) {
            fprintf(stderr, "gibson-server: %s\n", error.message);
        }
    }
    printf("the configuration is good\n");
    return EXIT_SUCCESS;
}

static int act(gibson_server_config *config, gibs_action action)
{
    gibson_error error;
    switch (action) {
    case GIBS_ACTION_HELP:
        gibs_options_help(stdout);
        return EXIT_SUCCESS;
    case GIBS_ACTION_VERSION:
        printf("gibson-server %s\n", GIBSON_VERSION);
        return EXIT_SUCCESS;
    case GIBS_ACTION_CHECK:
    case GIBS_ACTION_SERVE:
        break;
    }
    if (gibs_config_check(config, &error) != GIBSON_OK) {
        return fail(&error, EXIT_USAGE);
    }
    if (action == GIBS_ACTION_CHECK) {
        return check(config);
    }
    return run(config, &error) == GIBSON_OK ? EXIT_SUCCESS : fail(&error, EXIT_FAILURE);
}

int main(int count, char **arguments)
{
    gibson_error error = {.message = "no memory"};
    gibson_server_config *config;
    gibs_action action;
    if (gibson_server_config_new(&config) != GIBSON_OK) {
        return fail(&error, EXIT_FAILURE);
    }
    gibs_memory_tune();
    int code = gibs_options_parse(config, count, arguments, &action, &error) == GIBSON_OK
                   ? act(config, action)
                   : fail(&error, EXIT_USAGE);
    gibson_server_config_free(config);
    return code;
}
