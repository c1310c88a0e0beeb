#include "wire/request_encode.h"

#include "base/error.h"
#include "base/likely.h"
#include "wire/request_refuse.h"
#include "wire/request_write.h"

/* Writes a request behind the end of the buffer, if it is allowed and there is room. */
static bool write_to(const gib_buffer *out, const gibson_request *request,
                     const gibson_command *command, const gib_limits *limits, bool copy_value,
                     size_t *written)
{
    return out->data && gib_request_write(command->opcode, command->arguments, request, limits,
                                          copy_value, out->data, out->end, out->capacity, written);
}

/* Finds out why a request that has room was not written: by writing it without what may be wrong.
 */
static gibson_status refuse(const gibson_request *request, const gibson_command *command,
                            const gib_limits *limits, const gib_buffer *out, gibson_error *error)
{
    gib_limits boundless = *limits;
    boundless.max_request_size = SIZE_MAX;
    gibson_request timeless = *request;
    if (!gib_time_allowed(command->arguments, request->number, limits)) {
        timeless.number = 0;
    }
    size_t written;
    if (!write_to(out, &timeless, command, &boundless, false, &written)) {
        return gib_refuse_contents(request, command, error);
    }
    const size_t size = gib_load_u32(out->data + out->end);
    return size > limits->max_request_size ? gib_refuse_size(command, size, limits, error)
                                           : gib_refuse_time(request, command, limits, error);
}

static gibson_status make_room(const gibson_request *request, const gibson_command *command,
                               bool copy_value, gib_buffer *out, gibson_error *error)
{
    size_t room = GIB_REQUEST_OVERHEAD;
    if (command->arguments != GIBSON_ARGUMENTS_NONE) {
        room += request->key.size;
    }
    if (copy_value && gibson_takes(command->arguments, GIBSON_ARGUMENT_VALUE)) {
        room += request->value.size;
    }
    return gib_buffer_reserve(out, room)
               ? GIBSON_OK
               : gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
}

gibson_status gib_request_encode(const gibson_request *request, const gib_limits *limits,
                                 gib_value_place place, gib_buffer *out, gib_encoded *encoded,
                                 gibson_error *error)
{
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (GIB_UNLIKELY(!command)) {
        return gib_refuse_opcode(request, error);
    }
    const bool copy = place == GIB_VALUE_COPIED;
    size_t written;
    if (GIB_UNLIKELY(!write_to(out, request, command, limits, copy, &written))) {
        if (!gib_sizes_allowed(command->arguments, &request->key, &request->value, limits)) {
            return gib_refuse_sizes(request, command, limits, error);
        }
        gibson_status status = make_room(request, command, copy, out, error);
        if (status != GIBSON_OK) {
            return status;
        }
        if (!write_to(out, request, command, limits, copy, &written)) {
            return refuse(request, command, limits, out, error);
        }
    }
    out->end += written;
    encoded->value_size =
        gibson_takes(command->arguments, GIBSON_ARGUMENT_VALUE) ? request->value.size : 0;
    encoded->frame_size = written + (copy ? 0 : encoded->value_size);
    return GIBSON_OK;
}
