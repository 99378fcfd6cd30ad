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

enum lw_waited lw_event_step(struct lw_slot *slot, struct lw_event_wait *wait, struct lw_watch *watch) {
    uint32_t word = lw_load_acq(&slot->word), marked;
    do {
        if (word & LW_EVENT_SET || word >> LW_EVENT_GENERATION_SHIFT != wait->generation) return LW_WAIT_SET;
        if (wait->deadline_ns == 0) return LW_WAIT_TIMEOUT;
        marked = word | LW_EVENT_WAITERS;
    } while (marked != word && !lw_cas_acqrel(&slot->word, &word, marked));
    int64_t now = lw_now_ns();
    if (now >= wait->deadline_ns) return LW_WAIT_TIMEOUT;
    LW_CRASH(event_marked); /* CRASH: WAITERS though nobody sleeps: one useless wake */
    lw_watch_begin(watch, &slot->word, marked);
    lw_watch_for(watch, &wait->recheck_ns, now, wait->deadline_ns);
    return LW_WAIT_SLEEP;
}

enum lw_waited lw_event_wait(struct lw_slot *slot, struct lw_event_wait *wait) {
    struct lw_watch watch;
    for (;;) {
        enum lw_waited waited = lw_event_step(slot, wait, &watch);
        if (waited != LW_WAIT_SLEEP) return waited;
        enum lw_slept slept = lw_watch_sleep(NULL, &watch);
        LW_CRASH(event_woken); /* CRASH: all were woken: nobody relies on this one */
        if (slept == LW_SLEPT_SIGNAL) return LW_WAIT_SIGNAL;
        /* A signal that came just before the sleep did not end it: its handler has waited. */
        if (lw_watch_rechecks(slept, &wait->recheck_ns, wait->deadline_ns)) return LW_WAIT_SIGNAL;
    }
}
