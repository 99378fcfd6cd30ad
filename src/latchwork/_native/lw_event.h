/* Event: a flag that many wait for.
 *
 * The word: generation << 2 | WAITERS | SET.
 *
 *   SET | meaning   | who may leave it
 *   ----+-----------+--------------------------------------------------------------------------
 *   0   | not set   | anyone: set() raises the generation, sets SET, clears WAITERS, then wakes all
 *   1   | set       | anyone: clear() clears SET and leaves the generation
 *
 *   WAITERS: somebody may sleep on the word. Set by whoever is about to sleep; cleared by set() only.
 *   generation: a waiter that finds another one than when it came was there when the event was set, even
 *     if it has been cleared since. While SET is 0 only set() and WAITERS change the word, so a sleeper
 *     sleeps through everything else.
 *
 * Nobody ever waits for a waiter, so a dead or stopped one costs nothing, and set() may be called by a
 * signal handler of a thread that is itself in wait().
 *
 * What a death leaves: a setter's between its store and its wake: the waiters find the new generation at
 * their next re-check. A waiter's: WAITERS: one useless wake.
 *
 * Orderings: set() is a release, a wait that sees it an acquire.
 *
 * Modelled in models/event.pml. */
#ifndef LW_EVENT_H
#define LW_EVENT_H

#include "lw_futex.h"
#include "lw_watch.h"

#define LW_EVENT_SET 1u
#define LW_EVENT_WAITERS 2u
#define LW_EVENT_GENERATION_SHIFT 2

/* LW_WAIT_SIGNAL: let the signal handlers run, then call again, or not. LW_WAIT_SLEEP: of a step only. */
enum lw_waited { LW_WAIT_SET, LW_WAIT_TIMEOUT, LW_WAIT_SIGNAL, LW_WAIT_SLEEP };

/* One call of wait(), across the signal handlers that interrupt it. */
struct lw_event_wait {
    int64_t deadline_ns; /* LW_FOREVER; 0: do not sleep */
    uint32_t generation; /* when it came */
    int64_t recheck_ns;  /* 0: has not slept yet */
};

static inline bool lw_event_is_set(const struct lw_slot *slot) {
    return lw_load_acq(&slot->word) & LW_EVENT_SET;
}

void lw_event_set(struct lw_slot *slot);
void lw_event_clear(struct lw_slot *slot);
void lw_event_wait_begin(const struct lw_slot *slot, struct lw_event_wait *wait, int64_t deadline_ns);
enum lw_waited lw_event_wait(struct lw_slot *slot, struct lw_event_wait *wait);
/* The same without sleeping: LW_WAIT_SLEEP, and on what. */
enum lw_waited lw_event_step(struct lw_slot *slot, struct lw_event_wait *wait, struct lw_watch *watch);

#endif
