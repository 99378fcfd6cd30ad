/* A task's wait: what a coroutine waits with, instead of putting its thread to sleep.
 *
 * The states stand in docs/design/003-awaiting.md. All of this is private to the process; nothing here is in shared
 * memory. Every function takes the watcher's mutex, whose owner never waits for the GIL, but perhaps for a guard. What
 * steps (begin, expire, leave, close) is not called with the GIL. */
#ifndef LW_TASK_H
#define LW_TASK_H

#include "lw_barrier.h"
#include "lw_queue.h"
#include "lw_waiter.h"

enum lw_outcome {
    LW_OUTCOME_SLEEP, /* of a step: it must wait */
    LW_OUTCOME_GRANTED,
    LW_OUTCOME_TIMEOUT,
    LW_OUTCOME_NO_ROOM, /* no memory, no thread, no room in the arena */
    LW_OUTCOME_BROKEN,  /* Barrier */
    LW_OUTCOME_RUN,     /* Barrier: run the action, then lw_barrier_end */
};

enum lw_task_state { LW_TASK_NEW, LW_TASK_QUEUED, LW_TASK_DONE, LW_TASK_OVER };

struct lw_lane;
struct lw_lane_kind;
struct lw_several;

/* Where an event loop hears that tasks of it are done: its file descriptor can be read then. */
struct lw_port {
    int fd; /* an eventfd; -1: closed */
    struct lw_task *first, *last; /* done, not collected yet */
    struct lw_port *next;
    uint32_t forks;
};

struct lw_task {
    const struct lw_lane_kind *kind;
    struct lw_arena *arena;
    struct lw_slot *slot;
    bool write;      /* RWLock */
    bool action;     /* Barrier: it has one */
    uint32_t who;    /* RLock: the number of its owner-to-be */
    uint32_t depth;  /* RLock: to be had at that depth */
    uint32_t number; /* of whoever waits; 0: it has none */
    int64_t until_ns; /* when it is to expire, for others to see */
    uint32_t generation;        /* Event: when it came */
    struct lw_several *several; /* its own */

    /* When it is done. */
    enum lw_outcome outcome;
    uint32_t dead, count;           /* somebody to be told of, or 0 */
    struct lw_cell *hint;           /* Permits, RWLock: where it is counted */
    struct lw_queue_wait queue;     /* Condition */
    struct lw_barrier_wait barrier; /* Barrier */

    struct lw_seen seen;
    enum lw_task_state state;
    struct lw_lane *lane;
    struct lw_port *port;
    struct lw_task *next, *previous; /* in its lane, or in its port */
    uint32_t forks; /* how often this process was forked before it began */
};

/* False: no file descriptor is to be had. */
bool lw_port_open(struct lw_port *port);
/* None of its tasks waits. */
bool lw_port_idle(struct lw_port *port);
/* Its tasks leave. With the last port the watcher ends. */
void lw_port_close(struct lw_port *port);
/* The next one that is done; NULL: no more. It stays DONE until it is taken or leaves. */
struct lw_task *lw_port_collect(struct lw_port *port);
/* One that was collected in vain. */
void lw_port_put_back(struct lw_port *port, struct lw_task *task);
/* Before the first lw_port_collect of a round. */
void lw_port_silence(struct lw_port *port);

/* Of a primitive, by its kind. */
void lw_task_init(struct lw_task *task, struct lw_arena *arena, struct lw_slot *slot);
/* Of several; see lw_several_begin. */
void lw_task_init_several(struct lw_task *task, struct lw_several *several);

/* True: it is done already. Without a port it always is: it was tried once. */
bool lw_task_begin(struct lw_task *task, struct lw_port *port);
/* Its time is over. True: that has made it done. */
bool lw_task_expire(struct lw_task *task);
/* It is done, and goes on: whatever it was granted is its own from now on. */
void lw_task_take(struct lw_task *task);
/* It will not go on; what it was granted is passed on. Whatever state it is in. */
void lw_task_leave(struct lw_task *task);

/* Whether tasks of this process wait at that primitive; may be true for another one's. */
bool lw_tasks_wait_at(const struct lw_slot *slot);
/* A Lock that this process holds goes to the first of its tasks that waits for it, for a short while at a stretch.
 * False: it is to be released. */
bool lw_tasks_pass(struct lw_arena *arena, struct lw_slot *slot);

/* Once, before all else: a child of a fork is to forget all this. */
void lw_tasks_expect_forks(void);
/* Ends the watcher's threads, until the next task must wait … */
void lw_tasks_stop(void);
/* … or until this. */
void lw_tasks_resume(void);
/* Has each event loop come to its port. */
void lw_tasks_ring(void);
/* How many threads it has. */
unsigned lw_tasks_threads(void);

#endif
