/* Threads hammer what is made of cells, Semaphore and Latch: see hammer.c. */
#define _GNU_SOURCE
#include <sched.h>

#include "hammer.h"
#include "lw_barrier.h"
#include "lw_condition.h"
#include "lw_latch.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "permits.h"
#include "lw_rlock.h"
#include "lw_rwlock.h"
#include "lw_semaphore.h"

#define ROUNDS 1500
#define MORTALS 40
#define ITEMS 1500
#define BARRIER_ROUNDS 300
#define LATCHES 120
#define PARTIES 3

static struct lw_slot *slot;
static unsigned long first, second; /* plain: guarded by the primitive */
static _Atomic int inside;
static bool mortals;

static void change_guarded(struct worker *self) {
    CHECK(first == second);
    first++;
    if (draw(self, 64) == 0) sched_yield();
    if (draw(self, 256) == 0) nap(self, 50);
    second++;
    CHECK(first == second);
}

/* One of the threads spends its time in others' deaths. */
static void kill_some(struct worker *self, void *(*mortal_body)(void *)) {
    for (int i = 0; i < MORTALS; i++) {
        struct worker mortal = {.random = self->random + 77u * (uint64_t)i};
        CHECK(dies(&mortal, mortal_body));
        nap(self, 500);
    }
}

static bool is_killer(const struct worker *self) { return mortals && self->number == 0; }

/* ---- Permits ---- */

static int limit;

static enum lw_queued take_permit(struct worker *self, int64_t deadline_ns, bool may_die) {
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    if (draw(self, 4) && permit_fast(&self->arena, slot)) return LW_QUEUE_GRANTED;
    for (;;) {
        enum lw_queued queued = permit_slow(&self->arena, slot, &wait);
        if (queued != LW_QUEUE_SIGNAL) return queued;
        if (may_die) return LW_QUEUE_SIGNAL;
        if (deadline_ns == LW_FOREVER || draw(self, 2) == 0) continue;
        lw_permits_give_up(&self->arena, slot, &wait);
        return LW_QUEUE_TIMEOUT;
    }
}

static void give_permits(struct worker *self, uint32_t count) {
    if (draw(self, 4))
        CHECK(permits_back(&self->arena, slot, count));
    else
        CHECK(lw_permits_release(&self->arena, slot, count, NULL));
}

static void *permits_mortal(void *argument) {
    struct worker *self = argument;
    bool holds = false;
    become_mortal(self);
    for (uint32_t n = draw(self, 3); n > 0; n--) {
        if (take_permit(self, soon(self, 3000), false) != LW_QUEUE_GRANTED) continue;
        CHECK(atomic_fetch_add(&inside, 1) < limit);
        atomic_fetch_sub(&inside, 1);
        if (draw(self, 2))
            give_permits(self, 1);
        else
            holds = true;
    }
    /* Dies with what it has by now, or while it waits. */
    take_permit(self, holds || draw(self, 2) ? soon(self, 500) : LW_FOREVER, true);
    return NULL;
}

static void *permits_body(void *argument) {
    struct worker *self = argument;
    if (is_killer(self)) kill_some(self, permits_mortal);
    for (int i = 0; i < ROUNDS; i++) {
        if (take_permit(self, patience(self), false) != LW_QUEUE_GRANTED) continue;
        uint32_t mine = 1;
        CHECK(atomic_fetch_add(&inside, 1) < limit);
        if (limit == 1) change_guarded(self);
        if (draw(self, 4) == 0 && take_permit(self, soon(self, 200), false) == LW_QUEUE_GRANTED) {
            CHECK(atomic_fetch_add(&inside, 1) < limit);
            mine++;
        }
        if (draw(self, 32) == 0) nap(self, 50);
        atomic_fetch_sub(&inside, (int)mine);
        give_permits(self, mine);
        self->took++;
    }
    return NULL;
}

static void permits_phase(int permits, bool strict) {
    slot = new_slot(&(struct lw_made){
        .kind = LW_KIND_PERMITS, .limit = (uint32_t)permits, .initial = strict ? LW_PERMITS_STRICT : 0});
    limit = permits;
    first = second = 0;
    run_all(permits_body);
    CHECK(first == second && atomic_load(&inside) == 0);
    struct lw_queue_wait wait = {.deadline_ns = 0};
    lw_queue_settle(&shared, slot, &lw_permits_queue, &wait);
    CHECK(lw_permits_available(&shared, slot) == (uint32_t)permits);
    CHECK(!strict || !lw_permits_release(&shared, slot, 1, NULL));
    drop_slot(slot);
}

/* ---- RWLock ---- */

static enum lw_queued get_rwlock(struct worker *self, struct lw_cell **hint, bool write, int64_t deadline_ns, bool may_die) {
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    if (!write && lw_rwlock_read_fast(&self->arena, slot, *hint)) return LW_QUEUE_GRANTED;
    if (write && draw(self, 2) && lw_rwlock_write_fast(&self->arena, slot, NULL)) return LW_QUEUE_GRANTED;
    for (;;) {
        enum lw_queued queued = write ? lw_rwlock_write(&self->arena, slot, &wait) : lw_rwlock_read(&self->arena, slot, &wait, hint);
        if (queued != LW_QUEUE_SIGNAL) return queued;
        if (may_die) return LW_QUEUE_SIGNAL;
        if (deadline_ns == LW_FOREVER || draw(self, 2) == 0) continue;
        lw_rwlock_give_up(&self->arena, slot, &wait);
        return LW_QUEUE_TIMEOUT;
    }
}

static void release_read(struct worker *self, struct lw_cell *hint) {
    bool settle;
    bool released = lw_rwlock_release_read(&self->arena, slot, hint, &settle);
    CHECK(released || settle);
    if (settle) lw_queue_settle(&self->arena, slot, &lw_rwlock_queue, NULL);
}

static void release_write(struct worker *self) {
    enum lw_rwlock_released released = lw_rwlock_release_write(&self->arena, slot, draw(self, 2) == 0);
    if (released == LW_RWLOCK_BUSY) released = lw_rwlock_release_write(&self->arena, slot, true);
    CHECK(released == LW_RWLOCK_RELEASED);
}

static void *rwlock_mortal(void *argument) {
    struct worker *self = argument;
    struct lw_cell *hint = NULL;
    become_mortal(self);
    bool holds = get_rwlock(self, &hint, false, soon(self, 3000), false) == LW_QUEUE_GRANTED;
    if (holds && draw(self, 2)) {
        release_read(self, hint);
        holds = false;
    }
    get_rwlock(self, &hint, draw(self, 2), holds || draw(self, 2) ? soon(self, 500) : LW_FOREVER, true);
    return NULL;
}

static void *rwlock_body(void *argument) {
    struct worker *self = argument;
    struct lw_cell *hint = NULL;
    if (is_killer(self)) kill_some(self, rwlock_mortal);
    for (int i = 0; i < ROUNDS; i++) {
        bool write = draw(self, 8) == 0;
        if (get_rwlock(self, &hint, write, patience(self), false) != LW_QUEUE_GRANTED) continue;
        if (write) {
            CHECK(lw_rwlock_writer(&self->arena, slot) == self->arena.self_id);
            change_guarded(self);
            release_write(self);
        } else {
            CHECK(lw_rwlock_readers(&self->arena, slot) > 0);
            unsigned long seen = first;
            if (draw(self, 64) == 0) sched_yield();
            CHECK(seen == second);
            release_read(self, hint);
        }
        self->took++;
    }
    return NULL;
}

static void rwlock_phase(void) {
    slot = new_slot(&(struct lw_made){.kind = LW_KIND_RWLOCK});
    first = second = 0;
    run_all(rwlock_body);
    CHECK(first == second);
    lw_queue_settle(&shared, slot, &lw_rwlock_queue, NULL);
    CHECK(lw_rwlock_readers(&shared, slot) == 0 && lw_rwlock_writer(&shared, slot) == 0);
    CHECK(lw_rwlock_write_fast(&shared, slot, NULL));
    CHECK(lw_rwlock_release_write(&shared, slot, true) == LW_RWLOCK_RELEASED);
    CHECK(lw_rwlock_as_new(&shared, slot) && lw_load_seq(&slot->gate) == 0);
    drop_slot(slot);
}

/* ---- Condition ---- */

static struct lw_slot *lock, *not_empty, *not_full;
static unsigned long stored, produced, consumed; /* plain: guarded by the lock */
#define CAPACITY 3

static void get_lock(struct worker *self) {
    struct lw_lock_wait wait = {.deadline_ns = LW_FOREVER};
    if (lw_lock_try(lock, self->arena.self_id)) return;
    while (lw_lock_acquire_slow(&self->arena, lock, &wait) == LW_SIGNAL) {
    }
}

static void free_lock(struct worker *self) {
    if (!lw_lock_release_fast(lock, self->arena.self_id)) CHECK(lw_lock_release_slow(lock, false));
}

/* As the binding does it. False: it dies. */
static bool wait_on(struct worker *self, struct lw_slot *condition, bool may_die) {
    /* One that is to die has an end: in a quiet phase nothing else would end its wait, if all others are done. */
    bool hurried = may_die || draw(self, 4) == 0;
    struct lw_queue_wait wait = {.deadline_ns = hurried ? soon(self, may_die ? 3000 : 500) : LW_FOREVER};
    CHECK(lw_condition_join(&self->arena, condition, &wait) == LW_QUEUE_GRANTED);
    CHECK(lw_condition_waiting(condition) > 0);
    free_lock(self);
    bool interrupted = false;
    for (;;) {
        enum lw_queued queued = lw_queue_sleep(&self->arena, condition, &lw_condition_queue, &wait,
                                               lw_condition_step, NULL);
        if (queued == LW_QUEUE_GRANTED) break;
        if (queued == LW_QUEUE_TIMEOUT) {
            lw_condition_leave(&self->arena, condition, &wait);
            break;
        }
        if (may_die) return false;
        interrupted = draw(self, 2) == 0;
        if (interrupted) break;
    }
    get_lock(self);
    if (interrupted && wait.cell)
        lw_condition_give_up(&self->arena, condition, &wait);
    else
        lw_condition_done(&wait);
    return true;
}

static void *condition_mortal(void *argument) {
    struct worker *self = argument;
    struct lw_slot *condition = draw(self, 2) ? not_full : not_empty;
    become_mortal(self);
    get_lock(self);
    if (!wait_on(self, condition, true)) return NULL;
    /* It came back, so what it was notified of is its own to pass on; then it dies with the lock. */
    lw_condition_notify(&self->arena, condition, 1);
    return NULL;
}

static void *condition_body(void *argument) {
    struct worker *self = argument;
    if (is_killer(self)) {
        kill_some(self, condition_mortal);
        return NULL;
    }
    bool producer = self->number % 2;
    for (int i = 0; i < ITEMS; i++) {
        get_lock(self);
        unsigned long *done = producer ? &produced : &consumed;
        while (producer ? stored == CAPACITY : stored == 0 && consumed < 4ul * ITEMS)
            wait_on(self, producer ? not_full : not_empty, false);
        if (!producer && stored == 0) {
            free_lock(self);
            break;
        }
        stored += producer ? 1 : -1ul;
        ++*done;
        lw_condition_notify(&self->arena, producer ? not_empty : not_full, 1);
        if (*done == 4ul * ITEMS) lw_condition_notify(&self->arena, not_empty, UINT32_MAX);
        free_lock(self);
        /* With a killer there is one consumer less: each takes more. */
        if (!producer) i = -1;
        self->took++;
    }
    return NULL;
}

static void condition_phase(void) {
    lock = new_slot(&(struct lw_made){.kind = LW_KIND_LOCK});
    not_empty = new_slot(&(struct lw_made){.kind = LW_KIND_CONDITION});
    not_full = new_slot(&(struct lw_made){.kind = LW_KIND_CONDITION});
    stored = produced = consumed = 0;
    run_all(condition_body);
    CHECK(produced == 4ul * ITEMS && consumed == produced && stored == 0);
    lw_queue_settle(&shared, not_empty, &lw_condition_queue, NULL);
    lw_queue_settle(&shared, not_full, &lw_condition_queue, NULL);
    CHECK(lw_condition_waiting(not_empty) == 0 && lw_condition_waiting(not_full) == 0);
    drop_slot(not_empty);
    drop_slot(not_full);
    drop_slot(lock);
}

/* ---- Barrier ---- */

static unsigned long handed[2][THREADS]; /* plain: written before a round, read after it */
static uint8_t outcomes[BARRIER_ROUNDS][THREADS];
static pthread_barrier_t after_failure;

/* With `may_leave`: it gives up and comes again, perhaps after a round that had ended well meanwhile. */
static enum lw_barred arrive(struct worker *self, int64_t deadline_ns, bool may_leave) {
    struct lw_barrier_wait wait = {.deadline_ns = deadline_ns};
    for (;;) {
        enum lw_barred barred = lw_barrier_wait(&self->arena, slot, &wait, true);
        if (barred == LW_BARRIER_RUN) {
            CHECK(wait.index < lw_load_relaxed(&slot->limit));
            CHECK(atomic_fetch_add(&inside, 1) == 0);
            first++;
            if (draw(self, 8) == 0) nap(self, 300);
            second++;
            atomic_fetch_sub(&inside, 1);
            return lw_barrier_end(&self->arena, slot, &wait, true) ? LW_BARRIER_PASSED : LW_BARRIER_IS_BROKEN;
        }
        CHECK(barred != LW_BARRIER_NO_ROOM);
        if (barred == LW_BARRIER_PASSED) CHECK(wait.index < lw_load_relaxed(&slot->limit));
        if (barred != LW_BARRIER_SIGNAL) return barred;
        if (may_leave && draw(self, 4) == 0) lw_barrier_give_up(&self->arena, slot, &wait);
    }
}

static void *barrier_body(void *argument) {
    struct worker *self = argument;
    for (unsigned long round = 0; round < BARRIER_ROUNDS; round++) {
        handed[round % 2][self->number] = round;
        if (draw(self, 300) == 0) lw_barrier_abort(&self->arena, slot);
        enum lw_barred barred = arrive(self, draw(self, 200) == 0 ? soon(self, 100) : LW_FOREVER, false);
        bool passed = barred == LW_BARRIER_PASSED;
        outcomes[round][self->number] = passed;
        if (!passed) {
            pthread_barrier_wait(&after_failure);
            if (self->number == 0) lw_barrier_reset(&self->arena, slot);
            pthread_barrier_wait(&after_failure);
            continue;
        }
        for (int i = 0; i < THREADS; i++) CHECK(handed[round % 2][i] == round);
        CHECK(first == second);
        self->took++; /* nobody writes there again before all have been through the next one */
    }
    return NULL;
}

/* More comers than parties. */
static void *crowd_body(void *argument) {
    struct worker *self = argument;
    for (int i = 0; self->number != 0 || i < BARRIER_ROUNDS; i++) {
        enum lw_barred barred = arrive(self, LW_FOREVER, true);
        if (barred != LW_BARRIER_PASSED) return NULL;
        self->took++;
    }
    lw_barrier_abort(&self->arena, slot);
    return NULL;
}

static void barrier_phase(void) {
    slot = new_slot(&(struct lw_made){.kind = LW_KIND_BARRIER, .limit = THREADS});
    CHECK(pthread_barrier_init(&after_failure, NULL, THREADS) == 0);
    first = second = 0;
    run_all(barrier_body);
    for (int round = 0; round < BARRIER_ROUNDS; round++)
        for (int i = 1; i < THREADS; i++) CHECK(outcomes[round][i] == outcomes[round][0]);
    CHECK(lw_barrier_waiting(&shared, slot) == 0);
    drop_slot(slot);
    slot = new_slot(&(struct lw_made){.kind = LW_KIND_BARRIER, .limit = PARTIES});
    first = second = 0;
    run_all(crowd_body);
    unsigned long passed = 0;
    for (int i = 0; i < THREADS; i++) passed += workers[i].took;
    CHECK(passed <= PARTIES * first && first <= passed);
    drop_slot(slot);
}

/* ---- Semaphore ---- */

static struct lw_slot *room, *items, *mutex;
static unsigned long buffer[CAPACITY], head, tail; /* plain */
static _Atomic long to_take; /* below nothing, if several take the last ones */

static bool take(struct worker *self, struct lw_slot *semaphore, int64_t deadline_ns) {
    struct lw_semaphore_wait wait = {.deadline_ns = deadline_ns};
    if (draw(self, 2) && lw_semaphore_try(semaphore)) return true;
    for (;;) {
        enum lw_taken taken = lw_semaphore_acquire(semaphore, &wait);
        if (taken != LW_TAKEN_SIGNAL) return taken == LW_TAKEN;
        if (deadline_ns == LW_FOREVER || draw(self, 2)) continue;
        lw_semaphore_give_up(semaphore, &wait);
        return false;
    }
}

static void take_surely(struct worker *self, struct lw_slot *semaphore) {
    while (!take(self, semaphore, patience(self))) {
    }
}

static void *semaphore_body(void *argument) {
    struct worker *self = argument;
    bool producer = self->number % 2;
    for (int i = 0; i < ITEMS; i++) {
        take_surely(self, producer ? room : items);
        take_surely(self, mutex);
        if (producer) {
            buffer[head % CAPACITY] = head + 1;
            head++;
        } else {
            CHECK(buffer[tail % CAPACITY] == tail + 1);
            tail++;
        }
        CHECK(lw_semaphore_release(mutex, 1));
        CHECK(lw_semaphore_release(producer ? items : room, 1));
    }
    return NULL;
}

/* Several at once: two may wake one only. */
static void *many_body(void *argument) {
    struct worker *self = argument;
    if (self->number == 0) {
        while (atomic_load(&to_take) > 0) {
            lw_semaphore_release(items, 1 + draw(self, 3));
            if (draw(self, 4) == 0) nap(self, 50);
            if (lw_semaphore_value(items) > 64) sched_yield();
        }
        lw_semaphore_release(items, THREADS);
        return NULL;
    }
    while (atomic_load(&to_take) > 0)
        if (take(self, items, patience(self)) && atomic_load(&to_take) > 0) atomic_fetch_sub(&to_take, 1);
    return NULL;
}

static struct lw_slot *new_semaphore(uint32_t value, uint32_t bound) {
    return new_slot(&(struct lw_made){
        .kind = LW_KIND_SEMAPHORE, .word = value << LW_SEMAPHORE_SHIFT, .limit = bound, .initial = value});
}

static void semaphore_phase(void) {
    room = new_semaphore(CAPACITY, CAPACITY);
    items = new_semaphore(0, CAPACITY);
    mutex = new_semaphore(1, 1);
    head = tail = 0;
    run_all(semaphore_body);
    CHECK(head == tail && head == (THREADS / 2) * (unsigned long)ITEMS);
    CHECK(lw_semaphore_value(room) == CAPACITY && lw_semaphore_value(items) == 0);
    drop_slot(items);
    items = new_semaphore(0, LW_SEMAPHORE_MAX);
    atomic_store(&to_take, 4l * ITEMS);
    run_all(many_body);
    drop_slot(room);
    drop_slot(items);
    drop_slot(mutex);
}

/* ---- Latch ---- */

static struct lw_slot *latches[LATCHES];
static unsigned long shares[LATCHES][THREADS]; /* plain: written before counting down, read after the wait */

static void *latch_body(void *argument) {
    struct worker *self = argument;
    for (int i = 0; i < LATCHES; i++) {
        shares[i][self->number] = (unsigned long)i + 1;
        if (draw(self, 4) == 0) nap(self, 100);
        lw_latch_count_down(latches[i], 1);
        struct lw_latch_wait wait = {.deadline_ns = patience(self)};
        enum lw_latched latched;
        while ((latched = lw_latch_wait(latches[i], &wait)) != LW_LATCH_OPEN)
            if (latched == LW_LATCH_TIMEOUT) wait.deadline_ns = LW_FOREVER;
        for (int n = 0; n < THREADS; n++) CHECK(shares[i][n] == (unsigned long)i + 1);
    }
    return NULL;
}

static void latch_phase(void) {
    memset(shares, 0, sizeof shares);
    for (int i = 0; i < LATCHES; i++)
        latches[i] = new_slot(&(struct lw_made){.kind = LW_KIND_LATCH, .word = THREADS << LW_LATCH_SHIFT, .limit = THREADS});
    run_all(latch_body);
    for (int i = 0; i < LATCHES; i++) drop_slot(latches[i]);
}

/* ---- RLock ---- */

static void *rlock_body(void *argument) {
    struct worker *self = argument;
    uint32_t id = self->arena.self_id;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(!lw_rlock_is_mine(lock, id));
        get_lock(self);
        lw_rlock_begin(lock, id, lw_thread_id(), 1);
        if (draw(self, 2)) lw_store_relaxed(&lock->depth, 2);
        CHECK(lw_rlock_is_mine(lock, id));
        change_guarded(self);
        uint32_t depth = lw_rlock_end(lock);
        CHECK(depth == 1 || depth == 2);
        free_lock(self);
    }
    return NULL;
}

static void rlock_phase(void) {
    lock = new_slot(&(struct lw_made){.kind = LW_KIND_RLOCK});
    first = second = 0;
    run_all(rlock_body);
    CHECK(first == THREADS * (unsigned long)ROUNDS);
    drop_slot(lock);
}

void family_phase(bool with_deaths) {
    mortals = with_deaths;
    permits_phase(1, true);
    permits_phase(3, false);
    rwlock_phase();
    condition_phase();
    if (with_deaths) return;
    barrier_phase();
    semaphore_phase();
    latch_phase();
    rlock_phase();
}
