/* Atomic operations on shared words; the memory ordering is part of each name. */
#ifndef LW_ATOMIC_H
#define LW_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint32_t lw_word;

/* Shared between processes: only address-free (lock-free) atomics will do. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must be lock-free");
_Static_assert(sizeof(lw_word) == 4, "a word is what the kernel's futex waits on");

static inline uint32_t lw_load_acq(const lw_word *word) {
    return atomic_load_explicit(word, memory_order_acquire);
}

/* Relaxed: for hints and for values that a following CAS checks again. */
static inline uint32_t lw_load_relaxed(const lw_word *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void lw_store_rel(lw_word *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_release);
}

/* Relaxed: for values that are published by a later release operation on another word. */
static inline void lw_store_relaxed(lw_word *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline bool lw_cas_acq(lw_word *word, uint32_t *expected, uint32_t desired) {
    return atomic_compare_exchange_strong_explicit(word, expected, desired, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline bool lw_cas_rel(lw_word *word, uint32_t *expected, uint32_t desired) {
    return atomic_compare_exchange_strong_explicit(word, expected, desired, memory_order_release,
                                                   memory_order_relaxed);
}

static inline bool lw_cas_acqrel(lw_word *word, uint32_t *expected, uint32_t desired) {
    return atomic_compare_exchange_strong_explicit(word, expected, desired, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* Sequentially consistent: where two sides each write one word and then look at the other's. */
static inline uint32_t lw_load_seq(const lw_word *word) { return atomic_load_explicit(word, memory_order_seq_cst); }

static inline void lw_store_seq(lw_word *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_seq_cst);
}

static inline uint32_t lw_add_acqrel(lw_word *word, uint32_t value) {
    return atomic_fetch_add_explicit(word, value, memory_order_acq_rel);
}

static inline uint32_t lw_or_acqrel(lw_word *word, uint32_t bits) {
    return atomic_fetch_or_explicit(word, bits, memory_order_acq_rel);
}

static inline void lw_cpu_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

#endif
