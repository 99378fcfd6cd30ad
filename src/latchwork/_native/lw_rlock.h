/* RLock: a Lock (lw_lock.h) that the thread which has it may take again.
 *
 *   word      | thread    | depth | meaning
 *   ----------+-----------+-------+----------------------------------------------------------------------
 *   as Lock   | 0         | any   | free; or the owner has not said yet, or says no more, which thread it is
 *   owner id  | its token | n > 0 | held n times by that thread of that process
 *
 *   thread: the owner's kernel thread id, mixed with its member id, so that what a dead owner left never
 *     looks like a thread of another process. Set after the word was taken, cleared before it is given
 *     back, by the owning thread only (or the watcher, for a task): so a thread that finds its own token there has the lock, and
 *     whatever else a thread reads there, it is not its own.
 *   depth: read and written by the owning thread only.
 *
 * What a death leaves: a Lock of a dead owner; the next one sets thread and depth anew. */
#ifndef LW_RLOCK_H
#define LW_RLOCK_H

#include "lw_crash.h"
#include "lw_lock.h"
#include "lw_stamp.h"

/* The kernel's id of this thread, asked for once. */
extern _Thread_local uint32_t lw_this_thread;
uint32_t lw_ask_thread_id(void);
static inline uint32_t lw_thread_id(void) { return lw_this_thread ? lw_this_thread : lw_ask_thread_id(); }

/* Who may own one, within its process: a thread, by the kernel's id, or a task, by a number with the top bit set. */
#define LW_TASK_BIT 0x80000000u

static inline bool lw_rlock_is_owner(const struct lw_slot *slot, uint32_t self, uint32_t who) {
    return lw_load_relaxed(&slot->word) >> LW_LOCK_OWNER_SHIFT == self &&
           lw_load_relaxed(&slot->thread) == lw_stamp_token(self, who);
}

static inline bool lw_rlock_is_mine(const struct lw_slot *slot, uint32_t self) {
    return lw_rlock_is_owner(slot, self, lw_thread_id());
}

/* After the Lock was taken. */
static inline void lw_rlock_begin(struct lw_slot *slot, uint32_t self, uint32_t who, uint32_t depth) {
    LW_CRASH(rlock_taken); /* CRASH: a Lock of a dead owner, whatever thread and depth say */
    lw_store_relaxed(&slot->depth, depth);
    lw_stamp_lock(slot, self, who);
}

/* The same for a task; 0: it is a Lock, and any of its process may release it. */
static inline void lw_rlock_begin_for(struct lw_slot *slot, uint32_t self, uint32_t task, uint32_t depth) {
    if (task)
        lw_rlock_begin(slot, self, task, depth);
    else
        lw_stamp_lock(slot, self, 0);
}

/* Before the Lock is released; returns the depth. */
static inline uint32_t lw_rlock_end(struct lw_slot *slot) {
    lw_store_relaxed(&slot->thread, 0);
    LW_CRASH(rlock_given); /* CRASH: the same */
    return lw_load_relaxed(&slot->depth);
}

#endif
