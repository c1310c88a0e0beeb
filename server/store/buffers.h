/* What the buffers of requests and replies are made of: malloc, but large blocks are given back a
   part at a time. */
#ifndef GIBS_BUFFERS_H
#define GIBS_BUFFERS_H

#include <gibson/options.h>

#include "store/large.h"

typedef struct gibs_buffers {
    gibson_allocator allocator; /* good as long as the structure is where it is */
    gibs_waste waste;
} gibs_buffers;

void gibs_buffers_open(gibs_buffers *buffers);
void gibs_buffers_close(gibs_buffers *buffers);

#endif
