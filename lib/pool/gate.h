/* The idle clients of a pool, as a stack in one word: the number of the place on top; whether the
   gate is closed; and a count that changes with every change of the word, so that a
   compare-and-swap never takes one state for another that looks like it. (R. K. Treiber, "Systems
   Programming: Coping with Parallelism", IBM RJ 5118, 1986.)

   While the gate is closed, the top is not in the word but in core->top, where only who holds the
   lock looks. */
#ifndef GIB_POOL_GATE_H
#define GIB_POOL_GATE_H

#include "pool/pool.h"

#define GIB_GATE_TOP UINT64_C(0xFFFFF)
#define GIB_GATE_CLOSED UINT64_C(0x100000)
#define GIB_GATE_CHANGE UINT64_C(0x200000)

/* The word that follows another, with that place on top. */
static inline uint64_t gib_gate_after(uint64_t head, unsigned int top)
{
    return head + GIB_GATE_CHANGE - (head & GIB_GATE_TOP) + top;
}

static inline gib_place *gib_gate_place(gib_pool_core *core, uint64_t number)
{
    return core->places + number - 1;
}

/* Takes the top, or NULL where the long way is to be gone. The place is still IDLE. */
static inline gib_place *gib_gate_pop(gib_pool_core *core)
{
    uint64_t head = atomic_load_explicit(&core->head, memory_order_acquire);
    for (;;) {
        const uint64_t top = head & GIB_GATE_TOP;
        if (GIB_UNLIKELY(!top)) {
            return NULL;
        }
        gib_place *place = gib_gate_place(core, top);
        const unsigned int below = atomic_load_explicit(&place->next, memory_order_relaxed);
        if (GIB_LIKELY(atomic_compare_exchange_weak_explicit(
                &core->head, &head, gib_gate_after(head, below), memory_order_acq_rel,
                memory_order_acquire))) {
            return place;
        }
    }
}

/* Puts a place on top that is LENT. False, with nothing changed, where the long way is to be gone:
   the gate is closed, or the connection is of another generation. */
static inline bool gib_gate_push(gib_pool_core *core, gib_place *place)
{
    uint64_t head = atomic_load_explicit(&core->head, memory_order_acquire);
    atomic_store_explicit(&place->state, GIB_PLACE_IDLE, memory_order_relaxed);
    /* Where the generation changes after it was read here, so has the word. */
    while (GIB_LIKELY(!(head & GIB_GATE_CLOSED)) &&
           GIB_LIKELY(atomic_load_explicit(&core->generation, memory_order_relaxed) ==
                      place->generation)) {
        atomic_store_explicit(&place->next, (unsigned int)(head & GIB_GATE_TOP),
                              memory_order_relaxed);
        if (GIB_LIKELY(atomic_compare_exchange_weak_explicit(
                &core->head, &head, gib_gate_after(head, place->number), memory_order_acq_rel,
                memory_order_acquire))) {
            return true;
        }
    }
    atomic_store_explicit(&place->state, GIB_PLACE_LENT, memory_order_relaxed);
    return false;
}

/* The same for who holds the lock. */
static inline gib_place *gib_gate_pop_locked(gib_pool_core *core)
{
    if (!core->top) {
        return NULL;
    }
    gib_place *place = gib_gate_place(core, core->top);
    core->top = atomic_load_explicit(&place->next, memory_order_relaxed);
    return place;
}

static inline void gib_gate_push_locked(gib_pool_core *core, gib_place *place)
{
    atomic_store_explicit(&place->next, core->top, memory_order_relaxed);
    atomic_store_explicit(&place->state, GIB_PLACE_IDLE, memory_order_relaxed);
    core->top = place->number;
}

/* Both with the lock held. */
static inline void gib_gate_close(gib_pool_core *core)
{
    uint64_t head = atomic_load_explicit(&core->head, memory_order_relaxed);
    while (!(head & GIB_GATE_CLOSED)) {
        if (atomic_compare_exchange_weak_explicit(&core->head, &head,
                                                  gib_gate_after(head, 0) | GIB_GATE_CLOSED,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            core->top = (unsigned int)(head & GIB_GATE_TOP);
            return;
        }
    }
}

static inline void gib_gate_open(gib_pool_core *core)
{
    const uint64_t head = atomic_load_explicit(&core->head, memory_order_relaxed);
    atomic_store_explicit(&core->head, gib_gate_after(head & ~GIB_GATE_CLOSED, core->top),
                          memory_order_release);
}

#endif
