/* A program that knows nothing but the installed headers and library. */
#include <stdio.h>
#include <string.h>

#include <gibson/gibson.h>

int main(void)
{
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = "/nonexistent/gibson.sock";
    gibson_client *client;
    gibson_error error;
    if (gibson_client_new(&client, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    gibson_status status = gibson_client_connect(client);
    gibson_value value;
    gibson_status without = gibson_client_get(client, gibson_str("key"), &value);
    printf("%s %s %s\n", gibson_version(), gibson_status_name(status), gibson_status_name(without));
    gibson_client_free(client);
    const bool right = status == GIBSON_UNREACHABLE && without == GIBSON_CLOSED;
    return right && !strcmp(gibson_version(), GIBSON_VERSION) ? 0 : 1;
}
