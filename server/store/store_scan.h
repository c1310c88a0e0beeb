/* A walk over the items with a prefix, in the order of their keys, that goes on where the tree has
   changed on the way. */
#ifndef GIBS_STORE_SCAN_H
#define GIBS_STORE_SCAN_H

#include "store/store.h"

typedef struct gibs_scan {
    gibson_bytes prefix; /* borrowed */
    gibs_walk_kind kind; /* what it leaves out; before the beginning */
    uint32_t now;        /* of the walk */
    gibs_walk walk;
    bool confined;    /* the walk itself ends with the prefix */
    uint64_t changes; /* those of the tree for which the walk is good */
} gibs_scan;

void gibs_scan_begin(gibs_scan *scan, gibs_store *store, gibson_bytes prefix);

/* Begins with the first item behind a key. */
void gibs_scan_begin_after(gibs_scan *scan, gibs_store *store, gibson_bytes prefix,
                           gibson_bytes key);

/* The next place of the walk, or NULL at the end. */
gibs_link *gibs_scan_next(gibs_scan *scan);

/* To be called when something was done that may have changed the tree, with the key that the scan
   has come to. */
void gibs_scan_mend(gibs_scan *scan, gibs_store *store, gibson_bytes key);

#endif
