/* gibson-server: reads the command line, runs a server, and waits for signals. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gibson/version.h>

#include "program/activation.h"
#include "program/daemon.h"
#include "program/options.h"
#include "program/server.h"
#include "store/memory.h"

enum { EXIT_USAGE = 2 };

/* Descriptors that are needed beside those of the clients. */
enum { OTHER_DESCRIPTORS = 32 };

/* What the process was started with. */
typedef struct command_line {
    int count;
    char **arguments;
} command_line;

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

static void warn_of_descriptors(gibson_server *server, const gibson_server_config *config,
                                uint64_t clients)
{
    if (clients < (uint64_t)GIBS_CONFIG_NUMBER(config, max_clients)) {
        gibs_log_write(gibs_server_log(server), GIBS_LOG_WARNING,
                       "max_clients is %" PRId64 ", but there are descriptors for %" PRIu64,
                       GIBS_CONFIG_NUMBER(config, max_clients), clients);
    }
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* the log may be a pipe */
}

/* Reads the configuration again, from the same files and options. Returns what failed, and then
   nothing has changed. */
static gibson_status reload(gibson_server *server, const command_line *line, gibson_error *error)
{
    gibson_server_config *config;
    gibs_action action;
    gibson_status status = gibson_server_config_new(&config);
    if (status != GIBSON_OK) {
        return gib_error_set(error, status, "no memory for the configuration");
    }
    status = gibs_options_parse(config, line->count, line->arguments, &action, error);
    if (status == GIBSON_OK) {
        uint64_t clients = make_room_for_clients(config);
        status = gibson_server_reload(server, config, error);
        if (status == GIBSON_OK) {
            warn_of_descriptors(server, config, clients);
        }
    }
    gibson_server_config_free(config);
    return status;
}

/* What SIGHUP does. */
static void begin_anew(gibson_server *server, const command_line *line)
{
    gibs_log *log = gibs_server_log(server);
    gibson_error error;
    gibson_status status = reload(server, line, &error);
    if (status != GIBSON_OK) {
        gibs_log_write(log, GIBS_LOG_ERROR, "the configuration stays as it was: %s", error.message);
        status =
            gibson_server_reopen_log(server, &error); /* it may have been rotated all the same */
    }
    if (status == GIBSON_OK) {
        gibs_log_write(log, GIBS_LOG_INFORMATION, "opened the log again");
    } else {
        gibs_log_write(log, GIBS_LOG_ERROR, "%s", error.message);
    }
}

/* Waits for a signal to end, and does what others ask for. */
static void wait_for_end(gibson_server *server, const sigset_t *signals, const command_line *line)
{
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number)) {
            continue;
        }
        if (number == SIGHUP) {
            begin_anew(server, line);
        } else if (number == SIGUSR1) {
            gibson_server_list_clients(server);
        } else {
            gibs_log_write(gibs_server_log(server), GIBS_LOG_INFORMATION, "%s", strsignal(number));
            return;
        }
    }
}

/* Starts the server and runs it to its end. ready is a descriptor for gibs_daemon_ready, or -1. */
static gibson_status serve(const gibson_server_config *config, const command_line *line, int ready,
                           gibson_error *error)
{
    uint64_t clients = make_room_for_clients(config);
    sigset_t signals;
    block_signals(&signals);
    gibson_server *server;
    gibson_status status = gibson_server_start(&server, config, error);
    if (status != GIBSON_OK) {
        return status;
    }
    warn_of_descriptors(server, config, clients);
    if (ready >= 0) {
        gibs_daemon_detach();
        gibson_server_reopen_log(server, NULL); /* it may have been one of the streams */
        gibs_daemon_ready(ready);
    }
    gibs_notify("READY=1");
    wait_for_end(server, &signals, line);
    gibs_notify("STOPPING=1");
    gibson_server_stop(server);
    return GIBSON_OK;
}

static gibson_status run(gibson_server_config *config, const command_line *line,
                         gibson_error *error)
{
    int ready = -1;
    bool daemonize = GIBS_CONFIG_NUMBER(config, daemonize);
    gibson_status status = gibs_activation_take(config, error);
    if (status == GIBSON_OK && daemonize) {
        status = gibs_daemon_fork(&ready, error);
    }
    gibs_pidfile pidfile = {-1, NULL};
    if (status == GIBSON_OK && (daemonize || GIBS_CONFIG_GIVEN(config, pidfile))) {
        status = gibs_pidfile_open(&pidfile, GIBS_CONFIG_TEXT(config, pidfile), error);
    }
    if (status == GIBSON_OK) {
        status = serve(config, line, ready, error);
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

static int act(gibson_server_config *config, gibs_action action, const command_line *line)
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
    return run(config, line, &error) == GIBSON_OK ? EXIT_SUCCESS : fail(&error, EXIT_FAILURE);
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
    command_line line = {count, arguments};
    int code = gibs_options_parse(config, count, arguments, &action, &error) == GIBSON_OK
                   ? act(config, action, &line)
                   : fail(&error, EXIT_USAGE);
    gibson_server_config_free(config);
    return code;
}
