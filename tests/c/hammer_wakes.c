/* One wake-up, a task that leaves about then, and a thread that waits behind it: nothing else happens that would make up for a
 * wake-up that is lost. See hammer_tasks.c. */
#define _GNU_SOURCE
#include "hammer_tasks.h"

#include "lw_member.h"
#include "permits.h"
#include "lw_rwlock.h"
#include "lw_semaphore.h"
#include "lw_several.h"

#define ROUNDS 150
#define QUIET 150
#define KINDS 3

enum role { LOOP, WAITER, HOLDER, ROLES };

static struct lw_slot *kinds[KINDS], *rwlock, *quiet_ones[QUIET], *slot; /* `slot`: of this round */
static pthread_barrier_t all_of_them;
static _Atomic int owners;
static bool dying;

static bool get(struct lw_arena *arena, int64_t deadline_ns) {
    struct lw_lock_wait lock_wait = {.deadline_ns = deadline_ns};
    struct lw_semaphore_wait semaphore_wait = {.deadline_ns = deadline_ns};
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    enum lw_acquired acquired;
    enum lw_taken taken;
    enum lw_queued queued;
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_LOCK:
        while ((acquired = lw_lock_acquire_slow(arena, slot, &lock_wait)) == LW_SIGNAL) {
        }
        return acquired != LW_TIMEOUT;
    case LW_KIND_SEMAPHORE:
        while ((taken = lw_semaphore_acquire(slot, &semaphore_wait)) == LW_TAKEN_SIGNAL) {
        }
        return taken == LW_TAKEN;
    default:
        while ((queued = permit_slow(arena, slot, &wait)) == LW_QUEUE_SIGNAL) {
        }
        return queued == LW_QUEUE_GRANTED;
    }
}

static void give_back(struct worker *self, struct lw_arena *arena) {
    CHECK(atomic_fetch_sub(&owners, 1) == 1);
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_LOCK:
        free_lock_of(self, slot);
        break;
    case LW_KIND_SEMAPHORE:
        CHECK(lw_semaphore_release(slot, 1));
        break;
    default:
        CHECK(lw_permits_release(arena, slot, 1, NULL));
    }
}

/* With so many words that the watcher has more than one thread; all of them have to come back. */
static void stop_them_all(struct worker *self, struct lw_port *port) {
    struct lw_several_item items[QUIET] = {{0}};
    for (int i = 0; i < QUIET; i++) items[i] = (struct lw_several_item){.arena = &shared, .slot = quiet_ones[i]};
    struct lw_several several = {.items = items, .count = QUIET, .deadline_ns = LW_FOREVER};
    struct lw_task many;
    lw_several_begin(&several);
    lw_task_init_several(&many, &several);
    CHECK(!lw_task_begin(&many, port));
    CHECK(lw_tasks_threads() > 1);
    stop_watching(self, port, quiet_ones[0]);
    CHECK(lw_tasks_threads() > 1);
    lw_task_leave(&many);
}

/* A reader behind a writer that leaves goes in beside those that read. */
static void writer_leaves(struct lw_port *port) {
    struct lw_task writer, reader;
    struct lw_queue_wait wait = {.deadline_ns = LW_FOREVER};
    struct lw_cell *hint = NULL;
    bool settle;
    while (lw_rwlock_read(&shared, rwlock, &wait, &hint) == LW_QUEUE_SIGNAL) {
    }
    lw_task_init(&writer, &shared, rwlock);
    writer.write = true;
    lw_task_init(&reader, &shared, rwlock);
    CHECK(!lw_task_begin(&writer, port) && !lw_task_begin(&reader, port));
    lw_task_leave(&writer);
    CHECK(hear(port, LW_FOREVER));
    lw_port_silence(port);
    CHECK(lw_port_collect(port) == &reader);
    lw_task_take(&reader);
    for (int i = 0; i < 2; i++) {
        CHECK(lw_rwlock_release_read(&shared, rwlock, i ? hint : reader.hint, &settle) || settle);
        if (settle) lw_queue_settle(&shared, rwlock, &lw_rwlock_queue, NULL);
    }
}

static void await_it(struct worker *self, struct lw_port *port) {
    struct lw_task task;
    nap(self, 100);
    lw_task_init(&task, &shared, slot);
    bool done = lw_task_begin(&task, port);
    if (!done && draw(self, 16) == 0) stop_them_all(self, port);
    if (!done && draw(self, 3)) {
        nap(self, 300);
        lw_task_leave(&task);
        return;
    }
    if (!done) {
        CHECK(hear(port, LW_FOREVER));
        lw_port_silence(port);
        CHECK(lw_port_collect(port) == &task);
    }
    if (draw(self, 4) == 0) {
        lw_task_leave(&task);
        return;
    }
    lw_task_take(&task);
    CHECK(atomic_fetch_add(&owners, 1) == 0);
    nap(self, 50);
    give_back(self, &shared);
}

static void *mortal_body(void *argument) {
    struct worker *self = argument;
    become_mortal(self);
    CHECK(get(&self->arena, LW_FOREVER));
    pthread_barrier_wait(&all_of_them);
    nap(self, 500);
    return NULL;
}

static void hold_it(struct worker *self, int round) {
    if (dying) {
        struct worker mortal = {.random = self->random + 77u * (uint64_t)round};
        CHECK(dies(&mortal, mortal_body));
        return;
    }
    CHECK(get(&self->arena, LW_FOREVER));
    CHECK(atomic_fetch_add(&owners, 1) == 0);
    pthread_barrier_wait(&all_of_them);
    nap(self, 500);
    give_back(self, &self->arena);
}

static void *wakes_body(void *argument) {
    struct worker *self = argument;
    struct lw_port port;
    if (self->number >= ROLES) return NULL;
    if (self->number != HOLDER) self->arena = shared;
    CHECK(lw_port_open(&port));
    for (int round = 0; round < ROUNDS; round++) {
        if (self->number == LOOP) slot = kinds[draw(self, dying ? 2 : KINDS)];
        pthread_barrier_wait(&all_of_them);
        if (self->number == HOLDER) {
            hold_it(self, round);
        } else {
            if (self->number == LOOP) writer_leaves(&port);
            pthread_barrier_wait(&all_of_them);
        }
        if (self->number == LOOP) await_it(self, &port);
        if (self->number == WAITER && (!dying || draw(self, 2))) {
            nap(self, 100);
            CHECK(get(&shared, lw_now_ns() + STUCK_NS));
            CHECK(atomic_fetch_add(&owners, 1) == 0);
            give_back(self, &shared);
        }
        pthread_barrier_wait(&all_of_them);
    }
    lw_port_close(&port);
    return NULL;
}

void wakes_phase(bool with_deaths) {
    dying = with_deaths;
    kinds[0] = new_slot(&(struct lw_made){.kind = LW_KIND_LOCK});
    kinds[1] = new_slot(&(struct lw_made){.kind = LW_KIND_PERMITS, .limit = 1, .initial = LW_PERMITS_STRICT});
    kinds[2] = new_slot(&(struct lw_made){
        .kind = LW_KIND_SEMAPHORE, .word = 1u << LW_SEMAPHORE_SHIFT, .limit = 1, .initial = 1});
    rwlock = new_slot(&(struct lw_made){.kind = LW_KIND_RWLOCK});
    for (int i = 0; i < QUIET; i++) quiet_ones[i] = new_slot(&(struct lw_made){.kind = LW_KIND_EVENT});
    CHECK(pthread_barrier_init(&all_of_them, NULL, ROLES) == 0);
    run_all(wakes_body);
    pthread_barrier_destroy(&all_of_them);
    CHECK(lw_tasks_threads() == 0);
    for (int i = 0; i < KINDS; i++) drop_slot(kinds[i]);
    for (int i = 0; i < QUIET; i++) drop_slot(quiet_ones[i]);
    drop_slot(rwlock);
}
