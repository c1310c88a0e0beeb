/* Choosing what goes, where memory is full.

   An item that comes then is a newcomer, until as many came behind it as a 50th of all; if it
   was not accessed meanwhile, it goes. So a scan drives out newcomers and nothing else. Who comes
   back soon after is recognized by its ghost, and stays at once. These are the small queue and the
   ghosts of S3-FIFO (J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi, "FIFO Queues are All You Need
   for Cache Eviction", SOSP 2023).

   What has stayed is watched by a clock with counters (F. J. Corbato, "A Paging Experiment with the
   Multics System", 1968; with counters A. J. Smith, "Sequentiality and Prefetching in Database
   Systems", 1978), whose hand goes through the items in the order of their keys, for which no queue
   is needed. An access makes an item warmer, the hand cooler, and it deletes what is cold. Of the
   newcomers that have to go one in 16 is spared and the item at the hand looked at in its place;
   so what was never accessed does not stay for ever while nothing is accessed.

   docs/benchmarks-server.md has the hit ratios. */
#include "store/store_private.h"

enum {
    /* When it has passed by so many in vain, the hand spares only what is locked. Nearly all that
       it looks at is paid for: what it cools has been accessed as often. */
    MILD = 8192,
    TURNS_FOR_HAND = 16,
    HEAT_OF_KNOWN = 1,
};

static void note_loss(gibs_store *store, const gibs_item *item)
{
    bool expired = gibs_item_expired(item, store->now);
    store->expired_items += expired;
    store->evicted_items += !expired;
    store->hand.passed = 0;
    store->hand.soonest = UINT64_MAX;
    store->hand.in_vain = false;
}

static void delete_item(gibs_store *store, gibs_item *item)
{
    note_loss(store, item);
    gibs_store_take(store, item);
    gibs_store_free_item(store, item);
}

typedef enum fate {
    FATE_GO,
    FATE_COOL, /* stay, one access less warm */
    FATE_STAY,
} fate;

/* What becomes of an item that the hand comes to. */
static fate fate_of(gibs_store *store, gibs_link link)
{
    const gibs_item *item = gibs_link_item(link);
    if (item == store->pinned) {
        return FATE_STAY;
    }
    if (gibs_link_expired(link, store->now)) {
        return FATE_GO;
    }
    if (gibs_link_locked(link, store->now)) {
        uint64_t end = gibs_item_unlocks(item);
        store->hand.soonest = end < store->hand.soonest ? end : store->hand.soonest;
        return FATE_STAY;
    }
    if (store->hand.passed >= MILD) {
        return FATE_GO;
    }
    if (gibs_newcomers_have(&store->eviction, item)) {
        return FATE_STAY; /* its time has not come */
    }
    return item->heat ? FATE_COOL : FATE_GO;
}

/* An item of NULL: it goes around again; an empty key does not exist. */
static void move_hand_to(gibs_hand *hand, const gibs_item *item)
{
    hand->last_size = item ? item->key_size : 0;
    if (item) {
        memcpy(hand->last, item->bytes, item->key_size);
    }
}

static void begin_at_hand(gibs_walk *walk, gibs_store *store)
{
    const gibs_hand *hand = &store->hand;
    gibs_walk_begin_after(walk, &store->tree, (gibson_bytes){hand->last, hand->last_size});
}

void gibs_evict(gibs_store *store, size_t cost, unsigned items)
{
    gibs_walk walk;
    const gibs_item *last = NULL;
    begin_at_hand(&walk, store);
    while (items-- && !gibs_store_has_room(store, cost)) {
        gibs_link *place = gibs_walk_next(&walk);
        if (!place) {
            move_hand_to(&store->hand, NULL);
            return;
        }
        gibs_item *item = gibs_link_item(*place);
        fate is = fate_of(store, *place);
        if (is == FATE_GO) {
            note_loss(store, item);
            gibs_store_take_walking(store, item, &walk);
            continue;
        }
        store->hand.passed++;
        last = item;
        if (is == FATE_COOL) {
            item->heat--;
        }
    }
    if (last) {
        move_hand_to(&store->hand, last);
    }
}

bool gibs_evict_is_in_vain(gibs_store *store)
{
    gibs_hand *hand = &store->hand;
    if (hand->passed > MILD + store->items) {
        hand->in_vain = !store->pinned; /* which may go another time */
        hand->writes = store->writes;
        hand->passed = 0;
        return true;
    }
    if (hand->in_vain && (hand->writes != store->writes || store->now > hand->soonest)) {
        hand->in_vain = false;
        hand->soonest = UINT64_MAX;
    }
    return hand->in_vain || !store->items;
}

/* Looks at the item at the hand, which moves on. Returns whether that has gone. */
static bool look_at_hand(gibs_store *store)
{
    gibs_walk walk;
    begin_at_hand(&walk, store);
    gibs_link *place = gibs_walk_next(&walk);
    gibs_item *item = place ? gibs_link_item(*place) : NULL;
    move_hand_to(&store->hand, item);
    if (!place || fate_of(store, *place) != FATE_GO) {
        return false;
    }
    gibs_ghosts_add(&store->eviction, gibs_key_hash(gibs_item_key(item)));
    delete_item(store, item);
    return true;
}

gibs_arrival gibs_evict_arrival(gibs_store *store, gibson_bytes key)
{
    uint64_t hash = gibs_key_hash(key);
    return (gibs_arrival){hash, gibs_ghosts_take(&store->eviction, hash)};
}

void gibs_evict_for_newcomer(gibs_store *store, gibs_arrival arrival, size_t cost)
{
    gibs_eviction *eviction = &store->eviction;
    gibs_item *oldest = NULL;
    if (!arrival.known && gibs_eviction_is_open(eviction)) {
        oldest = gibs_newcomers_oldest(eviction, arrival.hash);
    }
    if (!oldest) {
        return;
    }
    gibs_newcomers_remove(eviction, oldest);
    oldest->newcomer = false;
    if (oldest->heat || gibs_store_has_room(store, cost) || gibs_item_locked(oldest, store->now)) {
        return;
    }
    /* What MDEL has cut off is freed by now, or there would be room: so it is in the tree. */
    if (++eviction->turn % TURNS_FOR_HAND != 0 || !look_at_hand(store)) {
        gibs_ghosts_add(eviction, gibs_key_hash(gibs_item_key(oldest)));
        delete_item(store, oldest);
    }
}

/* Its bucket has room, or was made anew. */
void gibs_welcome(gibs_store *store, gibs_item *item, gibs_arrival arrival)
{
    gibs_eviction *eviction = &store->eviction;
    if (arrival.known) {
        item->heat = HEAT_OF_KNOWN;
    } else if (gibs_eviction_is_open(eviction)) {
        gibs_newcomers_add(eviction, arrival.hash, item);
    }
}
