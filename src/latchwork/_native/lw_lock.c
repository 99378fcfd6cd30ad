#include "lw_lock.h"

#include <unistd.h>

#include "lw_crash.h"
#include "lw_member.h"

/* A holder of a few hundred nanoseconds is worth waiting for; on one CPU nobody ever is. */
#define SPINS 60
#define STARVING_NS 1000000
#define HANDOFF_INTERVAL_MS 1u
#define HANDOFF_EXPIRY_MS 5u

static bool many_cpus(void) {
    static _Atomic int cpus;
    int known = atomic_load_explicit(&cpus, memory_order_relaxed);
    if (known == 0) {
        known = (int)sysconf(_SC_NPROCESSORS_ONLN);
        atomic_store_explicit(&cpus, known, memory_order_relaxed);
    }
    return known > 1;
}

static uint32_t owner_of(uint32_t word) { return word >> LW_LOCK_OWNER_SHIFT; }

static bool reservation_expired(const struct lw_slot *slot) {
    return lw_now_ms() - lw_load_relaxed(&slot->handed_ms) >= HANDOFF_EXPIRY_MS;
}

/* What the word is to be when this thread takes it. Those that still sleep watch the alive word of an
 * earlier owner: so, unless one is on its way already, one is woken to watch over this owner. */
static uint32_t taken(uint32_t word, uint32_t self, const struct lw_lock_wait *wait, bool *wake) {
    uint32_t flags = word & (LW_LOCK_WAITERS | LW_LOCK_WOKEN);
    if (wait->started_ns != 0) flags |= LW_LOCK_WAITERS;
    if (wait->woken) flags &= ~LW_LOCK_WOKEN;
    *wake = flags == LW_LOCK_WAITERS;
    if (*wake) flags = LW_LOCK_WOKEN;
    return self << LW_LOCK_OWNER_SHIFT | flags;
}

/* After a swap that set WOKEN: wakes one, or finds that nobody sleeps and says so in the word. */
static void wake_one(struct lw_slot *slot) {
    for (;;) {
        LW_CRASH(lock_released); /* CRASH: WOKEN, nobody woken: the sleepers' re-check clears it */
        lw_add_acqrel(&slot->seq, 1);
        LW_CRASH(lock_signalled); /* CRASH: the same */
        if (lw_futex_wake(&slot->seq, 1) > 0) return;
        uint32_t word = lw_load_relaxed(&slot->word);
        for (;;) {
            bool again = owner_of(word) == 0 && word & LW_LOCK_WAITERS;
            uint32_t cleared = word & ~(LW_LOCK_WOKEN | LW_LOCK_HANDOFF);
            if (again) cleared = LW_LOCK_WOKEN;
            if (!lw_cas_acqrel(&slot->word, &word, cleared)) continue;
            if (!again) return;
            break; /* somebody came to sleep meanwhile, trusting in WOKEN */
        }
    }
}

enum attempt { GOT_IT, GOT_IT_FROM_THE_DEAD, MUST_WAIT };

static enum attempt attempt(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait,
                            uint32_t *word_out) {
    uint32_t self = arena->self_id;
    uint32_t word = lw_load_acq(&slot->word); /* the owner's entry has to be seen, too */
    bool wake;
    for (;;) {
        uint32_t owner = owner_of(word);
        if (owner == 0) {
            if (word & LW_LOCK_HANDOFF && !wait->woken && !reservation_expired(slot)) break;
            if (lw_cas_acqrel(&slot->word, &word, taken(word, self, wait, &wake))) {
                /* CRASH: the owner is dead, its flags are right: a recovery like any other */
                LW_CRASH(lock_acquired);
                if (wake) wake_one(slot);
                /* Left by an owner that was interrupted while it was told: it is for this one, then. */
                return lw_load_relaxed(&slot->abandoned) ? GOT_IT_FROM_THE_DEAD : GOT_IT;
            }
        } else if (!lw_member_alive(arena, owner)) {
            LW_CRASH(lock_recovering); /* CRASH: still the first dead owner's */
            if (lw_cas_acqrel(&slot->word, &word, taken(word, self, wait, &wake))) {
                LW_CRASH(lock_recovered); /* CRASH: owned by this dead one: recovered, and told, anew */
                lw_store_relaxed(&slot->abandoned, owner);
                if (wake) wake_one(slot);
                return GOT_IT_FROM_THE_DEAD;
            }
        } else {
            break;
        }
    }
    *word_out = word;
    return MUST_WAIT;
}

static bool spin(struct lw_slot *slot, uint32_t self) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t word = lw_load_relaxed(&slot->word);
        /* Its own process's other thread may need the GIL, or this CPU, to release. */
        if (owner_of(word) == self) return false;
        if (owner_of(word) == 0 && !(word & LW_LOCK_HANDOFF)) return true;
        lw_cpu_pause();
    }
    return false;
}

static bool starving(const struct lw_slot *slot, const struct lw_lock_wait *wait, int64_t now) {
    return wait->started_ns != 0 && now - wait->started_ns >= STARVING_NS &&
           (uint32_t)(now / 1000000) - lw_load_relaxed(&slot->handed_ms) >= HANDOFF_INTERVAL_MS;
}

/* Announces a sleeper, after `seq` was read; false if the word changed. Also if it is announced already: a word
 * that was looked at before is not to be trusted, as all that it said may have come and gone with `seq`. */
static bool mark(struct lw_slot *slot, struct lw_lock_wait *wait, uint32_t word, int64_t now) {
    uint32_t marked = word | LW_LOCK_WAITERS;
    if (wait->woken) marked &= ~LW_LOCK_WOKEN;
    if (owner_of(word) != 0 && starving(slot, wait, now)) marked |= LW_LOCK_HANDOFF;
    if (marked == word ? lw_load_acq(&slot->word) != word : !lw_cas_acqrel(&slot->word, &word, marked)) return false;
    wait->woken = false;
    wait->doubt = marked & LW_LOCK_WOKEN;
    return true;
}

/* Leaves without the lock, be it for a signal handler only. A consumed wake must not be lost, and the
 * leaving one may have been the only one to watch over the owner: another sleeper takes over both.
 * False, unless it must go: it is free this moment; better to take it after all. */
static bool leave(struct lw_slot *slot, struct lw_lock_wait *wait, bool must_go) {
    uint32_t word = lw_load_relaxed(&slot->word);
    for (;;) {
        if (wait->woken && owner_of(word) == 0 && !must_go) return false;
        uint32_t flags = word & LW_LOCK_FLAGS;
        if (wait->woken) flags = (flags | LW_LOCK_WAITERS) & ~LW_LOCK_WOKEN;
        bool wake = (flags & ~LW_LOCK_HANDOFF) == LW_LOCK_WAITERS;
        if (wake) flags ^= LW_LOCK_WAITERS | LW_LOCK_WOKEN;
        uint32_t left = (word & ~LW_LOCK_FLAGS) | flags;
        if (left != word && !lw_cas_acqrel(&slot->word, &word, left)) continue;
        wait->woken = false;
        if (wake) wake_one(slot);
        return true;
    }
}

void lw_lock_give_up(struct lw_slot *slot, struct lw_lock_wait *wait) { leave(slot, wait, true); }

/* Until when to sleep: a reservation expires sooner than a re-check is due. */
static void bound(struct lw_watch *watch, struct lw_lock_wait *wait, uint32_t word, int64_t now) {
    lw_watch_for(watch, &wait->recheck_ns, now, wait->deadline_ns);
    int64_t expiry = now + (int64_t)HANDOFF_EXPIRY_MS * 1000000;
    if (owner_of(word) == 0 && expiry < watch->wake_ns) watch->wake_ns = expiry;
}

/* Nobody came for a while: either all is well, or a death was missed. */
static void recheck(struct lw_arena *arena, struct lw_lock_wait *wait) {
    if (wait->owner != 0) lw_member_recheck(arena, wait->owner);
    wait->woken = true; /* if the one that was woken died on its way, this one takes its place */
    wait->recheck_ns = lw_recheck_next(wait->recheck_ns);
}

enum lw_acquired lw_lock_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait, bool may_spin,
                              struct lw_watch *watch) {
    for (;;) {
        uint32_t word;
        enum attempt outcome = attempt(arena, slot, wait, &word);
        if (outcome == MUST_WAIT && may_spin) {
            may_spin = false;
            if (spin(slot, arena->self_id)) continue;
        }
        if (outcome != MUST_WAIT) {
            wait->dead_owner = lw_load_relaxed(&slot->abandoned);
            wait->woken = false;
            return outcome == GOT_IT ? LW_ACQUIRED : LW_ABANDONED;
        }
        if (wait->deadline_ns == 0) {
            /* No re-check will come: so look closely at an owner whose death shows in no alive word. */
            uint32_t owner = owner_of(word);
            if (owner && lw_member_is_mute(arena, owner) && !lw_member_recheck(arena, owner)) continue;
            return LW_TIMEOUT;
        }
        int64_t now = lw_now_ns();
        if (now >= wait->deadline_ns) {
            if (!leave(slot, wait, false)) continue;
            return LW_TIMEOUT;
        }
        LW_CRASH(lock_looked); /* CRASH: nothing has been changed */
        wait->seq = lw_load_acq(&slot->seq);
        if (!mark(slot, wait, word, now)) continue;
        if (wait->started_ns == 0) wait->started_ns = now;
        LW_CRASH(lock_marked); /* CRASH: WAITERS though nobody sleeps: one useless wake */
        wait->owner = owner_of(word);
        lw_watch_begin(watch, &slot->seq, wait->seq);
        if (wait->owner) lw_watch_member(arena, watch, wait->owner);
        if (watch->dead) continue;
        bound(watch, wait, word, now);
        return LW_SLEEP;
    }
}

bool lw_lock_slept(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait, enum lw_slept slept) {
    switch (slept) {
    case LW_SLEPT_WOKEN:
        wait->woken = true;
        /* CRASH: WOKEN stays, and others may sleep: their re-check takes over */
        LW_CRASH(lock_woken);
        return true;
    case LW_SLEPT_DEATH:
        /* A wake may have come as well, of which nothing was said, and which may show in nothing: see `doubt`. */
        wait->woken = true;
        return true;
    case LW_SLEPT_TIMEOUT:
        if (lw_now_ns() < wait->deadline_ns) recheck(arena, wait);
        return true;
    case LW_SLEPT_SIGNAL:
        return !leave(slot, wait, false);
    case LW_SLEPT_CHANGED:
        break;
    }
    return true;
}

enum lw_acquired lw_lock_acquire_slow(struct lw_arena *arena, struct lw_slot *slot, struct lw_lock_wait *wait) {
    struct lw_watch watch;
    bool may_spin = wait->started_ns == 0 && wait->deadline_ns != 0 && many_cpus();
    for (;;) {
        enum lw_acquired acquired = lw_lock_step(arena, slot, wait, may_spin, &watch);
        if (acquired != LW_SLEEP) return acquired;
        enum lw_slept slept = lw_watch_sleep(arena, &watch);
        if (!lw_lock_slept(arena, slot, wait, slept)) return LW_SIGNAL;
        may_spin = slept == LW_SLEPT_WOKEN && many_cpus();
        /* A signal that came just before the sleep did not end it: its handler has waited. */
        if (slept == LW_SLEPT_TIMEOUT && lw_now_ns() < wait->deadline_ns) return LW_SIGNAL;
    }
}

bool lw_lock_release_slow(struct lw_slot *slot, bool keep_abandoned) {
    uint32_t word = lw_load_relaxed(&slot->word);
    if (owner_of(word) == 0) return false;
    if (!keep_abandoned) lw_store_relaxed(&slot->abandoned, 0);
    for (;;) {
        if (owner_of(word) == 0) return false;
        bool wake = word & LW_LOCK_WAITERS && !(word & LW_LOCK_WOKEN);
        uint32_t freed = 0;
        if (wake)
            freed = LW_LOCK_WOKEN | (word & LW_LOCK_HANDOFF);
        else if (word & LW_LOCK_WAITERS)
            freed = word & LW_LOCK_FLAGS; /* one is on its way; if starved, it is for that one */
        if (freed & LW_LOCK_HANDOFF) lw_store_relaxed(&slot->handed_ms, lw_now_ms());
        if (!lw_cas_rel(&slot->word, &word, freed)) continue;
        if (wake) wake_one(slot);
        return true;
    }
}

bool lw_lock_listen(struct lw_arena *arena, struct lw_slot *slot, bool again, uint32_t *seq, uint32_t *owner) {
    *seq = lw_load_acq(&slot->seq);
    uint32_t word = lw_load_acq(&slot->word), marked;
    do {
        *owner = owner_of(word);
        if (*owner == 0 || !lw_member_alive(arena, *owner)) return false;
        marked = word | LW_LOCK_WAITERS;
        if (again) marked &= ~LW_LOCK_WOKEN;
    } while (marked != word && !lw_cas_acqrel(&slot->word, &word, marked));
    return true;
}

void lw_lock_unlisten(struct lw_slot *slot) {
    struct lw_lock_wait as_if_woken = {.woken = true};
    leave(slot, &as_if_woken, true);
}

uint32_t lw_lock_owner(const struct lw_arena *arena, const struct lw_slot *slot) {
    uint32_t owner = owner_of(lw_load_relaxed(&slot->word));
    return owner != 0 && lw_member_alive(arena, owner) ? owner : 0;
}
