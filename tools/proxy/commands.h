/* What a person or a program tells a running gibson-proxy, a line at a time. */
#ifndef GIB_PROXY_COMMANDS_H
#define GIB_PROXY_COMMANDS_H

#include "proxy.h"

enum { GIB_PROXY_ANSWER_SIZE = 320 };

/* Carries out a command. The answer is a line without its end: "ok", "ok" and counters, or "error:
   " and a sentence. Returns false where the command was to quit. */
bool gib_proxy_command(gib_proxy *proxy, const char *line, char answer[GIB_PROXY_ANSWER_SIZE]);

#endif
