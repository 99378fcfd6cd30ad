/* Waiting in a queue of cells: what Permits, RWLock and Condition have in common. */
#ifndef LW_QUEUE_H
#define LW_QUEUE_H

#include "lw_guard.h"
#include "lw_watch.h"

/* What settling found, and what is to be done about it once the guard has been left. */
struct lw_settled {
    struct lw_wakes wakes;
    uint32_t dead;  /* one that died with something, or 0 */
    uint32_t count; /* how much that was */
};

/* Not an initializer: that would clear all the room for wakes, some 10 ns at each call. */
static inline void lw_settled_begin(struct lw_settled *settled) {
    settled->wakes.count = 0;
    settled->dead = settled->count = 0;
}

struct lw_queue {
    /* Under the guard: frees the cells of the dead, and gives what can be given. */
    void (*settle)(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled);
};

/* One call that waits, across the signal handlers that interrupt it. */
struct lw_queue_wait {
    int64_t deadline_ns; /* LW_FOREVER; 0: do not sleep */
    int64_t recheck_ns;
    struct lw_cell *cell; /* NULL: not in the queue */
    uint32_t dead;        /* somebody that was found dead on the way, to be told of; or 0 */
    uint32_t count;
};

enum lw_queued {
    LW_QUEUE_GRANTED,
    LW_QUEUE_TIMEOUT,
    LW_QUEUE_SIGNAL, /* let the signal handlers run, then call again, or give up */
    LW_QUEUE_NO_ROOM,
    LW_QUEUE_SLEEP, /* of a step only */
};

/* One step of a wait, which never sleeps; `more` is the primitive's own. */
typedef enum lw_queued lw_queue_stepper(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                                        void *more, struct lw_watch *watch);
/* A step of one that has a cell: LW_QUEUE_SLEEP, and on what; then how that ended. */
enum lw_queued lw_queue_step(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                             struct lw_queue_wait *wait, struct lw_watch *watch);
void lw_queue_slept(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                    struct lw_queue_wait *wait, enum lw_slept slept);
/* Steps, and sleeps between them. Never while holding the GIL. */
enum lw_queued lw_queue_sleep(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                              struct lw_queue_wait *wait, lw_queue_stepper *step, void *more);

/* Leaves the guard, then wakes; and notes whose death there is to tell. */
void lw_queue_leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled,
                    struct lw_queue_wait *wait);
/* For those that do not wait, and so never re-check: looks by system calls at those whose death shows in no
 * word. True if one of them was found dead: then try again. */
bool lw_queue_find_dead(struct lw_arena *arena, const struct lw_slot *slot);
/* Takes the guard and settles. */
void lw_queue_settle(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                     struct lw_queue_wait *wait);

#endif
