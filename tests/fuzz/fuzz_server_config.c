/* Fuzz target: the configuration file. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fuzz.h"

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gibson_server_config *config;
    gibson_error error = {.status = GIBSON_OK};
    require(gibson_server_config_new(&config) == GIBSON_OK);
    gibson_status status = gibs_config_parse(config, "input", (const char *)data, size, &error);
    require(status == error.status);
    require(status == GIBSON_OK || !strncmp(error.message, "input:", 6));
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        const gibs_directive_row *row = &gibs_directives[i];
        int64_t number = config->settings[i].number;
        require(config->settings[i].text != NULL);
        require(row->kind == GIBS_KIND_TEXT || (number >= row->smallest && number <= row->largest));
    }
    gibson_server_config_free(config);
    return 0;
}
