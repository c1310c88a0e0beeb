#include "base/unix_address.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

gibson_status gib_unix_address(const char *path, struct sockaddr_un *address, socklen_t *size,
                               gibson_error *error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *size = 0;
    size_t length = strlen(path);
    bool abstract = path[0] == '@';
    if (length == 0 || (abstract && length == 1)) {
        return gib_error_set(error, GIBSON_INVALID, "unix_socket is empty");
    }
    /* A path ends with a NUL; an abstract name begins with one, in place of the '@'. */
    size_t needed = abstract ? length : length + 1;
    if (needed > sizeof address->sun_path) {
        return gib_error_set(error, GIBSON_INVALID,
                             "unix_socket has %zu bytes, and %zu fit a socket address", length,
                             sizeof address->sun_path - (abstract ? 0 : 1));
    }
    memcpy(address->sun_path, path, length);
    if (abstract) {
        address->sun_path[0] = '\0';
    }
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + needed);
    return GIBSON_OK;
}
