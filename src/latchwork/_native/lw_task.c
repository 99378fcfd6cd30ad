#define _GNU_SOURCE
#include "lw_task.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lw_rlock.h"
#include "lw_watcher.h"

#define PASSING_NS 1000000 /* as long as that, others elsewhere may wait for a Lock that is passed from task to task here */
#define BUCKETS 4096

static struct lw_lane *buckets[BUCKETS];
static lw_word waiting[BUCKETS]; /* tasks; read without the mutex */
static int64_t passing_ns[BUCKETS]; /* since when a Lock has been passed on without being freed; 0: it has not */
static struct lw_port *ports;
static uint32_t forks;

static unsigned bucket_of(const struct lw_slot *slot) {
    uintptr_t line = (uintptr_t)slot / sizeof *slot;
    return (unsigned)((line ^ line >> 12) % BUCKETS);
}

static void forget(void) {
    forks++;
    ports = NULL;
    memset(buckets, 0, sizeof buckets);
    for (unsigned i = 0; i < BUCKETS; i++) lw_store_relaxed(&waiting[i], 0);
    lw_watcher_forget();
}

void lw_tasks_expect_forks(void) { pthread_atfork(NULL, NULL, forget); }

bool lw_tasks_wait_at(const struct lw_slot *slot) { return lw_load_relaxed(&waiting[bucket_of(slot)]) != 0; }

void lw_tasks_stop(void) { lw_watcher_stop(true); }
void lw_tasks_resume(void) {
    if (lw_watcher_rests()) lw_watcher_resume();
}

unsigned lw_tasks_threads(void) { return lw_watcher_threads(); }

/* Lanes */

static struct lw_lane *find_lane(const struct lw_slot *slot) {
    struct lw_lane *lane = buckets[bucket_of(slot)];
    while (lane && lane->slot != slot) lane = lane->next_in_bucket;
    return lane;
}

static struct lw_lane *new_lane(const struct lw_task *task, bool patient) {
    struct lw_lane *lane = calloc(1, sizeof *lane);
    if (!lane) return NULL;
    lane->kind = task->kind;
    lane->arena = task->arena;
    lane->slot = task->slot;
    lane->deadline_ns = patient ? LW_FOREVER : 0;
    lane->places = lane->inline_places;
    lane->places_room = LW_PLACES_INLINE;
    if (!lane->kind->shared) return lane;
    struct lw_lane **bucket = &buckets[bucket_of(lane->slot)];
    lane->next_in_bucket = *bucket;
    *bucket = lane;
    return lane;
}

/* Nothing has begun that would have to be given up. */
static void end_lane(struct lw_lane *lane) {
    lw_watcher_disarm(lane);
    if (lane->kind->shared) {
        struct lw_lane **link = &buckets[bucket_of(lane->slot)];
        while (*link != lane) link = &(*link)->next_in_bucket;
        *link = lane->next_in_bucket;
    }
    if (lane->places != lane->inline_places) free(lane->places);
    free(lane);
}

static void give_up(struct lw_lane *lane, struct lw_task *task) {
    if (lane->begun && lane->kind->give_up) lane->kind->give_up(lane, task);
    lane->begun = false;
}

static enum lw_wants wants_of(const struct lw_task *task) {
    switch (lw_load_relaxed(&task->slot->state)) {
    case LW_KIND_LOCK:
    case LW_KIND_RLOCK:
    case LW_KIND_SEMAPHORE:
    case LW_KIND_PERMITS:
        return LW_WANTS_ACQUIRE;
    case LW_KIND_RWLOCK:
        return task->write ? LW_WANTS_WRITE : LW_WANTS_READ;
    default:
        return LW_WANTS_EVENT;
    }
}

static void show(struct lw_task *task) {
    if (task->several) {
        lw_several_show(task->several, true, task->until_ns);
        return;
    }
    struct lw_waiter said = lw_waiter_now(task->arena, task->slot, wants_of(task), task->until_ns);
    said.is_task = true;
    said.task = task->number;
    lw_seen_begin(task->arena, &task->seen, &said);
}

static void hide(struct lw_task *task) {
    if (task->several)
        lw_several_hide(task->several);
    else
        lw_seen_end(task->arena, &task->seen);
}

static void append(struct lw_lane *lane, struct lw_task *task) {
    task->lane = lane;
    task->next = NULL;
    task->previous = lane->last;
    if (lane->last)
        lane->last->next = task;
    else
        lane->first = task;
    lane->last = task;
    task->state = LW_TASK_QUEUED;
    show(task);
    if (task->slot) lw_add_acqrel(&waiting[bucket_of(task->slot)], 1);
}

static void take_out(struct lw_task *task) {
    struct lw_lane *lane = task->lane;
    if (task->previous)
        task->previous->next = task->next;
    else
        lane->first = task->next;
    if (task->next)
        task->next->previous = task->previous;
    else
        lane->last = task->previous;
    task->lane = NULL;
    task->next = task->previous = NULL;
    hide(task);
    if (task->slot) lw_add_acqrel(&waiting[bucket_of(task->slot)], UINT32_MAX);
}

/* Ports */

bool lw_port_open(struct lw_port *port) {
    port->first = port->last = NULL;
    port->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (port->fd < 0) return false;
    lw_watcher_lock();
    port->forks = forks;
    port->next = ports;
    ports = port;
    lw_watcher_unlock();
    return true;
}

static void ring(const struct lw_port *port) {
    uint64_t one = 1;
    if (write(port->fd, &one, sizeof one) < 0) return; /* full: it has rung already */
}

void lw_tasks_ring(void) {
    lw_watcher_lock();
    for (const struct lw_port *port = ports; port; port = port->next) ring(port);
    lw_watcher_unlock();
}

static void list_done(struct lw_task *task) {
    struct lw_port *port = task->port;
    task->next = NULL;
    task->previous = port->last;
    if (port->last)
        port->last->next = task;
    else
        port->first = task;
    port->last = task;
    if (port->first == task) ring(port);
}

static void unlist(struct lw_task *task) {
    struct lw_port *port = task->port;
    if (!port) return;
    if (task->previous)
        task->previous->next = task->next;
    else
        port->first = task->next;
    if (task->next)
        task->next->previous = task->previous;
    else
        port->last = task->previous;
    task->next = task->previous = NULL;
    task->port = NULL;
}

static void finish(struct lw_task *task, enum lw_outcome outcome, bool list) {
    take_out(task);
    task->state = LW_TASK_DONE;
    task->outcome = outcome;
    if (list)
        list_done(task);
    else
        task->port = NULL;
}

void lw_port_silence(struct lw_port *port) {
    uint64_t rung;
    if (port->fd < 0 || port->forks != forks) return;
    if (read(port->fd, &rung, sizeof rung) < 0) return; /* it had not rung */
}

struct lw_task *lw_port_collect(struct lw_port *port) {
    if (port->fd < 0 || port->forks != forks) return NULL;
    lw_watcher_lock();
    struct lw_task *task = port->first;
    if (task) unlist(task);
    lw_watcher_unlock();
    return task;
}

void lw_port_put_back(struct lw_port *port, struct lw_task *task) {
    lw_watcher_lock();
    if (task->state == LW_TASK_DONE) {
        task->port = port;
        list_done(task);
    }
    ring(port);
    lw_watcher_unlock();
}

static struct lw_task *first_of(const struct lw_port *port) {
    for (struct lw_lane *lane = lw_watcher_lanes(); lane; lane = lane->next)
        for (struct lw_task *task = lane->first; task; task = task->next)
            if (task->port == port) return task;
    return NULL;
}

bool lw_port_idle(struct lw_port *port) {
    if (port->fd < 0 || port->forks != forks) return true;
    lw_watcher_lock();
    bool idle = !port->first && !first_of(port);
    lw_watcher_unlock();
    return idle;
}

static void leave(struct lw_task *task);

void lw_port_close(struct lw_port *port) {
    if (port->fd < 0) return;
    if (port->forks == forks) {
        lw_watcher_lock();
        struct lw_task *task;
        while ((task = first_of(port))) leave(task);
        while ((task = port->first)) leave(task);
        struct lw_port **link = &ports;
        while (*link != port) link = &(*link)->next;
        *link = port->next;
        bool last = ports == NULL;
        lw_watcher_unlock();
        if (last) lw_watcher_stop(false);
    }
    close(port->fd);
    port->fd = -1;
}

/* Tasks */

void lw_task_init(struct lw_task *task, struct lw_arena *arena, struct lw_slot *slot) {
    *task = (struct lw_task){.kind = lw_lane_kind_of(slot), .arena = arena, .slot = slot, .depth = 1, .until_ns = LW_FOREVER, .forks = forks};
    task->generation = lw_load_acq(&slot->word) >> LW_EVENT_GENERATION_SHIFT;
}

void lw_task_init_several(struct lw_task *task, struct lw_several *several) {
    *task = (struct lw_task){.kind = &lw_lane_several, .several = several, .until_ns = LW_FOREVER, .forks = forks};
}

void lw_lane_run(struct lw_lane *lane) {
    lw_watcher_disarm(lane);
    lane->reading = false;
    while (lane->first) {
        struct lw_task *task = lane->first;
        enum lw_outcome outcome = lane->kind->step(lane, task);
        if (outcome == LW_OUTCOME_SLEEP) {
            lw_watcher_arm(lane);
            return;
        }
        if (outcome == LW_OUTCOME_NO_ROOM) {
            lw_watcher_disarm(lane);
            give_up(lane, task);
        }
        finish(task, outcome, true);
    }
    end_lane(lane);
}

static void done_at_once(struct lw_task *task, enum lw_outcome outcome) {
    task->state = LW_TASK_DONE;
    task->outcome = outcome;
    task->port = NULL;
}

static bool begin(struct lw_task *task, struct lw_port *port) {
    bool patient = port != NULL;
    struct lw_lane *lane = task->kind->shared ? find_lane(task->slot) : NULL;
    task->port = port;
    task->forks = forks;
    if (lane && task->kind->ready && task->kind->ready(task)) {
        done_at_once(task, LW_OUTCOME_GRANTED);
        return true;
    }
    if (lane && patient) {
        append(lane, task);
        return false;
    }
    lane = lane ? NULL : new_lane(task, patient);
    if (!lane) {
        done_at_once(task, patient ? LW_OUTCOME_NO_ROOM : LW_OUTCOME_TIMEOUT);
        return true;
    }
    append(lane, task);
    enum lw_outcome outcome = lane->kind->step(lane, task);
    if (outcome == LW_OUTCOME_SLEEP) {
        lw_watcher_arm(lane);
        return false;
    }
    if (outcome == LW_OUTCOME_NO_ROOM) give_up(lane, task);
    finish(task, outcome, false);
    end_lane(lane);
    return true;
}

bool lw_task_begin(struct lw_task *task, struct lw_port *port) {
    lw_watcher_lock();
    bool done = begin(task, port);
    lw_watcher_unlock();
    return done;
}

/* The first one has left. The lane's place is for the next, unless it waits for something else. */
static void go_on(struct lw_lane *lane) {
    if (lane->begun && lane->first->write != lane->write) lw_lane_run(lane);
}

bool lw_task_expire(struct lw_task *task) {
    bool expired = false;
    lw_watcher_lock();
    if (task->forks == forks && task->state == LW_TASK_QUEUED) {
        struct lw_lane *lane = task->lane;
        enum lw_outcome outcome = LW_OUTCOME_TIMEOUT;
        bool alone = lane->first == lane->last, first = lane->first == task;
        if (alone && lane->kind->expire)
            outcome = lane->kind->expire(lane, task);
        else if (alone)
            give_up(lane, task);
        finish(task, outcome, false);
        if (alone)
            end_lane(lane);
        else if (first)
            go_on(lane);
        expired = true;
    }
    lw_watcher_unlock();
    return expired;
}

void lw_task_take(struct lw_task *task) {
    lw_watcher_lock();
    if (task->forks == forks && task->state == LW_TASK_DONE) unlist(task);
    task->state = LW_TASK_OVER;
    lw_watcher_unlock();
}

static void leave(struct lw_task *task) {
    enum lw_task_state state = task->state;
    if (state == LW_TASK_QUEUED) {
        struct lw_lane *lane = task->lane;
        bool alone = lane->first == lane->last, first = lane->first == task;
        if (alone) give_up(lane, task);
        take_out(task);
        if (alone)
            end_lane(lane);
        else if (first)
            go_on(lane);
    }
    bool granted = task->outcome == LW_OUTCOME_GRANTED || task->outcome == LW_OUTCOME_RUN;
    if (state == LW_TASK_DONE) {
        unlist(task);
        if (granted && task->kind->pass_on) task->kind->pass_on(task);
    }
    /* A Condition's, that was chosen, or has not begun to wait. */
    if (task->queue.cell) task->kind->pass_on(task);
    task->port = NULL;
    task->state = LW_TASK_OVER;
}

void lw_task_leave(struct lw_task *task) {
    lw_watcher_lock();
    if (task->forks == forks) leave(task);
    task->state = LW_TASK_OVER;
    lw_watcher_unlock();
}

bool lw_tasks_pass(struct lw_arena *arena, struct lw_slot *slot) {
    if (!lw_tasks_wait_at(slot)) return false;
    lw_watcher_lock();
    struct lw_lane *lane = find_lane(slot);
    uint32_t word = lw_load_relaxed(&slot->word);
    int64_t now = lw_now_ns();
    bool passes = lane && lane->first && word >> LW_LOCK_OWNER_SHIFT == arena->self_id && !(word & LW_LOCK_HANDOFF);
    int64_t *since_ns = &passing_ns[bucket_of(slot)];
    if (passes && *since_ns == 0) *since_ns = now;
    if (passes && now - *since_ns < PASSING_NS) {
        struct lw_task *task = lane->first;
        lw_store_relaxed(&slot->abandoned, 0);
        lw_rlock_begin_for(slot, arena->self_id, task->who, task->depth);
        bool alone = lane->first == lane->last;
        if (alone) give_up(lane, task);
        finish(task, LW_OUTCOME_GRANTED, true);
        if (alone) end_lane(lane);
    } else {
        passes = false;
        *since_ns = 0;
    }
    lw_watcher_unlock();
    return passes;
}
