/* The values and items inside replies. */
#ifndef GIB_WIRE_ITEMS_H
#define GIB_WIRE_ITEMS_H

#include <gibson/command.h>
#include <gibson/status.h>
#include <gibson/value.h>

/* Tells whether a NUMBER can have this many bytes. */
static inline bool gib_number_size_valid(uint32_t size)
{
    return size == 8 || size == 4 || size == 2 || size == 1;
}

/* Makes a value from bytes that were checked: PLAIN, or NUMBER of a valid size. */
gibson_value gib_value_decode(uint8_t encoding, const uint8_t *data, uint32_t size);

/* Checks the data of KVAL as a whole (at least GIB_ITEM_COUNT_FIELD bytes) and sets *items to walk
   over it. Returns GIBSON_OK, or GIBSON_PROTOCOL with an error that names the item and the field.
 */
gibson_status gib_items_decode(const uint8_t *data, size_t size, const gibson_command *command,
                               gibson_items *items, gibson_error *error);

#endif
