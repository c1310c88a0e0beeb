/* What the directives are to loop, service and store. */
#include <string.h>

#include "loop/loop_private.h"

gibs_store_settings gibs_loop_store_settings(const gibson_server_config *config)
{
    return (gibs_store_settings){
        .max_memory = GIBS_CONFIG_SIZE(config, max_memory),
        .evict = GIBS_CONFIG_NUMBER(config, eviction),
        .compression = GIBS_CONFIG_SIZE(config, compression),
        .gc_ratio = (uint32_t)GIBS_CONFIG_NUMBER(config, gc_ratio),
    };
}

/* The limit of memory moves on its own. */
static void configure_store(gibs_store *store, const gibson_server_config *config)
{
    gibs_store_settings settings = gibs_loop_store_settings(config);
    gibs_store_configure(store, &settings);
}

static void configure_service(gibs_service *service, const gibson_server_config *config)
{
    service->settings.limits = (gib_limits){
        .max_reply_size = GIBS_CONFIG_SIZE(config, max_response_size),
        .max_request_size = GIBS_CONFIG_SIZE(config, max_request_size),
        .max_key_size = GIBS_CONFIG_SIZE(config, max_key_size),
        .max_value_size = GIBS_CONFIG_SIZE(config, max_value_size),
        .max_seconds = GIBS_CONFIG_NUMBER(config, max_item_ttl),
    };
    service->settings.max_client_memory = (size_t)gibs_config_client_memory(config);
    service->settings.excess =
        GIBS_CONFIG_NUMBER(config, compat) ? GIB_EXCESS_CUT : GIB_EXCESS_REFUSED;
}

/* When something is next, at the latest. */
static int64_t sooner(int64_t next_ms, int64_t other_ms)
{
    return next_ms < other_ms ? next_ms : other_ms;
}

void gibs_loop_configure(gibs_loop *loop, const gibson_server_config *config)
{
    configure_store(loop->exchange.service->store, config);
    configure_service(loop->exchange.service, config);
    loop->exchange.max_output_size = GIBS_CONFIG_SIZE(config, max_output_size);
    loop->exchange.slow_ns = GIBS_CONFIG_NUMBER(config, slow_log) * 1000000;
    loop->max_memory = GIBS_CONFIG_SIZE(config, max_memory);
    loop->max_clients = (uint64_t)GIBS_CONFIG_NUMBER(config, max_clients);
    loop->keepalive_s = (int)GIBS_CONFIG_NUMBER(config, max_idletime);
    loop->max_write_stall_ms = GIBS_CONFIG_NUMBER(config, max_write_stall) * 1000;
    loop->idle_timeout_ms = GIBS_CONFIG_NUMBER(config, idle_timeout) * 1000;
    loop->cron_period_ms = GIBS_CONFIG_NUMBER(config, cron_period);
    loop->expired_cron_ms = GIBS_CONFIG_NUMBER(config, expired_cron) * 1000;
    loop->max_mem_cron_ms = GIBS_CONFIG_NUMBER(config, max_mem_cron) * 1000;
    loop->next_cron_ms = sooner(loop->next_cron_ms, loop->now_ms + loop->cron_period_ms);
    loop->next_expired_ms = sooner(loop->next_expired_ms, loop->now_ms + loop->expired_cron_ms);
    loop->next_max_mem_ms = sooner(loop->next_max_mem_ms, loop->now_ms + loop->max_mem_cron_ms);
}
