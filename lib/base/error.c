#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static void set(gibson_error *error, gibson_status status, int system_errno, const char *format,
                va_list arguments)
{
    error->status = status;
    error->system_errno = system_errno;
    int written = vsnprintf(error->message, sizeof error->message, format, arguments);
    if (written < 0) {
        error->message[0] = '\0';
    }
    gib_utf8_mend(error->message); /* made of what the caller has given, and cut at some byte */
}

gibson_status gib_error_set(gibson_error *error, gibson_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        set(error, status, 0, format, arguments);
        va_end(arguments);
    }
    return status;
}

/* strerror_r has two shapes: GNU, and POSIX as other C libraries have it. */
static const char *errno_text(int system_errno, char *scratch, size_t size)
{
#if defined(__GLIBC__)
    return strerror_r(system_errno, scratch, size);
#else
    return strerror_r(system_errno, scratch, size) == 0 ? scratch : "unknown error";
#endif
}

gibson_status gib_error_set_errno(gibson_error *error, gibson_status status, int system_errno,
                                  const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        set(error, status, system_errno, format, arguments);
        va_end(arguments);
        char scratch[96];
        size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof error->message - used, ": %s",
                 errno_text(system_errno, scratch, sizeof scratch));
        gib_utf8_mend(error->message);
    }
    return status;
}
