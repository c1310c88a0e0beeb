/* A command on all items with a prefix, which can be carried out in slices: between them other
   commands may add, change and delete items. It goes through the items in the order of their keys,
   and does to each that is there when it comes to it what is to be done. */
#ifndef GIBS_STORE_BATCH_H
#define GIBS_STORE_BATCH_H

#include "store/store_build.h"
#include "store/store_scan.h"

/* What a visit to an item came to. */
typedef enum gibs_visit {
    GIBS_VISIT_SKIP,
    GIBS_VISIT_COUNT,
    GIBS_VISIT_DELETE, /* counts; the item is deleted after the visit */
    GIBS_VISIT_DROP,   /* the same, but does not count */
    GIBS_VISIT_PAUSE,  /* does not count, and the slice is over */
    GIBS_VISIT_STOP,   /* does not count, and the batch is over; its code is set */
    GIBS_VISIT_AGAIN,  /* the slice is over, and the next begins with a visit to the same item */
} gibs_visit;

/* All zero at first. */
typedef struct gibs_batch {
    gibs_scan scan;
    gib_buffer last; /* between slices: the key it has come to */
    bool paused;     /* there was a slice, and it goes on behind `last` */
    bool again;      /* and begins with the one that has it, if it is still there */
    bool second;     /* the second pass, of what takes two */
    size_t work;     /* what is left of this slice: items, and bytes by the KB */
    int64_t count;
    gib_code code; /* OK, or what has ended it */

    gibs_build build; /* of MSET: the value, and where that is large what is to replace an item */
    bool builds;      /* that has to be begun */
    uint32_t begun;   /* of what takes one step but for expired items: the tick at which it began */
} gibs_batch;

/* The visitor may exchange the item in the place, and change *place where it has moved. */
typedef gibs_visit gibs_visitor(gibs_store *store, gibs_batch *batch, gibs_link **place,
                                void *context);

/* Gets a batch that is all zero ready; one that is ready stays as it is. */
void gibs_batch_prepare(gibs_batch *batch);

/* Gives memory back; all is zero again. */
void gibs_batch_clear(gibs_batch *batch, gibs_store *store);

/* The bytes it holds. */
size_t gibs_batch_held(const gibs_batch *batch);

/* Visits live items below a prefix until all were visited or the work of a slice is done, without
   those that the kind of walk leaves out: all but parts, which are deleted as one and counted. With
   GIBS_WALK_EXPIRING those that have expired are visited as well. Returns whether there is more to
   do. The prefix and the kind are the same each time. */
bool gibs_batch_visit(gibs_batch *batch, gibs_store *store, gibson_bytes prefix,
                      gibs_walk_kind kind, size_t work, gibs_visitor *visitor, void *context);

/* Takes the work for bytes that were copied off the slice. */
void gibs_batch_charge(gibs_batch *batch, size_t bytes);

/* Lets a second pass begin. */
void gibs_batch_rewind(gibs_batch *batch);

/* The commands: each does a slice, and returns whether there is more to do. Locked items are left
   alone, but for ttl and unlocking. In the end the count is that of the items, and the code is OK,
   or MEM where memory ran out on the way: some values have then changed. Items that are no numbers
   are left alone by MADD. */
bool gibs_batch_mset(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, gibson_bytes value,
                     size_t work);
bool gibs_batch_madd(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t delta,
                     size_t work);
bool gibs_batch_mttl(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t ttl,
                     size_t work);
bool gibs_batch_mlock(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t lock,
                      size_t work);
bool gibs_batch_munlock(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work);
bool gibs_batch_mdel(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work);
bool gibs_batch_count(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work);

#endif
