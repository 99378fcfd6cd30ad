/* Members: the processes attached to an arena, and how the living learn of a death.
 *
 * The alive word is the futex word inside a process-shared robust mutex that the member's main thread
 * locks when it attaches and never unlocks. However the process ends (exit, kill, exec), the kernel
 * walks the thread's robust list, sets FUTEX_OWNER_DIED in the word and, if FUTEX_WAITERS is set, wakes
 * one waiter: see the kernel's Documentation/locking/robust-futexes.rst.
 *
 *   alive word                      | meaning                        | who changes it
 *   --------------------------------+--------------------------------+---------------------------------
 *   0                               | not locked (attached on        | the member's main thread, to tid
 *                                   | another thread than the main)  |
 *   tid                             | alive                          | a waiter, to tid | FUTEX_WAITERS
 *   tid | FUTEX_WAITERS             | alive, somebody sleeps on it   | the kernel, at its death
 *   FUTEX_OWNER_DIED (| WAITERS)    | dead, for ever; with an heir   | the next user of the entry
 *                                   | (lw_heir.h): unless that lives |
 *
 * Where the word can't tell (0; a sandbox), a re-check by pid and start time does; a zombie is dead. */
#ifndef LW_MEMBER_H
#define LW_MEMBER_H

#include "lw_arena.h"

static inline uint32_t lw_member_index(uint32_t id) { return id & (LW_MEMBERS_MAX - 1); }

/* Under the arena's mutex. Makes this process a member (on its main thread: with an alive word). */
enum lw_status lw_member_attach(struct lw_arena *arena, uint32_t family, uint32_t birth);
/* On the main thread, if the attachment was made on another one. */
void lw_member_lock_alive(struct lw_arena *arena);
bool lw_member_has_alive(const struct lw_arena *arena);

/* Of its process; of its heir, if it lives on in that. 0: it is of another pid namespace, where that number is somebody else's. */
uint32_t lw_member_pid(const struct lw_arena *arena, uint32_t id);
/* By shared memory alone. May say true of one that died without a word: then lw_member_recheck tells. */
bool lw_member_alive(const struct lw_arena *arena, uint32_t id);
/* It has no alive word, or lives on in its heir (lw_heir.h): its death is only found by lw_member_recheck. */
bool lw_member_is_mute(const struct lw_arena *arena, uint32_t id);
/* No sleep on its alive word will end by its death any more: it is mute, or dead. */
bool lw_member_is_silent(const struct lw_arena *arena, uint32_t id);
/* By pid and start time: system calls. Marks what it finds dead. */
bool lw_member_recheck(struct lw_arena *arena, uint32_t id);
/* With system calls only if it needs them. */
bool lw_member_lives(struct lw_arena *arena, uint32_t id);
/* The word to sleep on for this member's death, marked so that the kernel will wake; NULL: it is mute,
 * or is dead already (then *dead). */
lw_word *lw_member_watch(struct lw_arena *arena, uint32_t id, uint32_t *expected, bool *dead);
/* What the one that the kernel woke does first: wakes all others. */
void lw_member_tell(struct lw_arena *arena, uint32_t id);

/* Under the mutex: living members other than this process. */
uint32_t lw_member_others(struct lw_arena *arena);

/* Start time of a process, in clock ticks since boot; 0: there is no such living process. */
uint64_t lw_process_start(uint32_t pid);

/* Arenas known to this process: all are told of forks. */
void lw_arena_register(struct lw_arena *arena);

#endif
