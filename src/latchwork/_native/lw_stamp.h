/* Stamps: which thread acquired, and when; for others to see. See docs/design/004-seeing.md. */
#ifndef LW_STAMP_H
#define LW_STAMP_H

#include <time.h>

#include "lw_rlock.h"

/* In hundredths of a second, of CLOCK_MONOTONIC; it comes round after 497 days. */
static inline uint32_t lw_stamp_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 100 + (uint64_t)now.tv_nsec / 10000000);
}

/* After a Lock was taken. `who`: a thread, or 0. */
static inline void lw_stamp_lock(struct lw_slot *slot, uint32_t self, uint32_t who) {
    lw_store_relaxed(&slot->thread, lw_rlock_token(self, who));
    lw_store_relaxed(&slot->since, lw_stamp_now());
}

/* How long ago. */
static inline int64_t lw_stamp_age_ns(uint32_t stamp) {
    int32_t age = (int32_t)(lw_stamp_now() - stamp);
    return age > 0 ? (int64_t)age * 10000000 : 0;
}

#endif
