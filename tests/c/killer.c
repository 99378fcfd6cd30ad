/* Processes hammer the core while one after the other of them is killed, at any instruction.
 *
 * What each has is written into a page beside the arena, by member id, after it was acquired and until just
 * before it is released: nobody may find a living one there. The kernel marks a member as dead before
 * anybody gets what it had, so one that is found there and lives is a broken law. Whoever is stuck for STUCK_S is
 * ended by its alarm, which is another.
 *
 *     killer [seconds [seed]] */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lw_barrier.h"
#include "lw_condition.h"
#include "lw_event.h"
#include "lw_latch.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "permits.h"
#include "lw_rwlock.h"
#include "lw_semaphore.h"
#include "lw_several.h"
#include "lw_slot.h"

#include "killer.h" /* last: its names are those of parameters elsewhere */

struct lw_arena arena;
struct page *page;
struct lw_slot *lock, *permits, *strict, *rwlock, *condition, *barrier, *semaphore, *event;
int self_number;
static uint64_t state;

_Noreturn void breach(const char *law, const char *file, int line) {
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, law);
    _exit(1);
}

uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static int64_t patience(void) { return draw(3) ? lw_now_ns() + 1000 * (int64_t)draw(5000) : LW_FOREVER; }

void work(void) {
    if (draw(4) == 0) sched_yield();
    if (draw(16) == 0) nanosleep(&(struct timespec){.tv_nsec = 1000 * (long)draw(500)}, NULL);
}

void come_in(_Atomic uint32_t *place) {
    uint32_t before = atomic_exchange(place, arena.self_id);
    CHECK(before == 0 || !lw_member_alive(&arena, before));
}

void go_out(_Atomic uint32_t *place) { CHECK(atomic_exchange(place, 0) == arena.self_id); }

static bool get_lock(int64_t deadline_ns) {
    struct lw_lock_wait wait = {.deadline_ns = deadline_ns};
    enum lw_acquired acquired;
    while ((acquired = lw_lock_acquire_slow(&arena, lock, &wait)) == LW_SIGNAL) {
    }
    if (acquired == LW_TIMEOUT) return false;
    come_in(&page->owner);
    return true;
}

void free_lock(void) {
    go_out(&page->owner);
    CHECK(lw_lock_release_slow(lock, false));
}

static void use_lock(void) {
    if (!get_lock(patience())) return;
    work();
    free_lock();
}

static bool get_permit(struct lw_slot *slot) {
    struct lw_queue_wait wait = {.deadline_ns = patience()};
    if (draw(4) && permit_fast(&arena, slot)) return true;
    enum lw_queued queued;
    while ((queued = permit_slow(&arena, slot, &wait)) == LW_QUEUE_SIGNAL) {
        if (draw(4) != 0) continue;
        lw_permits_give_up(&arena, slot, &wait);
        return false;
    }
    CHECK(queued != LW_QUEUE_NO_ROOM);
    return queued == LW_QUEUE_GRANTED;
}

_Atomic uint32_t *take_a_desk(void) {
    uint32_t at = 0;
    for (unsigned looks = 0;; looks++, at = looks % PERMITS) {
        uint32_t before = atomic_load(&page->desks[at]);
        if ((before == 0 || !lw_member_alive(&arena, before)) &&
            atomic_compare_exchange_strong(&page->desks[at], &before, arena.self_id))
            return &page->desks[at];
        CHECK(looks < 1000000); /* more of the living than permits */
    }
}

static void use_permits(void) {
    if (!get_permit(permits)) return;
    _Atomic uint32_t *desk = take_a_desk();
    work();
    go_out(desk);
    CHECK(permits_back(&arena, permits, 1));
}

static void use_strict(void) {
    if (!get_permit(strict)) return;
    come_in(&page->alone);
    work();
    go_out(&page->alone);
    CHECK(permits_back(&arena, strict, 1));
}

static struct lw_cell *hint;

static void use_rwlock(void) {
    bool write = draw(4) == 0;
    struct lw_queue_wait wait = {.deadline_ns = patience()};
    bool got = write ? draw(2) && lw_rwlock_write_fast(&arena, rwlock, NULL) : lw_rwlock_read_fast(&arena, rwlock, hint);
    while (!got) {
        enum lw_queued queued =
            write ? lw_rwlock_write(&arena, rwlock, &wait) : lw_rwlock_read(&arena, rwlock, &wait, &hint);
        CHECK(queued != LW_QUEUE_NO_ROOM);
        if (queued == LW_QUEUE_TIMEOUT) return;
        got = queued == LW_QUEUE_GRANTED;
    }
    if (write) {
        come_in(&page->writer);
        for (int i = 0; i < CHILDREN; i++) {
            uint32_t reader = atomic_load(&page->reading[i]);
            CHECK(reader == 0 || !lw_member_alive(&arena, reader));
        }
        work();
        go_out(&page->writer);
        CHECK(lw_rwlock_release_write(&arena, rwlock, true) == LW_RWLOCK_RELEASED);
        return;
    }
    atomic_store(&page->reading[self_number], arena.self_id);
    work();
    uint32_t writer = atomic_load(&page->writer);
    CHECK(writer == 0 || !lw_member_alive(&arena, writer));
    go_out(&page->reading[self_number]);
    bool settle;
    CHECK(lw_rwlock_release_read(&arena, rwlock, hint, &settle) || settle);
    if (settle) lw_queue_settle(&arena, rwlock, &lw_rwlock_queue, NULL);
}

static void use_condition(void) {
    struct lw_queue_wait wait = {.deadline_ns = draw(2) ? LW_FOREVER : lw_now_ns() + 1000 * (int64_t)draw(5000)};
    if (!get_lock(LW_FOREVER)) return;
    bool put = self_number % 2;
    if (put ? atomic_load(&page->stored) >= CAPACITY : atomic_load(&page->stored) == 0) {
        CHECK(lw_condition_join(&arena, condition, &wait) == LW_QUEUE_GRANTED);
        free_lock();
        enum lw_queued queued;
        while ((queued = lw_queue_sleep(&arena, condition, &lw_condition_queue, &wait, lw_condition_step, NULL)) ==
               LW_QUEUE_SIGNAL) {
            if (atomic_load(&page->stop)) queued = LW_QUEUE_TIMEOUT;
            if (queued == LW_QUEUE_TIMEOUT) break;
        }
        bool chosen = queued == LW_QUEUE_GRANTED;
        bool gives_up = draw(8) == 0;
        if (!chosen && !gives_up) lw_condition_leave(&arena, condition, &wait);
        get_lock(LW_FOREVER);
        if (gives_up && wait.cell)
            lw_condition_give_up(&arena, condition, &wait);
        else
            lw_condition_done(&wait);
    } else {
        atomic_fetch_add(&page->stored, put ? 1u : ~0u);
        lw_condition_notify(&arena, condition, UINT32_MAX);
    }
    free_lock();
}

static void use_barrier(void) {
    struct lw_barrier_wait wait = {.deadline_ns = lw_now_ns() + 1000 * (int64_t)(1000 + draw(20000))};
    enum lw_barred barred;
    while ((barred = lw_barrier_wait(&arena, barrier, &wait, true)) == LW_BARRIER_SIGNAL) {
        if (draw(4) != 0) continue;
        lw_barrier_give_up(&arena, barrier, &wait);
        return;
    }
    CHECK(barred != LW_BARRIER_NO_ROOM);
    if (barred == LW_BARRIER_RUN) {
        work();
        lw_barrier_end(&arena, barrier, &wait, draw(8) != 0);
    } else if (barred != LW_BARRIER_PASSED) {
        lw_barrier_reset(&arena, barrier);
    }
}

static void use_semaphore(void) {
    struct lw_semaphore_wait wait = {.deadline_ns = lw_now_ns() + 1000 * (int64_t)draw(3000)};
    enum lw_taken taken;
    while ((taken = lw_semaphore_acquire(semaphore, &wait)) == LW_TAKEN_SIGNAL) {
    }
    lw_semaphore_release(semaphore, 1); /* also if it was not had: for those that died with theirs */
    CHECK(lw_semaphore_value(semaphore) <= PERMITS);
}

static void use_several(void) {
    struct lw_slot *slots[] = {lock, permits, strict, semaphore, event};
    struct lw_several_item items[5] = {{0}};
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct pollfd file = {.fd = ends[0], .events = POLLIN};
    unsigned count = 1 + draw(5);
    for (unsigned i = 0; i < count; i++) items[i] = (struct lw_several_item){.arena = &arena, .slot = slots[i]};
    struct lw_several several = {.items = items, .count = count, .files = &file, .files_count = draw(4) == 0,
                                 .deadline_ns = lw_now_ns() + 1000 * (int64_t)draw(20000)};
    lw_several_begin(&several);
    bool ready = lw_several_look(&several);
    for (int sleeps = 0; !ready; sleeps++) {
        CHECK(sleeps < 20000);
        enum lw_several_end end = lw_several_wait(&several);
        if (end != LW_SEVERAL_SIGNAL) break;
    }
    lw_several_hide(&several);
    close(ends[0]);
    close(ends[1]);
    if (draw(8) == 0) lw_event_set(event);
    lw_event_clear(event);
}

/* Deaths in the arena's mutex, and in a guard while the chain grows. */
static void make_one(void) {
    uint32_t index;
    struct lw_made made = {.kind = draw(2) ? LW_KIND_PERMITS : LW_KIND_RWLOCK, .limit = 2};
    struct lw_queue_wait wait = {.deadline_ns = 0};
    struct lw_cell *cell;
    lw_arena_lock(&arena);
    CHECK(lw_slot_new(&arena, &made, &index) == LW_OK);
    lw_arena_unlock(&arena);
    struct lw_slot *slot = &arena.slots[index];
    if (made.kind == LW_KIND_PERMITS)
        CHECK(permit_slow(&arena, slot, &wait) == LW_QUEUE_GRANTED);
    else
        CHECK(lw_rwlock_read(&arena, slot, &wait, &cell) == LW_QUEUE_GRANTED);
    lw_arena_lock(&arena);
    lw_slot_drop(&arena, index, lw_load_relaxed(&arena.header->epoch));
    lw_arena_unlock(&arena);
}

static void (*const uses[])(void) = {use_lock,    use_permits,   use_strict,  use_rwlock, use_condition,
                                     use_barrier, use_semaphore, use_several, make_one,   use_tasks,
                                     use_waiters};
#define USES (sizeof uses / sizeof *uses)

static _Noreturn void child(void) {
    CHECK(lw_member_has_alive(&arena));
    while (!atomic_load(&page->stop)) {
        uint32_t use = draw(USES);
        alarm(STUCK_S);
        int64_t began = lw_now_ns();
        uses[use]();
        int64_t took = lw_now_ns() - began;
        if (took > atomic_load(&page->slowest_ns)) {
            atomic_store(&page->slowest_ns, took);
            atomic_store(&page->slowest_op, (int)use);
        }
        atomic_fetch_add(&page->done[use], 1);
    }
    _exit(0);
}

static pid_t spawn(int number) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid != 0) return pid;
    self_number = number;
    state = state * 6364136223846793005u + (uint64_t)number * 2 + 1;
    hint = NULL;
    child();
}

static struct lw_slot *make(struct lw_made made) {
    uint32_t index;
    lw_arena_lock(&arena);
    CHECK(lw_slot_new(&arena, &made, &index) == LW_OK);
    lw_arena_unlock(&arena);
    return &arena.slots[index];
}

static void open_arena(void) {
    int fd = memfd_create("killer", MFD_CLOEXEC);
    const uint8_t uuid[16] = {0};
    CHECK(fd >= 0 && lw_arena_format(fd, uuid, 0, (uint32_t)getpid(), "", 0) == LW_OK);
    CHECK(lw_arena_map(&arena, fd) == LW_OK);
    lw_arena_register(&arena);
    lw_arena_lock(&arena);
    CHECK(lw_member_attach(&arena, 0, 0) == LW_OK);
    lw_arena_unlock(&arena);
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
}

/* All others are gone: nothing may be left of them. */
static void check_end(uint32_t live) {
    struct lw_queue_wait wait = {.deadline_ns = 0};
    check_nobody_waits();
    CHECK(get_lock(LW_FOREVER));
    free_lock();
    lw_queue_settle(&arena, permits, &lw_permits_queue, &wait);
    lw_queue_settle(&arena, strict, &lw_permits_queue, &wait);
    CHECK(lw_permits_available(&arena, permits) == PERMITS && lw_permits_available(&arena, strict) == 1);
    CHECK(lw_rwlock_write(&arena, rwlock, &wait) == LW_QUEUE_GRANTED);
    CHECK(lw_rwlock_release_write(&arena, rwlock, true) == LW_RWLOCK_RELEASED);
    lw_queue_settle(&arena, condition, &lw_condition_queue, &wait);
    CHECK(lw_condition_waiting(condition) == 0 && lw_barrier_waiting(&arena, barrier) == 0);
    lw_arena_lock(&arena);
    lw_slot_sweep(&arena);
    struct lw_header *header = arena.header;
    uint32_t cells = 0;
    for (uint32_t i = 1; i < header->slots_used; i++) cells += lw_load_relaxed(&arena.slots[i].state) == LW_KIND_CELLS;
    CHECK(header->live + header->free_count == header->slots_used - 1);
    CHECK(header->live - cells == live);
    lw_arena_unlock(&arena);
}

int main(int count, char **arguments) {
    int64_t seconds = count > 1 ? atoi(arguments[1]) : 20;
    state = 88172645463325252u + 104729u * (count > 2 ? strtoull(arguments[2], NULL, 10) : 0);
    open_arena();
    lock = make((struct lw_made){.kind = LW_KIND_LOCK});
    permits = make((struct lw_made){.kind = LW_KIND_PERMITS, .limit = PERMITS});
    strict = make((struct lw_made){.kind = LW_KIND_PERMITS, .limit = 1, .initial = LW_PERMITS_STRICT});
    rwlock = make((struct lw_made){.kind = LW_KIND_RWLOCK});
    condition = make((struct lw_made){.kind = LW_KIND_CONDITION});
    barrier = make((struct lw_made){.kind = LW_KIND_BARRIER, .limit = 3});
    semaphore = make((struct lw_made){
        .kind = LW_KIND_SEMAPHORE, .word = PERMITS << LW_SEMAPHORE_SHIFT, .limit = PERMITS, .initial = PERMITS});
    event = make((struct lw_made){.kind = LW_KIND_EVENT});
    uint32_t live = arena.header->live;
    pid_t pids[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) pids[i] = spawn(i);
    int64_t end = lw_now_ns() + seconds * 1000000000;
    unsigned long kills = 0;
    bool well = true;
    while (well && lw_now_ns() < end) {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * (long)(200 + draw(6000))}, NULL);
        /* Sometimes two or three at once. */
        for (uint32_t victims = draw(4) ? 1 : 3; victims > 0; victims--) {
            int victim = SURVIVORS + (int)draw(CHILDREN - SURVIVORS), status;
            kill(pids[victim], SIGKILL);
            CHECK(waitpid(pids[victim], &status, 0) == pids[victim]);
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) fprintf(stderr, "killer.c: one is stuck\n");
            well = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && well;
            pids[victim] = spawn(victim);
            kills++;
        }
    }
    atomic_store(&page->stop, true);
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        if (WIFSIGNALED(status)) fprintf(stderr, "killer.c: number %d ended by signal %d\n", i, WTERMSIG(status));
        well = well && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    if (!well) return 1;
    check_end(live);
    printf("ok: %lu killed, %u repairs; slowest %lld ms (use %d); uses", kills, arena.header->repairs,
           (long long)(atomic_load(&page->slowest_ns) / 1000000), atomic_load(&page->slowest_op));
    for (unsigned i = 0; i < USES; i++) printf(" %llu", (unsigned long long)atomic_load(&page->done[i]));
    printf("\n");
    return 0;
}
