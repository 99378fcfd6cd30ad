/* What the hammers of tasks share: a thread as an event loop. */
#ifndef HAMMER_TASKS_H
#define HAMMER_TASKS_H

#include <poll.h>

#include "hammer.h"
#include "lw_lock.h"
#include "lw_task.h"

/* All of them are of the process that has `shared`, as all loops of a process are; so they don't use their own arena. */
#define LOOPS 4
#define STUCK_NS (60 * (int64_t)1000000000)

/* Until the port rings, or then. A signal is no reason to look: what was not rung for would be found by that. */
static inline bool hear(const struct lw_port *port, int64_t until_ns) {
    struct pollfd file = {.fd = port->fd, .events = POLLIN};
    int64_t end_ns = until_ns == LW_FOREVER ? lw_now_ns() + STUCK_NS : until_ns;
    for (;;) {
        int64_t left = end_ns - lw_now_ns();
        if (left < 0) left = 0;
        struct timespec spec = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
        int result = ppoll(&file, 1, &spec, NULL);
        if (result < 0) continue;
        CHECK(result > 0 || until_ns != LW_FOREVER); /* else it is stuck */
        return result > 0;
    }
}

/* As the binding does it; another member has no tasks here to pass it to. */
static inline void free_lock_of(const struct worker *self, struct lw_slot *lock) {
    struct lw_arena *arena = self->arena.self_id == shared.self_id ? &shared : NULL;
    if (lw_lock_release_fast(lock, self->arena.self_id)) return;
    if (!arena || !lw_tasks_pass(arena, lock)) CHECK(lw_lock_release_slow(lock, false));
}

/* Under all that wait, who have it back with this or with the next task that must wait, which that one does. */
static inline void stop_watching(struct worker *self, struct lw_port *port, struct lw_slot *never_set) {
    lw_tasks_stop();
    if (draw(self, 2)) {
        lw_tasks_resume();
        return;
    }
    struct lw_task task;
    lw_task_init(&task, &shared, never_set);
    CHECK(!lw_task_begin(&task, port));
    lw_task_leave(&task);
}

/* hammer_loops.c, hammer_wakes.c */
void rounds_phase(void);
void wakes_phase(bool with_deaths);

#endif
