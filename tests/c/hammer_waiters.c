/* Those who wait, for others to see: whoever reads an entry, a note or a primitive while others write them finds what
 * one of them has said, whole, or nothing: see hammer.c. */
#include "hammer.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "lw_rlock.h"
#include "lw_rwlock.h"
#include "lw_survey.h"
#include "permits.h"
#include "waiters.h"

#define ROUNDS 2000
#define TIMES 40 /* the same entry, in a row: so that readers meet it half written */
#define AT_ONCE 24
#define READERS 2
#define LIMIT 3
#define ROOM 512 /* for (THREADS - READERS) * AT_ONCE, and those that were interrupted */

static _Atomic int writing;
static struct lw_slot *lock, *permits, *rwlock;
static _Atomic unsigned long read_whole, read_notes, owners_seen;

static void read_all(struct lw_arena *arena) {
    uint32_t ready = lw_load_acq(&arena->header->waiters_ready);
    CHECK(ready <= ROOM);
    for (uint32_t i = 0; i < ready; i++) {
        struct lw_waiter row;
        char note[LW_NOTE_TEXT];
        if (!lw_waiter_read(arena, i, &row, note)) continue;
        CHECK(is_whole(&row, note));
        atomic_fetch_add(&read_whole, 1);
        atomic_fetch_add(&read_notes, row.noted != 0);
    }
}

static uint32_t total(const struct lw_survey *survey) {
    uint32_t sum = 0;
    for (unsigned i = 0; i < survey->held; i++) sum += survey->holdings[i].count;
    return sum;
}

static void survey_all(struct lw_arena *arena, struct lw_survey *survey) {
    CHECK(lw_survey_look(arena, lw_slot_index(arena, lock), 0, survey) && survey->held <= 1);
    atomic_fetch_add(&owners_seen, survey->held);
    CHECK(lw_survey_look(arena, lw_slot_index(arena, permits), 0, survey));
    CHECK(total(survey) + survey->value == LIMIT);
    CHECK(lw_survey_look(arena, lw_slot_index(arena, rwlock), 0, survey));
    for (unsigned i = 0; i < survey->held; i++) CHECK(!survey->holdings[i].write || survey->held == 1);
    CHECK(!lw_survey_look(arena, lw_slot_index(arena, lock), 12345, survey));
    /* Whatever is there, or is no more. */
    for (uint32_t i = 1; i < 64; i++) lw_survey_look(arena, i, 0, survey);
}

static void *reader_body(void *argument) {
    struct worker *self = argument;
    struct lw_survey survey = {.held = 0};
    while (atomic_load(&writing) > 0) {
        read_all(&self->arena);
        survey_all(&self->arena, &survey);
    }
    lw_survey_free(&survey);
    return NULL;
}

static void hold_something(struct worker *self) {
    struct lw_arena *arena = &self->arena;
    struct lw_queue_wait wait = {.deadline_ns = 0};
    struct lw_cell *cell = NULL;
    if (lw_lock_try(lock, arena->self_id)) {
        lw_stamp_lock(lock, arena->self_id, lw_thread_id());
        CHECK(lw_lock_release_slow(lock, false));
    }
    if (permit_slow(arena, permits, &wait) == LW_QUEUE_GRANTED) CHECK(permits_back(arena, permits, 1));
    wait = (struct lw_queue_wait){.deadline_ns = 0};
    bool write = draw(self, 4) == 0, settle;
    if (write && lw_rwlock_write(arena, rwlock, &wait) == LW_QUEUE_GRANTED)
        CHECK(lw_rwlock_release_write(arena, rwlock, true) == LW_RWLOCK_RELEASED);
    if (!write && lw_rwlock_read(arena, rwlock, &wait, &cell) == LW_QUEUE_GRANTED) {
        CHECK(lw_rwlock_release_read(arena, rwlock, cell, &settle) || settle);
        if (settle) lw_queue_settle(arena, rwlock, &lw_rwlock_queue, NULL);
    }
}

/* Something else than before. */
static void say(struct worker *self, struct lw_seen *seen) {
    uint32_t number = MADE_UP | draw(self, MADE_UP);
    struct lw_waiter row = said(number);
    char text[LW_NOTE_TEXT];
    uint32_t length = note_of(number, text);
    lw_seen_end(&self->arena, seen);
    lw_seen_begin(&self->arena, seen, &row);
    CHECK(seen->entry && lw_load_relaxed(&seen->entry->member) == self->arena.self_id);
    lw_seen_note(&self->arena, seen, text, length);
}

static bool all_was_seen(void) {
    return atomic_load(&read_whole) > 0 && atomic_load(&read_notes) > 0 && atomic_load(&owners_seen) > 0;
}

static void *writer_body(void *argument) {
    struct worker *self = argument;
    struct lw_seen seen[AT_ONCE] = {{0}};
    uint32_t numbers[AT_ONCE] = {0};
    /* And until the readers, who may hardly get to run, have seen something of it. */
    for (int i = 0; i < ROUNDS || !all_was_seen(); i++) {
        uint32_t at = draw(self, AT_ONCE);
        if (draw(self, 8) == 0) hold_something(self);
        if (draw(self, 64) == 0) drop_slot(new_slot(&(struct lw_made){.kind = LW_KIND_LOCK}));
        if (!seen[at].entry) {
            numbers[at] = MADE_UP | draw(self, MADE_UP);
            struct lw_waiter row = said(numbers[at]);
            lw_seen_begin(&self->arena, &seen[at], &row);
            CHECK(seen[at].entry && lw_load_relaxed(&seen[at].entry->member) == self->arena.self_id);
        } else if (draw(self, 2)) {
            char text[LW_NOTE_TEXT];
            lw_seen_note(&self->arena, &seen[at], text, note_of(numbers[at], text));
        } else {
            for (int n = draw(self, 4) ? 0 : TIMES; n > 0; n--) say(self, &seen[at]);
            lw_seen_end(&self->arena, &seen[at]);
            CHECK(!seen[at].entry);
        }
    }
    for (int i = 0; i < AT_ONCE; i++) lw_seen_end(&self->arena, &seen[i]);
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

/* Dies while it waits. */
static void *mortal_body(void *argument) {
    struct worker *self = argument;
    struct lw_seen seen;
    struct lw_waiter row = said(MADE_UP);
    become_mortal(self);
    lw_seen_begin(&self->arena, &seen, &row);
    CHECK(seen.entry);
    return NULL;
}

static unsigned waiting(void) {
    struct lw_waiter row;
    char note[LW_NOTE_TEXT];
    unsigned found = 0;
    for (uint32_t i = 0; i < lw_load_acq(&shared.header->waiters_ready); i++) found += lw_waiter_read(&shared, i, &row, note);
    return found;
}

void waiters_phase(bool with_deaths) {
    lock = new_slot(&(struct lw_made){.kind = LW_KIND_LOCK});
    permits = new_slot(&(struct lw_made){.kind = LW_KIND_PERMITS, .limit = LIMIT});
    rwlock = new_slot(&(struct lw_made){.kind = LW_KIND_RWLOCK});
    atomic_store(&writing, THREADS - READERS);
    for (int i = 0; i < THREADS; i++) {
        new_member(&workers[i].arena);
        start(&workers[i], i < READERS ? reader_body : writer_body);
    }
    pester_and_join();
    CHECK(waiting() == 0);
    /* The places of the dead are used again. */
    uint32_t ready = lw_load_acq(&shared.header->waiters_ready);
    for (unsigned i = 0; with_deaths && i < 2 * ready; i++) {
        struct worker mortal = {.random = i + 1};
        CHECK(dies(&mortal, mortal_body));
        CHECK(waiting() == 0);
    }
    CHECK(lw_load_acq(&shared.header->waiters_ready) == ready);
    CHECK(lw_load_relaxed(&shared.header->waiters_unseen) == 0);
    drop_slot(lock);
    drop_slot(permits);
    drop_slot(rwlock);
}
