/* gibson-proxy: makes things go wrong between a client and a server. See docs/fault-injection.md.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proxy/commands.h"
#include "proxy/options.h"

enum { EXIT_USAGE = 2, LONGEST_COMMAND = 512 };

/* Lines from the standard input, read without stdio, which would hide from poll what it has read.
 */
typedef struct reader {
    char text[LONGEST_COMMAND];
    size_t size;
} reader;

static bool run_command(gibp_proxy *proxy, const char *line)
{
    char answer[GIBP_PROXY_ANSWER_SIZE];
    bool goes_on = gibp_proxy_command(proxy, line, answer);
    puts(answer);
    fflush(stdout);
    return goes_on;
}

/* Carries out the commands that have come. False when there are to be no more. */
static bool read_commands(gibp_proxy *proxy, reader *from)
{
    if (from->size == LONGEST_COMMAND - 1) {
        fputs("gibson-proxy: a command is too long\n", stderr);
        return false;
    }
    ssize_t got = read(STDIN_FILENO, from->text + from->size, LONGEST_COMMAND - 1 - from->size);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    from->size += (size_t)got;
    from->text[from->size] = '\0';
    char *begin = from->text;
    for (char *end; (end = strchr(begin, '\n')); begin = end + 1) {
        *end = '\0';
        if (!run_command(proxy, begin)) {
            return false;
        }
    }
    from->size -= (size_t)(begin - from->text);
    memmove(from->text, begin, from->size);
    return true;
}

/* Waits for a signal to end, carrying out commands meanwhile. */
static void serve(gibp_proxy *proxy, int signals, bool commands)
{
    reader from = {.size = 0};
    struct pollfd wanted[2] = {{.fd = signals, .events = POLLIN},
                               {.fd = commands ? STDIN_FILENO : -1, .events = POLLIN}};
    for (;;) {
        if (poll(wanted, 2, -1) < 0) {
            continue; /* a signal that is not ours */
        }
        if (wanted[0].revents || (wanted[1].revents && !read_commands(proxy, &from))) {
            return;
        }
    }
}

/* Makes the signals that end a program readable, so that the unix socket does not stay behind. */
static int catch_signals(void)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    return signalfd(-1, &ending, SFD_CLOEXEC);
}

static bool add_faults(gibp_proxy *proxy, const gibp_proxy_arguments *arguments)
{
    char error[GIBP_PROXY_ERROR_SIZE];
    for (size_t i = 0; i < arguments->fault_count; i++) {
        if (!gibp_proxy_add(proxy, &arguments->faults[i], error)) {
            fprintf(stderr, "gibson-proxy: %s\n", error);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    gibp_proxy_arguments arguments;
    if (!gibp_proxy_arguments_read(&arguments, argc, argv)) {
        return EXIT_USAGE;
    }
    if (arguments.leave) {
        return EXIT_SUCCESS;
    }
    int signals = catch_signals();
    const gibp_proxy_options options = {.listen = arguments.listen, .connect = arguments.connect};
    gibp_proxy *proxy;
    char error[GIBP_PROXY_ERROR_SIZE];
    if (signals < 0 || !gibp_proxy_start(&proxy, &options, error)) {
        fprintf(stderr, "gibson-proxy: %s\n", signals < 0 ? strerror(errno) : error);
        return EXIT_FAILURE;
    }
    bool fine = add_faults(proxy, &arguments);
    if (fine) {
        printf("listening on %s\n", gibp_proxy_listens_on(proxy));
        fflush(stdout);
        serve(proxy, signals, arguments.commands);
    }
    gibp_proxy_stop(proxy);
    close(signals);
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
