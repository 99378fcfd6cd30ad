#define _GNU_SOURCE
#include "lw_futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

int64_t lw_recheck_first_ns = 20000000;

static _Atomic int waitv_state; /* 0 not tried, 1 works, -1 missing or forbidden */

int64_t lw_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint32_t lw_now_ms(void) { return (uint32_t)(lw_now_ns() / 1000000); }

static struct timespec *to_timespec(int64_t ns, struct timespec *spec) {
    if (ns == LW_FOREVER) return NULL;
    if (ns < 0) ns = 0;
    spec->tv_sec = (time_t)(ns / 1000000000);
    spec->tv_nsec = (long)(ns % 1000000000);
    return spec;
}

static enum lw_slept from_errno(int error) {
    switch (error) {
    case ETIMEDOUT:
        return LW_SLEPT_TIMEOUT;
    case EINTR:
        return LW_SLEPT_SIGNAL;
    default:
        return LW_SLEPT_CHANGED;
    }
}

enum lw_slept lw_futex_wait(lw_word *word, uint32_t expected, int64_t deadline_ns) {
    struct timespec spec;
    /* FUTEX_WAIT_BITSET: the deadline is absolute, so a retry after a signal needs no arithmetic. */
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, to_timespec(deadline_ns, &spec),
                          NULL, FUTEX_BITSET_MATCH_ANY);
    return result == 0 ? LW_SLEPT_WOKEN : from_errno(errno);
}

bool lw_futex_has_waitv(void) {
    int state = atomic_load_explicit(&waitv_state, memory_order_relaxed);
    if (state == 0) {
        lw_word probe = 1;
        struct lw_futex_entry entry = lw_futex_entry(&probe, 0);
        long result = syscall(SYS_futex_waitv, &entry, 1u, 0u, NULL, CLOCK_MONOTONIC);
        state = result == -1 && errno == EAGAIN ? 1 : -1;
        atomic_store_explicit(&waitv_state, state, memory_order_relaxed);
    }
    return state == 1;
}

void lw_futex_forbid_waitv(bool forbid) {
    atomic_store_explicit(&waitv_state, forbid ? -1 : 0, memory_order_relaxed);
}

enum lw_slept lw_futex_wait_many(struct lw_futex_entry *entries, unsigned count, int64_t deadline_ns,
                                 unsigned *which) {
    struct timespec spec;
    long result = syscall(SYS_futex_waitv, entries, count, 0u, to_timespec(deadline_ns, &spec), CLOCK_MONOTONIC);
    *which = result < 0 ? 0 : (unsigned)result;
    return result < 0 ? from_errno(errno) : LW_SLEPT_WOKEN;
}

int lw_futex_wake(lw_word *word, int count) {
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return woken < 0 ? 0 : (int)woken;
}
