/* Requests and replies as bytes on a socket, for tests that look at the protocol itself. */
#ifndef RAW_CLIENT_H
#define RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct raw_reply {
    bool closed; /* the server has closed the connection instead */
    uint16_t code;
    uint8_t encoding;
    uint32_t size;
    uint8_t *data; /* owned */
} raw_reply;

/* Writes a request frame to `to`, which has room for payload_size + 6 bytes. Returns its size. */
size_t raw_request(uint8_t *to, uint16_t opcode, const void *payload, size_t payload_size);

/* Sends all bytes. False where the connection is broken. */
bool raw_send(int descriptor, const void *bytes, size_t size);

/* Sends a request. False where the connection is broken. */
bool raw_send_request(int descriptor, uint16_t opcode, const void *payload, size_t payload_size);

/* Waits for a reply; one that does not come within 20 seconds counts as an error, and ends the
   program. */
raw_reply raw_read_reply(int descriptor);
void raw_reply_free(raw_reply *reply);

/* Sends a request whose payload is a text, and waits for the reply. */
raw_reply raw_ask(int descriptor, uint16_t opcode, const char *payload);

/* The same for a reply of which only the code matters; -1 where the connection is closed. */
int raw_ask_code(int descriptor, uint16_t opcode, const char *payload);

/* The same for a reply that is a number; INT64_MIN where it is none. */
int64_t raw_ask_number(int descriptor, uint16_t opcode, const char *payload);

/* The value of one of the STATS, which has to be a number; INT64_MIN where it is none. */
int64_t raw_stat(int descriptor, const char *name);

/* The same of a reply that is still to come. */
int64_t raw_read_stat(int descriptor, const char *name);

/* Asks for one of the STATS until it has a value; gives up after 20 seconds. */
bool raw_await_stat(int descriptor, const char *name, int64_t value);

#endif
