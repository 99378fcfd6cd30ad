/* A lane: this process waiting at one primitive on behalf of its tasks, first come, first served.
 *
 * It is one waiter of the primitive's own protocol. All under the watcher's mutex. */
#ifndef LW_LANE_H
#define LW_LANE_H

#include "lw_event.h"
#include "lw_latch.h"
#include "lw_lock.h"
#include "lw_semaphore.h"
#include "lw_several.h"
#include "lw_task.h"

struct lw_sleeper; /* one of the watcher's threads */

/* A word, or the alive word of a member, in the list of one of the threads. */
struct lw_place {
    struct lw_sleeper *sleeper;
    unsigned index;
};
#define LW_PLACES_INLINE 4

struct lw_lane {
    const struct lw_lane_kind *kind;
    struct lw_arena *arena;
    struct lw_slot *slot;
    struct lw_task *first, *last;
    int64_t deadline_ns; /* LW_FOREVER; 0: tries once */
    bool begun;          /* `wait` says something that must be given up */
    bool write;          /* RWLock: what it was begun for */
    bool doubt;          /* it may have been woken though its words are as they were */
    bool reading;        /* RWLock: a task was granted a read this very moment */
    struct lw_cell *hint;
    union {
        struct lw_lock_wait lock;
        struct lw_event_wait event;
        struct lw_latch_wait latch;
        struct lw_semaphore_wait semaphore;
        struct lw_queue_wait queue;
    } wait;

    /* The watcher's. */
    struct lw_place inline_places[LW_PLACES_INLINE], *places;
    unsigned places_count, places_room;
    int64_t armed_ns, wake_ns;
    bool fired;
    enum lw_slept slept;
    struct lw_lane *next_fired, *next, *previous, *next_in_bucket;
};

/* What it sleeps on is said with these two: false if there is no room. */
bool lw_lane_add_word(struct lw_lane *lane, const lw_word *word, uint32_t expected);
bool lw_lane_add_member(struct lw_lane *lane, struct lw_arena *arena, uint32_t id, const lw_word *alive, uint32_t expected);
bool lw_lane_add_watch(struct lw_lane *lane, const struct lw_watch *watch);

struct lw_lane_kind {
    bool shared; /* one lane for all tasks at a primitive, not one for each */
    /* For the first task; LW_OUTCOME_SLEEP: it has said on what, and wake_ns. */
    enum lw_outcome (*step)(struct lw_lane *lane, struct lw_task *task);
    void (*slept)(struct lw_lane *lane, enum lw_slept slept);
    /* The last task (it is that one) has left. */
    void (*give_up)(struct lw_lane *lane, struct lw_task *task);
    /* The task's time is over, and it is the only one; NULL: as give_up. */
    enum lw_outcome (*expire)(struct lw_lane *lane, struct lw_task *task);
    /* Of one that comes while a lane exists; NULL: it goes behind. */
    bool (*ready)(const struct lw_task *task);
    /* A task that was granted something will not go on. */
    void (*pass_on)(struct lw_task *task);
};

const struct lw_lane_kind *lw_lane_kind_of(const struct lw_slot *slot);
extern const struct lw_lane_kind lw_lane_several;

#endif
