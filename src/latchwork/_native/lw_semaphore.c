#include "lw_semaphore.h"

#include "lw_crash.h"

bool lw_semaphore_release(struct lw_slot *slot, uint32_t count) {
    uint32_t limit = lw_load_relaxed(&slot->limit);
    uint32_t word = lw_load_relaxed(&slot->word), left;
    do {
        if (count > limit || word >> LW_SEMAPHORE_SHIFT > limit - count) return false;
        left = word + (count << LW_SEMAPHORE_SHIFT);
    } while (!lw_cas_rel(&slot->word, &word, left));
    if (!(left & LW_SEMAPHORE_WAITERS)) return true;
    LW_CRASH(semaphore_released); /* CRASH: a permit, nobody woken: the sleepers' re-check takes it */
    if (lw_futex_wake(&slot->word, count < INT32_MAX ? (int)count : INT32_MAX) == 0)
        lw_cas_acqrel(&slot->word, &left, left & ~LW_SEMAPHORE_WAITERS);
    return true;
}

void lw_semaphore_pass_on(struct lw_slot *slot) {
    /* Others may sleep though it does not say so: a release that was slow to clear WAITERS cleared theirs. */
    uint32_t word = lw_or_acqrel(&slot->word, LW_SEMAPHORE_WAITERS);
    if (word >> LW_SEMAPHORE_SHIFT) lw_futex_wake(&slot->word, 1);
}

void lw_semaphore_give_up(struct lw_slot *slot, struct lw_semaphore_wait *wait) {
    if (wait->woken) lw_semaphore_pass_on(slot);
    wait->woken = false;
}

enum lw_taken lw_semaphore_step(struct lw_slot *slot, struct lw_semaphore_wait *wait, struct lw_watch *watch) {
    uint32_t word = lw_load_acq(&slot->word);
    for (;;) {
        if (word >> LW_SEMAPHORE_SHIFT) {
            uint32_t left = word - (1u << LW_SEMAPHORE_SHIFT);
            if (wait->recheck_ns != 0) left |= LW_SEMAPHORE_WAITERS;
            if (!lw_cas_acqrel(&slot->word, &word, left)) continue;
            /* Two releases may have woken only this one: the second's permit is for the next sleeper. */
            if (wait->recheck_ns != 0 && left >> LW_SEMAPHORE_SHIFT) lw_semaphore_pass_on(slot);
            return LW_TAKEN;
        }
        if (wait->deadline_ns == 0) return LW_TAKEN_TIMEOUT;
        int64_t now = lw_now_ns();
        if (now >= wait->deadline_ns) {
            lw_semaphore_give_up(slot, wait);
            return LW_TAKEN_TIMEOUT;
        }
        if (!(word & LW_SEMAPHORE_WAITERS) && !lw_cas_acqrel(&slot->word, &word, LW_SEMAPHORE_WAITERS)) continue;
        LW_CRASH(semaphore_marked); /* CRASH: WAITERS though nobody sleeps: one useless wake */
        lw_watch_begin(watch, &slot->word, LW_SEMAPHORE_WAITERS);
        lw_watch_for(watch, &wait->recheck_ns, now, wait->deadline_ns);
        return LW_TAKEN_SLEEP;
    }
}

void lw_semaphore_slept(struct lw_semaphore_wait *wait, enum lw_slept slept) {
    wait->woken = slept == LW_SLEPT_WOKEN;
    LW_CRASH(semaphore_woken); /* CRASH: a permit and sleepers: their re-check takes it */
}

enum lw_taken lw_semaphore_acquire(struct lw_slot *slot, struct lw_semaphore_wait *wait) {
    struct lw_watch watch;
    for (;;) {
        enum lw_taken taken = lw_semaphore_step(slot, wait, &watch);
        if (taken != LW_TAKEN_SLEEP) return taken;
        enum lw_slept slept = lw_watch_sleep(NULL, &watch);
        lw_semaphore_slept(wait, slept);
        if (slept == LW_SLEPT_SIGNAL) return LW_TAKEN_SIGNAL;
        /* A signal that came just before the sleep did not end it: its handler has waited. */
        if (lw_watch_rechecks(slept, &wait->recheck_ns, wait->deadline_ns)) return LW_TAKEN_SIGNAL;
    }
}
