/* Loops and threads that need each other: Condition, Barrier, Event and Latch, in rounds; see hammer_tasks.c. A wake-up or
 * notification that is lost is a hang. */
#define _GNU_SOURCE
#include "hammer_tasks.h"

#include "lw_barrier.h"
#include "lw_condition.h"
#include "lw_event.h"
#include "lw_latch.h"
#include "lw_member.h"

#define JOBS 4
#define ITEMS 600
#define CAPACITY 3
#define BARRIER_ROUNDS 100
#define PARTIES 3
#define SHOTS 200
#define WINDOW 8
#define BELLS 150

static unsigned long first, second; /* plain: guarded by what it is about */
static pthread_barrier_t all_of_them;

static bool is_loop(const struct worker *self) { return self->number < LOOPS; }

/* ---- Condition: a buffer ---- */

static struct lw_slot *lock, *not_empty, *not_full;
static unsigned long stored, produced, consumed; /* plain: guarded by the lock */

enum stage { LOCKING, SLEEPING, BACK, CANCELLED, OVER };

/* A coroutine, as `async with lock: while …: await condition.wait_async()`. */
struct job {
    struct lw_task lock, wait;
    enum stage stage;
    int64_t deadline_ns;
    bool producer;
    unsigned made;
};
static struct job jobs[LOOPS][JOBS];

static bool must_wait(bool producer) {
    return producer ? stored == CAPACITY && produced < ITEMS : stored == 0 && consumed < ITEMS;
}

/* With the lock, which it gives back. */
static bool move_one(const struct worker *self, bool producer) {
    CHECK(first == second);
    first++;
    unsigned long *done = producer ? &produced : &consumed;
    bool more = *done < ITEMS;
    if (more) {
        stored += producer ? 1 : -1ul;
        ++*done;
        lw_condition_notify(&shared, producer ? not_empty : not_full, 1);
        if (*done == ITEMS) lw_condition_notify(&shared, producer ? not_full : not_empty, UINT32_MAX);
    }
    second++;
    free_lock_of(self, lock);
    return more;
}

static void want_lock(struct worker *self, struct lw_port *port, struct job *job, enum stage stage);

static void have_lock(struct worker *self, struct lw_port *port, struct job *job) {
    enum stage stage = job->stage;
    lw_task_take(&job->lock);
    CHECK(job->lock.outcome == LW_OUTCOME_GRANTED);
    if (stage == BACK) lw_condition_done(&job->wait.queue);
    if (stage == CANCELLED) lw_task_leave(&job->wait);
    if (!must_wait(job->producer)) {
        if (move_one(self, job->producer))
            want_lock(self, port, job, LOCKING);
        else
            job->stage = OVER;
        return;
    }
    struct lw_slot *condition = job->producer ? not_full : not_empty;
    lw_task_init(&job->wait, &shared, condition);
    CHECK(lw_condition_join(&shared, condition, &job->wait.queue) == LW_QUEUE_GRANTED);
    free_lock_of(self, lock);
    if (draw(self, 8) == 0) nap(self, 50);
    job->stage = SLEEPING;
    job->deadline_ns = draw(self, 4) ? LW_FOREVER : soon(self, 500);
    if (!lw_task_begin(&job->wait, port)) return;
    lw_task_take(&job->wait);
    want_lock(self, port, job, BACK);
}

static void want_lock(struct worker *self, struct lw_port *port, struct job *job, enum stage stage) {
    job->stage = stage;
    lw_task_init(&job->lock, &shared, lock);
    if (lw_task_begin(&job->lock, port)) have_lock(self, port, job);
}

/* Its wait has ended, well or not; or it was cancelled then, and comes back with the lock all the same. */
static void woken(struct worker *self, struct lw_port *port, struct job *job) {
    bool cancelled = draw(self, 8) == 0;
    if (cancelled && draw(self, 2))
        lw_task_leave(&job->wait);
    else
        lw_task_take(&job->wait);
    want_lock(self, port, job, cancelled ? CANCELLED : BACK);
}

static void condition_loop(struct worker *self) {
    struct lw_port port;
    bool any;
    CHECK(lw_port_open(&port));
    for (int i = 0; i < JOBS; i++) {
        struct job *job = &jobs[self->number][i];
        *job = (struct job){.producer = i % 2};
        want_lock(self, &port, job, LOCKING);
    }
    do {
        int64_t until_ns = LW_FOREVER;
        for (struct job *job = jobs[self->number]; job < jobs[self->number] + JOBS; job++) {
            if (job->stage != SLEEPING) continue;
            if (lw_now_ns() >= job->deadline_ns) {
                if (lw_task_expire(&job->wait)) woken(self, &port, job);
            } else if (draw(self, 32) == 0) {
                lw_task_leave(&job->wait);
                want_lock(self, &port, job, CANCELLED);
            }
            if (job->stage == SLEEPING && job->deadline_ns < until_ns) until_ns = job->deadline_ns;
        }
        any = false;
        for (struct job *job = jobs[self->number]; job < jobs[self->number] + JOBS; job++) any |= job->stage != OVER;
        if (!any || !hear(&port, until_ns)) continue;
        struct lw_task *task;
        lw_port_silence(&port);
        while ((task = lw_port_collect(&port)))
            for (struct job *job = jobs[self->number]; job < jobs[self->number] + JOBS; job++) {
                if (task == &job->wait) woken(self, &port, job);
                else if (task == &job->lock) have_lock(self, &port, job);
            }
    } while (any);
    lw_port_close(&port);
}

static void get_lock(struct worker *self) {
    struct lw_lock_wait wait = {.deadline_ns = LW_FOREVER};
    while (lw_lock_acquire_slow(&self->arena, lock, &wait) == LW_SIGNAL) {
    }
}

static void condition_thread(struct worker *self) {
    bool producer = self->number % 2;
    struct lw_slot *condition = producer ? not_full : not_empty;
    do {
        get_lock(self);
        while (must_wait(producer)) {
            struct lw_queue_wait wait = {.deadline_ns = draw(self, 4) ? LW_FOREVER : soon(self, 500)};
            enum lw_queued queued;
            CHECK(lw_condition_join(&self->arena, condition, &wait) == LW_QUEUE_GRANTED);
            free_lock_of(self, lock);
            do queued = lw_queue_sleep(&self->arena, condition, &lw_condition_queue, &wait, lw_condition_step, NULL);
            while (queued == LW_QUEUE_SIGNAL);
            if (queued == LW_QUEUE_TIMEOUT) lw_condition_leave(&self->arena, condition, &wait);
            get_lock(self);
            lw_condition_done(&wait);
        }
    } while (move_one(self, producer));
}

static void *condition_body(void *argument) {
    struct worker *self = argument;
    if (!is_loop(self)) {
        condition_thread(self);
        return NULL;
    }
    self->arena = shared;
    condition_loop(self);
    return NULL;
}

static bool is_empty(const struct lw_slot *condition) {
    struct lw_walk walk = lw_cells_begin(condition);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(&shared, &walk)))
        if (lw_cell_load(cell) != 0) return false;
    return true;
}

static void condition_phase(void) {
    lock = new_slot(&(struct lw_made){.kind = LW_KIND_LOCK});
    not_empty = new_slot(&(struct lw_made){.kind = LW_KIND_CONDITION});
    not_full = new_slot(&(struct lw_made){.kind = LW_KIND_CONDITION});
    stored = produced = consumed = first = second = 0;
    run_all(condition_body);
    CHECK(produced == ITEMS && consumed == ITEMS && stored == 0 && first == second);
    CHECK(is_empty(not_empty) && is_empty(not_full)); /* nobody keeps what another one was to be notified of */
    CHECK(lw_tasks_threads() == 0);
    drop_slot(not_empty);
    drop_slot(not_full);
    drop_slot(lock);
}

/* ---- Barrier ---- */

static struct lw_slot *barrier;
static unsigned long handed[2][THREADS]; /* plain: written before a round, read after it */
static uint8_t outcomes[BARRIER_ROUNDS][THREADS];
static _Atomic int running;

static void act(struct worker *self) {
    CHECK(atomic_fetch_add(&running, 1) == 0);
    first++;
    if (draw(self, 8) == 0) nap(self, 200);
    second++;
    atomic_fetch_sub(&running, 1);
}

static enum lw_barred outcome_of(struct worker *self, struct lw_task *task) {
    lw_task_take(task);
    switch (task->outcome) {
    case LW_OUTCOME_RUN:
        act(self);
        return lw_barrier_end(&shared, barrier, &task->barrier, true) ? LW_BARRIER_PASSED : LW_BARRIER_IS_BROKEN;
    case LW_OUTCOME_GRANTED:
        CHECK(task->barrier.index < lw_load_relaxed(&barrier->limit));
        return LW_BARRIER_PASSED;
    default:
        CHECK(task->outcome == LW_OUTCOME_TIMEOUT || task->outcome == LW_OUTCOME_BROKEN);
        return LW_BARRIER_IS_BROKEN;
    }
}

static enum lw_barred arrive_as_task(struct worker *self, struct lw_port *port, int64_t deadline_ns) {
    struct lw_task task;
    lw_task_init(&task, &shared, barrier);
    task.action = true;
    if (!lw_task_begin(&task, port)) {
        if (hear(port, deadline_ns) || !lw_task_expire(&task)) {
            CHECK(hear(port, LW_FOREVER));
            lw_port_silence(port);
            CHECK(lw_port_collect(port) == &task && !lw_port_collect(port));
        }
    }
    return outcome_of(self, &task);
}

static enum lw_barred arrive(struct worker *self, int64_t deadline_ns, bool may_leave) {
    struct lw_barrier_wait wait = {.deadline_ns = deadline_ns};
    for (;;) {
        enum lw_barred barred = lw_barrier_wait(&self->arena, barrier, &wait, true);
        if (barred == LW_BARRIER_RUN) {
            act(self);
            return lw_barrier_end(&self->arena, barrier, &wait, true) ? LW_BARRIER_PASSED : LW_BARRIER_IS_BROKEN;
        }
        if (barred != LW_BARRIER_SIGNAL) return barred;
        if (may_leave && draw(self, 4) == 0) lw_barrier_give_up(&self->arena, barrier, &wait);
    }
}

static void *barrier_body(void *argument) {
    struct worker *self = argument;
    struct lw_port port;
    if (is_loop(self)) self->arena = shared;
    CHECK(!is_loop(self) || lw_port_open(&port));
    for (unsigned long round = 0; round < BARRIER_ROUNDS; round++) {
        handed[round % 2][self->number] = round;
        if (draw(self, 150) == 0) lw_barrier_abort(&self->arena, barrier);
        int64_t deadline_ns = draw(self, 100) == 0 ? soon(self, 100) : LW_FOREVER;
        enum lw_barred barred = is_loop(self) ? arrive_as_task(self, &port, deadline_ns) : arrive(self, deadline_ns, false);
        bool passed = barred == LW_BARRIER_PASSED;
        outcomes[round][self->number] = passed;
        if (!passed) {
            pthread_barrier_wait(&all_of_them);
            if (self->number == 0) lw_barrier_reset(&self->arena, barrier);
            pthread_barrier_wait(&all_of_them);
            continue;
        }
        for (int i = 0; i < THREADS; i++) CHECK(handed[round % 2][i] == round);
        CHECK(first == second);
    }
    if (is_loop(self)) lw_port_close(&port);
    return NULL;
}

/* More comers than parties, who leave and come again. */
static void crowd_loop(struct worker *self) {
    struct lw_task comers[JOBS], *task;
    bool in[JOBS] = {false}, over = false;
    struct lw_port port;
    CHECK(lw_port_open(&port));
    while (!over) {
        for (int i = 0; i < JOBS; i++) {
            bool done = false;
            if (in[i] && draw(self, 8) == 0) {
                lw_task_leave(&comers[i]);
                in[i] = false;
            }
            if (in[i]) continue;
            lw_task_init(&comers[i], &shared, barrier);
            comers[i].action = true;
            done = lw_task_begin(&comers[i], &port);
            in[i] = !done;
            if (!done) continue;
            over |= outcome_of(self, &comers[i]) != LW_BARRIER_PASSED;
            self->took += !over;
        }
        if (!hear(&port, soon(self, 500))) continue;
        lw_port_silence(&port);
        while ((task = lw_port_collect(&port))) {
            in[task - comers] = false;
            bool passed = outcome_of(self, task) == LW_BARRIER_PASSED;
            self->took += passed;
            over |= !passed;
        }
    }
    lw_port_close(&port);
}

static void *crowd_body(void *argument) {
    struct worker *self = argument;
    if (is_loop(self)) {
        self->arena = shared;
        crowd_loop(self);
        return NULL;
    }
    for (int i = 0; self->number != LOOPS || i < BARRIER_ROUNDS; i++) {
        if (arrive(self, LW_FOREVER, true) != LW_BARRIER_PASSED) return NULL;
        self->took++;
    }
    lw_barrier_abort(&self->arena, barrier);
    return NULL;
}

static void barrier_phase(void) {
    barrier = new_slot(&(struct lw_made){.kind = LW_KIND_BARRIER, .limit = THREADS});
    first = second = 0;
    run_all(barrier_body);
    for (int round = 0; round < BARRIER_ROUNDS; round++)
        for (int i = 1; i < THREADS; i++) CHECK(outcomes[round][i] == outcomes[round][0]);
    CHECK(lw_barrier_waiting(&shared, barrier) == 0);
    drop_slot(barrier);
    barrier = new_slot(&(struct lw_made){.kind = LW_KIND_BARRIER, .limit = PARTIES});
    first = second = 0;
    run_all(crowd_body);
    unsigned long passed = 0;
    for (int i = 0; i < THREADS; i++) passed += workers[i].took;
    CHECK(passed <= PARTIES * first && lw_barrier_waiting(&shared, barrier) == 0);
    drop_slot(barrier);
}

/* ---- Event, Latch: once ---- */

static struct lw_slot *shots[SHOTS];
static uint64_t payload[SHOTS]; /* plain: written before it is told */

static void publish(struct worker *self) {
    for (int i = 0; i < SHOTS; i++) {
        if (draw(self, 4) == 0) nap(self, 200);
        payload[i] = (uint64_t)i + 1;
        if (i % 2) lw_event_set(shots[i]);
        else lw_latch_count_down(shots[i], 1);
    }
}

static void told(struct lw_task *task, int shot) {
    lw_task_take(task);
    CHECK(task->outcome == LW_OUTCOME_GRANTED && payload[shot] == (uint64_t)shot + 1);
}

static void *shots_body(void *argument) {
    struct worker *self = argument;
    struct lw_task tasks[WINDOW], *task;
    int shot_of[WINDOW], next = 0, waiting = 0;
    struct lw_port port;
    self->arena = shared;
    if (self->number == LOOPS) publish(self);
    if (!is_loop(self)) return NULL;
    CHECK(lw_port_open(&port));
    for (int i = 0; i < WINDOW; i++) shot_of[i] = -1;
    while (next < SHOTS || waiting > 0) {
        for (int i = 0; i < WINDOW && next < SHOTS; i++) {
            if (shot_of[i] >= 0) continue;
            lw_task_init(&tasks[i], &shared, shots[next]);
            bool done = lw_task_begin(&tasks[i], &port);
            if (done) told(&tasks[i], next);
            waiting += !done;
            shot_of[i] = done ? -1 : next;
            next++;
        }
        if (waiting < WINDOW && next < SHOTS) continue;
        if (waiting == 0) continue;
        CHECK(hear(&port, LW_FOREVER));
        lw_port_silence(&port);
        while ((task = lw_port_collect(&port))) {
            told(task, shot_of[task - tasks]);
            shot_of[task - tasks] = -1;
            waiting--;
        }
    }
    lw_port_close(&port);
    return NULL;
}

/* ---- Event: set and cleared once in a round ---- */

static struct lw_slot *bell;
static _Atomic int there;

/* Comes and goes, between those that must be told. */
static void pass_by(struct worker *self) {
    struct lw_port port;
    CHECK(lw_port_open(&port));
    for (int i = 0; atomic_load(&there) < BELLS * LOOPS; i++) {
        struct lw_task task;
        lw_task_init(&task, &shared, bell);
        lw_task_begin(&task, &port);
        nap(self, 300);
        lw_task_leave(&task);
    }
    lw_port_close(&port);
}

static void *bell_body(void *argument) {
    struct worker *self = argument;
    struct lw_port port;
    self->arena = shared;
    if (self->number > LOOPS + 1) return NULL;
    if (self->number == LOOPS + 1) {
        pass_by(self);
        return NULL;
    }
    CHECK(lw_port_open(&port));
    for (int round = 0; round < BELLS; round++) {
        struct lw_task tasks[JOBS];
        for (int i = 0; is_loop(self) && i < JOBS; i++) lw_task_init(&tasks[i], &shared, bell);
        if (is_loop(self)) atomic_fetch_add(&there, 1);
        if (!is_loop(self)) {
            while (atomic_load(&there) < (round + 1) * LOOPS) sched_yield();
            lw_event_set(bell);
            if (draw(self, 2)) sched_yield();
            lw_event_clear(bell);
        }
        nap(self, 200);
        int waiting = 0;
        for (int i = 0; is_loop(self) && i < JOBS; i++) waiting += !lw_task_begin(&tasks[i], &port);
        while (waiting > 0) {
            CHECK(hear(&port, LW_FOREVER));
            lw_port_silence(&port);
            while (lw_port_collect(&port)) waiting--;
        }
        for (int i = 0; is_loop(self) && i < JOBS; i++) lw_task_take(&tasks[i]);
        pthread_barrier_wait(&all_of_them);
    }
    lw_port_close(&port);
    return NULL;
}

static void events_phase(void) {
    for (int i = 0; i < SHOTS; i++)
        shots[i] = i % 2 ? new_slot(&(struct lw_made){.kind = LW_KIND_EVENT})
                         : new_slot(&(struct lw_made){.kind = LW_KIND_LATCH, .word = 1u << LW_LATCH_SHIFT, .limit = 1});
    run_all(shots_body);
    for (int i = 0; i < SHOTS; i++) drop_slot(shots[i]);
    bell = new_slot(&(struct lw_made){.kind = LW_KIND_EVENT});
    atomic_store(&there, 0);
    run_all(bell_body);
    drop_slot(bell);
}

void rounds_phase(void) {
    CHECK(pthread_barrier_init(&all_of_them, NULL, THREADS) == 0);
    condition_phase();
    barrier_phase();
    pthread_barrier_destroy(&all_of_them);
    CHECK(pthread_barrier_init(&all_of_them, NULL, LOOPS + 1) == 0);
    events_phase();
    pthread_barrier_destroy(&all_of_them);
}
