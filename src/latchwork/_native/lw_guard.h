/* The guard of a primitive that is more than one word: a Lock (lw_lock.h) in its first four words, held for
 * some tens of nanoseconds while cells are changed, never while anything of Python runs or anybody waits.
 *
 * Who gets it from a dead owner settles before anything else: see each primitive's settle. All that sleep on
 * cells are woken then, as the dead one may have granted what it had not told yet. */
#ifndef LW_GUARD_H
#define LW_GUARD_H

#include "lw_cells.h"
#include "lw_lock.h"

/* At once or not at all: for those who hold the GIL. True also if it came from a dead owner: then *settle. */
bool lw_guard_try(struct lw_arena *arena, struct lw_slot *slot, bool *settle);
/* Waits for it: not while holding the GIL, as the owner may be stopped. */
void lw_guard_enter(struct lw_arena *arena, struct lw_slot *slot, bool *settle);
void lw_guard_leave(struct lw_arena *arena, struct lw_slot *slot);

#endif
