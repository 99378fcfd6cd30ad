/* Sleeping on shared words. See futex(2) and the kernel's Documentation/userspace-api/futex2.rst. */
#ifndef LW_FUTEX_H
#define LW_FUTEX_H

#include "lw_atomic.h"

#define LW_FOREVER INT64_MAX

enum lw_slept {
    LW_SLEPT_WOKEN,   /* a wake was consumed: it is this thread's to use or to pass on */
    LW_SLEPT_DEATH,   /* of a member that was watched: lw_watch.h */
    LW_SLEPT_CHANGED, /* a word had another value already */
    LW_SLEPT_TIMEOUT,
    LW_SLEPT_SIGNAL,
};

/* All clocks here are CLOCK_MONOTONIC in nanoseconds; a deadline may be LW_FOREVER. */
int64_t lw_now_ns(void);
uint32_t lw_now_ms(void);

enum lw_slept lw_futex_wait(lw_word *word, uint32_t expected, int64_t deadline_ns);

/* What futex_waitv takes; of our own, because the headers may be older than the kernel. */
struct lw_futex_entry {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
#define LW_FUTEX_ENTRIES 128

static inline struct lw_futex_entry lw_futex_entry(const lw_word *word, uint32_t expected) {
    return (struct lw_futex_entry){.value = expected, .address = (uintptr_t)word, .flags = 2u /* 32 bits */};
}

/* Sleeps on up to LW_FUTEX_ENTRIES words at once; *which was woken. Only where lw_futex_has_waitv(). */
enum lw_slept lw_futex_wait_many(struct lw_futex_entry *entries, unsigned count, int64_t deadline_ns,
                                 unsigned *which);
bool lw_futex_has_waitv(void);
void lw_futex_forbid_waitv(bool forbid);

/* The net under the rope: every sleep is bounded, first by this, then by twice that each time, up to
 * LW_RECHECK_LAST_NS. A test sets it high, so that what only the net would catch shows as a hang. */
extern int64_t lw_recheck_first_ns;
#define LW_RECHECK_LAST_NS 1000000000
#define LW_RECHECK_BLIND_NS 100000000 /* at most, where a death shows in no word to sleep on */

static inline int64_t lw_recheck_next(int64_t step) {
    if (step >= LW_RECHECK_LAST_NS) return step;
    return step < LW_RECHECK_LAST_NS / 2 ? 2 * step : LW_RECHECK_LAST_NS;
}

/* Returns how many were woken. */
int lw_futex_wake(lw_word *word, int count);

#endif
