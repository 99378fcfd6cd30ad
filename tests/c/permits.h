/* Permits as the binding uses them: without the guard where that can be, with the cell remembered. */
#ifndef TESTS_PERMITS_H
#define TESTS_PERMITS_H

#include "lw_permits.h"

static _Thread_local struct {
    const struct lw_slot *slot;
    struct lw_cell *cell;
} remembered[4];

static inline struct lw_cell **hint_of(const struct lw_slot *slot) {
    unsigned at = (unsigned)((uintptr_t)slot / sizeof *slot) % 4;
    if (remembered[at].slot != slot) remembered[at].cell = NULL;
    remembered[at].slot = slot;
    return &remembered[at].cell;
}

static inline bool permit_fast(struct lw_arena *arena, struct lw_slot *slot) {
    return lw_permits_try(arena, slot, *hint_of(slot));
}

static inline enum lw_queued permit_slow(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_cell *found = NULL;
    enum lw_queued queued = lw_permits_acquire(arena, slot, wait, &found);
    if (found) *hint_of(slot) = found;
    return queued;
}

static inline bool permits_back(struct lw_arena *arena, struct lw_slot *slot, uint32_t count) {
    bool settle;
    if (lw_permits_release_fast(arena, slot, *hint_of(slot), count, &settle)) return true;
    if (!settle) return lw_permits_release(arena, slot, count, NULL);
    lw_queue_settle(arena, slot, &lw_permits_queue, NULL);
    return true;
}

#endif
