#include "proxy/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: gibson-proxy --connect ADDRESS [--listen ADDRESS] [--fault FAULT]... [--script FILE]\n"
    "                    [--commands]\n"
    "\n"
    "Stands between clients and a server, and makes things go wrong.\n"
    "\n"
    "  -c, --connect ADDRESS  where the server is: HOST:PORT, [IPv6]:PORT, unix:PATH or "
    "unix:@NAME\n"
    "  -l, --listen ADDRESS   where clients connect to; by default 127.0.0.1:0, any free port\n"
    "  -f, --fault FAULT      a fault for all connections, or one; may be given many times\n"
    "  -s, --script FILE      faults, one a line; # begins a comment\n"
    "  -i, --commands         read commands from the standard input, and end with it:\n"
    "                         fault FAULT, heal, release, drop, counters, quit\n"
    "  -h, --help             this text\n"
    "  -V, --version          the version\n"
    "\n"
    "It writes \"listening on ADDRESS\" to the standard output once clients can connect.\n"
    "\n"
    "FAULT is [CONNECTION/]DIRECTION:KIND[@BYTE][=ARGUMENT]. CONNECTION counts from 1; DIRECTION "
    "is\n"
    "request or reply; BYTE is how many bytes of that direction pass before, by default 0.\n"
    "KIND is\n";

static void print_help(void)
{
    const char *name;
    const char *meaning;
    fputs(usage, stdout);
    for (size_t i = 0; gibp_fault_describe(i, &name, &meaning); i++) {
        printf("  %-12s %s\n", name, meaning);
    }
    puts("\nFor example: gibson-proxy -c 127.0.0.1:10128 -l 127.0.0.1:10129 -f 2/reply:cut@7");
}

static bool add_fault(gibp_proxy_arguments *arguments, const char *text, const char *where)
{
    char error[GIBP_FAULT_ERROR_SIZE] = "too many faults";
    if (arguments->fault_count == GIBP_PROXY_MAX_FAULTS ||
        !gibp_fault_parse(&arguments->faults[arguments->fault_count], text, error)) {
        fprintf(stderr, "gibson-proxy: %s%s\n", where, error);
        return false;
    }
    arguments->fault_count++;
    return true;
}

/* Cuts off the comment and the spaces around what is left. */
static char *strip(char *line)
{
    line[strcspn(line, "#\r\n")] = '\0';
    char *begin = line + strspn(line, " \t");
    size_t size = strlen(begin);
    while (size && (begin[size - 1] == ' ' || begin[size - 1] == '\t')) {
        begin[--size] = '\0';
    }
    return begin;
}

static bool read_script(gibp_proxy_arguments *arguments, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "gibson-proxy: cannot read %s: %s\n", path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t room = 0;
    bool fine = true;
    for (unsigned number = 1; fine && getline(&line, &room, file) >= 0; number++) {
        char where[300];
        snprintf(where, sizeof where, "%.250s:%u: ", path, number);
        const char *text = strip(line);
        fine = !*text || add_fault(arguments, text, where);
    }
    free(line);
    fclose(file);
    return fine;
}

static bool read_option(gibp_proxy_arguments *arguments, int option)
{
    switch (option) {
    case 'c':
        arguments->connect = optarg;
        return true;
    case 'l':
        arguments->listen = optarg;
        return true;
    case 'f':
        return add_fault(arguments, optarg, "");
    case 's':
        return read_script(arguments, optarg);
    case 'i':
        arguments->commands = true;
        return true;
    case 'h':
        arguments->leave = true;
        print_help();
        return true;
    case 'V':
        arguments->leave = true;
        puts("gibson-proxy " GIBP_PROXY_VERSION);
        return true;
    default: /* getopt_long has said what is wrong */
        return false;
    }
}

bool gibp_proxy_arguments_read(gibp_proxy_arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", required_argument, NULL, 'c'}, {"listen", required_argument, NULL, 'l'},
        {"fault", required_argument, NULL, 'f'},   {"script", required_argument, NULL, 's'},
        {"commands", no_argument, NULL, 'i'},      {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
    };
    *arguments = (gibp_proxy_arguments){.listen = "127.0.0.1:0"};
    int option;
    while (!arguments->leave &&
           (option = getopt_long(argc, argv, "c:l:f:s:ihV", options, NULL)) != -1) {
        if (!read_option(arguments, option)) {
            return false;
        }
    }
    if (arguments->leave) {
        return true;
    }
    if (optind < argc || !arguments->connect) {
        fprintf(stderr, "gibson-proxy: %s; see --help\n",
                optind < argc ? "it takes options only" : "--connect is missing");
        return false;
    }
    return true;
}
