/* libgibson: a client for the Gibson cache server. This header includes all others. */
#ifndef GIBSON_GIBSON_H
#define GIBSON_GIBSON_H

#include <gibson/client.h>
#include <gibson/command.h>
#include <gibson/options.h>
#include <gibson/pipeline.h>
#include <gibson/reply.h>
#include <gibson/request.h>
#include <gibson/status.h>
#include <gibson/value.h>
#include <gibson/version.h>

#endif
