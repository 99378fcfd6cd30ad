#include "lw_event.h"

#include <limits.h>

#include "lw_crash.h"

void lw_event_set(struct lw_slot *slot) {
    uint32_t word = lw_load_relaxed(&slot->word);
    for (;;) {
        if (word & LW_EVENT_SET) {
            /* Already set: but what this caller did before must be seen by those that see it set. */
            if (lw_cas_rel(&slot->word, &word, word)) return;
            continue;
        }
        uint32_t generation = (word >> LW_EVENT_GENERATION_SHIFT) + 1;
        if (lw_cas_acqrel(&slot->word, &word, generation << LW_EVENT_GENERATION_SHIFT | LW_EVENT_SET)) break;
    }
    LW_CRASH(event_stored); /* CRASH: set, nobody woken: the waiters' re-check sees it */
    if (word & LW_EVENT_WAITERS) lw_futex_wake(&slot->word, INT_MAX);
}

void lw_event_clear(struct lw_slot *slot) {
    uint32_t word = lw_load_relaxed(&slot->word);
    while (word & LW_EVENT_SET && !lw_cas_acqrel(&slot->word, &word, word & ~LW_EVENT_SET)) {
    }
}

void lw_event_wait_begin(const struct lw_slot *slot, struct lw_event_wait *wait, int64_t deadline_ns) {
    wait->deadline_ns = deadline_ns;
    wait->generation = lw_load_acq(&slot->word) >> LW_EVENT_GENERATION_SHIFT;
    wait->recheck_ns = 0;
}

enum lw_waited lw_event_wait(struct lw_slot *slot, struct lw_event_wait *wait) {
    uint32_t word = lw_load_acq(&slot->word);
    for (;;) {
        if (word & LW_EVENT_SET || word >> LW_EVENT_GENERATION_SHIFT != wait->generation) return LW_WAIT_SET;
        if (wait->deadline_ns == 0) return LW_WAIT_TIMEOUT;
        int64_t now = lw_now_ns();
        if (now >= wait->deadline_ns) return LW_WAIT_TIMEOUT;
        uint32_t marked = word | LW_EVENT_WAITERS;
        if (marked != word && !lw_cas_acqrel(&slot->word, &word, marked)) continue;
        LW_CRASH(event_marked); /* CRASH: WAITERS though nobody sleeps: one useless wake */
        int64_t step = wait->recheck_ns ? wait->recheck_ns : lw_recheck_first_ns;
        int64_t wake_ns = step < wait->deadline_ns - now ? now + step : wait->deadline_ns;
        enum lw_slept slept = lw_futex_wait(&slot->word, marked, wake_ns);
        LW_CRASH(event_woken); /* CRASH: all were woken: nobody relies on this one */
        if (slept == LW_SLEPT_SIGNAL) return LW_WAIT_SIGNAL;
        if (slept == LW_SLEPT_TIMEOUT && wake_ns != wait->deadline_ns) {
            wait->recheck_ns = lw_recheck_next(step);
            /* A signal that came just before the sleep did not end it: its handler has waited. */
            return LW_WAIT_SIGNAL;
        }
        word = lw_load_acq(&slot->word);
    }
}
