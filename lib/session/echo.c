#include "session/echo.h"

#include "base/error.h"

void gib_echo_check(const gibson_bytes *sent, gibson_reply *reply, gibson_error *error)
{
    const gibson_value *stored = &reply->value;
    const size_t size = sent->size;
    if (stored->kind == GIBSON_KIND_BYTES && gib_echo_is_same(sent, &stored->bytes)) {
        return;
    }
    const char *cause = stored->kind != GIBSON_KIND_BYTES ? "it is a number"
                        : stored->bytes.size < size       ? "over max_value_size there?"
                        : stored->bytes.size > size       ? "key over max_key_size there?"
                                                          : "the contents differ";
    reply->status = gib_error_set(error, GIBSON_TRUNCATED,
                                  "set: of %zu bytes that were sent the server stored %zu: %s",
                                  size, stored->bytes.size, cause);
    reply->value = (gibson_value){.kind = GIBSON_KIND_NONE};
}
