/* Looking at the keys of several requests before they are answered one by one. */
#include "store/look_ahead.h"
#include "service/service.h"
#include "wire/command.h"

/* Finds the key of a request; one of a prefix, or none, is empty. */
static gibson_bytes key_of(const gibs_service *service, const gib_request_frame *frame)
{
    const gibson_command *command = gib_command(frame->opcode);
    gibson_request request = {0};
    if (!command || !gibson_takes(command->arguments, GIBSON_ARGUMENT_KEY) ||
        gib_request_decode(command, frame->payload, &service->settings.limits,
                           service->settings.excess, &request) != GIB_CODE_OK) {
        return (gibson_bytes){0};
    }
    return request.key;
}

size_t gibs_service_look_ahead(const gibs_service *service, gibson_bytes bytes)
{
    const gibs_store *store = service->store;
    if (gibs_store_used(store) < GIBS_LOOK_AHEAD_FROM) {
        return SIZE_MAX / 2; /* all of them */
    }
    gibson_bytes keys[GIBS_LOOK_AHEAD];
    gib_request_frame frame;
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    size_t count = 0;
    size_t found = 0;
    while (count < GIBS_LOOK_AHEAD &&
           gib_request_find(at, left, service->settings.limits.max_request_size, &frame) ==
               GIB_FRAME_WHOLE) {
        keys[found] = key_of(service, &frame);
        found += keys[found].size > 0;
        at += frame.frame_size;
        left -= frame.frame_size;
        count++;
    }
    if (found > 1) {
        (void)gibs_look_ahead(&store->tree, keys, found);
    }
    return count ? count : 1;
}
