/* Options as the library uses them: checked, with defaults filled in. */
#ifndef GIB_CONNECTION_SETTINGS_H
#define GIB_CONNECTION_SETTINGS_H

#include <gibson/options.h>
#include <gibson/status.h>

#include "wire/limits.h"

/* Copies options, of whichever version of the struct, and fills in the defaults. The strings are
   still the caller's. given may be NULL. Returns GIBSON_OK, or GIBSON_INVALID with an error that
   names the option. */
gibson_status gib_settings_make(gibson_options *settings, const gibson_options *given,
                                gibson_error *error);

/* Bytes of memory that gib_settings_keep needs. */
size_t gib_settings_text_size(const gibson_options *settings);

/* Copies the strings of checked options to that memory, and points them there. Returns the server's
   address, for messages, which is there too. */
const char *gib_settings_keep(gibson_options *settings, char *text);

/* The limits that are part of checked options. */
gib_limits gib_settings_limits(const gibson_options *settings);

#endif
