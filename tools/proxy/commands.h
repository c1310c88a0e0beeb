/* What a person or a program tells a running gibson-proxy, a line at a time. */
#ifndef GIBP_PROXY_COMMANDS_H
#define GIBP_PROXY_COMMANDS_H

#include "proxy/proxy.h"

enum { GIBP_PROXY_ANSWER_SIZE = 320 };

/* Carries out a command. The answer is a line without its end: "ok", "ok" and counters, or "error:
   " and a sentence. Returns false where the command was to quit. */
bool gibp_proxy_command(gibp_proxy *proxy, const char *line, char answer[GIBP_PROXY_ANSWER_SIZE]);

#endif
