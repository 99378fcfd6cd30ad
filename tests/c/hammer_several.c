/* Threads wait for many things at once, while others acquire and release them: see hammer.c. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>

#include "hammer.h"
#include "lw_event.h"
#include "lw_latch.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "permits.h"
#include "lw_semaphore.h"
#include "lw_several.h"

#define LOCKS 150 /* more than one futex_waitv takes */
#define SEMAPHORES 20
#define PERMITS 20
#define EVENTS 10
#define ITEMS (LOCKS + SEMAPHORES + PERMITS + EVENTS + 1)
#define FEW 12
#define LISTENERS 4
#define MOVES 150
#define MORTALS 20

static struct lw_slot *all[ITEMS]; /* the last one: a Latch that ends it */
static struct lw_slot *some[FEW];  /* fits into one system call */
static int pipes[2];
static _Atomic unsigned long seen[THREADS];
static _Atomic bool over;
static bool with_mortals;

static struct lw_slot *end_of(void) { return all[ITEMS - 1]; }

/* At once or not at all. */
static bool try_it(struct worker *self, struct lw_slot *slot) {
    struct lw_lock_wait lock_wait = {.deadline_ns = 0};
    struct lw_semaphore_wait semaphore_wait = {.deadline_ns = 0};
    struct lw_queue_wait wait = {.deadline_ns = 0};
    enum lw_acquired acquired;
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_LOCK:
        acquired = lw_lock_acquire_slow(&self->arena, slot, &lock_wait);
        return acquired == LW_ACQUIRED || acquired == LW_ABANDONED;
    case LW_KIND_SEMAPHORE:
        return lw_semaphore_acquire(slot, &semaphore_wait) == LW_TAKEN;
    case LW_KIND_PERMITS:
        return permit_slow(&self->arena, slot, &wait) == LW_QUEUE_GRANTED;
    default:
        return false;
    }
}

static bool get_it(struct worker *self, struct lw_slot *slot, int64_t deadline_ns) {
    struct lw_lock_wait lock_wait = {.deadline_ns = deadline_ns};
    struct lw_semaphore_wait semaphore_wait = {.deadline_ns = deadline_ns};
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    enum lw_acquired acquired;
    enum lw_taken taken;
    enum lw_queued queued;
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_LOCK:
        while ((acquired = lw_lock_acquire_slow(&self->arena, slot, &lock_wait)) == LW_SIGNAL) {
        }
        return acquired != LW_TIMEOUT;
    case LW_KIND_SEMAPHORE:
        while ((taken = lw_semaphore_acquire(slot, &semaphore_wait)) == LW_TAKEN_SIGNAL) {
        }
        return taken == LW_TAKEN;
    case LW_KIND_PERMITS:
        while ((queued = permit_slow(&self->arena, slot, &wait)) == LW_QUEUE_SIGNAL) {
        }
        return queued == LW_QUEUE_GRANTED;
    default:
        lw_event_clear(slot);
        return true;
    }
}

static void give_back(struct worker *self, struct lw_slot *slot) {
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_LOCK:
        CHECK(lw_lock_release_slow(slot, false));
        break;
    case LW_KIND_SEMAPHORE:
        lw_semaphore_release(slot, 1); /* beyond the bound if a dead one's was replaced meanwhile */
        break;
    case LW_KIND_PERMITS:
        CHECK(permits_back(&self->arena, slot, 1));
        break;
    default:
        lw_event_set(slot);
    }
}

/* Whatever is ready it takes and gives back. */
static void *listener_body(struct worker *self, struct lw_slot **slots, unsigned count, bool with_files) {
    struct lw_several_item items[ITEMS];
    struct pollfd file = {.fd = pipes[0], .events = POLLIN};
    while (lw_latch_count(end_of()) > 0) {
        memset(items, 0, sizeof items);
        for (unsigned i = 0; i < count; i++) {
            items[i].arena = &self->arena;
            items[i].slot = slots[i];
        }
        struct lw_several several = {.items = items, .count = count, .files = &file, .files_count = with_files,
                                     .deadline_ns = draw(self, 8) == 0 ? soon(self, 2000) : LW_FOREVER};
        lw_several_begin(&several);
        bool ready = lw_several_look(&several);
        for (int sleeps = 0; !ready; sleeps++) {
            CHECK(sleeps < 20000); /* else it does not sleep */
            enum lw_several_end end = lw_several_wait(&several);
            CHECK(end != LW_SEVERAL_NO_ROOM);
            if (end == LW_SEVERAL_TIMEOUT) CHECK(lw_now_ns() >= several.deadline_ns);
            ready = end == LW_SEVERAL_READY;
            if (end == LW_SEVERAL_TIMEOUT || (end == LW_SEVERAL_SIGNAL && draw(self, 16) == 0)) break;
        }
        lw_several_hide(&several);
        if (ready) atomic_fetch_add(&seen[self->number], 1);
        for (unsigned i = 0; ready && i < count; i++)
            if (items[i].ready && try_it(self, slots[i])) give_back(self, slots[i]);
    }
    return NULL;
}

static void *holder_mortal(void *argument) {
    struct worker *self = argument;
    become_mortal(self);
    uint32_t at = draw(self, LOCKS + PERMITS);
    struct lw_slot *slot = all[at < LOCKS ? at : at + SEMAPHORES];
    if (draw(self, 2)) slot = some[draw(self, FEW) & ~1u];
    get_it(self, slot, soon(self, 20000));
    return NULL;
}

/* Competes for what is slept on. */
static void *acquirer_body(struct worker *self) {
    for (int deaths = 0; !atomic_load(&over);) {
        if (with_mortals && deaths < MORTALS && draw(self, 16) == 0) {
            struct worker mortal = {.random = self->random + 99};
            CHECK(dies(&mortal, holder_mortal));
            deaths++;
        }
        struct lw_slot *slot = draw(self, 2) ? some[draw(self, FEW)] : all[draw(self, ITEMS - 1 - EVENTS)];
        if (get_it(self, slot, soon(self, 1000))) give_back(self, slot);
    }
    return NULL;
}

/* Until each of the listeners has been woken by what was just done. */
static void wait_for_all(unsigned long before[THREADS], int from, int to) {
    for (int i = from; i < to; i++)
        while (atomic_load(&seen[i]) == before[i]) nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static void *mover_body(struct worker *self) {
    for (int i = 0; i < ITEMS - 1 - EVENTS; i++) get_it(self, all[i], LW_FOREVER);
    for (int i = 0; i < FEW; i++) get_it(self, some[i], LW_FOREVER);
    for (int i = 0; i < MOVES; i++) {
        unsigned long before[THREADS];
        bool few = draw(self, 2);
        bool file = !few && draw(self, 8) == 0;
        struct lw_slot *slot = few ? some[draw(self, FEW)] : all[draw(self, ITEMS - 1)];
        nap(self, 300);
        for (int n = 0; n < THREADS; n++) before[n] = atomic_load(&seen[n]);
        char byte = 0;
        if (file)
            CHECK(write(pipes[1], &byte, 1) == 1);
        else
            give_back(self, slot);
        if (few)
            wait_for_all(before, LISTENERS / 2, LISTENERS);
        else
            wait_for_all(before, 0, file ? 1 : LISTENERS / 2);
        if (file)
            CHECK(read(pipes[0], &byte, 1) == 1);
        else
            get_it(self, slot, LW_FOREVER);
    }
    atomic_store(&over, true);
    lw_latch_count_down(end_of(), 1);
    return NULL;
}

/* 0, 1: wait for all, and the first for a file as well; 2, 3: for a few; then acquirers, one mover. */
static void *several_body(void *argument) {
    struct worker *self = argument;
    if (self->number < LISTENERS / 2) return listener_body(self, all, ITEMS, self->number == 0);
    if (self->number < LISTENERS) {
        struct lw_slot *slots[FEW + 1];
        memcpy(slots, some, sizeof some);
        slots[FEW] = end_of();
        return listener_body(self, slots, FEW + 1, false);
    }
    return self->number == LISTENERS ? mover_body(self) : acquirer_body(self);
}

static struct lw_slot *new_item(int i) {
    struct lw_made made = {.kind = LW_KIND_EVENT};
    if (i < LOCKS)
        made.kind = LW_KIND_LOCK;
    else if (i < LOCKS + SEMAPHORES)
        made = (struct lw_made){.kind = LW_KIND_SEMAPHORE, .word = 1u << LW_SEMAPHORE_SHIFT, .limit = 1, .initial = 1};
    else if (i < LOCKS + SEMAPHORES + PERMITS)
        made = (struct lw_made){.kind = LW_KIND_PERMITS, .limit = 1};
    return new_slot(&made);
}

static unsigned open_files(void) {
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* ---- One that waits, and a holder that comes later, and dies ---- */

static struct lw_slot *permit;
static _Atomic bool queued_up;

static void *lone_body(void *argument) {
    struct worker *self = argument;
    struct lw_several_item item = {.arena = &self->arena, .slot = permit};
    struct lw_several several = {.items = &item, .count = 1, .deadline_ns = LW_FOREVER};
    lw_several_begin(&several);
    while (lw_several_wait(&several) != LW_SEVERAL_READY) {
    }
    lw_several_hide(&several);
    return NULL;
}

static void *late_mortal(void *argument) {
    struct worker *self = argument;
    become_mortal(self);
    atomic_store(&queued_up, true);
    CHECK(get_it(self, permit, LW_FOREVER));
    return NULL;
}

static void late_holder(void) {
    struct lw_queue_wait wait = {.deadline_ns = 0};
    struct timespec while_they_fall_asleep = {.tv_nsec = 10000000};
    struct worker mortal = {.random = 1};
    permit = new_slot(&(struct lw_made){.kind = LW_KIND_PERMITS, .limit = 1});
    CHECK(permit_slow(&shared, permit, &wait) == LW_QUEUE_GRANTED);
    atomic_store(&queued_up, false);
    start(&workers[0], lone_body);
    nanosleep(&while_they_fall_asleep, NULL);
    CHECK(pthread_create(&mortal.thread, NULL, late_mortal, &mortal) == 0);
    while (!atomic_load(&queued_up)) nanosleep(&while_they_fall_asleep, NULL);
    nanosleep(&while_they_fall_asleep, NULL);
    CHECK(permits_back(&shared, permit, 1));
    CHECK(pthread_join(mortal.thread, NULL) == 0 && pthread_join(workers[0].thread, NULL) == 0);
    drop_slot(permit);
}

void several_phase(bool with_deaths) {
    if (with_deaths) late_holder();
    with_mortals = with_deaths;
    for (int i = 0; i < ITEMS - 1; i++) all[i] = new_item(i);
    all[ITEMS - 1] = new_slot(&(struct lw_made){.kind = LW_KIND_LATCH, .word = 1u << LW_LATCH_SHIFT, .limit = 1});
    for (int i = 0; i < FEW; i++) some[i] = new_item(i % 2 == 0 ? (i % 4 ? 0 : LOCKS + SEMAPHORES) : LOCKS);
    CHECK(pipe(pipes) == 0);
    unsigned files = open_files();
    atomic_store(&over, false);
    for (int i = 0; i < THREADS; i++) atomic_store(&seen[i], 0);
    run_all(several_body);
    CHECK(open_files() == files);
    close(pipes[0]);
    close(pipes[1]);
    for (int i = 0; i < ITEMS; i++) drop_slot(all[i]);
    for (int i = 0; i < FEW; i++) drop_slot(some[i]);
}
