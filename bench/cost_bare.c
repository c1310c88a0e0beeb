/* The least that a GET can cost: one send and one recv with nothing around them, for comparison
   with cost_gibson. It checks nothing but the size of the reply.

       cost_bare SOCKET COUNT                                                                    */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VALUE_SIZE = 100, REPLY_SIZE = 7 + VALUE_SIZE };

/* Frames of SET and GET for the key that cost_gibson uses; sizes are below 256. */
static size_t frame(uint8_t *to, uint8_t opcode, const char *payload, size_t size)
{
    const uint8_t header[6] = {(uint8_t)(size + 2), 0, 0, 0, opcode, 0};
    memcpy(to, header, sizeof header);
    memcpy(to + sizeof header, payload, size);
    return sizeof header + size;
}

static int run(int descriptor, long count)
{
    uint8_t request[256];
    uint8_t reply[256];
    char payload[200] = "0 app:user:1000:name ";
    size_t used = strlen(payload);
    memset(payload + used, 'v', VALUE_SIZE);
    size_t size = frame(request, 1, payload, used + VALUE_SIZE);
    for (long i = 0; i <= count; i++) {
        if (send(descriptor, request, size, MSG_NOSIGNAL) != (ssize_t)size ||
            recv(descriptor, reply, sizeof reply, 0) != REPLY_SIZE) {
            fprintf(stderr, "cost_bare: no reply of the right size\n");
            return 1;
        }
        if (i == 0) {
            size = frame(request, 3, "app:user:1000:name", 18);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: cost_bare SOCKET COUNT\n");
        return 2;
    }
    memcpy(address.sun_path, argv[1], strlen(argv[1]));
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (descriptor < 0 || connect(descriptor, (const struct sockaddr *)&address, sizeof address)) {
        perror("cost_bare");
        return 1;
    }
    int status = run(descriptor, strtol(argv[2], NULL, 10));
    close(descriptor);
    return status;
}
