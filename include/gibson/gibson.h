/* libgibson: a client for the Gibson cache server. This header includes all others, but for
   the adapters to event loops in gibson/adapters/.

   "Since 1.2" at the end of a function's description means that releases from 1.2.0 on have it,
   with that meaning. 0.1 stands for what was there before the first release, 0.3.0. */
#ifndef GIBSON_GIBSON_H
#define GIBSON_GIBSON_H

#include <gibson/async.h>
#include <gibson/client.h>
#include <gibson/cluster.h>
#include <gibson/cluster_pipeline.h>
#include <gibson/command.h>
#include <gibson/options.h>
#include <gibson/pipeline.h>
#include <gibson/pool.h>
#include <gibson/reply.h>
#include <gibson/request.h>
#include <gibson/status.h>
#include <gibson/value.h>
#include <gibson/version.h>

#endif
