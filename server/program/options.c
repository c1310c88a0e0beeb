#include "program/options.h"

#include <string.h>

/* An argument list in the course of being read. */
typedef struct cursor {
    int count;
    char **arguments;
    int at;
} cursor;

static gibson_status set_option(gibson_server_config *config, const char *name, size_t name_size,
                                const char *value, gibson_error *error)
{
    const gibs_directive_row *row = gibs_directive_find(name, name_size);
    gibson_error detail;
    gibson_status status = gibson_server_config_set(config, row->name, value, &detail);
    return status == GIBSON_OK ? status : gib_error_set(error, status, "--%.150s", detail.message);
}

/* The value of an option: after '=', or the next argument. A flag may go without. */
static const char *value_of(cursor *list, const gibs_directive_row *row, const char *equals)
{
    if (equals) {
        return equals + 1;
    }
    const char *next = list->at + 1 < list->count ? list->arguments[list->at + 1] : NULL;
    if (row->kind == GIBS_KIND_FLAG && (!next || (strcmp(next, "0") && strcmp(next, "1")))) {
        return "1";
    }
    list->at++;
    return next;
}

/* The option at the cursor. Without a configuration it is only checked that it is one. */
static gibson_status long_option(gibson_server_config *config, cursor *list, const char *argument,
                                 gibson_error *error)
{
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    size_t name_size = equals ? (size_t)(equals - name) : strlen(name);
    const gibs_directive_row *row = gibs_directive_find(name, name_size);
    if (!row) {
        return gib_error_set(error, GIBSON_INVALID, "there is no option '%.60s'", argument);
    }
    const char *value = value_of(list, row, equals);
    if (!value) {
        return gib_error_set(error, GIBSON_INVALID, "--%s: the value is missing", row->name);
    }
    return config ? set_option(config, name, name_size, value, error) : GIBSON_OK;
}

/* -c FILE, --config FILE or --config=FILE; NULL where it is another argument. *missing tells that
   the name of the file is not there. */
static const char *config_file(cursor *list, bool *missing)
{
    static const char with_equals[] = "--config=";
    const char *argument = list->arguments[list->at];
    *missing = false;
    if (!strncmp(argument, with_equals, sizeof with_equals - 1)) {
        return argument + sizeof with_equals - 1;
    }
    if (strcmp(argument, "-c") && strcmp(argument, "--config")) {
        return NULL;
    }
    *missing = list->at + 1 >= list->count;
    return *missing ? NULL : list->arguments[++list->at];
}

static bool is_action(const char *argument, gibs_action *action)
{
    static const struct {
        const char *name;
        gibs_action action;
    } actions[] = {
        {"-h", GIBS_ACTION_HELP},
        {"--help", GIBS_ACTION_HELP},
        {"-v", GIBS_ACTION_VERSION},
        {"--version", GIBS_ACTION_VERSION},
        {"--check-config", GIBS_ACTION_CHECK},
    };
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!strcmp(argument, actions[i].name)) {
            *action = actions[i].action;
            return true;
        }
    }
    return false;
}

/* Goes through the arguments. The first time only the files are loaded, the second time the options
   are set, so that options win. */
static gibson_status go_through(gibson_server_config *config, cursor list, bool files,
                                gibs_action *action, gibson_error *error)
{
    gibson_status status = GIBSON_OK;
    for (list.at = 1; status == GIBSON_OK && list.at < list.count; list.at++) {
        const char *argument = list.arguments[list.at];
        bool missing;
        const char *file = config_file(&list, &missing);
        if (missing) {
            status = gib_error_set(error, GIBSON_INVALID, "%s: the file is missing", argument);
        } else if (file) {
            status = files ? gibson_server_config_load(config, file, error) : GIBSON_OK;
        } else if (!is_action(argument, action)) {
            status =
                strncmp(argument, "--", 2)
                    ? gib_error_set(error, GIBSON_INVALID, "unexpected argument '%.60s'", argument)
                    : long_option(files ? NULL : config, &list, argument, error);
        }
    }
    return status;
}

gibson_status gibs_options_parse(gibson_server_config *config, int count, char **arguments,
                                 gibs_action *action, gibson_error *error)
{
    cursor list = {count, arguments, 1};
    *action = GIBS_ACTION_SERVE;
    gibson_status status = go_through(config, list, true, action, error);
    if (status != GIBSON_OK || *action == GIBS_ACTION_HELP || *action == GIBS_ACTION_VERSION) {
        return status;
    }
    return go_through(config, list, false, action, error);
}

static const char *const value_names[] = {
    [GIBS_KIND_TEXT] = "TEXT",         [GIBS_KIND_NUMBER] = "NUMBER",
    [GIBS_KIND_FLAG] = "[0|1]",        [GIBS_KIND_MODE] = "MODE",
    [GIBS_KIND_SIZE] = "SIZE",         [GIBS_KIND_SECONDS] = "TIME",
    [GIBS_KIND_MILLISECONDS] = "TIME", [GIBS_KIND_EVICTION] = "none|clock",
};

void gibs_options_help(FILE *out)
{
    fprintf(out,
            "usage: gibson-server [-c FILE] [OPTION]...\n"
            "\n"
            "Runs a server for the Gibson cache protocol in the foreground.\n"
            "\n"
            "  -c, --config FILE          read directives from a file; options win over it\n"
            "      --check-config         read the configuration, say whether it is good, exit\n"
            "  -h, --help                 print this, exit\n"
            "  -v, --version              print the version, exit\n"
            "\n"
            "Each directive of the configuration file is an option:\n"
            "\n");
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        const gibs_directive_row *row = &gibs_directives[i];
        char usage[64];
        snprintf(usage, sizeof usage, "--%s %s", row->name, value_names[row->kind]);
        bool has_default = row->fallback[0];
        fprintf(out, "  %-28s %s%s%s%s\n", usage, row->summary, has_default ? " (" : "",
                row->fallback, has_default ? ")" : "");
    }
    fprintf(out,
            "\n"
            "SIZE takes the suffixes B, K, M and G, TIME takes s, m, h and d.\n"
            "SIGTERM and SIGINT end the server, SIGHUP makes it read its configuration and open\n"
            "its log again, SIGUSR1 makes it list its clients in the log.\n");
}
