#include <gibson/version.h>

const char *gibson_version(void)
{
    return GIBSON_VERSION;
}
