/* Running a batch on a gibson_cluster_client. */
#ifndef PYGIBSON_CLUSTER_BATCH_H
#define PYGIBSON_CLUSTER_BATCH_H

#include "batch.h"

/* Its context is a waiting_call. A server that fails does not break a batch, an interruption does.
 */
extern const batch_way cluster_batch_way;

#endif
