#include <gibson/status.h>

#include <stddef.h>

static const struct {
    const char *name;
    const char *text;
} statuses[] = {
#define STATUS_ROW(NAME, name, text) [GIBSON_##NAME] = {#name, text},
    GIBSON_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static const size_t status_count = sizeof statuses / sizeof *statuses;

const char *gibson_status_name(gibson_status status)
{
    return (size_t)status < status_count ? statuses[status].name : "unknown";
}

const char *gibson_status_text(gibson_status status)
{
    return (size_t)status < status_count ? statuses[status].text : "unknown status";
}
