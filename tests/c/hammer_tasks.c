/* Event loops wait with tasks for what threads and other processes wait for by themselves: see hammer.c. */
#define _GNU_SOURCE
#include "hammer_tasks.h"

#include "lw_event.h"
#include "lw_member.h"
#include "permits.h"
#include "lw_rlock.h"
#include "lw_rwlock.h"
#include "lw_semaphore.h"
#include "lw_several.h"

#define JOBS 12
#define BEGUN 2000 /* tasks a loop */
#define LIMIT 2
#define QUIET 150 /* Events that are never set: more words than one futex_waitv takes */
#define MORTALS 25

enum what { LOCK, RLOCK, STRICT, PERMITS, SEMAPHORE, RWLOCK, EVENT, SEVERAL, KINDS };

static struct lw_slot *slots[KINDS], *quiet_ones[QUIET];
/* Plain: guarded by what it is about. */
static struct guarded {
    unsigned long first, second;
    uint64_t youngest; /* of the tasks that had it: when it began to begin */
} guarded[KINDS];
static _Atomic int inside[KINDS];
static _Atomic uint64_t moments;
static _Atomic uint32_t numbers;
static _Atomic int loops_left;
static bool mortals;

struct job {
    struct lw_task task;
    struct lw_several several;
    struct lw_several_item items[KINDS + QUIET];
    enum { IDLE, WAITING, HOLDING } state;
    enum what what;
    uint64_t began, begun; /* moments before and after */
    int64_t deadline_ns, since_ns;
    uint32_t turns; /* of its loop, until it lets go */
};

struct loop {
    struct lw_port port;
    struct job jobs[JOBS];
    unsigned begun;
};
static struct loop loops[LOOPS];

/* ---- Laws ---- */

static bool is_exclusive(enum what what, bool write) { return what <= STRICT || (what == RWLOCK && write); }

static void come_in(enum what what, bool write, const struct job *job) {
    struct guarded *its = &guarded[what];
    if (is_exclusive(what, write)) {
        CHECK(its->first == its->second);
        its->first++;
        CHECK(atomic_fetch_add(&inside[what], 1) == 0);
    } else if (what == RWLOCK) {
        CHECK(its->first == its->second);
        atomic_fetch_add(&inside[what], 1);
    } else {
        CHECK(atomic_fetch_add(&inside[what], 1) < LIMIT);
    }
    if (!job || what > STRICT) return;
    CHECK(job->begun > its->youngest); /* else one that began after this one had it before */
    if (job->began > its->youngest) its->youngest = job->began;
}

static void go_out(enum what what, bool write) {
    struct guarded *its = &guarded[what];
    if (is_exclusive(what, write)) its->second++;
    CHECK((what == PERMITS || what == SEMAPHORE) || its->first == its->second);
    CHECK(atomic_fetch_sub(&inside[what], 1) > 0);
}

static void give_back(struct worker *self, struct lw_arena *arena, enum what what, bool write, struct lw_cell *hint) {
    struct lw_slot *slot = slots[what];
    bool settle = false;
    switch (what) {
    case RLOCK:
        lw_rlock_end(slot);
        free_lock_of(self, slot);
        break;
    case LOCK:
        free_lock_of(self, slot);
        break;
    case SEMAPHORE:
        CHECK(lw_semaphore_release(slot, 1));
        break;
    case RWLOCK:
        if (write) CHECK(lw_rwlock_release_write(arena, slot, true) == LW_RWLOCK_RELEASED);
        if (write) break;
        CHECK(lw_rwlock_release_read(arena, slot, hint, &settle) || settle);
        if (settle) lw_queue_settle(arena, slot, &lw_rwlock_queue, NULL);
        break;
    default:
        CHECK(permits_back(arena, slot, 1));
    }
}

/* ---- Loops ---- */

static void init_several(struct worker *self, struct job *job) {
    unsigned count = 0;
    memset(job->items, 0, sizeof job->items);
    for (int what = 0; what < EVENT; what++)
        if (what != RWLOCK && draw(self, 2)) job->items[count++] = (struct lw_several_item){.slot = slots[what]};
    job->items[count++] = (struct lw_several_item){.slot = slots[EVENT]};
    bool all = draw(self, 4) == 0;
    for (int i = 0; all && i < QUIET; i++) job->items[count++] = (struct lw_several_item){.slot = quiet_ones[i]};
    for (unsigned i = 0; i < count; i++) job->items[i].arena = &shared;
    job->several = (struct lw_several){.items = job->items, .count = count, .deadline_ns = LW_FOREVER};
    job->several.who = LW_TASK_BIT | atomic_fetch_add(&numbers, 1);
    lw_several_begin(&job->several);
    lw_task_init_several(&job->task, &job->several);
}

static void leave(struct job *job) {
    lw_task_leave(&job->task);
    CHECK(job->task.state == LW_TASK_OVER && !job->task.lane && !job->task.port);
    if (job->what == RLOCK) CHECK(!lw_rlock_is_owner(slots[RLOCK], shared.self_id, job->task.who));
    job->state = IDLE;
}

static void go_on(struct worker *self, struct job *job) {
    CHECK(job->task.state == LW_TASK_DONE);
    if (draw(self, 12) == 0) {
        leave(job);
        return;
    }
    lw_task_take(&job->task);
    CHECK(job->task.outcome == LW_OUTCOME_GRANTED || job->task.outcome == LW_OUTCOME_TIMEOUT);
    job->state = IDLE;
    if (job->task.outcome == LW_OUTCOME_TIMEOUT) {
        CHECK(job->deadline_ns == 0 || lw_now_ns() >= job->deadline_ns);
        self->timeouts++;
        return;
    }
    self->took++;
    if (job->task.dead) CHECK(mortals);
    if (job->task.dead) self->abandoned++;
    if (job->what == SEVERAL) {
        bool any = false;
        for (unsigned i = 0; i < job->several.count; i++) any |= job->items[i].ready;
        CHECK(any);
    }
    if (job->what >= EVENT) return;
    if (job->what == RLOCK) {
        CHECK(lw_rlock_is_owner(slots[RLOCK], shared.self_id, job->task.who));
        CHECK(lw_load_relaxed(&slots[RLOCK]->depth) == job->task.depth);
    }
    come_in(job->what, job->task.write, job);
    job->state = HOLDING;
    job->turns = draw(self, 8) ? draw(self, 2) : draw(self, 10);
}

static void begin(struct worker *self, struct loop *loop, struct job *job) {
    job->what = (enum what)draw(self, KINDS);
    if (job->what == SEVERAL) {
        init_several(self, job);
    } else {
        lw_task_init(&job->task, &shared, slots[job->what]);
        job->task.write = job->what == RWLOCK && draw(self, 3) == 0;
        if (job->what == RLOCK) job->task.who = LW_TASK_BIT | atomic_fetch_add(&numbers, 1);
        job->task.depth = 1 + draw(self, 3);
    }
    job->state = WAITING;
    job->deadline_ns = patience(self);
    job->since_ns = lw_now_ns();
    loop->begun++;
    job->began = atomic_fetch_add(&moments, 1) + 1;
    bool done = lw_task_begin(&job->task, job->deadline_ns == 0 ? NULL : &loop->port);
    job->begun = atomic_fetch_add(&moments, 1) + 1;
    CHECK(done || job->deadline_ns != 0);
    if (done) go_on(self, job);
}

static void step(struct worker *self, struct loop *loop, struct job *job) {
    switch (job->state) {
    case IDLE:
        if (loop->begun < BEGUN && draw(self, 2)) begin(self, loop, job);
        return;
    case WAITING:
        CHECK(lw_now_ns() - job->since_ns < STUCK_NS);
        if (lw_now_ns() >= job->deadline_ns) {
            if (lw_task_expire(&job->task)) go_on(self, job);
        } else if (draw(self, 64) == 0) {
            leave(job);
        }
        return;
    case HOLDING:
        if (job->turns-- > 0) return;
        go_out(job->what, job->task.write);
        if (job->what == PERMITS || job->what == STRICT) *hint_of(slots[job->what]) = job->task.hint;
        give_back(self, &shared, job->what, job->task.write, job->task.hint);
        job->state = IDLE;
    }
}

static void open_port(struct loop *loop) {
    CHECK(lw_port_open(&loop->port));
    CHECK(lw_port_idle(&loop->port));
}

/* With tasks that wait, and some that are done: these were granted something that nobody has seen. */
static void close_port(struct loop *loop) {
    lw_port_close(&loop->port);
    for (struct job *job = loop->jobs; job < loop->jobs + JOBS; job++) {
        if (job->state != WAITING) continue;
        CHECK(job->task.state == LW_TASK_OVER);
        job->state = IDLE;
    }
}

static bool waits(const struct loop *loop, int64_t *until_ns) {
    bool any = false;
    *until_ns = LW_FOREVER;
    for (const struct job *job = loop->jobs; job < loop->jobs + JOBS; job++) {
        if (job->state == HOLDING || (job->state == IDLE && loop->begun < BEGUN)) *until_ns = 0;
        if (job->state != WAITING) continue;
        any = true;
        if (job->deadline_ns < *until_ns) *until_ns = job->deadline_ns;
    }
    return any;
}

static void *loop_body(struct worker *self) {
    struct loop *loop = &loops[self->number];
    int64_t until_ns;
    self->arena = shared;
    open_port(loop);
    do {
        for (struct job *job = loop->jobs; job < loop->jobs + JOBS; job++) step(self, loop, job);
        if (draw(self, 256) == 0) {
            close_port(loop);
            open_port(loop);
        }
        if (draw(self, 8) == 0) nap(self, 100);
        if (!waits(loop, &until_ns) || !hear(&loop->port, until_ns)) continue;
        struct lw_task *task;
        lw_port_silence(&loop->port);
        while ((task = lw_port_collect(&loop->port))) go_on(self, (struct job *)task);
    } while (waits(loop, &until_ns) || until_ns == 0);
    close_port(loop);
    atomic_fetch_sub(&loops_left, 1);
    return NULL;
}

/* ---- Beside them ---- */

static bool get(struct worker *self, struct lw_arena *arena, enum what what, bool write, int64_t deadline_ns,
                struct lw_cell **hint) {
    struct lw_slot *slot = slots[what];
    struct lw_lock_wait lock_wait = {.deadline_ns = deadline_ns};
    struct lw_semaphore_wait semaphore_wait = {.deadline_ns = deadline_ns};
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    enum lw_acquired acquired;
    enum lw_taken taken;
    enum lw_queued queued;
    switch (what) {
    case LOCK:
    case RLOCK:
        if (draw(self, 2) && lw_lock_try(slot, arena->self_id)) acquired = LW_ACQUIRED;
        else
            do acquired = lw_lock_acquire_slow(arena, slot, &lock_wait);
            while (acquired == LW_SIGNAL);
        if (acquired == LW_ABANDONED) CHECK(mortals);
        if (acquired != LW_TIMEOUT && what == RLOCK) lw_rlock_begin(slot, arena->self_id, lw_thread_id(), 1);
        return acquired != LW_TIMEOUT;
    case SEMAPHORE:
        do taken = lw_semaphore_acquire(slot, &semaphore_wait);
        while (taken == LW_TAKEN_SIGNAL);
        return taken == LW_TAKEN;
    case RWLOCK:
        if (!write && lw_rwlock_read_fast(arena, slot, *hint)) return true;
        do queued = write ? lw_rwlock_write(arena, slot, &wait) : lw_rwlock_read(arena, slot, &wait, hint);
        while (queued == LW_QUEUE_SIGNAL);
        return queued == LW_QUEUE_GRANTED;
    default:
        if (draw(self, 2) && permit_fast(arena, slot)) return true;
        do queued = permit_slow(arena, slot, &wait);
        while (queued == LW_QUEUE_SIGNAL);
        return queued == LW_QUEUE_GRANTED;
    }
}

static void *mortal_body(void *argument) {
    struct worker *self = argument;
    struct lw_cell *hint = NULL;
    become_mortal(self);
    enum what what = (enum what)draw(self, EVENT);
    if (what == SEMAPHORE) what = LOCK; /* nobody's: it would be gone */
    get(self, &self->arena, what, draw(self, 2), soon(self, 3000), &hint);
    return NULL;
}

static void *thread_body(struct worker *self) {
    struct lw_cell *hint = NULL;
    if (self->number == LOOPS + 1) self->arena = shared;
    for (int deaths = 0; atomic_load(&loops_left) > 0;) {
        if (mortals && self->number == LOOPS + 2 && deaths < MORTALS) {
            struct worker mortal = {.random = self->random + 77u * (uint64_t)++deaths};
            CHECK(dies(&mortal, mortal_body));
        }
        enum what what = (enum what)draw(self, EVENT);
        bool write = what == RWLOCK && draw(self, 3) == 0;
        if (get(self, &self->arena, what, write, patience(self), &hint)) {
            come_in(what, write, NULL);
            if (draw(self, 8) == 0) nap(self, 50);
            go_out(what, write);
            give_back(self, &self->arena, what, write, hint);
        }
        nap(self, 200);
    }
    return NULL;
}

/* Rings the Event, and stops the watcher under all that wait. */
static void *ringer_body(struct worker *self) {
    struct lw_port port;
    self->arena = shared;
    CHECK(lw_port_open(&port));
    while (atomic_load(&loops_left) > 0) {
        lw_event_set(slots[EVENT]);
        if (draw(self, 4) == 0) sched_yield();
        lw_event_clear(slots[EVENT]);
        nap(self, 300);
        if (draw(self, 16) == 0) stop_watching(self, &port, quiet_ones[0]);
    }
    lw_port_close(&port);
    return NULL;
}

static void *tasks_body(void *argument) {
    struct worker *self = argument;
    if (self->number < LOOPS) return loop_body(self);
    return self->number == LOOPS ? ringer_body(self) : thread_body(self);
}

/* ---- */

static void make_all(void) {
    slots[LOCK] = new_slot(&(struct lw_made){.kind = LW_KIND_LOCK});
    slots[RLOCK] = new_slot(&(struct lw_made){.kind = LW_KIND_RLOCK});
    slots[STRICT] = new_slot(&(struct lw_made){.kind = LW_KIND_PERMITS, .limit = 1, .initial = LW_PERMITS_STRICT});
    slots[PERMITS] = new_slot(&(struct lw_made){.kind = LW_KIND_PERMITS, .limit = LIMIT});
    slots[SEMAPHORE] = new_slot(&(struct lw_made){
        .kind = LW_KIND_SEMAPHORE, .word = LIMIT << LW_SEMAPHORE_SHIFT, .limit = LIMIT, .initial = LIMIT});
    slots[RWLOCK] = new_slot(&(struct lw_made){.kind = LW_KIND_RWLOCK});
    slots[EVENT] = new_slot(&(struct lw_made){.kind = LW_KIND_EVENT});
    for (int i = 0; i < QUIET; i++) quiet_ones[i] = new_slot(&(struct lw_made){.kind = LW_KIND_EVENT});
}

/* Nobody waits any more, and all is to be had at once. */
static void check_end(void) {
    struct lw_queue_wait wait = {.deadline_ns = 0};
    struct worker *last = &workers[0];
    struct lw_cell *hint = NULL;
    CHECK(lw_tasks_threads() == 0);
    for (int what = 0; what < SEVERAL; what++) {
        CHECK(!lw_tasks_wait_at(slots[what]) && atomic_load(&inside[what]) == 0);
        CHECK(guarded[what].first == guarded[what].second);
        if (what == EVENT || what == SEMAPHORE) continue;
        CHECK(get(last, &shared, (enum what)what, true, 0, &hint));
        give_back(last, &shared, (enum what)what, true, NULL);
    }
    CHECK(lw_semaphore_value(slots[SEMAPHORE]) == LIMIT);
    lw_queue_settle(&shared, slots[PERMITS], &lw_permits_queue, &wait);
    lw_queue_settle(&shared, slots[STRICT], &lw_permits_queue, &wait);
    CHECK(lw_permits_available(&shared, slots[PERMITS]) == LIMIT && lw_permits_available(&shared, slots[STRICT]) == 1);
    CHECK(lw_rwlock_readers(&shared, slots[RWLOCK]) == 0 && lw_rwlock_as_new(&shared, slots[RWLOCK]));
}

void tasks_phase(bool with_deaths) {
    mortals = with_deaths;
    make_all();
    memset(loops, 0, sizeof loops);
    memset(guarded, 0, sizeof guarded);
    atomic_store(&loops_left, LOOPS);
    run_all(tasks_body);
    check_end();
    for (int what = 0; what < SEVERAL; what++) drop_slot(slots[what]);
    for (int i = 0; i < QUIET; i++) drop_slot(quiet_ones[i]);
    wakes_phase(with_deaths);
    if (!with_deaths) rounds_phase();
}
