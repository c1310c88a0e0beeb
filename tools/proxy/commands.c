#include "proxy/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DROP_TIMEOUT_MS = 10000 };

static void refuse(char answer[GIBP_PROXY_ANSWER_SIZE], const char *why)
{
    snprintf(answer, GIBP_PROXY_ANSWER_SIZE, "error: %.300s", why);
}

static void add_fault(gibp_proxy *proxy, const char *text, char answer[GIBP_PROXY_ANSWER_SIZE])
{
    gibp_fault fault;
    char error[GIBP_PROXY_ERROR_SIZE];
    if (!gibp_fault_parse(&fault, text, error) || !gibp_proxy_add(proxy, &fault, error)) {
        refuse(answer, error);
    }
}

static void tell_counters(gibp_proxy *proxy, char answer[GIBP_PROXY_ANSWER_SIZE])
{
    gibp_proxy_counters now = gibp_proxy_count(proxy);
    snprintf(answer, GIBP_PROXY_ANSWER_SIZE,
             "ok accepted=%" PRIu64 " open=%" PRIu64 " server_open=%" PRIu64 " struck=%" PRIu64
             " request_bytes=%" PRIu64 " reply_bytes=%" PRIu64 " kept_back=%" PRIu64,
             now.accepted, now.open, now.server_open, now.struck, now.request_bytes,
             now.reply_bytes, now.kept_back);
}

bool gibp_proxy_command(gibp_proxy *proxy, const char *line, char answer[GIBP_PROXY_ANSWER_SIZE])
{
    static const char fault[] = "fault ";
    snprintf(answer, GIBP_PROXY_ANSWER_SIZE, "ok");
    if (strncmp(line, fault, sizeof fault - 1) == 0) {
        add_fault(proxy, line + sizeof fault - 1, answer);
    } else if (strcmp(line, "heal") == 0) {
        gibp_proxy_heal(proxy);
    } else if (strcmp(line, "release") == 0) {
        gibp_proxy_release(proxy);
    } else if (strcmp(line, "drop") == 0) {
        if (!gibp_proxy_drop(proxy, DROP_TIMEOUT_MS)) {
            refuse(answer, "the server has not closed its connections within 10 s");
        }
    } else if (strcmp(line, "counters") == 0) {
        tell_counters(proxy, answer);
    } else if (strcmp(line, "quit") == 0) {
        return false;
    } else {
        refuse(answer, "the commands are: fault FAULT, heal, release, drop, counters, quit");
    }
    return true;
}
