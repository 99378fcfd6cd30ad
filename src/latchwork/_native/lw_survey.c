#include "lw_survey.h"

#include <stdlib.h>
#include <string.h>

#include "lw_barrier.h"
#include "lw_cells.h"
#include "lw_event.h"
#include "lw_latch.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "lw_permits.h"
#include "lw_rlock.h"
#include "lw_semaphore.h"
#include "lw_stamp.h"

#define TRIES 50
#define THREAD_MAX (1u << 22) /* PID_MAX_LIMIT: see proc(5) */
#define TASK_NUMBER_MAX (1u << 24)
#define CHAIN_MAX (1u << 16)

uint32_t lw_survey_slots(const struct lw_arena *arena) {
    const volatile struct lw_header *header = arena->header;
    uint32_t used = header->slots_used, ready = header->slots_ready;
    if (used > ready) used = ready;
    return used < arena->slots_mapped ? used : arena->slots_mapped;
}

/* The items, with room for one more than `count`; NULL: no memory, and they are where they were. */
static void *with_room(void *items, unsigned count, unsigned *room, size_t size) {
    if (count < *room) return items;
    unsigned larger = *room ? 2 * *room : 16;
    void *moved = realloc(items, larger * size);
    if (moved) *room = larger;
    return moved;
}

static bool hold(struct lw_survey *survey, const struct lw_holding *holding) {
    void *items = with_room(survey->holdings, survey->held, &survey->room, sizeof *survey->holdings);
    if (!items) return false;
    survey->holdings = items;
    survey->holdings[survey->held++] = *holding;
    return true;
}

static bool choose(struct lw_survey *survey, uint32_t member) {
    void *items = with_room(survey->chosen, survey->chosen_count, &survey->chosen_room, sizeof *survey->chosen);
    if (!items) return false;
    survey->chosen = items;
    survey->chosen[survey->chosen_count++] = member;
    return true;
}

/* What a former owner has left there decodes to nothing that exists. */
static bool decode(uint32_t member, uint32_t token, uint32_t *who) {
    *who = lw_stamp_token(member, token);
    bool exists = *who & LW_TASK_BIT ? (*who & ~LW_TASK_BIT) < TASK_NUMBER_MAX : *who <= THREAD_MAX;
    if (!exists) *who = 0;
    return exists;
}

static bool look_at_lock(struct lw_arena *arena, const struct lw_slot *slot, struct lw_survey *survey) {
    for (int i = 0; i < TRIES; i++) {
        uint32_t word = lw_load_acq(&slot->word), owner = word >> LW_LOCK_OWNER_SHIFT;
        uint32_t token = lw_load_relaxed(&slot->thread), since = lw_load_relaxed(&slot->since);
        uint32_t depth = survey->kind == LW_KIND_RLOCK ? lw_load_relaxed(&slot->depth) : 1;
        if (lw_load_acq(&slot->word) >> LW_LOCK_OWNER_SHIFT != owner) continue;
        if (owner == 0 || !lw_member_lives(arena, owner)) return true;
        uint32_t who;
        bool said = decode(owner, token, &who);
        if (!said && i + 1 < TRIES) continue;
        /* It has it, and could not even say so: much less that it waits no more. */
        if (!said && !choose(survey, owner)) return false;
        struct lw_holding holding = {.member = owner, .who = who, .since = since, .count = depth ? depth : 1};
        return hold(survey, &holding);
    }
    return true;
}

struct pass {
    uint64_t sum, number;
    uint32_t round; /* Barrier */
    bool broken;    /* Barrier: somebody in that round is dead */
};

/* Waits at a Barrier in another round than this: that one is over, and it is being told. */
static bool is_late(const struct lw_survey *survey, const struct pass *pass, uint64_t value) {
    bool in = lw_cell_state(value) == LW_CELL_WAITING || lw_cell_state(value) == LW_CELL_RUNNING;
    return survey->kind == LW_KIND_BARRIER && in && lw_cell_value(value) != pass->round >> LW_BARRIER_NUMBER_SHIFT;
}

/* All cells, and a sum of what they said. */
static bool pass_over(struct lw_arena *arena, const struct lw_slot *slot, struct lw_survey *survey, struct pass *pass) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    *pass = (struct pass){.round = lw_load_acq(&slot->round)};
    survey->held = survey->chosen_count = 0;
    survey->value = 0;
    uint32_t slots = lw_survey_slots(arena);
    while (walk.at < slots && pass->number < CHAIN_MAX && (cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        pass->sum = (pass->sum ^ value) * 0x100000001b3u + pass->number++;
        uint32_t id = lw_cell_id(value);
        if (id == 0 || is_late(survey, pass, value)) continue;
        if (id == LW_ID_DEAD || !lw_member_lives(arena, id)) {
            pass->broken |= lw_cell_state(value) == LW_CELL_WAITING || lw_cell_state(value) == LW_CELL_RUNNING;
            continue;
        }
        struct lw_holding holding = {.member = id, .since = lw_load_relaxed(lw_stamp_of_cell(cell))};
        switch (lw_cell_state(value)) {
        case LW_CELL_HELD:
            holding.count = lw_cell_value(value);
            break;
        case LW_CELL_WRITING:
            holding.count = 1;
            holding.write = true;
            if (lw_cell_value(value) == 0 && !choose(survey, id)) return false;
            break;
        case LW_CELL_CHOSEN:
            if (!choose(survey, id)) return false;
            holding.count = survey->kind == LW_KIND_PERMITS || survey->kind == LW_KIND_RWLOCK;
            break;
        case LW_CELL_WAITING:
        case LW_CELL_WAITING_WRITE:
            survey->value++;
            break;
        case LW_CELL_RUNNING:
            survey->state = LW_STATE_RUNNING;
            survey->value++;
            break;
        default:
            break;
        }
        if (holding.count && !hold(survey, &holding)) return false;
    }
    return true;
}

/* Twice the same, if it can be had. */
static bool look_at_cells(struct lw_arena *arena, const struct lw_slot *slot, struct lw_survey *survey) {
    struct pass before = {.round = 0}, now;
    for (int i = 0; i < TRIES; i++) {
        survey->state = LW_STATE_NONE;
        if (!pass_over(arena, slot, survey, &now)) return false;
        if (survey->kind == LW_KIND_BARRIER && (now.broken || now.round & LW_BARRIER_BROKEN)) {
            survey->state = LW_STATE_BROKEN;
            survey->value = 0;
        }
        bool same = survey->kind != LW_KIND_BARRIER || lw_load_acq(&slot->round) == now.round;
        if (i > 0 && same && now.sum == before.sum && now.number == before.number) break;
        before = now;
    }
    return true;
}

/* Some add and look after that whether they may, and what went from one to another may have been seen at both: so much
 * is not held. */
static void cut(struct lw_survey *survey, uint32_t limit) {
    uint32_t left = limit;
    unsigned kept = 0;
    for (unsigned i = 0; i < survey->held; i++) {
        struct lw_holding *holding = &survey->holdings[i];
        if (holding->count > left) holding->count = left;
        left -= holding->count;
        if (holding->count) survey->holdings[kept++] = *holding;
    }
    survey->held = kept;
    survey->value = left;
}

/* A writer is alone: readers beside it are about to find that out. */
static void part(struct lw_survey *survey) {
    for (unsigned i = 0; i < survey->held; i++) {
        if (!survey->holdings[i].write) continue;
        survey->holdings[0] = survey->holdings[i];
        survey->held = 1;
    }
}

static bool decode_all(struct lw_arena *arena, const struct lw_slot *slot, struct lw_survey *survey) {
    uint32_t word = lw_load_acq(&slot->word);
    survey->limit = lw_load_relaxed(&slot->limit);
    survey->bounded = true;
    switch (survey->kind) {
    case LW_KIND_LOCK:
    case LW_KIND_RLOCK:
        survey->limit = 0;
        return look_at_lock(arena, slot, survey);
    case LW_KIND_EVENT:
        if (word & LW_EVENT_SET) survey->state = LW_STATE_SET;
        return true;
    case LW_KIND_SEMAPHORE:
        survey->value = word >> LW_SEMAPHORE_SHIFT;
        survey->bounded = survey->limit != LW_SEMAPHORE_MAX;
        return true;
    case LW_KIND_LATCH:
        survey->value = word >> LW_LATCH_SHIFT;
        return true;
    case LW_KIND_PERMITS:
        survey->bounded = !(lw_load_relaxed(&slot->bell) & LW_PERMITS_STRICT);
        if (!look_at_cells(arena, slot, survey)) return false;
        cut(survey, survey->limit);
        return true;
    case LW_KIND_RWLOCK:
        if (!look_at_cells(arena, slot, survey)) return false;
        part(survey);
        return true;
    case LW_KIND_BARRIER:
    case LW_KIND_CONDITION:
        return look_at_cells(arena, slot, survey);
    default:
        return false;
    }
}

bool lw_survey_look(struct lw_arena *arena, uint32_t index, uint32_t generation, struct lw_survey *survey) {
    const struct lw_slot *slot = &arena->slots[index];
    if (index >= lw_survey_slots(arena)) return false;
    survey->held = survey->chosen_count = 0;
    survey->value = 0;
    survey->state = LW_STATE_NONE;
    survey->index = index;
    survey->generation = lw_load_acq(&slot->generation);
    survey->kind = lw_load_acq(&slot->state);
    if (generation && generation != survey->generation) return false;
    if (!lw_kind_is_primitive(survey->kind)) return false;
    survey->deaths = atomic_load_explicit(&slot->deaths, memory_order_relaxed);
    survey->deadlock = atomic_load_explicit(&slot->deadlock, memory_order_relaxed);
    if (!decode_all(arena, slot, survey)) return false;
    return lw_load_acq(&slot->generation) == survey->generation && lw_load_acq(&slot->state) == survey->kind;
}

void lw_survey_free(struct lw_survey *survey) {
    free(survey->holdings);
    free(survey->chosen);
}

/* Races with those who make and free names: what was torn is thrown away. */
__attribute__((no_sanitize("thread"))) static uint32_t copy_name(const struct lw_arena *arena, uint32_t name, char *text,
                                                                  uint32_t room) {
    const volatile struct lw_slot *slot = &arena->slots[name];
    uint32_t slots = lw_survey_slots(arena), length = slot->length < room ? slot->length : room, done = 0;
    for (; done < length && done < LW_NAME_TEXT; done++) text[done] = slot->text[done];
    for (uint32_t at = slot->more; done < length && at != LW_NO_SLOT && at < slots;) {
        const volatile struct lw_slot *more = &arena->slots[at];
        for (uint32_t i = 0; i < LW_MORE_TEXT && done < length; i++) text[done++] = more->more_text[i];
        at = more->next;
    }
    return done;
}

__attribute__((no_sanitize("thread"))) static uint32_t name_of(const struct lw_slot *slot) {
    return ((const volatile struct lw_slot *)slot)->name;
}

uint32_t lw_survey_name(const struct lw_arena *arena, const struct lw_survey *survey, char *text, uint32_t room) {
    const struct lw_slot *slot = &arena->slots[survey->index];
    uint32_t name = name_of(slot);
    if (name == LW_NO_SLOT || name >= lw_survey_slots(arena)) return 0;
    uint32_t generation = lw_load_acq(&arena->slots[name].generation);
    uint32_t length = copy_name(arena, name, text, room);
    atomic_thread_fence(memory_order_acquire);
    bool same = name_of(slot) == name && lw_load_acq(&arena->slots[name].generation) == generation &&
                lw_load_acq(&slot->generation) == survey->generation;
    return same ? length : 0;
}
