/* Semaphore: a count that anybody may take from and add to; its permits have no owners.
 *
 * The word: count << 1 | WAITERS; `limit` is the bound, `initial` what it was made with.
 *
 *   count | WAITERS | meaning                                    | who may leave it
 *   ------+---------+--------------------------------------------+---------------------------------------
 *   0     | 0       | none to be had                             | anyone: release adds
 *   0     | 1       | the same, and somebody may sleep on the    | anyone: release adds, leaves WAITERS,
 *         |         | word, which is exactly this                | and wakes as many as it added
 *   n     | 0, 1    | n to be had                                | anyone: acquire takes one
 *
 *   WAITERS: set by whoever is about to sleep, and by one that slept when it takes (others may sleep
 *     still); cleared by a release whose wake found nobody, from exactly the word that it left.
 *
 * Orderings: acquire is an acquire, release a release.
 *
 * What a death leaves: a permit that the dead one had is gone, as with every semaphore that people signal
 * with. A releaser's between the add and the wake, or a woken one's before it takes: a permit that is
 * there while others sleep, until their next re-check.
 *
 * Modelled in models/semaphore.pml. */
#ifndef LW_SEMAPHORE_H
#define LW_SEMAPHORE_H

#include "lw_futex.h"
#include "lw_watch.h"

#define LW_SEMAPHORE_WAITERS 1u
#define LW_SEMAPHORE_SHIFT 1
#define LW_SEMAPHORE_MAX 0x7fffffffu

enum lw_taken { LW_TAKEN, LW_TAKEN_TIMEOUT, LW_TAKEN_SIGNAL, LW_TAKEN_SLEEP };

/* One call of acquire, across the signal handlers that interrupt it. */
struct lw_semaphore_wait {
    int64_t deadline_ns; /* LW_FOREVER; 0: do not sleep */
    int64_t recheck_ns;  /* 0: has not slept yet */
    bool woken;          /* this thread consumed a wake: it takes one, or passes the wake on */
};

static inline uint32_t lw_semaphore_value(const struct lw_slot *slot) {
    return lw_load_acq(&slot->word) >> LW_SEMAPHORE_SHIFT;
}

static inline bool lw_semaphore_try(struct lw_slot *slot) {
    uint32_t word = lw_load_relaxed(&slot->word);
    while (word >> LW_SEMAPHORE_SHIFT)
        if (lw_cas_acq(&slot->word, &word, word - (1u << LW_SEMAPHORE_SHIFT))) return true;
    return false;
}

/* LW_TAKEN_SIGNAL: let the signal handlers run, then call again, or give up. */
enum lw_taken lw_semaphore_acquire(struct lw_slot *slot, struct lw_semaphore_wait *wait);
/* The same without sleeping: LW_TAKEN_SLEEP, and on what; then how that ended. */
enum lw_taken lw_semaphore_step(struct lw_slot *slot, struct lw_semaphore_wait *wait, struct lw_watch *watch);
void lw_semaphore_slept(struct lw_semaphore_wait *wait, enum lw_slept slept);
void lw_semaphore_give_up(struct lw_slot *slot, struct lw_semaphore_wait *wait);
/* False: it would go above the bound, and nothing was changed. */
bool lw_semaphore_release(struct lw_slot *slot, uint32_t count);
/* For those that slept on the word and take nothing: a wake that they may have consumed. */
void lw_semaphore_pass_on(struct lw_slot *slot);

#endif
