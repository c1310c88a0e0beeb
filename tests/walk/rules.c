#include "rules.h"

const walk_rules walk_rules_now = {
    .strays = true, .asking_ends_views = false, .asks_before_size = true};
