/* Latch: a count that only goes down; many wait for zero.
 *
 * The word: count << 1 | WAITERS; `limit` is the count that it was made with.
 *
 *   count | meaning  | who may leave it
 *   ------+----------+--------------------------------------------------------------------------------
 *   n > 0 | closed   | anyone: count_down takes from it, never below 0; at 0 it clears WAITERS, wakes all
 *   0     | open     | nobody: it stays open
 *
 *   WAITERS: somebody may sleep on the word; set by whoever is about to sleep. Counting down changes the
 *     word under the sleepers, which wakes nobody before 0.
 *
 * Orderings: count_down is a release, a wait that sees 0 an acquire.
 *
 * What a death leaves: a count that the dead one did not take down stays. One between its store of 0 and
 * the wake: the waiters find 0 at their next re-check.
 *
 * Modelled in models/latch.pml. */
#ifndef LW_LATCH_H
#define LW_LATCH_H

#include "lw_futex.h"
#include "lw_watch.h"

#define LW_LATCH_WAITERS 1u
#define LW_LATCH_SHIFT 1
#define LW_LATCH_MAX 0x7fffffffu

enum lw_latched { LW_LATCH_OPEN, LW_LATCH_TIMEOUT, LW_LATCH_SIGNAL, LW_LATCH_SLEEP };

struct lw_latch_wait {
    int64_t deadline_ns; /* LW_FOREVER; 0: do not sleep */
    int64_t recheck_ns;
};

static inline uint32_t lw_latch_count(const struct lw_slot *slot) {
    return lw_load_acq(&slot->word) >> LW_LATCH_SHIFT;
}

void lw_latch_count_down(struct lw_slot *slot, uint32_t count);
/* LW_LATCH_SIGNAL: let the signal handlers run, then call again, or not. */
enum lw_latched lw_latch_wait(struct lw_slot *slot, struct lw_latch_wait *wait);
/* The same without sleeping: LW_LATCH_SLEEP, and on what. */
enum lw_latched lw_latch_step(struct lw_slot *slot, struct lw_latch_wait *wait, struct lw_watch *watch);

#endif
