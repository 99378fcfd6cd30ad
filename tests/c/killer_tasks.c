/* A process with an event loop, whose tasks wait for what the others use by themselves: see killer.c. It may be killed at any
 * instruction, with tasks that wait, and with some that were granted what they do not know of yet. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lw_barrier.h"
#include "lw_event.h"
#include "lw_lock.h"
#include "lw_permits.h"
#include "lw_rwlock.h"
#include "lw_semaphore.h"
#include "lw_several.h"
#include "lw_task.h"

#include "killer.h" /* last: its names are those of parameters elsewhere */

#define JOBS 10

enum what { LOCK, STRICT, READ, WRITE, DESK, SEMAPHORE, EVENT, BARRIER, SEVERAL, KINDS };

struct job {
    struct lw_task task;
    struct lw_several several;
    struct lw_several_item items[4];
    enum what what;
    int64_t deadline_ns;
    bool waits;
};

static struct lw_slot *slot_of(enum what what) {
    switch (what) {
    case LOCK:
        return lock;
    case STRICT:
        return strict;
    case READ:
    case WRITE:
        return rwlock;
    case DESK:
        return permits;
    case SEMAPHORE:
        return semaphore;
    case BARRIER:
        return barrier;
    default:
        return event;
    }
}

static void use_lock_of(void) {
    come_in(&page->owner);
    work();
    if (draw(2)) {
        free_lock();
        return;
    }
    go_out(&page->owner);
    if (!lw_tasks_pass(&arena, lock)) CHECK(lw_lock_release_slow(lock, false));
}

static void read_it(struct job *job) {
    bool settle;
    atomic_store(&page->reading[self_number], arena.self_id);
    work();
    atomic_store(&page->reading[self_number], 0);
    CHECK(lw_rwlock_release_read(&arena, rwlock, job->task.hint, &settle) || settle);
    if (settle) lw_queue_settle(&arena, rwlock, &lw_rwlock_queue, NULL);
}

static void write_it(void) {
    come_in(&page->writer);
    work();
    go_out(&page->writer);
    CHECK(lw_rwlock_release_write(&arena, rwlock, true) == LW_RWLOCK_RELEASED);
}

static void go_on(struct job *job) {
    job->waits = false;
    if (draw(8) == 0) {
        lw_task_leave(&job->task);
        return;
    }
    lw_task_take(&job->task);
    enum lw_outcome outcome = job->task.outcome;
    CHECK(outcome != LW_OUTCOME_NO_ROOM);
    if (job->what == BARRIER && outcome == LW_OUTCOME_RUN)
        lw_barrier_end(&arena, barrier, &job->task.barrier, draw(8) != 0);
    else if (job->what == BARRIER && outcome != LW_OUTCOME_GRANTED)
        lw_barrier_reset(&arena, barrier);
    if (outcome != LW_OUTCOME_GRANTED) return;
    _Atomic uint32_t *desk;
    switch (job->what) {
    case LOCK:
        use_lock_of();
        break;
    case STRICT:
        come_in(&page->alone);
        work();
        go_out(&page->alone);
        CHECK(lw_permits_release(&arena, strict, 1, NULL));
        break;
    case READ:
        read_it(job);
        break;
    case WRITE:
        write_it();
        break;
    case DESK:
        desk = take_a_desk();
        work();
        go_out(desk);
        CHECK(lw_permits_release(&arena, permits, 1, NULL));
        break;
    case SEMAPHORE:
        lw_semaphore_release(semaphore, 1);
        break;
    default:
        break;
    }
}

static void begin(struct job *job, struct lw_port *port) {
    struct lw_slot *some[] = {lock, permits, semaphore, event};
    job->what = (enum what)draw(KINDS);
    lw_task_init(&job->task, &arena, slot_of(job->what));
    job->task.write = job->what == WRITE;
    job->task.action = job->what == BARRIER;
    if (job->what == SEVERAL) {
        for (unsigned i = 0; i < 4; i++) job->items[i] = (struct lw_several_item){.arena = &arena, .slot = some[i]};
        job->several = (struct lw_several){.items = job->items, .count = 4, .deadline_ns = LW_FOREVER};
        lw_several_begin(&job->several);
        lw_task_init_several(&job->task, &job->several);
    }
    /* For these nobody need ever come; and permits without owners die with those who have them. */
    bool has_end = job->what == EVENT || job->what == BARRIER || job->what == SEMAPHORE || job->what == SEVERAL;
    job->deadline_ns = has_end || draw(2) ? lw_now_ns() + 1000 * (int64_t)draw(8000) : LW_FOREVER;
    job->waits = true;
    if (lw_task_begin(&job->task, draw(8) ? port : NULL)) go_on(job);
}

void use_tasks(void) {
    struct job jobs[JOBS];
    struct lw_port port;
    CHECK(lw_port_open(&port));
    unsigned count = 1 + draw(JOBS), left = count;
    for (unsigned i = 0; i < count; i++) begin(&jobs[i], &port);
    while (left > 0 && draw(200)) {
        struct pollfd file = {.fd = port.fd, .events = POLLIN};
        struct lw_task *task;
        int64_t until_ns = LW_FOREVER;
        left = 0;
        for (struct job *job = jobs; job < jobs + count; job++) {
            if (job->waits && lw_now_ns() >= job->deadline_ns && lw_task_expire(&job->task)) go_on(job);
            if (job->waits && job->deadline_ns < until_ns) until_ns = job->deadline_ns;
            left += job->waits;
        }
        int64_t patience_ns = until_ns - lw_now_ns();
        if (left == 0) break;
        poll(&file, 1, until_ns == LW_FOREVER ? -1 : patience_ns < 0 ? 0 : (int)(patience_ns / 1000000) + 1);
        lw_port_silence(&port);
        while ((task = lw_port_collect(&port))) go_on((struct job *)task);
    }
    lw_port_close(&port);
}
