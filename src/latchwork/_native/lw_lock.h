/* Lock: mutual exclusion between processes; the owner is a member (a process), not a thread.
 *
 * The word: owner's member id << 3 | HANDOFF | WOKEN | WAITERS. Waiters do not sleep on it, as it
 * changes all the time under contention, but on `seq`.
 *
 *   owner | HANDOFF | meaning                                   | who may leave it
 *   ------+---------+-------------------------------------------+--------------------------------------
 *   0     | 0       | free                                      | anyone: CAS to itself (acquire)
 *   0     | 1       | free, reserved for the waiter that was    | that waiter; anyone HANDOFF_EXPIRY_MS
 *         |         | just woken                                | after `handed_ms`
 *   id    | 0       | held                                      | anyone, by release; if id is dead,
 *         |         |                                           | anyone: CAS to itself (recovery)
 *   id    | 1       | held; a waiter has starved: the next      | the same
 *         |         | release is to be a hand-off               |
 *
 *   WAITERS: somebody may sleep on `seq`. Set by whoever is about to sleep, before it sleeps. Cleared only
 *     by whoever sets WOKEN in its place.
 *   WOKEN: a waiter is being woken, or on its way; nobody need wake another one. It will set WAITERS
 *     again, on behalf of those that still sleep. Set by a release, by an owner that got the lock while
 *     others sleep (they watch the alive word of an earlier owner; the one woken watches this one's), and
 *     by a waiter that gives up. Cleared by the woken one when it acquires, sleeps again or gives up;
 *     legal to clear at any time (at worst one wake too many); illegal to set without a wake that follows.
 *
 * Orderings: acquiring is an acquire, releasing a release; setting a flag is acq_rel, so that the load of
 * `seq` before it can't sink below it.
 *
 * What a death leaves:
 *   - an owner's: the word names a dead member. Waiters sleep on that member's alive word as well, the
 *     kernel wakes one, it wakes all, one of them takes the word over. Nobody waiting: the next comer does.
 *   - a sleeper's: WAITERS, though nobody sleeps: one release makes one useless system call.
 *   - a releaser's between the CAS and the wake, or a woken waiter's before it acquires: WOKEN, though
 *     nobody is on its way. The sleepers' next re-check (lw_recheck_first_ns, doubling to
 *     LW_RECHECK_LAST_NS) takes a free lock, and clears WOKEN otherwise. A reservation expires.
 *
 * Modelled in models/lock.pml. */
#ifndef LW_LOCK_H
#define LW_LOCK_H

#include "lw_arena.h"
#include "lw_watch.h"

#define LW_LOCK_WAITERS 1u
#define LW_LOCK_WOKEN 2u
#define LW_LOCK_HANDOFF 4u
#define LW_LOCK_FLAGS 7u
#define LW_LOCK_OWNER_SHIFT 3

enum lw_acquired { LW_ACQUIRED, LW_ABANDONED, LW_TIMEOUT, LW_SIGNAL, LW_SLEEP };

/* One call of acquire, across the signal handlers that interrupt it. */
struct lw_lock_wait {
    int64_t deadline_ns; /* LW_FOREVER; 0: do not sleep */
    int64_t started_ns;  /* 0: has not slept yet */
    int64_t recheck_ns;
    uint32_t dead_owner; /* after LW_ABANDONED: whose it was */
    uint32_t seq, owner; /* before the last sleep */
    bool woken;          /* this thread consumed a wake: the others rely on it */
    bool doubt;          /* when it marked, one was being woken: that wake may come to it with `seq` as it was */
};

static inline bool lw_lock_try(struct lw_slot *slot, uint32_t self) {
    uint32_t expected = 0;
    return lw_cas_acq(&slot->word, &expected, self << LW_LOCK_OWNER_SHIFT);
}

/* LW_SIGNAL: let the signal handlers run, then call again, or lw_lock_give_up. */
enum lw_acquired lw_lock_acquire_slow(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait);

/* The same without sleeping: LW_SLEEP, and on what; then how that ended. False: a signal came, and it has left for the
 * time being. `spin`: it is worth a short while. */
enum lw_acquired lw_lock_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait, bool spin,
                              struct lw_watch *watch);
bool lw_lock_slept(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait, enum lw_slept slept);

/* After LW_SIGNAL or LW_SLEEP, if the wait is to end there: passes on whatever others rely on. */
void lw_lock_give_up(struct lw_slot *slot, struct lw_lock_wait *wait);

/* For those that wait for it to be free and take nothing (lw_several.h). Listening, one counts among those that sleep
 * on `seq`; false: it is free, or its owner is dead. `again`: it has slept, and may have consumed a wake.
 * Whoever has listened unlistens, which passes on the wake that it may have consumed. */
bool lw_lock_listen(struct lw_arena *arena, struct lw_slot *slot, bool again, uint32_t *seq, uint32_t *owner);
void lw_lock_unlisten(struct lw_slot *slot);

static inline bool lw_lock_release_fast(struct lw_slot *slot, uint32_t self) {
    uint32_t expected = self << LW_LOCK_OWNER_SHIFT;
    return lw_load_relaxed(&slot->abandoned) == 0 && lw_cas_rel(&slot->word, &expected, 0);
}

/* False: it was free. `keep_abandoned`: the next owner shall still learn of the death. */
bool lw_lock_release_slow(struct lw_slot *slot, bool keep_abandoned);

/* The owner's id; 0: nobody's, or a dead member's. */
uint32_t lw_lock_owner(const struct lw_arena *arena, const struct lw_slot *slot);

#endif
