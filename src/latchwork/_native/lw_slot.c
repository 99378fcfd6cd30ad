#include "lw_slot.h"

#include <stdlib.h>
#include <string.h>

#include "lw_barrier.h"
#include "lw_cells.h"
#include "lw_crash.h"
#include "lw_event.h"
#include "lw_futex.h"
#include "lw_latch.h"
#include "lw_lock.h"
#include "lw_member.h"
#include "lw_name.h"
#include "lw_rwlock.h"
#include "lw_semaphore.h"

#define SWEEP_MIN 4096u

/* In units of 4 s, and never 0. It comes round after 17 minutes: then something seems pickled just now that was not,
 * which only keeps it for a minute more. */
#define FLIGHT_UNIT_NS 4000000000
static uint8_t pickling_time(void) { return (uint8_t)(lw_now_ns() / FLIGHT_UNIT_NS % 255 + 1); }

void lw_slot_push_free(struct lw_arena *arena, uint32_t index) {
    struct lw_header *header = arena->header;
    arena->slots[index].next = LW_NO_SLOT;
    if (header->free_count == 0)
        header->free_first = index;
    else
        arena->slots[header->free_last].next = index;
    header->free_last = index;
    header->free_count++;
}

static uint32_t pop_free(struct lw_arena *arena) {
    struct lw_header *header = arena->header;
    uint32_t index = header->free_first;
    /* Torn by a death in a process that had no memory to repair: never hand out what is in use. */
    if (index == LW_NO_SLOT || index >= header->slots_used ||
        lw_load_relaxed(&arena->slots[index].state) != LW_FREE) {
        header->free_count = 0;
        header->free_first = header->free_last = LW_NO_SLOT;
        return LW_NO_SLOT;
    }
    header->free_first = arena->slots[index].next;
    if (--header->free_count == 0) header->free_last = LW_NO_SLOT;
    return index;
}

enum lw_status lw_slot_alloc(struct lw_arena *arena, enum lw_kind kind, uint32_t *index_out) {
    struct lw_header *header = arena->header;
    uint32_t index = LW_NO_SLOT;
    if (header->free_count <= LW_QUARANTINE && header->slots_used >= header->sweep_at) {
        lw_slot_sweep(arena);
        uint32_t at = header->live * 2 < SWEEP_MIN ? SWEEP_MIN : header->live * 2;
        header->sweep_at = at > header->slots_used ? at : header->slots_used + header->live / 2 + SWEEP_MIN;
    }
    if (header->free_count > LW_QUARANTINE) index = pop_free(arena);
    if (index == LW_NO_SLOT) {
        enum lw_status status = LW_OK;
        if (header->slots_used >= header->slots_ready) status = lw_arena_grow_slots(arena);
        if (status == LW_OK) {
            index = header->slots_used++;
        } else {
            /* Full: the quarantine is a courtesy; better a slot used again early than none. */
            if (header->free_count == 0) lw_slot_sweep(arena);
            if (header->free_count > 0) index = pop_free(arena);
            if (index == LW_NO_SLOT) return status;
        }
    }
    LW_CRASH(slot_popped); /* CRASH: its state says free: the repair puts it back into the queue */
    struct lw_slot *slot = &arena->slots[index];
    uint32_t generation = lw_load_relaxed(&slot->generation);
    memset(slot, 0, offsetof(struct lw_slot, state));
    memset((char *)slot + offsetof(struct lw_slot, next), 0, sizeof *slot - offsetof(struct lw_slot, next));
    lw_store_relaxed(&slot->generation, generation ? generation : 1);
    lw_store_rel(&slot->state, (uint32_t)kind);
    LW_CRASH(slot_filled); /* CRASH: in use without a holder: the next sweep frees it */
    header->live++;
    *index_out = index;
    return LW_OK;
}

enum lw_status lw_slot_new(struct lw_arena *arena, const struct lw_made *made, uint32_t *index) {
    enum lw_status status = lw_slot_alloc(arena, made->kind, index);
    if (status == LW_OK) {
        struct lw_slot *slot = &arena->slots[*index];
        lw_store_relaxed(&slot->word, made->word);
        lw_store_relaxed(&slot->limit, made->limit);
        lw_store_relaxed(&slot->initial, made->initial);
        struct lw_holder *holder = slot->holders;
        holder->count = 1;
        holder->id = arena->self_id;
    }
    return status;
}

static void free_chain(struct lw_arena *arena, uint32_t index) {
    while (index != LW_NO_SLOT) {
        uint32_t next = arena->slots[index].next;
        lw_slot_free(arena, index);
        index = next;
    }
}

void lw_slot_free(struct lw_arena *arena, uint32_t index) {
    struct lw_header *header = arena->header;
    struct lw_slot *slot = &arena->slots[index];
    uint32_t kind = lw_load_relaxed(&slot->state);
    if (lw_kind_is_primitive(kind)) {
        if (slot->name != LW_NO_SLOT) lw_name_remove(arena, index);
        uint32_t extra = slot->next;
        slot->next = LW_NO_SLOT;
        free_chain(arena, extra);
        if (lw_kind_has_cells(kind)) {
            uint32_t cells = lw_load_relaxed(&slot->cells);
            lw_store_relaxed(&slot->cells, LW_NO_SLOT);
            free_chain(arena, cells);
        }
    }
    uint32_t generation = lw_load_relaxed(&slot->generation) + 1;
    lw_store_rel(&slot->generation, generation ? generation : 1);
    LW_CRASH(slot_bumped); /* CRASH: in use, but no handle fits it: freed by the next sweep */
    lw_store_rel(&slot->state, LW_FREE);
    LW_CRASH(slot_freed); /* CRASH: free, but in no queue: the repair puts it there */
    lw_slot_push_free(arena, index);
    header->live--;
}

/* Calls of `each` for all holders, inline and extra, until it returns true; then that one. */
typedef bool (*holder_test)(const struct lw_arena *, const struct lw_holder *, uint32_t id);

static struct lw_holder *find_holder(struct lw_arena *arena, struct lw_slot *slot, holder_test test, uint32_t id) {
    for (unsigned i = 0; i < LW_HOLDERS_INLINE; i++)
        if (test(arena, &slot->holders[i], id)) return &slot->holders[i];
    for (uint32_t at = slot->next; at != LW_NO_SLOT; at = arena->slots[at].next)
        for (unsigned i = 0; i < LW_HOLDERS_EXTRA; i++)
            if (test(arena, &arena->slots[at].extra[i], id)) return &arena->slots[at].extra[i];
    return NULL;
}

static bool is_member(const struct lw_arena *arena, const struct lw_holder *holder, uint32_t id) {
    (void)arena;
    return holder->id == id && !(holder->count & LW_HEIRS);
}

static bool is_family(const struct lw_arena *arena, const struct lw_holder *holder, uint32_t id) {
    (void)arena;
    return holder->id == id && holder->count & LW_HEIRS;
}

static bool is_used(const struct lw_arena *arena, const struct lw_holder *holder, uint32_t id) {
    (void)arena, (void)id;
    return holder->id != 0;
}

static bool is_vacant(const struct lw_arena *arena, const struct lw_holder *holder, uint32_t id) {
    (void)id;
    return holder->id == 0 || (!(holder->count & LW_HEIRS) && !lw_member_alive(arena, holder->id));
}

static struct lw_holder *vacant_holder(struct lw_arena *arena, struct lw_slot *slot) {
    struct lw_holder *holder = find_holder(arena, slot, is_vacant, 0);
    if (holder) return holder;
    uint32_t extra;
    if (lw_slot_alloc(arena, LW_KIND_HOLDERS, &extra) != LW_OK) return NULL;
    LW_CRASH(holders_extended); /* CRASH: in no chain: the repair frees it */
    arena->slots[extra].next = slot->next;
    slot->next = extra;
    return &arena->slots[extra].extra[0];
}

enum lw_status lw_slot_hold(struct lw_arena *arena, uint32_t index, uint32_t generation, enum lw_kind kind) {
    if (index == LW_NO_SLOT || index >= arena->header->slots_used) return LW_GONE;
    if (index >= arena->slots_mapped) return LW_NO_ROOM;
    struct lw_slot *slot = &arena->slots[index];
    if (!lw_slot_is(slot, generation, kind)) return LW_GONE;
    struct lw_holder *holder = find_holder(arena, slot, is_member, arena->self_id);
    if (holder) {
        holder->count++;
        return LW_OK;
    }
    holder = vacant_holder(arena, slot);
    if (!holder) return LW_NO_ROOM;
    holder->count = 1;
    holder->id = arena->self_id;
    return LW_OK;
}

/* A set Event or a held Lock says something that a new one would not. What only the living can be in (a
 * queue, a read, a permit that comes back) says nothing once they have gone. */
static bool as_new(const struct lw_arena *arena, const struct lw_slot *slot) {
    uint32_t word = lw_load_acq(&slot->word);
    switch (lw_load_relaxed(&slot->state)) {
    case LW_KIND_LOCK:
    case LW_KIND_RLOCK:
        return word >> LW_LOCK_OWNER_SHIFT == 0;
    case LW_KIND_EVENT:
        return !(word & LW_EVENT_SET);
    case LW_KIND_SEMAPHORE:
        return word >> LW_SEMAPHORE_SHIFT == lw_load_relaxed(&slot->initial);
    case LW_KIND_LATCH:
        return word >> LW_LATCH_SHIFT == lw_load_relaxed(&slot->limit);
    case LW_KIND_BARRIER:
        return !(lw_load_relaxed(&slot->round) & LW_BARRIER_BROKEN);
    case LW_KIND_RWLOCK:
        return lw_rwlock_as_new(arena, slot);
    default:
        return true;
    }
}

static bool in_flight(const struct lw_slot *slot) {
    if (slot->pickled == 0) return false;
    unsigned units = (unsigned)(pickling_time() + 255 - slot->pickled) % 255;
    return units * 4 < LW_FLIGHT_SECONDS + 4;
}

/* In one store: a family must never stand there as if it were a member. */
static void become_heirs(struct lw_holder *holder, uint32_t family, uint32_t epoch) {
    struct lw_holder heirs = {.id = family, .count = LW_HEIRS | epoch};
    uint64_t both;
    memcpy(&both, &heirs, sizeof both);
    __atomic_store_n((uint64_t *)(void *)holder, both, __ATOMIC_RELAXED);
}

void lw_slot_drop(struct lw_arena *arena, uint32_t index, uint32_t epoch) {
    struct lw_slot *slot = &arena->slots[index];
    struct lw_holder *holder = find_holder(arena, slot, is_member, arena->self_id);
    if (!holder) return;
    if (epoch < arena->fork_epoch) {
        /* Children forked since then have it too: it stays while one of them lives. */
        uint32_t family = arena->members[lw_member_index(arena->self_id)].family;
        struct lw_holder *heirs = find_holder(arena, slot, is_family, family);
        if (heirs) {
            if (epoch < (heirs->count & ~LW_HEIRS)) heirs->count = LW_HEIRS | epoch;
        } else if (holder->count == 1) {
            become_heirs(holder, family, epoch);
            return;
        } else if ((heirs = vacant_holder(arena, slot))) {
            become_heirs(heirs, family, epoch);
        } else {
            return; /* no room to say so: rather keep the slot for as long as this process lives */
        }
    }
    if (--holder->count > 0) return;
    holder->id = 0;
    LW_CRASH(slot_dropped); /* CRASH: nobody holds it: the next sweep frees it */
    if (slot->pickled != 0) {
        slot->pickled = pickling_time(); /* its pickles may still be under way: left to a sweep */
        return;
    }
    if (find_holder(arena, slot, is_used, 0)) return;
    if (slot->name != LW_NO_SLOT && arena->header->flags & LW_PERSISTENT && !as_new(arena, slot)) return;
    lw_slot_free(arena, index);
}

void lw_slot_pickled(struct lw_slot *slot) { slot->pickled = pickling_time(); }

/* For each family of forked processes, when the youngest that lives was born. */
struct kin {
    uint32_t *born; /* by member index of the family's first */
    uint32_t *family;
};

static bool kin_learn(struct kin *kin, struct lw_arena *arena) {
    kin->born = calloc(2 * (size_t)LW_MEMBERS_MAX, sizeof *kin->born);
    if (!kin->born) return false;
    kin->family = kin->born + LW_MEMBERS_MAX;
    uint32_t ready = lw_load_acq(&arena->header->members_ready);
    for (uint32_t i = 0; i < ready; i++) {
        const struct lw_member *member = &arena->members[i];
        uint32_t id = lw_load_acq(&member->id);
        if (id == 0 || !lw_member_alive(arena, id)) continue;
        uint32_t at = lw_member_index(member->family);
        /* Two families that share an entry by turns: the later birth speaks for both, to be safe. */
        kin->family[at] = member->family;
        if (member->birth > kin->born[at]) kin->born[at] = member->birth;
    }
    return true;
}

static bool holder_lives(const struct lw_arena *arena, const struct kin *kin, const struct lw_holder *holder) {
    if (holder->count & LW_HEIRS)
        return kin->born[lw_member_index(holder->id)] > (holder->count & ~LW_HEIRS);
    return lw_member_alive(arena, holder->id);
}

static bool any_holder_lives(struct lw_arena *arena, struct lw_slot *slot, const struct kin *kin) {
    bool any = false;
    struct lw_holder *holders = slot->holders;
    unsigned count = LW_HOLDERS_INLINE;
    uint32_t next = slot->next;
    for (;;) {
        for (unsigned i = 0; i < count; i++) {
            if (holders[i].id == 0) continue;
            if (holder_lives(arena, kin, &holders[i]))
                any = true;
            else
                holders[i].id = 0;
        }
        if (next == LW_NO_SLOT) return any;
        holders = arena->slots[next].extra;
        count = LW_HOLDERS_EXTRA;
        next = arena->slots[next].next;
    }
}

uint32_t lw_slot_stateful(const struct lw_arena *arena) {
    uint32_t count = 0;
    for (uint32_t i = 1; i < arena->header->slots_used; i++) {
        const struct lw_slot *slot = &arena->slots[i];
        uint32_t kind = lw_load_relaxed(&slot->state);
        if (lw_kind_is_primitive(kind) && slot->name != LW_NO_SLOT && !as_new(arena, slot)) count++;
    }
    return count;
}

uint32_t lw_slot_sweep(struct lw_arena *arena) {
    struct kin kin;
    uint32_t freed = 0;
    if (!kin_learn(&kin, arena)) return 0;
    for (uint32_t i = 1; i < arena->header->slots_used; i++) {
        struct lw_slot *slot = &arena->slots[i];
        uint32_t kind = lw_load_relaxed(&slot->state);
        if (!lw_kind_is_primitive(kind)) continue;
        if (any_holder_lives(arena, slot, &kin) || in_flight(slot)) continue;
        if (slot->name != LW_NO_SLOT && !as_new(arena, slot)) continue;
        lw_slot_free(arena, i);
        freed++;
    }
    free(kin.born);
    return freed;
}

void lw_slot_forget_member(struct lw_arena *arena, uint32_t member_index) {
    for (uint32_t i = 1; i < arena->header->slots_used; i++) {
        struct lw_slot *slot = &arena->slots[i];
        uint32_t kind = lw_load_relaxed(&slot->state);
        if (kind == LW_KIND_CELLS) lw_cells_forget_member(slot, member_index);
        struct lw_holder *holders = kind == LW_KIND_HOLDERS ? slot->extra : slot->holders;
        unsigned count = kind == LW_KIND_HOLDERS ? LW_HOLDERS_EXTRA : LW_HOLDERS_INLINE;
        if (!lw_kind_is_primitive(kind) && kind != LW_KIND_HOLDERS) continue;
        for (unsigned h = 0; h < count; h++)
            if (holders[h].id && lw_member_index(holders[h].id) == member_index && !(holders[h].count & LW_HEIRS))
                holders[h].id = 0;
        if (!lw_kind_has_lock(kind)) continue;
        uint32_t word = lw_load_acq(&slot->word);
        while (word >> 3 && lw_member_index(word >> 3) == member_index &&
               !lw_cas_acqrel(&slot->word, &word, LW_ID_DEAD << 3 | (word & 7u))) {
        }
    }
}
