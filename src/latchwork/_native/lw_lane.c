#include "lw_lane.h"

#include "lw_condition.h"
#include "lw_permits.h"
#include "lw_rlock.h"
#include "lw_rwlock.h"

static enum lw_outcome sleep_on(struct lw_lane *lane, const struct lw_watch *watch) {
    lane->wake_ns = watch->wake_ns;
    return lw_lane_add_watch(lane, watch) ? LW_OUTCOME_SLEEP : LW_OUTCOME_NO_ROOM;
}

static bool starts(struct lw_lane *lane) {
    bool starts = !lane->begun;
    lane->begun = true;
    return starts;
}

/* Lock, RLock */

static enum lw_outcome lock_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_lock_wait *wait = &lane->wait.lock;
    struct lw_watch watch;
    if (starts(lane)) *wait = (struct lw_lock_wait){.deadline_ns = lane->deadline_ns};
    switch (lw_lock_step(lane->arena, lane->slot, wait, false, &watch)) {
    case LW_SLEEP:
        lane->doubt = wait->doubt;
        return sleep_on(lane, &watch);
    case LW_ABANDONED:
        task->dead = wait->dead_owner;
        break;
    case LW_ACQUIRED:
        break;
    default:
        lane->begun = false;
        return LW_OUTCOME_TIMEOUT;
    }
    lane->begun = false;
    lw_rlock_begin_for(lane->slot, lane->arena->self_id, task->who, task->depth);
    return LW_OUTCOME_GRANTED;
}

static void lock_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_lock_slept(lane->arena, lane->slot, &lane->wait.lock, slept);
}

static void lock_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)task;
    struct lw_lock_wait *wait = &lane->wait.lock;
    /* One of the threads may have consumed a wake, and not have said so yet. */
    if (lw_load_acq(&lane->slot->seq) != wait->seq) wait->woken = true;
    lw_lock_give_up(lane->slot, wait);
}

static void lock_pass_on(struct lw_task *task) {
    if (task->who) lw_rlock_end(task->slot);
    lw_lock_release_slow(task->slot, true);
}

/* Event */

static enum lw_outcome event_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_event_wait *wait = &lane->wait.event;
    struct lw_watch watch;
    if (starts(lane)) wait->recheck_ns = 0;
    wait->deadline_ns = lane->deadline_ns;
    /* Those behind have the same one, or have been set since: see event_ready. */
    wait->generation = task->generation;
    switch (lw_event_step(lane->slot, wait, &watch)) {
    case LW_WAIT_SLEEP:
        return sleep_on(lane, &watch);
    case LW_WAIT_SET:
        return LW_OUTCOME_GRANTED;
    default:
        return LW_OUTCOME_TIMEOUT;
    }
}

static void event_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_watch_rechecks(slept, &lane->wait.event.recheck_ns, LW_FOREVER);
}

/* It may have come before those that have begun to wait, and the event may have been set and cleared since. */
static bool event_ready(const struct lw_task *task) {
    uint32_t word = lw_load_acq(&task->slot->word);
    return word & LW_EVENT_SET || word >> LW_EVENT_GENERATION_SHIFT != task->generation;
}

/* Latch */

static enum lw_outcome latch_step(struct lw_lane *lane, struct lw_task *task) {
    (void)task;
    struct lw_latch_wait *wait = &lane->wait.latch;
    struct lw_watch watch;
    if (starts(lane)) wait->recheck_ns = 0;
    wait->deadline_ns = lane->deadline_ns;
    switch (lw_latch_step(lane->slot, wait, &watch)) {
    case LW_LATCH_SLEEP:
        return sleep_on(lane, &watch);
    case LW_LATCH_OPEN:
        return LW_OUTCOME_GRANTED;
    default:
        return LW_OUTCOME_TIMEOUT;
    }
}

static void latch_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_watch_rechecks(slept, &lane->wait.latch.recheck_ns, LW_FOREVER);
}

/* Semaphore */

static enum lw_outcome semaphore_step(struct lw_lane *lane, struct lw_task *task) {
    (void)task;
    struct lw_semaphore_wait *wait = &lane->wait.semaphore;
    struct lw_watch watch;
    if (starts(lane)) *wait = (struct lw_semaphore_wait){.deadline_ns = lane->deadline_ns};
    enum lw_taken taken = lw_semaphore_step(lane->slot, wait, &watch);
    if (taken == LW_TAKEN_SLEEP) return sleep_on(lane, &watch);
    lane->begun = false;
    return taken == LW_TAKEN ? LW_OUTCOME_GRANTED : LW_OUTCOME_TIMEOUT;
}

static void semaphore_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_semaphore_slept(&lane->wait.semaphore, slept);
    lw_watch_rechecks(slept, &lane->wait.semaphore.recheck_ns, LW_FOREVER);
}

static void semaphore_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)task;
    lane->wait.semaphore.woken = true; /* for all that is known here */
    lw_semaphore_give_up(lane->slot, &lane->wait.semaphore);
}

static void semaphore_pass_on(struct lw_task *task) { lw_semaphore_release(task->slot, 1); }

/* Those with cells */

static enum lw_outcome queued_outcome(struct lw_lane *lane, struct lw_task *task, enum lw_queued queued,
                                      const struct lw_watch *watch) {
    if (queued == LW_QUEUE_SLEEP) return sleep_on(lane, watch);
    lane->begun = false;
    task->dead = lane->wait.queue.dead;
    task->count = lane->wait.queue.count;
    task->hint = lane->hint;
    if (queued == LW_QUEUE_GRANTED) return LW_OUTCOME_GRANTED;
    return queued == LW_QUEUE_NO_ROOM ? LW_OUTCOME_NO_ROOM : LW_OUTCOME_TIMEOUT;
}

static void queue_begin(struct lw_lane *lane) {
    if (starts(lane)) lane->wait.queue = (struct lw_queue_wait){.deadline_ns = lane->deadline_ns};
}

static enum lw_outcome permits_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_watch watch;
    queue_begin(lane);
    enum lw_queued queued = lw_permits_step(lane->arena, lane->slot, &lane->wait.queue, &lane->hint, &watch);
    return queued_outcome(lane, task, queued, &watch);
}

static void permits_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_queue_slept(lane->arena, lane->slot, &lw_permits_queue, &lane->wait.queue, slept);
}

static void permits_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)task;
    lw_permits_give_up(lane->arena, lane->slot, &lane->wait.queue);
}

static void permits_pass_on(struct lw_task *task) { lw_permits_release(task->arena, task->slot, 1, NULL); }

static enum lw_outcome rwlock_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_watch watch;
    if (lane->begun && lane->write != task->write) {
        lw_rwlock_give_up(lane->arena, lane->slot, &lane->wait.queue);
        lane->begun = false;
    }
    /* All readers at the head of the lane go in with the first of them, as if each had come by itself. */
    if (!task->write && lane->reading && lw_rwlock_read_more(lane->arena, lane->hint)) {
        task->hint = lane->hint;
        return LW_OUTCOME_GRANTED;
    }
    queue_begin(lane);
    lane->write = task->write;
    lw_queue_stepper *step = task->write ? lw_rwlock_write_step : lw_rwlock_read_step;
    enum lw_queued queued = step(lane->arena, lane->slot, &lane->wait.queue, &lane->hint, &watch);
    lane->reading = !task->write && queued == LW_QUEUE_GRANTED;
    return queued_outcome(lane, task, queued, &watch);
}

static void rwlock_slept(struct lw_lane *lane, enum lw_slept slept) {
    lane->reading = false;
    lw_queue_slept(lane->arena, lane->slot, &lw_rwlock_queue, &lane->wait.queue, slept);
}

static void rwlock_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)task;
    lw_rwlock_give_up(lane->arena, lane->slot, &lane->wait.queue);
}

static void rwlock_pass_on(struct lw_task *task) {
    bool settle = false;
    if (task->write)
        lw_rwlock_return_write(task->arena, task->slot);
    else if (!lw_rwlock_release_read(task->arena, task->slot, task->hint, &settle) && settle)
        lw_queue_settle(task->arena, task->slot, &lw_rwlock_queue, NULL);
}

/* Condition: the task has joined the queue already; its cell is its own beyond the lane, until it has the lock again. */

static enum lw_outcome condition_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_watch watch;
    starts(lane);
    task->queue.deadline_ns = lane->deadline_ns;
    switch (lw_condition_step(lane->arena, lane->slot, &task->queue, NULL, &watch)) {
    case LW_QUEUE_SLEEP:
        return sleep_on(lane, &watch);
    case LW_QUEUE_TIMEOUT:
        return lw_condition_leave(lane->arena, lane->slot, &task->queue) ? LW_OUTCOME_GRANTED : LW_OUTCOME_TIMEOUT;
    default:
        return LW_OUTCOME_GRANTED;
    }
}

static void condition_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_queue_slept(lane->arena, lane->slot, &lw_condition_queue, &lane->first->queue, slept);
}

static void condition_pass_on(struct lw_task *task) {
    if (task->queue.cell) lw_condition_give_up(task->arena, task->slot, &task->queue);
}

static void condition_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)lane;
    condition_pass_on(task);
}

static enum lw_outcome condition_expire(struct lw_lane *lane, struct lw_task *task) {
    return lw_condition_leave(lane->arena, lane->slot, &task->queue) ? LW_OUTCOME_GRANTED : LW_OUTCOME_TIMEOUT;
}

/* Barrier */

static enum lw_outcome barrier_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_watch watch;
    if (starts(lane)) task->barrier = (struct lw_barrier_wait){.deadline_ns = lane->deadline_ns};
    enum lw_barred barred;
    do {
        barred = lw_barrier_step(lane->arena, lane->slot, &task->barrier, task->action, &watch);
    } while (barred == LW_BARRIER_SIGNAL);
    switch (barred) {
    case LW_BARRIER_SLEEP:
        return sleep_on(lane, &watch);
    case LW_BARRIER_PASSED:
        return LW_OUTCOME_GRANTED;
    case LW_BARRIER_RUN:
        return LW_OUTCOME_RUN;
    case LW_BARRIER_TIMEOUT:
        return LW_OUTCOME_TIMEOUT;
    case LW_BARRIER_NO_ROOM:
        return LW_OUTCOME_NO_ROOM;
    default:
        return LW_OUTCOME_BROKEN;
    }
}

static void barrier_slept(struct lw_lane *lane, enum lw_slept slept) {
    lw_barrier_slept(lane->arena, lane->slot, &lane->first->barrier, slept);
}

static void barrier_pass_on(struct lw_task *task) { lw_barrier_give_up(task->arena, task->slot, &task->barrier); }

static void barrier_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)lane;
    barrier_pass_on(task);
}

static enum lw_outcome barrier_expire(struct lw_lane *lane, struct lw_task *task) {
    task->barrier.deadline_ns = 0; /* which breaks it */
    return barrier_step(lane, task);
}

/* Several at once */

static enum lw_outcome several_step(struct lw_lane *lane, struct lw_task *task) {
    struct lw_words words = {.count = 0};
    enum lw_outcome outcome = LW_OUTCOME_GRANTED;
    starts(lane);
    lane->doubt = true;
    while (!lw_several_look(task->several)) {
        if (lane->deadline_ns == 0) {
            outcome = LW_OUTCOME_TIMEOUT;
            break;
        }
        words.count = 0;
        if (lw_several_listen(task->several, &words)) continue;
        outcome = words.failed ? LW_OUTCOME_NO_ROOM : LW_OUTCOME_SLEEP;
        for (unsigned i = 0; i < words.count && outcome == LW_OUTCOME_SLEEP; i++) {
            const lw_word *word = (const lw_word *)(uintptr_t)words.entries[i].address;
            uint32_t expected = (uint32_t)words.entries[i].value;
            bool ok = words.arenas[i] ? lw_lane_add_member(lane, words.arenas[i], words.ids[i], word, expected)
                                      : lw_lane_add_word(lane, word, expected);
            if (!ok) outcome = LW_OUTCOME_NO_ROOM;
        }
        lane->wake_ns = lw_now_ns() + lw_several_patience(task->several, &words);
        break;
    }
    lw_words_free(&words);
    if (outcome != LW_OUTCOME_SLEEP) lw_several_unlisten(task->several);
    return outcome;
}

static void several_slept(struct lw_lane *lane, enum lw_slept slept) {
    if (slept == LW_SLEPT_TIMEOUT) lw_several_recheck(lane->first->several);
}

static void several_give_up(struct lw_lane *lane, struct lw_task *task) {
    (void)lane;
    lw_several_unlisten(task->several);
}

static const struct lw_lane_kind lane_lock = {.shared = true, .step = lock_step, .slept = lock_slept,
                                              .give_up = lock_give_up, .pass_on = lock_pass_on};
static const struct lw_lane_kind lane_event = {.shared = true, .step = event_step, .slept = event_slept, .ready = event_ready};
static const struct lw_lane_kind lane_latch = {.shared = true, .step = latch_step, .slept = latch_slept};
static const struct lw_lane_kind lane_semaphore = {.shared = true, .step = semaphore_step, .slept = semaphore_slept,
                                                   .give_up = semaphore_give_up, .pass_on = semaphore_pass_on};
static const struct lw_lane_kind lane_permits = {.shared = true, .step = permits_step, .slept = permits_slept,
                                                 .give_up = permits_give_up, .pass_on = permits_pass_on};
static const struct lw_lane_kind lane_rwlock = {.shared = true, .step = rwlock_step, .slept = rwlock_slept,
                                                .give_up = rwlock_give_up, .pass_on = rwlock_pass_on};
static const struct lw_lane_kind lane_condition = {.step = condition_step, .slept = condition_slept,
                                                   .give_up = condition_give_up, .expire = condition_expire,
                                                   .pass_on = condition_pass_on};
static const struct lw_lane_kind lane_barrier = {.step = barrier_step, .slept = barrier_slept, .give_up = barrier_give_up,
                                                 .expire = barrier_expire, .pass_on = barrier_pass_on};
const struct lw_lane_kind lw_lane_several = {.step = several_step, .slept = several_slept, .give_up = several_give_up};

const struct lw_lane_kind *lw_lane_kind_of(const struct lw_slot *slot) {
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_EVENT:
        return &lane_event;
    case LW_KIND_LATCH:
        return &lane_latch;
    case LW_KIND_SEMAPHORE:
        return &lane_semaphore;
    case LW_KIND_PERMITS:
        return &lane_permits;
    case LW_KIND_RWLOCK:
        return &lane_rwlock;
    case LW_KIND_CONDITION:
        return &lane_condition;
    case LW_KIND_BARRIER:
        return &lane_barrier;
    default:
        return &lane_lock;
    }
}
