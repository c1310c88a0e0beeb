/* An exchange of each command with gibson-server, as bytes: what goes there, what comes back, and
   what it changes. */
#ifndef FAULT_EXCHANGE_H
#define FAULT_EXCHANGE_H

#include <gibson/client.h>

enum {
    EXCHANGE_REQUEST_SIZE = 64,
    EXCHANGE_REPLY_SIZE = 4096,
    EXCHANGE_STATE_SIZE = 600,
};

/* What a byte of a reply belongs to. */
typedef enum exchange_field {
    EXCHANGE_CODE,
    EXCHANGE_ENCODING,
    EXCHANGE_SIZE,
    EXCHANGE_ZERO, /* the data of a reply that says no more than its code */
    EXCHANGE_COUNT,
    EXCHANGE_ITEM_SIZE, /* of a key or a value */
    EXCHANGE_ITEM_ENCODING,
    EXCHANGE_KEY,
    EXCHANGE_VALUE, /* of bytes */
    EXCHANGE_NUMBER,
} exchange_field;

typedef struct exchange {
    gibson_request request;
    size_t request_size; /* bytes of its frame */
    uint8_t reply[EXCHANGE_REPLY_SIZE];
    uint8_t fields[EXCHANGE_REPLY_SIZE]; /* an exchange_field for each byte */
    size_t reply_size;
    char before[EXCHANGE_STATE_SIZE]; /* the state of the server, as exchange_state writes it */
    char after[EXCHANGE_STATE_SIZE];
} exchange;

/* Makes the items that the requests are about. */
void exchange_prepare(gibson_client *client);

/* Writes down all these items, with values, ttls and locks. */
void exchange_state(gibson_client *client, char to[EXCHANGE_STATE_SIZE]);

/* Runs the exchange of the command with that index in the list of commands: by `raw`, a blocking
   socket to the server, and what `client` sees before and after. */
void exchange_record(exchange *made, size_t index, int raw, gibson_client *client);

/* Writes what a reply carries: one piece after another, numbers as eight bytes. Returns the size.
 */
size_t exchange_content(const gibson_reply *reply, uint8_t to[EXCHANGE_REPLY_SIZE]);

#endif
