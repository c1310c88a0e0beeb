/* Filling in a gibson_error. */
#ifndef GIB_BASE_ERROR_H
#define GIB_BASE_ERROR_H

#include <gibson/status.h>

#include "base/likely.h"

#if defined(__GNUC__)
#define GIB_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))
#else
#define GIB_PRINTF(format, first)
#endif

/* Sets the error and returns its status, so that a function can end with it. error may be NULL. The
   message is cut where it does not fit. */
GIB_COLD gibson_status gib_error_set(gibson_error *error, gibson_status status, const char *format,
                                     ...) GIB_PRINTF(3, 4);

/* The same for a failed system call: the message ends in the text of the errno. */
GIB_COLD gibson_status gib_error_set_errno(gibson_error *error, gibson_status status,
                                           int system_errno, const char *format, ...)
    GIB_PRINTF(4, 5);

#endif
