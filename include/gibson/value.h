/* Views of bytes, and what replies carry. */
#ifndef GIBSON_VALUE_H
#define GIBSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <gibson/export.h>

GIBSON_BEGIN_DECLS

/* gibson_bytes is a view of bytes that something else owns. NUL is a byte like any other, and no
   NUL follows the last byte. */
typedef struct gibson_bytes {
    const void *data;
    size_t size; /* bytes */
} gibson_bytes;

/* Functions that take a key, a prefix, a value or a name take it as one gibson_bytes. Whatever
   holds it stays the caller's:

       gibson_client_set(client, gibson_str("user:42:name"), gibson_bytes_of(data, size), ttl_s);

   What comes out of a reply, as a key of gibson_items_next or the bytes of a value, can be passed
   as it is. */

/* gibson_bytes_of makes a view of `size` bytes. Thread rule: any thread. Since 0.1. */
static inline gibson_bytes gibson_bytes_of(const void *data, size_t size)
{
    gibson_bytes bytes;
    bytes.data = data;
    bytes.size = size;
    return bytes;
}

/* gibson_str makes a view of a C string up to its NUL; a compiler that optimises counts a literal
   while it compiles. Of NULL it makes an empty view whose data is NULL, which as a key, a prefix or
   a value is refused as GIBSON_INVALID. Thread rule: any thread. Since 0.3. */
static inline gibson_bytes gibson_str(const char *string)
{
    return gibson_bytes_of(string, string ? strlen(string) : 0);
}

/* gibson_kind says which member of a gibson_value holds it. */
typedef enum gibson_kind {
    GIBSON_KIND_NONE = 0,   /* no value: the call failed, or the command has none */
    GIBSON_KIND_BYTES = 1,  /* bytes */
    GIBSON_KIND_NUMBER = 2, /* number: what INC and DEC have made of an item */
} gibson_kind;

/* gibson_value is the value of an item. The bytes are borrowed: see the call that filled it in for
   how long they live. */
typedef struct gibson_value {
    gibson_kind kind;
    gibson_bytes bytes; /* of kind BYTES, else empty */
    int64_t number;     /* of kind NUMBER, else 0 */
} gibson_value;

/* gibson_items walks over the keys and values of a reply in the order the server sent them, without
   copying or allocating. It was checked as a whole before it was handed out, so a walk cannot fail.
   A plain copy of the struct is a second, independent walk. Its members are private. */
typedef struct gibson_items {
    const uint8_t *cursor;
    uint32_t left;
} gibson_items;

/* gibson_items_count returns how many items are left to visit. Since 0.1. */
GIBSON_API size_t gibson_items_count(const gibson_items *items);

/* gibson_items_next steps to the next item and fills in key and value, either of which may be NULL.
   Both borrow from the reply. Returns false, and leaves key and value empty, when there is none
   left. Since 0.1. */
GIBSON_API bool gibson_items_next(gibson_items *items, gibson_bytes *key, gibson_value *value);

/* gibson_items_find looks for a key from the current position on, without moving it. Returns false,
   and leaves value empty, where no item has the key; value may be NULL. It reads the items one by
   one. Since 0.1. */
GIBSON_API bool gibson_items_find(const gibson_items *items, gibson_bytes key, gibson_value *value);

GIBSON_END_DECLS

#endif
