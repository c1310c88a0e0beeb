/* A program that brings its own server. */
#include <stdio.h>

#include <gibson-server/server.h>

int main(void)
{
    gibson_server_config *config;
    gibson_server *server;
    gibson_error error;
    if (gibson_server_config_new(&config) != GIBSON_OK) {
        return 1;
    }
    if (gibson_server_config_set(config, "port", "0", &error) != GIBSON_OK ||
        gibson_server_config_set(config, "logfile", "/dev/stderr", &error) != GIBSON_OK ||
        gibson_server_start(&server, config, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    gibson_server_config_free(config);
    printf("port %u\n", (unsigned)gibson_server_port(server));
    gibson_server_stop(server);
    return 0;
}
