#define _GNU_SOURCE
#include "lw_several.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lw_event.h"
#include "lw_latch.h"
#include "lw_member.h"
#include "lw_permits.h"
#include "lw_rlock.h"
#include "lw_semaphore.h"

static bool make_room(struct lw_words *words) {
    unsigned room = words->room ? 2 * words->room : 256;
    void *entries = realloc(words->entries, room * sizeof *words->entries);
    if (entries) words->entries = entries;
    void *arenas = realloc(words->arenas, room * sizeof *words->arenas);
    if (arenas) words->arenas = arenas;
    void *ids = realloc(words->ids, room * sizeof *words->ids);
    if (ids) words->ids = ids;
    if (!entries || !arenas || !ids) return false;
    words->room = room;
    return true;
}

static void add(struct lw_words *words, const lw_word *word, uint32_t expected, struct lw_arena *arena, uint32_t id) {
    if (words->count == words->room && !make_room(words)) {
        words->failed = true;
        return;
    }
    words->entries[words->count] = lw_futex_entry(word, expected);
    words->arenas[words->count] = arena;
    words->ids[words->count++] = id;
}

/* False: dead already. */
static bool add_member(struct lw_words *words, struct lw_arena *arena, uint32_t id) {
    if (id == arena->self_id) return true;
    for (unsigned i = 0; i < words->count; i++)
        if (words->ids[i] == id && words->arenas[i] == arena) return true;
    uint32_t expected;
    bool dead;
    lw_word *alive = lw_member_watch(arena, id, &expected, &dead);
    if (dead) return false;
    if (alive)
        add(words, alive, expected, arena, id);
    else
        words->blind = true;
    return true;
}

static void add_holders(struct lw_words *words, struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint32_t id = lw_cell_id(lw_cell_load(cell));
        if (id != 0 && id != LW_ID_DEAD) add_member(words, arena, id);
    }
}

static bool is_mine(const struct lw_several_item *item, uint32_t who) {
    return lw_rlock_is_owner(item->slot, item->arena->self_id, who ? who : lw_thread_id());
}

/* Whether it seems ready; if not, it has been said in its word that somebody sleeps, and that is among `words`. */
static bool prepare(struct lw_several_item *item, uint32_t who, struct lw_words *words) {
    struct lw_arena *arena = item->arena;
    struct lw_slot *slot = item->slot;
    uint32_t word, owner;
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_EVENT:
        word = lw_load_acq(&slot->word);
        do {
            if (word & LW_EVENT_SET || word >> LW_EVENT_GENERATION_SHIFT != item->generation) return true;
        } while (!(word & LW_EVENT_WAITERS) && !lw_cas_acqrel(&slot->word, &word, word | LW_EVENT_WAITERS));
        add(words, &slot->word, word | LW_EVENT_WAITERS, NULL, 0);
        return false;
    case LW_KIND_LATCH:
        word = lw_load_acq(&slot->word);
        do {
            if (word >> LW_LATCH_SHIFT == 0) return true;
        } while (!(word & LW_LATCH_WAITERS) && !lw_cas_acqrel(&slot->word, &word, word | LW_LATCH_WAITERS));
        add(words, &slot->word, word | LW_LATCH_WAITERS, NULL, 0);
        return false;
    case LW_KIND_SEMAPHORE:
        word = lw_load_acq(&slot->word);
        do {
            if (word >> LW_SEMAPHORE_SHIFT) return true;
        } while (!(word & LW_SEMAPHORE_WAITERS) && !lw_cas_acqrel(&slot->word, &word, LW_SEMAPHORE_WAITERS));
        item->listened = true;
        add(words, &slot->word, LW_SEMAPHORE_WAITERS, NULL, 0);
        return false;
    case LW_KIND_PERMITS:
        word = lw_permits_listen(slot);
        if (lw_permits_available(arena, slot) > 0) return true;
        add(words, &slot->bell, word, NULL, 0);
        /* The dead, which it leaves out, hold nothing: what one of them held is available now. */
        add_holders(words, arena, slot);
        return lw_permits_available(arena, slot) > 0;
    default:
        if (lw_load_relaxed(&slot->state) == LW_KIND_RLOCK && is_mine(item, who)) return true;
        if (!lw_lock_listen(arena, slot, item->listened, &word, &owner)) return true;
        item->listened = true;
        add(words, &slot->seq, word, NULL, 0);
        return !add_member(words, arena, owner);
    }
}

void lw_several_unlisten(struct lw_several *several) {
    for (unsigned i = 0; i < several->count; i++) {
        struct lw_several_item *item = &several->items[i];
        if (!item->listened) continue;
        item->listened = false;
        if (lw_load_relaxed(&item->slot->state) == LW_KIND_SEMAPHORE)
            lw_semaphore_pass_on(item->slot);
        else
            lw_lock_unlisten(item->slot);
    }
}

static bool is_ready(const struct lw_several_item *item, uint32_t who) {
    const struct lw_slot *slot = item->slot;
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_EVENT:
        return lw_event_is_set(slot) || lw_load_acq(&slot->word) >> LW_EVENT_GENERATION_SHIFT != item->generation;
    case LW_KIND_LATCH:
        return lw_latch_count(slot) == 0;
    case LW_KIND_SEMAPHORE:
        return lw_semaphore_value(slot) > 0;
    case LW_KIND_PERMITS:
        return lw_permits_available(item->arena, slot) > 0;
    case LW_KIND_RLOCK:
        if (is_mine(item, who)) return true;
        return lw_lock_owner(item->arena, slot) == 0;
    default:
        return lw_lock_owner(item->arena, slot) == 0;
    }
}

void lw_several_begin(struct lw_several *several) {
    for (unsigned i = 0; i < several->count; i++)
        several->items[i].generation = lw_load_acq(&several->items[i].slot->word) >> LW_EVENT_GENERATION_SHIFT;
}

static bool look_at_files(struct lw_several *several) {
    if (several->files_count == 0) return false;
    return poll(several->files, several->files_count, 0) > 0;
}

bool lw_several_look(struct lw_several *several) {
    bool any = look_at_files(several);
    for (unsigned i = 0; i < several->count; i++) any |= several->items[i].ready = is_ready(&several->items[i], several->who);
    return any;
}

/* Among the threads of one call. */
struct crew {
    lw_word done;
    int bell; /* an eventfd, or -1 */
    int64_t deadline_ns;
    enum lw_slept slept; /* of the thread that called */
};

struct hand {
    pthread_t thread;
    struct crew *crew;
    unsigned count;
    struct lw_futex_entry entries[LW_FUTEX_ENTRIES];
};

static void end_sleep(struct crew *crew) {
    lw_store_rel(&crew->done, 1);
    lw_futex_wake(&crew->done, INT_MAX);
    uint64_t one = 1;
    if (crew->bell >= 0 && write(crew->bell, &one, sizeof one) < 0) return; /* full: it has rung already */
}

static void *sleep_here(void *argument) {
    struct hand *hand = argument;
    unsigned which;
    enum lw_slept slept;
    do {
        slept = lw_futex_wait_many(hand->entries, hand->count, hand->crew->deadline_ns, &which);
    } while (slept == LW_SLEPT_SIGNAL);
    if (slept != LW_SLEPT_TIMEOUT) end_sleep(hand->crew); /* which the one that called finds itself */
    return NULL;
}

static int poll_until(struct pollfd *files, unsigned count, int64_t deadline_ns) {
    int64_t left = deadline_ns - lw_now_ns();
    if (left < 0) left = 0;
    struct timespec spec = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
    return ppoll(files, count, deadline_ns == LW_FOREVER ? NULL : &spec, NULL);
}

/* No memory, threads or files to be had: look later. */
static enum lw_slept look_later(void) {
    nanosleep(&(struct timespec){.tv_nsec = LW_SEVERAL_LOOK_NS}, NULL);
    return LW_SLEPT_SIGNAL;
}

/* The bell is one more file, behind the caller's. */
static enum lw_slept sleep_in_poll(struct lw_several *several, struct crew *crew) {
    unsigned count = several->files_count;
    struct pollfd *files = malloc((count + 1) * sizeof *files);
    if (!files) return look_later();
    memcpy(files, several->files, count * sizeof *files);
    files[count] = (struct pollfd){.fd = crew->bell, .events = POLLIN};
    int result = poll_until(files, count + (crew->bell >= 0), crew->deadline_ns);
    int error = errno;
    free(files);
    if (result > 0) return LW_SLEPT_WOKEN;
    return result == 0 ? LW_SLEPT_TIMEOUT : error == EINTR ? LW_SLEPT_SIGNAL : look_later();
}

/* Signals are for Python's threads. */
static bool start(struct hand *hand) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&hand->thread, NULL, sleep_here, hand);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

static unsigned take_words(struct hand *hand, const struct lw_words *words, unsigned from) {
    unsigned part = words->count - from < LW_FUTEX_ENTRIES - 1 ? words->count - from : LW_FUTEX_ENTRIES - 1;
    hand->entries[0] = lw_futex_entry(&hand->crew->done, 0);
    memcpy(hand->entries + 1, words->entries + from, part * sizeof *hand->entries);
    hand->count = part + 1;
    return from + part;
}

static enum lw_slept sleep_with_crew(struct lw_several *several, const struct lw_words *words, int64_t wake_ns) {
    struct crew crew = {.done = 0, .bell = -1, .deadline_ns = wake_ns};
    unsigned hands_needed = (words->count + LW_FUTEX_ENTRIES - 2) / (LW_FUTEX_ENTRIES - 1);
    struct hand *hands = calloc(hands_needed ? hands_needed : 1, sizeof *hands);
    if (!hands) return look_later();
    bool in_poll = several->files_count > 0;
    if (in_poll) crew.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = !in_poll || crew.bell >= 0;
    unsigned from = 0, started = 0, mine = 0;
    for (unsigned i = 0; ok && i < hands_needed; i++) {
        hands[i].crew = &crew;
        from = take_words(&hands[i], words, from);
        mine = i;
        if (!in_poll && i + 1 == hands_needed) break; /* these are this thread's */
        ok = start(&hands[i]);
        started += ok;
    }
    enum lw_slept slept = LW_SLEPT_CHANGED;
    unsigned which;
    if (ok && in_poll)
        slept = sleep_in_poll(several, &crew);
    else if (ok)
        slept = lw_futex_wait_many(hands[mine].entries, hands[mine].count, wake_ns, &which);
    end_sleep(&crew);
    for (unsigned i = 0; i < started; i++) pthread_join(hands[i].thread, NULL);
    if (crew.bell >= 0) close(crew.bell);
    free(hands);
    return ok ? slept : look_later();
}

static enum lw_slept sleep_on(struct lw_several *several, const struct lw_words *words, int64_t wake_ns) {
    unsigned which;
    if (words->count == 0) {
        struct crew nobody = {.bell = -1, .deadline_ns = wake_ns};
        return sleep_in_poll(several, &nobody);
    }
    if (several->files_count == 0 && words->count <= LW_FUTEX_ENTRIES)
        return lw_futex_wait_many(words->entries, words->count, wake_ns, &which);
    return sleep_with_crew(several, words, wake_ns);
}

/* The kernel wakes one that watches a dead member: the others are told by that one. */
static void tell_deaths(const struct lw_words *words) {
    for (unsigned i = 0; i < words->count; i++)
        if (words->arenas[i] && lw_member_is_silent(words->arenas[i], words->ids[i]))
            lw_member_tell(words->arenas[i], words->ids[i]);
}

bool lw_several_listen(struct lw_several *several, struct lw_words *words) {
    bool any = false;
    for (unsigned i = 0; i < several->count; i++) any |= prepare(&several->items[i], several->who, words);
    return any;
}

int64_t lw_several_patience(struct lw_several *several, const struct lw_words *words) {
    if (several->recheck_ns == 0) several->recheck_ns = lw_recheck_first_ns;
    int64_t step = several->recheck_ns;
    if (words->blind && step > LW_RECHECK_BLIND_NS) step = LW_RECHECK_BLIND_NS;
    if (!lw_futex_has_waitv() && step > LW_SEVERAL_LOOK_NS && words->count) step = LW_SEVERAL_LOOK_NS;
    return step;
}

void lw_several_recheck(struct lw_several *several) {
    several->recheck_ns = lw_recheck_next(several->recheck_ns);
    for (unsigned i = 0; i < several->count; i++) {
        const struct lw_several_item *item = &several->items[i];
        uint32_t kind = lw_load_relaxed(&item->slot->state);
        uint32_t owner = kind == LW_KIND_LOCK || kind == LW_KIND_RLOCK ? lw_lock_owner(item->arena, item->slot) : 0;
        if (owner && lw_member_is_mute(item->arena, owner)) lw_member_recheck(item->arena, owner);
        if (kind == LW_KIND_PERMITS) lw_queue_find_dead(item->arena, item->slot);
    }
}

void lw_several_show(struct lw_several *several, bool is_task, int64_t until_ns) {
    for (unsigned i = 0; i < several->count && i < LW_SEVERAL_SHOWN; i++) {
        struct lw_several_item *item = &several->items[i];
        if (item->seen.member == item->arena->self_id) continue;
        struct lw_waiter said = lw_waiter_now(item->arena, item->slot, LW_WANTS_EVENT, until_ns);
        said.is_task = is_task;
        said.task = several->who;
        lw_seen_begin(item->arena, &item->seen, &said);
    }
}

void lw_several_hide(struct lw_several *several) {
    for (unsigned i = 0; i < several->count && i < LW_SEVERAL_SHOWN; i++)
        lw_seen_end(several->items[i].arena, &several->items[i].seen);
}

static enum lw_several_end once(struct lw_several *several, struct lw_words *words) {
    bool any = lw_several_listen(several, words);
    if (words->failed) return LW_SEVERAL_NO_ROOM;
    if (any) return LW_SEVERAL_READY;
    int64_t now = lw_now_ns();
    if (now >= several->deadline_ns) {
        /* No re-check will come: so it looks closely at those whose death shows in no word. */
        if (several->deadline_ns == 0) lw_several_recheck(several);
        return LW_SEVERAL_TIMEOUT;
    }
    int64_t step = lw_several_patience(several, words);
    int64_t wake_ns = step < several->deadline_ns - now ? now + step : several->deadline_ns;
    lw_several_show(several, false, several->deadline_ns);
    struct lw_waiting *waiting = lw_waiting_here();
    if (waiting && !waiting->slot) wake_ns = lw_waiting_sleeps(waiting, wake_ns);
    static const struct lw_words none;
    enum lw_slept slept = sleep_on(several, lw_futex_has_waitv() ? words : &none, wake_ns);
    tell_deaths(words);
    if (slept == LW_SLEPT_WOKEN || slept == LW_SLEPT_CHANGED) return LW_SEVERAL_READY;
    if (slept == LW_SLEPT_TIMEOUT && wake_ns != several->deadline_ns) lw_several_recheck(several);
    return LW_SEVERAL_SIGNAL;
}

void lw_words_free(struct lw_words *words) {
    free(words->entries);
    free(words->arenas);
    free(words->ids);
}

enum lw_several_end lw_several_wait(struct lw_several *several) {
    struct lw_words words = {.count = 0};
    enum lw_several_end end;
    do {
        /* Still listening: two that passed on each wake, though nothing is ready, would wake each other for ever. */
        words.count = 0;
        words.blind = false;
        end = once(several, &words);
    } while (end == LW_SEVERAL_READY && !lw_several_look(several));
    lw_words_free(&words);
    lw_several_unlisten(several);
    return end != LW_SEVERAL_READY && lw_several_look(several) ? LW_SEVERAL_READY : end;
}
