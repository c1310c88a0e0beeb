/* Prints the tables of the documentation from the lists in the headers.

       print_tables commands|meta|statuses|directives|pool_stats|stats */
#include <stdio.h>
#include <string.h>

#include <gibson/gibson.h>

#include "config/directives.h"
#include "service/stats_rows.h"

static const char *takes(gibson_arguments shape)
{
    const char *text = "";
    /* NOLINTBEGIN(bugprone-branch-clone): rows of a list may be alike */
    switch (shape) {
#define ARGUMENT(NAME, name, need) ", " #name
#define SHAPE(NAME)                                                                                \
    case GIBSON_ARGUMENTS_##NAME:                                                                  \
        text = "" GIBSON_TAKES_##NAME(ARGUMENT);                                                   \
        break;
        GIBSON_ARGUMENTS_LIST(SHAPE)
#undef SHAPE
#undef ARGUMENT
    }
    /* NOLINTEND(bugprone-branch-clone) */
    return *text ? text + strlen(", ") : text;
}

static const char *const yields[] = {
    [GIBSON_YIELD_NONE] = "",
    [GIBSON_YIELD_VALUE] = "value",
    [GIBSON_YIELD_ECHO] = "the value as stored",
    [GIBSON_YIELD_NUMBER] = "number",
    [GIBSON_YIELD_ITEMS] = "keys and values",
    [GIBSON_YIELD_KEYS] = "keys",
    [GIBSON_YIELD_FACTS] = "names and values",
};

static const char *const effects[] = {
    [GIBSON_EFFECT_READ] = "read",
    [GIBSON_EFFECT_REPEATABLE] = "repeatable",
    [GIBSON_EFFECT_WRITE] = "write",
    [GIBSON_EFFECT_CLOSE] = "close",
};

static void print_commands(void)
{
    printf("| command | opcode | takes | yields | effect | what it does |\n");
    printf("|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < gibson_command_count(); i++) {
        const gibson_command *command = gibson_command_at(i);
        printf("| `%s` | %d | %s | %s | %s | %s |\n", command->name, (int)command->opcode,
               takes(command->arguments), yields[command->yield], effects[command->effect],
               command->summary);
    }
}

static void print_meta(void)
{
    printf("| field | what it is |\n|---|---|\n");
#define ROW(NAME, name, summary) printf("| `%s` | %s |\n", #name, summary);
    GIBSON_META_LIST(ROW)
#undef ROW
}

static void print_statuses(void)
{
    printf("| status | number | meaning |\n|---|---|---|\n");
#define ROW(NAME, name, text)                                                                      \
    printf("| `GIBSON_%s` | %d | %s |\n", #NAME, (int)GIBSON_##NAME, text);
    GIBSON_STATUS_LIST(ROW)
#undef ROW
}

static void print_pool_stats(void)
{
    printf("| member | what it tells |\n|---|---|\n");
#define ROW(type, name, text) printf("| `%s` | %s |\n", #name, text);
#define DROP_ROW(name, text) printf("| `dropped_%s` | connections dropped: %s |\n", #name, text);
    GIBSON_POOL_STATS_LIST(ROW)
    GIBSON_POOL_DROP_LIST(DROP_ROW)
#undef DROP_ROW
#undef ROW
}

static void print_directives(void)
{
    printf("| directive | value | default | changes | what it is |\n|---|---|---|---|---|\n");
#define ROW(name, kind, fallback, smallest, largest, changes, summary)                             \
    printf("| `%s` | %s | %s | %s | %s |\n", #name, #kind, fallback, #changes, summary);
    GIBS_DIRECTIVES(ROW)
#undef ROW
}

static void print_stats(void)
{
    printf("| row | what it is |\n|---|---|\n");
#define ROW(name, kind, value, summary) printf("| `%s` | %s |\n", #name, summary);
    GIBS_STATS_OF_REFERENCE(ROW)
    printf("| *behind those of the reference server* | *of our own* |\n");
    GIBS_STATS_OF_OURS(ROW)
#undef ROW
#define ROW(name, summary)                                                                         \
    printf("| `total_disconnected_%s` | clients that were disconnected because they %s |\n",       \
           #name, summary);
    GIBS_PARTINGS(ROW)
#undef ROW
    const char *comma = "";
    printf("| `total_replies_CODE` | replies with a code that says no: ");
#define NAME(name, NAME) printf("%s%s", comma, #name), comma = ", ";
    GIBS_REFUSALS(NAME)
#undef NAME
    printf(" |\n| `total_requests_COMMAND` | requests of a command that were answered: ");
    for (size_t i = 0; i < gibson_command_count(); i++) {
        printf("%s%s", i ? ", " : "", gibson_command_at(i)->name);
    }
    comma = "";
    printf(" |\n| `latency_below_Nus` | timed requests that took less than N microseconds: ");
#define NAME(bound) printf("%s%d", comma, bound), comma = ", ";
    GIBS_LATENCY_BOUNDS(NAME)
#undef NAME
    printf(" |\n");
}

static const struct {
    const char *name;
    void (*print)(void);
} tables[] = {
    {"commands", print_commands},     {"meta", print_meta},
    {"statuses", print_statuses},     {"directives", print_directives},
    {"pool_stats", print_pool_stats}, {"stats", print_stats},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof tables / sizeof *tables; i++) {
        if (!strcmp(argv[1], tables[i].name)) {
            tables[i].print();
            return 0;
        }
    }
    fprintf(stderr, "usage: print_tables commands|meta|statuses|directives|pool_stats|stats\n");
    return 2;
}
