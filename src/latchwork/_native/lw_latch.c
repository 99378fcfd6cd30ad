#include "lw_latch.h"

#include <limits.h>

#include "lw_crash.h"

void lw_latch_count_down(struct lw_slot *slot, uint32_t count) {
    uint32_t word = lw_load_relaxed(&slot->word), left;
    do {
        uint32_t before = word >> LW_LATCH_SHIFT;
        left = count < before ? word - (count << LW_LATCH_SHIFT) : 0;
    } while (!lw_cas_acqrel(&slot->word, &word, left));
    if (left != 0 || !(word & LW_LATCH_WAITERS)) return;
    LW_CRASH(latch_opened); /* CRASH: open, nobody woken: the waiters' re-check sees it */
    lw_futex_wake(&slot->word, INT_MAX);
}

enum lw_latched lw_latch_step(struct lw_slot *slot, struct lw_latch_wait *wait, struct lw_watch *watch) {
    uint32_t word = lw_load_acq(&slot->word), marked;
    do {
        if (word >> LW_LATCH_SHIFT == 0) return LW_LATCH_OPEN;
        if (wait->deadline_ns == 0) return LW_LATCH_TIMEOUT;
        marked = word | LW_LATCH_WAITERS;
    } while (marked != word && !lw_cas_acqrel(&slot->word, &word, marked));
    int64_t now = lw_now_ns();
    if (now >= wait->deadline_ns) return LW_LATCH_TIMEOUT;
    LW_CRASH(latch_marked); /* CRASH: WAITERS though nobody sleeps: one useless wake */
    lw_watch_begin(watch, &slot->word, marked);
    lw_watch_for(watch, &wait->recheck_ns, now, wait->deadline_ns);
    return LW_LATCH_SLEEP;
}

enum lw_latched lw_latch_wait(struct lw_slot *slot, struct lw_latch_wait *wait) {
    struct lw_watch watch;
    for (;;) {
        enum lw_latched latched = lw_latch_step(slot, wait, &watch);
        if (latched != LW_LATCH_SLEEP) return latched;
        enum lw_slept slept = lw_watch_sleep(NULL, &watch);
        if (slept == LW_SLEPT_SIGNAL) return LW_LATCH_SIGNAL;
        /* A signal that came just before the sleep did not end it: its handler has waited. */
        if (lw_watch_rechecks(slept, &wait->recheck_ns, wait->deadline_ns)) return LW_LATCH_SIGNAL;
    }
}
