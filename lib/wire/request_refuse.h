/* Why a request is refused. That it is, is decided where it is written. Each function sets the
   error and returns its status. */
#ifndef GIB_WIRE_REQUEST_REFUSE_H
#define GIB_WIRE_REQUEST_REFUSE_H

#include <gibson/request.h>
#include <gibson/status.h>

#include "base/likely.h"
#include "wire/limits.h"

GIB_COLD gibson_status gib_refuse_opcode(const gibson_request *request, gibson_error *error);

/* A key or a value that is empty, NULL or too long. */
GIB_COLD gibson_status gib_refuse_sizes(const gibson_request *request,
                                        const gibson_command *command, const gib_limits *limits,
                                        gibson_error *error);

/* A byte of the key, or a field that is none. */
GIB_COLD gibson_status gib_refuse_contents(const gibson_request *request,
                                           const gibson_command *command, gibson_error *error);

/* `size` bytes, the size field not counted. */
GIB_COLD gibson_status gib_refuse_size(const gibson_command *command, size_t size,
                                       const gib_limits *limits, gibson_error *error);

/* A time: GIBSON_WOULD_BLOCK if the server has to be asked first. */
GIB_COLD gibson_status gib_refuse_time(const gibson_request *request, const gibson_command *command,
                                       const gib_limits *limits, gibson_error *error);

#endif
