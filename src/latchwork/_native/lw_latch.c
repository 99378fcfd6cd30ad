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

enum lw_latched lw_latch_wait(struct lw_slot *slot, struct lw_latch_wait *wait) {
    uint32_t word = lw_load_acq(&slot->word);
    for (;;) {
        if (word >> LW_LATCH_SHIFT == 0) return LW_LATCH_OPEN;
        if (wait->deadline_ns == 0) return LW_LATCH_TIMEOUT;
        int64_t now = lw_now_ns();
        if (now >= wait->deadline_ns) return LW_LATCH_TIMEOUT;
        uint32_t marked = word | LW_LATCH_WAITERS;
        if (marked != word && !lw_cas_acqrel(&slot->word, &word, marked)) continue;
        LW_CRASH(latch_marked); /* CRASH: WAITERS though nobody sleeps: one useless wake */
        if (wait->recheck_ns == 0) wait->recheck_ns = lw_recheck_first_ns;
        int64_t step = wait->recheck_ns;
        int64_t wake_ns = step < wait->deadline_ns - now ? now + step : wait->deadline_ns;
        enum lw_slept slept = lw_futex_wait(&slot->word, marked, wake_ns);
        if (slept == LW_SLEPT_SIGNAL) return LW_LATCH_SIGNAL;
        if (slept == LW_SLEPT_TIMEOUT && wake_ns != wait->deadline_ns) {
            wait->recheck_ns = lw_recheck_next(step);
            /* A signal that came just before the sleep did not end it: its handler has waited. */
            return LW_LATCH_SIGNAL;
        }
        word = lw_load_acq(&slot->word);
    }
}
