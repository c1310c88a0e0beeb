/* Why a request is refused. Which one is, is decided where it is encoded. Each function sets the
   error and returns its status. */
#ifndef GIB_WIRE_REQUEST_REFUSE_H
#define GIB_WIRE_REQUEST_REFUSE_H

#include <gibson/request.h>
#include <gibson/status.h>

#include "base/likely.h"
#include "wire/limits.h"

/* The lowest ttl or lock time of a command: LOCK and MLOCK take -1 for no end. */
int64_t gib_lowest_seconds(const gibson_command *command);

/* The name of a field of META, or NULL. */
const char *gib_field_name(int64_t field);

GIB_COLD gibson_status gib_refuse_opcode(const gibson_request *request, gibson_error *error);

/* A key or prefix that is empty, NULL or too long. */
GIB_COLD gibson_status gib_refuse_key_size(const gibson_request *request,
                                           const gibson_command *command, const gib_limits *limits,
                                           gibson_error *error);

/* A value that is empty, NULL or too long. */
GIB_COLD gibson_status gib_refuse_value_size(const gibson_request *request,
                                             const gibson_command *command,
                                             const gib_limits *limits, gibson_error *error);

/* A key with a byte that may not be in it, or a number that is no field. */
GIB_COLD gibson_status gib_refuse_payload(const gibson_request *request,
                                          const gibson_command *command, gibson_error *error);

/* A frame of `size` bytes, its size field not counted. */
GIB_COLD gibson_status gib_refuse_size(const gibson_command *command, size_t size,
                                       const gib_limits *limits, gibson_error *error);

/* A time. GIBSON_WOULD_BLOCK if the server has to be asked first. */
GIB_COLD gibson_status gib_refuse_time(const gibson_request *request, const gibson_command *command,
                                       const gib_limits *limits, gibson_error *error);

#endif
