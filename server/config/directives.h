/* The one list of configuration directives: the configuration file, the long options, --help, the
   embedding API, and the tables of docs/server.md and gibson-server(8) come from it or are checked
   against it.

   X(name, KIND, default, smallest, largest, CHANGES, summary). The kinds:
       TEXT      any text
       NUMBER    a decimal number
       FLAG      0 or 1; as an option, 1 where no value follows
       MODE      file permissions in octal
       SIZE      bytes; with a suffix B, K, M or G
       SECONDS   with a suffix s, m, h or d
       MILLISECONDS   the same; a number alone is in milliseconds
       EVICTION  none or clock
   CHANGES is LIVE where it can change while the server runs, on SIGHUP, else RESTART. */
#ifndef GIBS_DIRECTIVES_H
#define GIBS_DIRECTIVES_H

/* Leaves room for the fields around it in what 32 bits can count. */
#define GIBS_LARGEST_VALUE (UINT32_MAX - (1 << 20))

#define GIBS_DIRECTIVES(X)                                                                         \
    X(address, TEXT, "127.0.0.1", 0, 0, RESTART, "names or addresses to listen on")                \
    X(port, NUMBER, "10128", 0, 65535, RESTART, "TCP port to listen on, 0 for any that is free")   \
    X(unix_socket, TEXT, "", 0, 0, RESTART,                                                        \
      "unix socket, '@' and a name for an abstract one; on TCP then only with address or port "    \
      "given")                                                                                     \
    X(unix_socket_mode, MODE, "660", 0, 0777, RESTART, "permissions of the unix socket")           \
    X(unix_socket_users, TEXT, "", 0, 0, LIVE,                                                     \
      "users, by name or number, that may connect to unix sockets")                                \
    X(unix_socket_groups, TEXT, "", 0, 0, LIVE,                                                    \
      "groups, by name or number, whose members may connect to unix sockets")                      \
    X(logfile, TEXT, "/dev/stdout", 0, 0, LIVE, "file to append the log to")                       \
    X(loglevel, NUMBER, "1", 0, 3, LIVE, "0 debug, 1 information, 2 warnings, 3 errors")           \
    X(logflushrate, NUMBER, "1", 1, 1000000, LIVE, "lines after which the log is flushed")         \
    X(slow_log, MILLISECONDS, "100", 0, INT32_MAX, LIVE,                                           \
      "time from which a request is noted in the log, 0 for none")                                 \
    X(daemonize, FLAG, "0", 0, 1, RESTART, "run in the background")                                \
    X(pidfile, TEXT, "/var/run/gibson.pid", 0, 0, RESTART,                                         \
      "file for the process id, written with daemonize or where it is set")                        \
    X(max_memory, SIZE, "2G", 1 << 16, INT64_MAX / 2, LIVE, "bytes that items may take")           \
    X(max_item_ttl, SECONDS, "2592000", 1, INT32_MAX, LIVE, "longest ttl and lock time")           \
    X(max_idletime, SECONDS, "1", 1, 32767, LIVE, "interval of TCP keepalive probes")              \
    X(idle_timeout, SECONDS, "0", 0, INT32_MAX, LIVE,                                              \
      "time after which a client that asks nothing is disconnected, 0 for never")                  \
    X(max_clients, NUMBER, "1024", 1, 1000000, LIVE, "clients connected at once")                  \
    X(max_request_size, SIZE, "4M", 64, UINT32_MAX, LIVE, "bytes of a request")                    \
    X(max_key_size, SIZE, "1K", 2, UINT16_MAX, LIVE, "bytes of a key")                             \
    X(max_value_size, SIZE, "2M", 1, GIBS_LARGEST_VALUE, LIVE, "bytes of a value")                 \
    X(max_response_size, SIZE, "40960000", 64, UINT32_MAX, LIVE, "bytes of a reply")               \
    X(max_output_size, SIZE, "4M", 4096, UINT32_MAX, LIVE,                                         \
      "bytes of replies waiting for a client above which its requests wait")                       \
    X(max_client_memory, SIZE, "256M", 1 << 16, INT64_MAX / 2, LIVE,                               \
      "bytes of all requests and replies held for clients above which the worst is disconnected")  \
    X(max_write_stall, SECONDS, "30", 1, INT32_MAX, LIVE,                                          \
      "time in which a client has to take a part of the replies that wait for it")                 \
    X(compression, SIZE, "40960", 1, UINT32_MAX, LIVE, "bytes above which a value is compressed")  \
    X(eviction, EVICTION, "clock", 0, 1, LIVE,                                                     \
      "what goes when memory is full: what is asked for least (clock), or nothing at once (none)") \
    X(gc_ratio, SECONDS, "900", 1, INT32_MAX, LIVE,                                                \
      "time without access after which an item may go when memory is full, without eviction")      \
    X(max_mem_cron, SECONDS, "15", 1, INT32_MAX, LIVE,                                             \
      "interval of looking whether memory is full")                                                \
    X(expired_cron, SECONDS, "5", 1, INT32_MAX, LIVE, "interval of looking for expired items")     \
    X(cron_period, MILLISECONDS, "100", 1, 60000, LIVE, "interval of housekeeping")                \
    X(compat, FLAG, "0", 0, 1, LIVE,                                                               \
      "cut long keys, values and times as the reference server does")                              \
    X(use_poll, FLAG, "0", 0, 1, RESTART, "wait with poll even where epoll exists")

#endif
