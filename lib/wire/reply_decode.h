/* Turning frames into checked replies: the client's half. */
#ifndef GIB_WIRE_REPLY_DECODE_H
#define GIB_WIRE_REPLY_DECODE_H

#include <gibson/reply.h>
#include <gibson/status.h>

/* Decodes the reply to a command from the beginning of `size` bytes. *frame_size is set to the
   bytes the frame has, as far as that is known: GIB_REPLY_HEADER until the header is there. Returns
   GIBSON_OK when the frame is there as a whole, with *reply filled in (views of data): its status
   is what the server answered; GIBSON_WOULD_BLOCK while bytes are missing; GIBSON_PROTOCOL, as
   early as the bytes at hand prove it, with an error that names the field. */
gibson_status gib_reply_decode(const uint8_t *data, size_t size, const gibson_command *command,
                               size_t max_reply_size, gibson_reply *reply, size_t *frame_size,
                               gibson_error *error);

#endif
