/* The one list of configuration directives: the configuration file, the long options, --help, the
   embedding API, and the tables of docs/server.md and gibson-server(8) come from it or are checked
   against it.

   X(name, KIND, default, smallest, largest, summary). The kinds:
       TEXT      any text
       NUMBER    a decimal number
       FLAG      0 or 1; as an option, 1 where no value follows
       MODE      file permissions in octal
       SIZE      bytes; with a suffix B, K, M or G
       SECONDS   with a suffix s, m, h or d
       MILLISECONDS   the same; a number alone is in milliseconds
       EVICTION  none or clock */
#ifndef GIBS_DIRECTIVES_H
#define GIBS_DIRECTIVES_H

/* Leaves room for the fields around it in what 32 bits can count. */
#define GIBS_LARGEST_VALUE (UINT32_MAX - (1 << 20))

#define GIBS_DIRECTIVES(X)                                                                         \
    X(address, TEXT, "127.0.0.1", 0, 0, "name or address to listen on")                            \
    X(port, NUMBER, "10128", 0, 65535, "TCP port to listen on, 0 for any that is free")            \
    X(unix_socket, TEXT, "", 0, 0,                                                                 \
      "unix socket to listen on instead, '@' and a name for an abstract one")                      \
    X(unix_socket_mode, MODE, "660", 0, 0777, "permissions of the unix socket")                    \
    X(logfile, TEXT, "/dev/stdout", 0, 0, "file to append the log to")                             \
    X(loglevel, NUMBER, "1", 0, 3, "0 debug, 1 information, 2 warnings, 3 errors")                 \
    X(logflushrate, NUMBER, "1", 1, 1000000, "lines after which the log is flushed")               \
    X(daemonize, FLAG, "0", 0, 1, "run in the background")                                         \
    X(pidfile, TEXT, "/var/run/gibson.pid", 0, 0,                                                  \
      "file for the process id, written with daemonize or where it is set")                        \
    X(max_memory, SIZE, "2G", 1 << 16, INT64_MAX / 2, "bytes that items may take")                 \
    X(max_item_ttl, SECONDS, "2592000", 1, INT32_MAX, "longest ttl and lock time")                 \
    X(max_idletime, SECONDS, "1", 1, 32767, "interval of TCP keepalive probes")                    \
    X(max_clients, NUMBER, "1024", 1, 1000000, "clients connected at once")                        \
    X(max_request_size, SIZE, "4M", 64, UINT32_MAX, "bytes of a request")                          \
    X(max_key_size, SIZE, "1K", 2, UINT16_MAX, "bytes of a key")                                   \
    X(max_value_size, SIZE, "2M", 1, GIBS_LARGEST_VALUE, "bytes of a value")                       \
    X(max_response_size, SIZE, "40960000", 64, UINT32_MAX, "bytes of a reply")                     \
    X(max_output_size, SIZE, "4M", 4096, UINT32_MAX,                                               \
      "bytes of replies waiting for a client above which its requests wait")                       \
    X(max_client_memory, SIZE, "256M", 1 << 16, INT64_MAX / 2,                                     \
      "bytes of all requests and replies held for clients above which the worst is disconnected")  \
    X(max_write_stall, SECONDS, "30", 1, INT32_MAX,                                                \
      "time in which a client has to take a part of the replies that wait for it")                 \
    X(compression, SIZE, "40960", 1, UINT32_MAX, "bytes above which a value is compressed")        \
    X(eviction, EVICTION, "clock", 0, 1,                                                           \
      "what goes when memory is full: what is not accessed (clock), or nothing at once (none)")    \
    X(gc_ratio, SECONDS, "900", 1, INT32_MAX,                                                      \
      "time without access after which an item may go when memory is full, without eviction")      \
    X(max_mem_cron, SECONDS, "15", 1, INT32_MAX, "interval of looking whether memory is full")     \
    X(expired_cron, SECONDS, "5", 1, INT32_MAX, "interval of looking for expired items")           \
    X(cron_period, MILLISECONDS, "100", 1, 60000, "interval of housekeeping")                      \
    X(compat, FLAG, "0", 0, 1, "cut long keys, values and times as the reference server does")     \
    X(use_poll, FLAG, "0", 0, 1, "wait with poll even where epoll exists")

#endif
