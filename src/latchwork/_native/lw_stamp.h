/* Stamps: which thread acquired, and when; for others to see. See docs/design/004-seeing.md. */
#ifndef LW_STAMP_H
#define LW_STAMP_H

#include <time.h>

#include "lw_cells.h"

/* In hundredths of a second since the epoch, as the kernel's tick has it. It comes round after 497 days; 0 is taken for
 * unknown. */
static inline uint32_t lw_stamp_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 100 + (uint64_t)now.tv_nsec / 10000000);
}

/* Who acquired, within its process: mixed with its member id, so that what a dead owner left never looks like a thread of
 * another process. */
static inline uint32_t lw_stamp_token(uint32_t member, uint32_t who) { return who ^ member * 0x9e3779b1u; }

/* After a Lock or RLock was taken. `who`: a thread, or a task's number; 0: nobody in particular. */
static inline void lw_stamp_lock(struct lw_slot *slot, uint32_t self, uint32_t who) {
    lw_store_relaxed(&slot->thread, lw_stamp_token(self, who));
    lw_store_relaxed(&slot->since, lw_stamp_now());
}

/* A cell's stamp, in the slot that it is a part of. */
static inline lw_word *lw_stamp_of_cell(struct lw_cell *cell) {
    struct lw_slot *cells = (struct lw_slot *)((uintptr_t)cell & ~(uintptr_t)(sizeof *cells - 1));
    return &cells->claimed[cell - cells->cell];
}

/* After a cell came to hold something. */
static inline void lw_stamp_cell(struct lw_cell *cell) { lw_store_relaxed(lw_stamp_of_cell(cell), lw_stamp_now()); }

#endif
