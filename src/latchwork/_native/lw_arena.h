/* An arena as one process sees it, and the mutex that guards its lists. */
#ifndef LW_ARENA_H
#define LW_ARENA_H

#include "lw_layout.h"

enum lw_status {
    LW_OK = 0,
    LW_NO_ROOM,     /* no memory, or no room in the file system, the arena or the table of members */
    LW_FOREIGN,     /* not an arena */
    LW_VERSION,     /* an arena of another layout */
    LW_TRUNCATED,   /* shorter than its header says */
    LW_GONE,        /* the slot is not that primitive's any more */
    LW_WRONG_KIND,  /* the name is another kind's */
    LW_SYSTEM,      /* see errno */
};

struct lw_arena {
    struct lw_header *header;
    struct lw_member *members;
    uint32_t *buckets;
    struct lw_waiter *waiters;
    char *notes;
    struct lw_slot *slots;
    size_t mapped;
    uint32_t slots_mapped;
    int fd;
    uint32_t self_id;   /* this process as a member; 0: not one (yet) */
    uint32_t fork_epoch; /* the arena's epoch at this process's last fork */
    struct lw_arena *next;
};

/* Makes a new arena of an empty file; fills the memory behind its first pages. */
enum lw_status lw_arena_format(int fd, const uint8_t uuid[16], uint64_t flags, uint32_t root_pid, const char *label,
                               uint32_t label_length);
/* Maps and checks; takes over fd on success. Never believes what it has not checked. */
enum lw_status lw_arena_map(struct lw_arena *arena, int fd);
/* For an arena in which this process is no member: with a member's alive word it must stay mapped. */
void lw_arena_unmap(struct lw_arena *arena);

/* Waits for other processes' very short sections; recovers what a dead one left. `lw_arena_trylock`
 * returns false at once if it is held by a living one. */
void lw_arena_lock(struct lw_arena *arena);
bool lw_arena_trylock(struct lw_arena *arena);
void lw_arena_unlock(struct lw_arena *arena);

/* Under the mutex: makes the file's memory real for at least this many more slots or members. */
enum lw_status lw_arena_grow_slots(struct lw_arena *arena);
enum lw_status lw_arena_grow_members(struct lw_arena *arena);
/* Without the mutex: more waiters than `ready`. False: no room. */
bool lw_arena_grow_waiters(struct lw_arena *arena, uint32_t ready);
/* Under the mutex: rebuilds the free queue and the name table from the slots themselves. */
void lw_arena_repair(struct lw_arena *arena);

/* Robust and shared between processes. */
void lw_mutex_init(pthread_mutex_t *mutex);

static inline uint32_t lw_slot_index(const struct lw_arena *arena, const struct lw_slot *slot) {
    return (uint32_t)(slot - arena->slots);
}

#endif
