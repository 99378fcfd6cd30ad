/* Threads hammer the Python-free core, for ThreadSanitizer: it sees one process and one mapping only.
 *
 * What is guarded is plain memory, so that an ordering that is too weak is a data race, and not only an
 * unlikely wrong sum. The laws are checked as well: exit status 1 and a message if one is broken.
 *
 * A member is a process; here a thread may be given one of its own, by a copy of `struct lw_arena`, so that
 * threads can meet as processes do. Such a member dies as a process does if its thread locks the alive
 * mutex itself and ends.
 *
 *     cc -std=c11 -pthread -I src/latchwork/_native tests/c/hammer*.c src/latchwork/_native/lw_*.c */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hammer.h"
#include "lw_event.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "lw_name.h"

#define LOCK_ROUNDS 20000
#define MORTALS 12
#define COMERS 40
#define ONE_SHOTS 1500
#define WAITS 400
#define ALLOC_ROUNDS 6000
#define HANDLES 48
#define NAMES 24
#define NAME_ROOM 240
#define RECENT 64
#define SLOTS 65536
#define STUCK_AFTER_S 240

struct lw_arena shared;
struct worker workers[THREADS];
static _Atomic int running;
static bool quiet; /* no signals, as each of them makes one look again */
static unsigned long took, timeouts, signals, abandoned, deaths, waited, given_up, slots_made, held, named;

_Noreturn void breach(const char *law, const char *file, int line) {
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, law);
    _exit(1);
}

/* xorshift64 */
uint32_t draw(struct worker *self, uint32_t below) {
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (uint32_t)(self->random >> 32) % below;
}

int64_t soon(struct worker *self, uint32_t us) { return lw_now_ns() + 1000 * (int64_t)draw(self, us); }

static void on_signal(int number) { (void)number; }

static void *run(void *argument) {
    struct worker *self = argument;
    self->body(self);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

void start(struct worker *worker, void *(*body)(void *)) {
    worker->body = body;
    worker->took = worker->timeouts = worker->signals = worker->abandoned = 0;
    atomic_fetch_add(&running, 1);
    CHECK(pthread_create(&worker->thread, NULL, run, worker) == 0);
}

void pester_and_join(void) {
    for (unsigned i = 0; atomic_load(&running) > 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
        if (!quiet) pthread_kill(workers[i % THREADS].thread, SIGUSR1);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(workers[i].thread, NULL) == 0);
}

void new_member(struct lw_arena *arena) {
    *arena = shared;
    arena->self_id = 0;
    arena->next = NULL;
    lw_arena_lock(arena);
    CHECK(lw_member_attach(arena, 0, 0) == LW_OK);
    lw_arena_unlock(arena);
}

struct lw_slot *new_slot(const struct lw_made *made) {
    uint32_t index;
    lw_arena_lock(&shared);
    CHECK(lw_slot_new(&shared, made, &index) == LW_OK);
    lw_arena_unlock(&shared);
    return &shared.slots[index];
}

void drop_slot(struct lw_slot *slot) {
    lw_arena_lock(&shared);
    lw_slot_drop(&shared, lw_slot_index(&shared, slot), lw_load_relaxed(&shared.header->epoch));
    lw_arena_unlock(&shared);
}

static struct lw_slot *new_of_kind(enum lw_kind kind) { return new_slot(&(struct lw_made){.kind = kind}); }

void nap(struct worker *self, uint32_t us) { nanosleep(&(struct timespec){.tv_nsec = 1000 * (long)draw(self, us)}, NULL); }

int64_t patience(struct worker *self) {
    uint32_t way = draw(self, 4);
    return way == 0 ? 0 : way == 1 ? soon(self, 200) : way == 2 ? soon(self, 3000) : LW_FOREVER;
}

void run_all(void *(*body)(void *)) {
    for (int i = 0; i < THREADS - 1; i++) new_member(&workers[i].arena);
    workers[THREADS - 1].arena = workers[THREADS - 2].arena;
    for (int i = 0; i < THREADS; i++) start(&workers[i], body);
    pester_and_join();
}

void become_mortal(struct worker *self) {
    new_member(&self->arena);
    CHECK(pthread_mutex_lock(&self->arena.members[lw_member_index(self->arena.self_id)].alive) == 0);
}

bool dies(struct worker *mortal, void *(*body)(void *)) {
    CHECK(pthread_create(&mortal->thread, NULL, body, mortal) == 0);
    while (pthread_tryjoin_np(mortal->thread, NULL) == EBUSY) {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        if (!quiet) pthread_kill(mortal->thread, SIGUSR1);
    }
    return !lw_member_alive(&shared, mortal->arena.self_id);
}

/* ---- Lock ---- */

static struct lw_slot *lock;
static unsigned long first, second; /* plain: only the lock's owner touches them */
static bool may_die;

static enum lw_acquired acquire(struct worker *self, int64_t deadline_ns) {
    struct lw_lock_wait wait = {.deadline_ns = deadline_ns};
    for (;;) {
        enum lw_acquired acquired = lw_lock_acquire_slow(&self->arena, lock, &wait);
        if (acquired == LW_TIMEOUT) CHECK(deadline_ns == 0 || lw_now_ns() >= deadline_ns);
        if (acquired == LW_ABANDONED) CHECK(may_die && wait.dead_owner != 0);
        if (acquired != LW_SIGNAL) return acquired;
        self->signals++;
        /* As an exception from a signal handler: gone without the lock; nothing is owed to anybody. */
        if (deadline_ns != LW_FOREVER && draw(self, 2)) return LW_TIMEOUT;
    }
}

static void work(struct worker *self) {
    CHECK(first == second);
    first++;
    if (draw(self, 64) == 0) sched_yield();
    if (draw(self, 512) == 0) nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    second++;
    CHECK(first == second);
    self->took++;
}

static void *lock_body(void *argument) {
    struct worker *self = argument;
    uint32_t id = self->arena.self_id;
    for (int i = 0; i < LOCK_ROUNDS; i++) {
        enum lw_acquired acquired = LW_TIMEOUT;
        uint32_t way = draw(self, 8);
        if (way != 0 && lw_lock_try(lock, id)) acquired = LW_ACQUIRED;
        else if (way == 1) acquired = acquire(self, 0);
        else if (way <= 4) acquired = acquire(self, soon(self, way == 4 ? 3000 : 100));
        else acquired = acquire(self, LW_FOREVER);
        if (acquired == LW_TIMEOUT) {
            self->timeouts++;
            continue;
        }
        if (acquired == LW_ABANDONED) self->abandoned++;
        CHECK(lw_lock_owner(&self->arena, lock) == id);
        work(self);
        /* Interrupted while it is told: passed on, and the next one is told. */
        bool keep = acquired == LW_ABANDONED && draw(self, 4) == 0;
        CHECK((!keep && lw_lock_release_fast(lock, id)) || lw_lock_release_slow(lock, keep));
    }
    return NULL;
}

/* Dies with the lock, which it has not used: a death publishes nothing that ThreadSanitizer could see. */
static void *mortal_body(void *argument) {
    struct worker *self = argument;
    become_mortal(self);
    if (lock) acquire(self, LW_FOREVER);
    return NULL;
}

static void *killer_body(void *argument) {
    struct worker *self = argument;
    for (int i = 0; i < MORTALS; i++) {
        struct worker mortal = {.random = self->random + (uint64_t)i};
        CHECK(dies(&mortal, mortal_body));
        deaths++;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return NULL;
}

static void lock_phase(bool own_members, bool with_deaths) {
    lock = new_of_kind(LW_KIND_LOCK);
    may_die = with_deaths;
    first = second = 0;
    for (int i = 0; i < THREADS; i++) workers[i].arena = shared;
    if (own_members)
        for (int i = 0; i < THREADS; i++) new_member(&workers[i].arena);
    for (int i = 0; i < THREADS; i++) start(&workers[i], with_deaths && i == 0 ? killer_body : lock_body);
    pester_and_join();
    unsigned long sum = 0;
    for (int i = 0; i < THREADS; i++) {
        sum += workers[i].took;
        timeouts += workers[i].timeouts;
        signals += workers[i].signals;
        abandoned += workers[i].abandoned;
    }
    CHECK(first == sum && second == sum);
    took += sum;
    /* All are out: whatever flags are left, it can be had at once. */
    struct worker *last = &workers[1];
    enum lw_acquired acquired = acquire(last, LW_FOREVER);
    CHECK(acquired == LW_ACQUIRED || with_deaths);
    CHECK(lw_lock_release_slow(lock, false));
    CHECK(!lw_lock_release_slow(lock, false));
}

/* New members, while others look at theirs: the table grows beyond its first 32. */
static void *comer_body(void *argument) {
    struct worker *self = argument;
    for (int i = 0; i < COMERS; i++) {
        new_member(&self->arena);
        acquire(self, LW_FOREVER);
        work(self);
        CHECK(lw_lock_release_slow(lock, false));
    }
    return NULL;
}

static void comers_phase(void) {
    lock = new_of_kind(LW_KIND_LOCK);
    may_die = false;
    first = second = 0;
    for (int i = 0; i < THREADS; i++) start(&workers[i], i == 0 ? comer_body : lock_body);
    pester_and_join();
    for (int i = 0; i < THREADS; i++) took += workers[i].took;
    CHECK(shared.header->members_ready > 32);
}

/* ---- Event ---- */

static struct lw_slot *one_shots[ONE_SHOTS];
static uint64_t payload[ONE_SHOTS]; /* plain: written before set(), read after a wait() that saw it */
static struct lw_slot *bell;
static _Atomic int listeners;

static enum lw_waited wait_for(struct worker *self, struct lw_slot *event, int64_t deadline_ns) {
    struct lw_event_wait wait;
    lw_event_wait_begin(event, &wait, deadline_ns);
    for (;;) {
        enum lw_waited result = lw_event_wait(event, &wait);
        if (result == LW_WAIT_TIMEOUT) CHECK(deadline_ns == 0 || lw_now_ns() >= deadline_ns);
        if (result != LW_WAIT_SIGNAL) return result;
        self->signals++;
    }
}

static void *publisher_body(void *argument) {
    struct worker *self = argument;
    for (int i = self->number % 2; i < ONE_SHOTS; i += 2) {
        if (draw(self, 8) == 0) nanosleep(&(struct timespec){.tv_nsec = 30000}, NULL);
        payload[i] = (uint64_t)i * 2654435761u + 1;
        lw_event_set(one_shots[i]);
    }
    return NULL;
}

static void *reader_body(void *argument) {
    struct worker *self = argument;
    for (int i = 0; i < ONE_SHOTS; i++) {
        while (!(draw(self, 4) == 0 && lw_event_is_set(one_shots[i])) &&
               wait_for(self, one_shots[i], patience(self)) != LW_WAIT_SET)
            self->timeouts++;
        CHECK(payload[i] == (uint64_t)i * 2654435761u + 1);
        self->took++;
    }
    return NULL;
}

/* Sets and clears at once: those that wait for ever must have been told nevertheless. */
static void *ringer_body(void *argument) {
    struct worker *self = argument;
    while (atomic_load(&listeners) > 0) {
        lw_event_set(bell);
        if (draw(self, 4) == 0) sched_yield();
        lw_event_clear(bell);
        nanosleep(&(struct timespec){.tv_nsec = 1000 * (long)draw(self, 100)}, NULL);
    }
    return NULL;
}

static void *listener_body(void *argument) {
    struct worker *self = argument;
    for (int i = 0; i < WAITS; i++) {
        if (wait_for(self, bell, patience(self)) == LW_WAIT_SET)
            self->took++;
        else
            self->timeouts++;
    }
    atomic_fetch_sub(&listeners, 1);
    return NULL;
}

static void event_phase(void *(*two)(void *), void *(*others)(void *)) {
    for (int i = 0; i < THREADS; i++) start(&workers[i], i < 2 ? two : others);
    pester_and_join();
    for (int i = 2; i < THREADS; i++) {
        waited += workers[i].took;
        given_up += workers[i].timeouts;
        signals += workers[i].signals;
    }
}

static void events_phase(void) {
    for (int i = 0; i < ONE_SHOTS; i++) one_shots[i] = new_of_kind(LW_KIND_EVENT);
    event_phase(publisher_body, reader_body);
    bell = new_of_kind(LW_KIND_EVENT);
    listeners = THREADS - 2;
    event_phase(ringer_body, listener_body);
}

/* ---- Slots and names ---- */

/* What has to be, by index; like the slots themselves guarded by the arena's mutex. */
static uint32_t holds[SLOTS], generation_of[SLOTS], name_of[SLOTS];
static uint32_t slot_named[NAMES];
static uint32_t recent[RECENT], recent_generation[RECENT];
/* Not guarded by the mutex: its maker's alone for as long as anybody holds the slot. */
static int maker[SLOTS];

struct handles {
    uint32_t index[HANDLES];
    bool mine[HANDLES];
    unsigned count;
};

static void hash_of(uint32_t name, uint8_t hash[16]) {
    memset(hash, (int)name + 1, 16);
    /* Some share a bucket: all with the same first four bytes. */
    memset(hash, (int)(name % 5), 4);
}

static uint32_t text_of(uint32_t name, char text[NAME_ROOM]) {
    uint32_t length = name * 10 % NAME_ROOM;
    memset(text, 'a' + (int)name % 26, length);
    return length;
}

static enum lw_kind kind_of(uint32_t name) { return name % 2 ? LW_KIND_LOCK : LW_KIND_EVENT; }

static void lock_some_way(struct worker *self) {
    if (draw(self, 2) == 0 && lw_arena_trylock(&self->arena)) return;
    lw_arena_lock(&self->arena);
}

static void note_made(uint32_t index) {
    CHECK(index != LW_NO_SLOT && index < SLOTS);
    CHECK(holds[index] == 0);
    CHECK(lw_load_relaxed(&shared.slots[index].generation) != generation_of[index]);
    CHECK(lw_load_relaxed(&shared.slots[index].word) == 0);
    generation_of[index] = lw_load_relaxed(&shared.slots[index].generation);
    holds[index] = 1;
    name_of[index] = NAMES;
    slots_made++;
}

/* Fresh and in nobody else's use; and, at the drop, still this thread's. */
static void use(struct worker *self, uint32_t index, enum lw_kind kind) {
    struct lw_slot *slot = &self->arena.slots[index];
    maker[index] = self->number + 1;
    if (kind == LW_KIND_LOCK) {
        CHECK(lw_lock_try(slot, self->arena.self_id));
        CHECK(lw_lock_release_fast(slot, self->arena.self_id));
    } else {
        CHECK(!lw_event_is_set(slot));
        if (draw(self, 2)) lw_event_set(slot);
    }
}

static void make_one(struct worker *self, struct handles *handles) {
    enum lw_kind kind = draw(self, 2) ? LW_KIND_LOCK : LW_KIND_EVENT;
    uint32_t index, at = draw(self, RECENT);
    lock_some_way(self);
    CHECK(lw_slot_new(&self->arena, &(struct lw_made){.kind = kind}, &index) == LW_OK);
    note_made(index);
    recent[at] = index;
    recent_generation[at] = generation_of[index];
    lw_arena_unlock(&self->arena);
    use(self, index, kind);
    handles->mine[handles->count] = true;
    handles->index[handles->count++] = index;
}

/* Another thread's, which may be gone by now. */
static void hold_one(struct worker *self, struct handles *handles) {
    uint32_t at = draw(self, RECENT);
    lock_some_way(self);
    uint32_t index = recent[at];
    uint32_t generation = recent_generation[at];
    if (index != LW_NO_SLOT) {
        enum lw_kind kind = (enum lw_kind)lw_load_relaxed(&shared.slots[index].state);
        if (kind != LW_KIND_LOCK) kind = LW_KIND_EVENT;
        bool lives = holds[index] > 0 && generation_of[index] == generation;
        CHECK(lw_slot_hold(&self->arena, index, generation, kind) == (lives ? LW_OK : LW_GONE));
        if (lives) {
            holds[index]++;
            held++;
            handles->mine[handles->count] = false;
            handles->index[handles->count++] = index;
        }
    }
    lw_arena_unlock(&self->arena);
}

static void open_one(struct worker *self, struct handles *handles) {
    uint8_t hash[16];
    char text[NAME_ROOM], found[NAME_ROOM];
    uint32_t name = draw(self, NAMES), index;
    uint32_t length = text_of(name, text);
    hash_of(name, hash);
    lock_some_way(self);
    bool is_new = slot_named[name] == LW_NO_SLOT;
    if (!is_new && draw(self, 8) == 0) {
        struct lw_made other = {.kind = kind_of(name + 1)};
        CHECK(lw_name_open(&self->arena, hash, text, length, &other, &index) == LW_WRONG_KIND);
    }
    struct lw_made made_here = {.kind = kind_of(name)};
    CHECK(lw_name_open(&self->arena, hash, text, length, &made_here, &index) == LW_OK);
    if (is_new) {
        note_made(index);
        slot_named[name] = index;
        name_of[index] = name;
    } else {
        CHECK(index == slot_named[name]);
        holds[index]++;
        held++;
    }
    CHECK(lw_name_text(&self->arena, self->arena.slots[index].name, found, sizeof found) == length);
    CHECK(memcmp(found, text, length) == 0);
    named++;
    if (draw(self, 8) == 0) {
        lw_name_remove(&self->arena, index);
        slot_named[name] = LW_NO_SLOT;
        name_of[index] = NAMES;
    }
    lw_arena_unlock(&self->arena);
    if (is_new) use(self, index, kind_of(name));
    handles->mine[handles->count] = is_new;
    handles->index[handles->count++] = index;
}

static void drop_one(struct worker *self, struct handles *handles) {
    uint32_t at = draw(self, handles->count);
    uint32_t index = handles->index[at];
    if (handles->mine[at]) CHECK(maker[index] == self->number + 1);
    handles->count--;
    handles->index[at] = handles->index[handles->count];
    handles->mine[at] = handles->mine[handles->count];
    lock_some_way(self);
    CHECK(holds[index] > 0);
    CHECK(lw_load_relaxed(&shared.slots[index].generation) == generation_of[index]);
    lw_slot_drop(&self->arena, index, lw_load_relaxed(&shared.header->epoch));
    bool gone = lw_load_relaxed(&shared.slots[index].generation) != generation_of[index];
    CHECK(gone == (--holds[index] == 0));
    if (gone && name_of[index] < NAMES) slot_named[name_of[index]] = LW_NO_SLOT;
    lw_arena_unlock(&self->arena);
}

static void *alloc_body(void *argument) {
    struct worker *self = argument;
    struct handles handles = {.count = 0};
    for (int i = 0; i < ALLOC_ROUNDS; i++) {
        uint32_t way = draw(self, 256);
        if (way == 0) {
            lock_some_way(self);
            CHECK(lw_slot_sweep(&self->arena) == 0); /* all members live */
            lw_arena_unlock(&self->arena);
        } else if (handles.count == HANDLES || (handles.count > 0 && way < 110)) {
            drop_one(self, &handles);
        } else if (way < 190) {
            make_one(self, &handles);
        } else if (way < 220) {
            hold_one(self, &handles);
        } else {
            open_one(self, &handles);
        }
    }
    while (handles.count > 0) drop_one(self, &handles);
    return NULL;
}

static void alloc_phase(void) {
    struct lw_header *header = shared.header;
    uint32_t live = header->live;
    for (int i = 0; i < THREADS; i++) start(&workers[i], alloc_body);
    pester_and_join();
    lw_arena_lock(&shared);
    CHECK(header->live == live && header->names == 0);
    CHECK(header->free_count + header->live == header->slots_used - 1);
    uint32_t free_count = header->free_count;
    lw_arena_repair(&shared); /* finds nothing to repair */
    CHECK(header->live == live && header->names == 0 && header->free_count == free_count);
    lw_arena_unlock(&shared);
}

/* ---- */

static void open_arena(void) {
    char path[] = "/dev/shm/latchwork-hammer-XXXXXX", elsewhere[] = "/tmp/latchwork-hammer-XXXXXX";
    char *used = path;
    int fd = mkstemp(path);
    if (fd < 0) fd = mkstemp(used = elsewhere);
    CHECK(fd >= 0);
    unlink(used);
    const uint8_t uuid[16] = {0};
    CHECK(lw_arena_format(fd, uuid, 0, (uint32_t)getpid(), "", 0) == LW_OK);
    CHECK(lw_arena_map(&shared, fd) == LW_OK);
    lw_arena_register(&shared);
    lw_arena_lock(&shared);
    CHECK(lw_member_attach(&shared, 0, 0) == LW_OK);
    lw_arena_unlock(&shared);
    CHECK(lw_member_has_alive(&shared));
}

int main(int count, char **arguments) {
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 0;
    alarm(STUCK_AFTER_S); /* nobody who lives is stuck: else SIGALRM ends this */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    open_arena();
    for (int i = 0; i < THREADS; i++) {
        workers[i].number = i;
        workers[i].random = 88172645463325252u + 7919u * (uint64_t)i + 104729u * seed;
    }
    lock_phase(false, false);
    lock_phase(true, false);
    events_phase();
    alloc_phase();
    cells_phase();
    /* Where there are no robust lists (an emulator) no thread's death is seen. */
    struct worker probe = {.random = 1};
    lock = NULL;
    bool mortals = dies(&probe, mortal_body);
    waiters_phase(mortals);
    int64_t recheck_ns = lw_recheck_first_ns;
    lw_recheck_first_ns = NO_RECHECK_NS;
    for (int i = 0; i < 2; i++) {
        quiet = i;
        family_phase(false);
        if (mortals) family_phase(true);
        several_phase(mortals);
        tasks_phase(false);
        if (mortals) tasks_phase(true);
    }
    quiet = false;
    lw_recheck_first_ns = recheck_ns;
    if (mortals) lock_phase(true, true);
    /* Without waitv, as on kernels before 5.16. */
    lw_futex_forbid_waitv(true);
    lock_phase(false, false);
    family_phase(false);
    several_phase(false);
    tasks_phase(false);
    comers_phase();
    printf("ok: lock taken %lu, timed out %lu, abandoned %lu after %lu deaths; event seen %lu, timed out %lu;\n"
           "    slots made %lu, held %lu, names opened %lu; interrupted %lu\n",
           took, timeouts, abandoned, deaths, waited, given_up, slots_made, held, named, signals);
    return 0;
}
