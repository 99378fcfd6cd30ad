/* The chains of cells: freed with their primitive, kept by the repair, cleared of a member's id: see hammer.c. */
#include "hammer.h"
#include "lw_barrier.h"
#include "lw_condition.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "permits.h"
#include "lw_rwlock.h"

#define MANY 23 /* cells, in one primitive */

struct counts {
    uint32_t live, free, used;
};

static struct counts count_slots(void) {
    lw_arena_lock(&shared);
    struct counts counts = {shared.header->live, shared.header->free_count, shared.header->slots_used};
    CHECK(counts.live + counts.free == counts.used - 1);
    lw_arena_unlock(&shared);
    return counts;
}

static uint32_t chain_length(const struct lw_slot *slot) {
    uint32_t length = 0;
    for (uint32_t at = lw_load_acq(&slot->cells); at != LW_NO_SLOT; at = shared.slots[at].next) {
        CHECK(lw_load_relaxed(&shared.slots[at].state) == LW_KIND_CELLS);
        length++;
    }
    return length;
}

/* So many that are in it at once. */
static struct lw_slot *fill(enum lw_kind kind, struct lw_arena *members, unsigned count) {
    struct lw_slot *slot = new_slot(&(struct lw_made){.kind = kind, .limit = 10 * MANY});
    struct lw_cell *hint;
    for (unsigned i = 0; i < count; i++) {
        struct lw_queue_wait wait = {.deadline_ns = LW_FOREVER};
        switch (kind) {
        case LW_KIND_PERMITS:
            CHECK(permit_slow(&members[i], slot, &wait) == LW_QUEUE_GRANTED);
            break;
        case LW_KIND_RWLOCK:
            CHECK(lw_rwlock_read(&members[i], slot, &wait, &hint) == LW_QUEUE_GRANTED);
            break;
        case LW_KIND_CONDITION:
            CHECK(lw_condition_join(&members[i], slot, &wait) == LW_QUEUE_GRANTED);
            break;
        default:
            CHECK(lw_cells_claim(&members[i], slot, lw_cell_make(members[i].self_id, LW_CELL_WAITING, 0), true));
        }
    }
    return slot;
}

static const enum lw_kind kinds[] = {LW_KIND_PERMITS, LW_KIND_RWLOCK, LW_KIND_CONDITION, LW_KIND_BARRIER};
#define KINDS (sizeof kinds / sizeof *kinds)

static void *dies_in_the_mutex(void *argument) {
    struct worker *self = argument;
    self->arena = shared;
    lw_arena_lock(&self->arena);
    /* In the middle of growing a chain, and of freeing another one. */
    uint32_t lost;
    CHECK(lw_slot_alloc(&self->arena, LW_KIND_CELLS, &lost) == LW_OK);
    shared.header->free_first = shared.header->free_last = LW_NO_SLOT;
    shared.header->live = 12345;
    return NULL;
}

static void check_member(const struct lw_slot *slot, uint32_t id, uint32_t cells) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    uint32_t found = 0;
    while ((cell = lw_cells_next(&shared, &walk))) found += lw_cell_id(lw_cell_load(cell)) == id;
    CHECK(found == cells);
}

void cells_phase(void) {
    static struct lw_arena members[MANY];
    for (int i = 0; i < MANY; i++) new_member(&members[i]);
    struct counts before = count_slots();

    /* Freed with the primitive, whatever is in them. */
    struct lw_slot *slots[KINDS];
    for (unsigned k = 0; k < KINDS; k++) {
        slots[k] = fill(kinds[k], members, MANY);
        CHECK(chain_length(slots[k]) == (MANY + LW_CELLS - 1) / LW_CELLS);
    }
    for (unsigned k = 0; k < KINDS; k++) drop_slot(slots[k]);
    struct counts after = count_slots();
    CHECK(after.live == before.live);

    /* The repair keeps the chains of those that live, and frees what is in no chain. */
    for (unsigned k = 0; k < KINDS; k++) slots[k] = fill(kinds[k], members, MANY);
    struct counts full = count_slots();
    uint32_t repairs = shared.header->repairs;
    pthread_t thread;
    struct worker dying = {.number = 0};
    CHECK(pthread_create(&thread, NULL, dies_in_the_mutex, &dying) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    if (lw_arena_trylock(&shared)) {
        CHECK(shared.header->repairs == repairs + 1);
        lw_arena_unlock(&shared);
    } else {
        /* No robust mutexes here (an emulator): as if. */
        lw_mutex_init(&shared.header->mutex);
        lw_arena_lock(&shared);
        lw_arena_repair(&shared);
        lw_arena_unlock(&shared);
    }
    after = count_slots();
    CHECK(after.live == full.live);
    for (unsigned k = 0; k < KINDS; k++) {
        CHECK(chain_length(slots[k]) == (MANY + LW_CELLS - 1) / LW_CELLS);
        for (int i = 0; i < MANY; i++) check_member(slots[k], members[i].self_id, 1);
    }

    /* An entry whose ids begin anew stands nowhere any more, also not in a guard. */
    uint32_t gone = members[3].self_id;
    for (unsigned k = 0; k < KINDS; k++) CHECK(lw_lock_try(slots[k], gone));
    lw_arena_lock(&shared);
    lw_store_rel(&shared.members[lw_member_index(gone)].found_dead, gone);
    lw_slot_forget_member(&shared, lw_member_index(gone));
    lw_arena_unlock(&shared);
    for (unsigned k = 0; k < KINDS; k++) {
        check_member(slots[k], gone, 0);
        check_member(slots[k], LW_ID_DEAD, 1);
        CHECK(lw_load_acq(&slots[k]->word) >> LW_LOCK_OWNER_SHIFT == LW_ID_DEAD);
    }
    /* What the forgotten one had is free, and the guard of a dead one is settled. */
    struct lw_queue_wait wait = {.deadline_ns = 0};
    lw_queue_settle(&shared, slots[0], &lw_permits_queue, &wait);
    CHECK(lw_permits_available(&shared, slots[0]) == 10 * MANY - (MANY - 1));
    CHECK(permits_back(&shared, slots[0], 1)); /* its late release */
    lw_queue_settle(&shared, slots[1], &lw_rwlock_queue, &wait);
    CHECK(lw_rwlock_readers(&shared, slots[1]) == MANY - 1);
    lw_queue_settle(&shared, slots[2], &lw_condition_queue, &wait);
    CHECK(lw_condition_waiting(slots[2]) == MANY - 1);
    lw_condition_notify(&shared, slots[2], 2);
    CHECK(lw_condition_waiting(slots[2]) == MANY - 3);
    lw_barrier_abort(&shared, slots[3]);
    CHECK(lw_barrier_is_broken(&shared, slots[3]) && lw_barrier_waiting(&shared, slots[3]) == 0);

    for (unsigned k = 0; k < KINDS; k++) drop_slot(slots[k]);
    after = count_slots();
    CHECK(after.live == before.live);
}
