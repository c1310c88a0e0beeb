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

/* The limits that are part of checked options. */
gib_limits gib_settings_limits(const gibson_options *settings);

#endif
