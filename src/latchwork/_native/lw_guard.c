#include "lw_guard.h"

#include <limits.h>

#include "lw_crash.h"
#include "lw_waiter.h"

static void wake_all(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk)))
        if (lw_cell_load(cell) != 0) lw_futex_wake(&cell->word, INT_MAX);
}

bool lw_guard_try(struct lw_arena *arena, struct lw_slot *slot, bool *settle) {
    *settle = false;
    if (lw_lock_try(slot, arena->self_id)) return true;
    struct lw_lock_wait once = {.deadline_ns = 0};
    enum lw_acquired acquired = lw_lock_acquire_slow(arena, slot, &once);
    *settle = acquired == LW_ABANDONED;
    if (*settle) wake_all(arena, slot);
    return acquired == LW_ACQUIRED || acquired == LW_ABANDONED;
}

void lw_guard_enter(struct lw_arena *arena, struct lw_slot *slot, bool *settle) {
    *settle = false;
    if (lw_lock_try(slot, arena->self_id)) return;
    struct lw_lock_wait wait = {.deadline_ns = LW_FOREVER};
    enum lw_acquired acquired;
    struct lw_waiting *paused = lw_waiting_pause();
    do {
        /* A signal's handler runs when the caller gets back to Python: very soon. */
        acquired = lw_lock_acquire_slow(arena, slot, &wait);
    } while (acquired == LW_SIGNAL);
    lw_waiting_resume(paused);
    *settle = acquired == LW_ABANDONED;
    if (*settle) wake_all(arena, slot);
}

void lw_guard_leave(struct lw_arena *arena, struct lw_slot *slot) {
    LW_CRASH(guard_held); /* CRASH: the next one settles */
    if (!lw_lock_release_fast(slot, arena->self_id)) lw_lock_release_slow(slot, false);
}
