#include "rules.h"

const walk_rules walk_rules_now = {.strays = false, .quit_reconnects = true};
