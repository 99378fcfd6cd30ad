#define _GNU_SOURCE
#include "lw_watcher.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lw_member.h"

#define WORDS (LW_FUTEX_ENTRIES - 1)
#define STACK_BYTES (256 * 1024)
#define LOOK_NS LW_SEVERAL_LOOK_NS
#define RESUME_TRIES 100
#define GONE_TRIES 1000
#define GONE_NS 10000
#define LONG_NS 20000000 /* sleeps of this length may be cut short, to end together */

struct word {
    const lw_word *word; /* NULL: not in use */
    uint64_t serial;     /* tells this use of the entry from those before and after it */
    struct lw_lane *lane; /* whose it is; NULL: a member's alive word */
    struct lw_arena *arena;
    uint32_t expected;
    uint32_t id;
    uint32_t generation; /* of the slot that the word is in */
    unsigned users; /* lanes for which that member is watched */
};

struct lw_sleeper {
    lw_word control; /* raised to call it */
    unsigned used;
    bool running, joining;
    bool dirty;  /* has got something new … */
    bool called; /* … and was told, and has not looked yet */
    pthread_t thread;
    lw_word tid; /* the kernel's id of it; 0: it has not run yet */
    struct lw_sleeper *next;
    struct word words[WORDS];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lw_sleeper *sleepers;
static struct lw_lane *lanes;
static uint64_t serials;
static lw_word resting; /* 1: all were ended, whether they had words or not */

static void *sleep_here(void *argument);

/* Signals are for Python's threads. */
static bool start(struct lw_sleeper *sleeper) {
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sleeper->running = pthread_create(&sleeper->thread, &attributes, sleep_here, sleeper) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return sleeper->running;
}

static void call(struct lw_sleeper *sleeper) {
    lw_add_acqrel(&sleeper->control, 1);
    lw_futex_wake(&sleeper->control, 1);
}

void lw_watcher_lock(void) { pthread_mutex_lock(&mutex); }

void lw_watcher_unlock(void) {
    for (struct lw_sleeper *sleeper = sleepers; sleeper; sleeper = sleeper->next) {
        if (!sleeper->dirty || sleeper->joining) continue;
        sleeper->dirty = false;
        if (sleeper->running && !sleeper->called) {
            sleeper->called = true;
            call(sleeper);
        } else if (!sleeper->running && sleeper->used) {
            sleeper->dirty = !start(sleeper);
        }
    }
    pthread_mutex_unlock(&mutex);
}

struct lw_lane *lw_watcher_lanes(void) { return lanes; }

unsigned lw_watcher_threads(void) {
    unsigned count = 0;
    pthread_mutex_lock(&mutex);
    for (struct lw_sleeper *sleeper = sleepers; sleeper; sleeper = sleeper->next) count += sleeper->running;
    pthread_mutex_unlock(&mutex);
    return count;
}

void lw_watcher_forget(void) {
    mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    sleepers = NULL;
    lanes = NULL;
    lw_store_relaxed(&resting, 0);
}

/* Places in the lists */

static void unlink_sleeper(struct lw_sleeper *sleeper) {
    struct lw_sleeper **link = &sleepers;
    while (*link != sleeper) link = &(*link)->next;
    *link = sleeper->next;
}

static struct lw_sleeper *with_room(const struct lw_lane *lane) {
    if (lane->places_count) {
        struct lw_sleeper *last = lane->places[lane->places_count - 1].sleeper;
        if (last->used < WORDS && !last->joining) return last;
    }
    struct lw_sleeper *sleeper = sleepers;
    while (sleeper && (sleeper->used == WORDS || sleeper->joining)) sleeper = sleeper->next;
    if (sleeper) return sleeper;
    sleeper = calloc(1, sizeof *sleeper);
    if (!sleeper) return NULL;
    if (!start(sleeper)) {
        free(sleeper);
        return NULL;
    }
    sleeper->next = sleepers;
    return sleepers = sleeper;
}

static bool remember(struct lw_lane *lane, struct lw_sleeper *sleeper, unsigned index) {
    if (lane->places_count == lane->places_room) {
        unsigned room = 2 * lane->places_room;
        bool was_inline = lane->places == lane->inline_places;
        struct lw_place *places = realloc(was_inline ? NULL : lane->places, room * sizeof *places);
        if (!places) return false;
        if (was_inline)
            for (unsigned i = 0; i < lane->places_count; i++) places[i] = lane->places[i];
        lane->places = places;
        lane->places_room = room;
    }
    lane->places[lane->places_count++] = (struct lw_place){sleeper, index};
    return true;
}

static void call_all(void) {
    lw_store_relaxed(&resting, 0);
    for (struct lw_sleeper *sleeper = sleepers; sleeper; sleeper = sleeper->next) sleeper->dirty = true;
}

static bool add(struct lw_lane *lane, struct word word) {
    struct lw_sleeper *sleeper = with_room(lane);
    if (!sleeper) return false;
    unsigned index = 0;
    while (sleeper->words[index].word) index++;
    if (!remember(lane, sleeper, index)) return false;
    word.serial = ++serials;
    sleeper->words[index] = word;
    sleeper->used++;
    sleeper->dirty = true;
    if (lw_load_relaxed(&resting)) call_all();
    return true;
}

static struct lw_slot *slot_of(const lw_word *word) {
    return (struct lw_slot *)((uintptr_t)word / sizeof(struct lw_slot) * sizeof(struct lw_slot));
}

bool lw_lane_add_word(struct lw_lane *lane, const lw_word *word, uint32_t expected) {
    uint32_t generation = lw_load_relaxed(&slot_of(word)->generation);
    return add(lane, (struct word){.word = word, .expected = expected, .generation = generation, .lane = lane});
}

bool lw_lane_add_member(struct lw_lane *lane, struct lw_arena *arena, uint32_t id, const lw_word *alive,
                        uint32_t expected) {
    struct lw_sleeper *sleeper = with_room(lane);
    for (unsigned i = 0; sleeper && i < WORDS; i++) {
        struct word *word = &sleeper->words[i];
        if (!word->word || word->arena != arena || word->id != id) continue;
        if (!remember(lane, sleeper, i)) return false;
        word->users++;
        return true;
    }
    return add(lane, (struct word){.word = alive, .expected = expected, .arena = arena, .id = id, .users = 1});
}

bool lw_lane_add_watch(struct lw_lane *lane, const struct lw_watch *watch) {
    const struct lw_futex_entry *own = &watch->entries[0];
    if (!lw_lane_add_word(lane, (const lw_word *)(uintptr_t)own->address, (uint32_t)own->value)) return false;
    for (unsigned i = 1; i < watch->count; i++) {
        const struct lw_futex_entry *entry = &watch->entries[i];
        if (entry->address == own->address) continue; /* no word tells of that one's death: its re-check does */
        const lw_word *alive = (const lw_word *)(uintptr_t)entry->address;
        if (!lw_lane_add_member(lane, lane->arena, watch->ids[i], alive, (uint32_t)entry->value)) return false;
    }
    return true;
}

void lw_watcher_arm(struct lw_lane *lane) {
    lane->armed_ns = lw_now_ns();
    lane->previous = NULL;
    lane->next = lanes;
    if (lanes) lanes->previous = lane;
    lanes = lane;
}

void lw_watcher_disarm(struct lw_lane *lane) {
    for (unsigned i = 0; i < lane->places_count; i++) {
        struct lw_sleeper *sleeper = lane->places[i].sleeper;
        struct word *word = &sleeper->words[lane->places[i].index];
        if (!word->lane && --word->users > 0) continue;
        word->word = NULL;
        sleeper->used--;
    }
    lane->places_count = 0;
    if (lane->next) lane->next->previous = lane->previous;
    if (lane->previous)
        lane->previous->next = lane->next;
    else if (lanes == lane)
        lanes = lane->next;
    lane->next = lane->previous = NULL;
}

/* The threads */

/* What a thread sleeps on, as it was when it fell asleep. */
struct sleep {
    unsigned count;
    int64_t wake_ns;
    struct lw_futex_entry entries[LW_FUTEX_ENTRIES];
    uint64_t serials[LW_FUTEX_ENTRIES];
    uint8_t indexes[LW_FUTEX_ENTRIES];
    struct lw_arena *arenas[LW_FUTEX_ENTRIES]; /* of members */
    uint32_t ids[LW_FUTEX_ENTRIES];
    uint32_t generations[LW_FUTEX_ENTRIES];
};

static void prepare(struct lw_sleeper *sleeper, struct sleep *sleep) {
    sleep->count = 1;
    sleep->entries[0] = lw_futex_entry(&sleeper->control, lw_load_acq(&sleeper->control));
    sleep->wake_ns = sleeper->used ? LW_FOREVER : lw_now_ns() + LW_WATCHER_LINGER_NS;
    for (unsigned i = 0; i < WORDS; i++) {
        const struct word *word = &sleeper->words[i];
        if (!word->word) continue;
        sleep->entries[sleep->count] = lw_futex_entry(word->word, word->expected);
        sleep->serials[sleep->count] = word->serial;
        sleep->arenas[sleep->count] = word->arena;
        sleep->ids[sleep->count] = word->id;
        sleep->generations[sleep->count] = word->generation;
        sleep->indexes[sleep->count++] = (uint8_t)i;
        if (word->lane && word->lane->wake_ns < sleep->wake_ns) sleep->wake_ns = word->lane->wake_ns;
    }
}

static enum lw_slept fall_asleep(const struct lw_sleeper *sleeper, struct sleep *sleep, unsigned *which) {
    *which = 0;
    if (sleep->count > 1 && lw_futex_has_waitv())
        return lw_futex_wait_many(sleep->entries, sleep->count, sleep->wake_ns, which);
    int64_t wake_ns = sleep->wake_ns;
    if (sleep->count > 1) {
        int64_t look_ns = lw_now_ns() + LOOK_NS;
        if (look_ns < wake_ns) wake_ns = look_ns;
    }
    return lw_futex_wait((lw_word *)&sleeper->control, (uint32_t)sleep->entries[0].value, wake_ns);
}

static void fire(struct lw_lane *lane, enum lw_slept slept, struct lw_lane **fired) {
    /* A death is more than a wake: whoever is told of it looks at the rest as well. */
    if (!lane->fired || slept == LW_SLEPT_DEATH) lane->slept = slept;
    if (lane->fired) return;
    lane->fired = true;
    lane->next_fired = *fired;
    *fired = lane;
}

/* A word that nobody here waits on any more: but a wake may have come for it, which was meant for somebody. Whoever sent
 * it relies on it, so it is passed on in the way of one that was woken and leaves. */
static void pass_on(lw_word *word, uint32_t generation) {
    struct lw_slot *slot = slot_of(word);
    uint32_t kind = lw_load_relaxed(&slot->state);
    if (lw_load_acq(&slot->generation) != generation) return;
    if (word == &slot->seq && (kind == LW_KIND_LOCK || kind == LW_KIND_RLOCK))
        lw_lock_unlisten(slot);
    else if (word == &slot->word && kind == LW_KIND_SEMAPHORE)
        lw_semaphore_pass_on(slot);
    else
        lw_futex_wake(word, 1);
}

static void fire_woken(struct lw_sleeper *sleeper, const struct sleep *sleep, enum lw_slept slept, unsigned which,
                       struct lw_lane **fired) {
    for (unsigned i = 1; i < sleep->count; i++) {
        if (sleep->arenas[i]) continue;
        lw_word *word = (lw_word *)(uintptr_t)sleep->entries[i].address;
        const struct word *now = &sleeper->words[sleep->indexes[i]];
        if (!now->word || now->serial != sleep->serials[i]) {
            if (slept == LW_SLEPT_WOKEN) pass_on(word, sleep->generations[i]);
            continue;
        }
        bool woken = slept == LW_SLEPT_WOKEN && (which == i || now->lane->doubt);
        if (woken || lw_load_acq(word) != (uint32_t)sleep->entries[i].value) fire(now->lane, LW_SLEPT_WOKEN, fired);
    }
}

static bool lost_a_member(const struct lw_lane *lane) {
    for (unsigned i = 0; i < lane->places_count; i++) {
        const struct word *word = &lane->places[i].sleeper->words[lane->places[i].index];
        if (!word->lane && lw_member_is_silent(word->arena, word->id)) return true;
    }
    return false;
}

/* The kernel has woken one that watches a dead member: that one tells the others, and it may have been this one, also if
 * nobody here cares any more. */
static void fire_bereaved(const struct sleep *sleep, struct lw_lane **fired) {
    bool any = false;
    for (unsigned i = 1; i < sleep->count; i++) {
        if (!sleep->arenas[i] || !lw_member_is_silent(sleep->arenas[i], sleep->ids[i])) continue;
        lw_member_tell(sleep->arenas[i], sleep->ids[i]);
        any = true;
    }
    for (struct lw_lane *lane = lanes; any && lane; lane = lane->next)
        if (lost_a_member(lane)) fire(lane, LW_SLEPT_DEATH, fired);
}

static bool is_due(const struct lw_lane *lane, int64_t now) {
    int64_t length = lane->wake_ns - lane->armed_ns, slack = length >= LONG_NS ? length / 2 : 0;
    return lane->wake_ns - slack <= now;
}

static void fire_due(const struct lw_sleeper *sleeper, int64_t wake_ns, struct lw_lane **fired) {
    int64_t now = lw_now_ns();
    if (now < wake_ns) return;
    for (unsigned i = 0; i < WORDS; i++)
        if (sleeper->words[i].word && sleeper->words[i].lane && is_due(sleeper->words[i].lane, now))
            fire(sleeper->words[i].lane, LW_SLEPT_TIMEOUT, fired);
}

static void look(struct lw_sleeper *sleeper, const struct sleep *sleep, enum lw_slept slept, unsigned which) {
    struct lw_lane *fired = NULL;
    fire_woken(sleeper, sleep, slept, which, &fired);
    fire_bereaved(sleep, &fired);
    fire_due(sleeper, sleep->wake_ns, &fired);
    while (fired) {
        struct lw_lane *lane = fired;
        fired = lane->next_fired;
        lane->fired = false;
        lane->kind->slept(lane, lane->slept);
        lw_lane_run(lane);
    }
}

static void *sleep_here(void *argument) {
    struct lw_sleeper *sleeper = argument;
    struct sleep sleep;
    pthread_setname_np(pthread_self(), "latchwork-wait");
    lw_store_rel(&sleeper->tid, (uint32_t)syscall(SYS_gettid));
    pthread_mutex_lock(&mutex);
    while (!sleeper->joining) {
        sleeper->dirty = sleeper->called = false;
        prepare(sleeper, &sleep);
        lw_watcher_unlock();
        unsigned which;
        enum lw_slept slept = fall_asleep(sleeper, &sleep, &which);
        pthread_mutex_lock(&mutex);
        if (sleep.count > 1) look(sleeper, &sleep, slept, which);
        bool idle = sleep.count == 1 && sleeper->used == 0 && slept == LW_SLEPT_TIMEOUT;
        if (!idle || sleeper->joining) continue;
        unlink_sleeper(sleeper);
        pthread_detach(pthread_self());
        free(sleeper);
        break;
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static bool lacks_threads(void) {
    bool lacks = false;
    pthread_mutex_lock(&mutex);
    for (struct lw_sleeper *sleeper = sleepers; sleeper; sleeper = sleeper->next)
        lacks |= sleeper->used && !sleeper->running && !sleeper->joining;
    pthread_mutex_unlock(&mutex);
    return lacks;
}

bool lw_watcher_rests(void) { return lw_load_relaxed(&resting) != 0; }

void lw_watcher_resume(void) {
    pthread_mutex_lock(&mutex);
    if (lw_load_relaxed(&resting)) call_all();
    lw_watcher_unlock();
    /* Somebody else may have taken the threads that this user may have: who waits relies on them. */
    for (int tries = 0; tries < RESUME_TRIES && lacks_threads(); tries++) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        lw_watcher_lock();
        lw_watcher_unlock();
    }
}

static bool is_to_end(const struct lw_sleeper *sleeper, bool all) {
    return sleeper->running && !sleeper->joining && (all || sleeper->used == 0);
}

/* A thread can be joined a moment before the kernel has done with it, and whoever counts threads then still sees it. */
static void wait_till_gone(uint32_t tid) {
    for (int tries = 0; tries < GONE_TRIES && syscall(SYS_tgkill, getpid(), tid, 0) == 0; tries++)
        nanosleep(&(struct timespec){.tv_nsec = GONE_NS}, NULL);
}

void lw_watcher_stop(bool all) {
    pthread_mutex_lock(&mutex);
    for (;;) {
        struct lw_sleeper *sleeper = sleepers;
        while (sleeper && !is_to_end(sleeper, all)) sleeper = sleeper->next;
        if (!sleeper) break;
        sleeper->joining = true;
        call(sleeper);
        pthread_mutex_unlock(&mutex);
        pthread_join(sleeper->thread, NULL);
        wait_till_gone(lw_load_acq(&sleeper->tid));
        pthread_mutex_lock(&mutex);
        sleeper->joining = sleeper->running = sleeper->called = false;
        if (sleeper->used > 0) continue;
        unlink_sleeper(sleeper);
        free(sleeper);
    }
    /* One that was ended may have moved lanes to one that was ended before: that is not to be started before call_all. */
    for (struct lw_sleeper *sleeper = sleepers; all && sleeper; sleeper = sleeper->next) sleeper->dirty = false;
    if (all) lw_store_relaxed(&resting, 1);
    pthread_mutex_unlock(&mutex);
}
