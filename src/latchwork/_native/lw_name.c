#include "lw_name.h"

#include <string.h>

#include "lw_crash.h"
#include "lw_slot.h"

static uint32_t *bucket_of(struct lw_arena *arena, const uint8_t hash[16]) {
    uint32_t bucket;
    memcpy(&bucket, hash, sizeof bucket);
    return &arena->buckets[bucket % LW_BUCKETS];
}

static enum lw_status write_text(struct lw_arena *arena, struct lw_slot *name, const char *text, uint32_t length) {
    uint32_t here = length < LW_NAME_TEXT ? length : LW_NAME_TEXT;
    memcpy(name->text, text, here);
    name->length = length;
    uint32_t *link = &name->more;
    for (uint32_t at = here; at < length; at += LW_MORE_TEXT) {
        uint32_t index;
        enum lw_status status = lw_slot_alloc(arena, LW_KIND_TEXT, &index);
        if (status != LW_OK) return status;
        uint32_t part = length - at < LW_MORE_TEXT ? length - at : LW_MORE_TEXT;
        memcpy(arena->slots[index].more_text, text + at, part);
        *link = index;
        link = &arena->slots[index].next;
    }
    return LW_OK;
}

static void free_name(struct lw_arena *arena, uint32_t index) {
    uint32_t more = arena->slots[index].more;
    lw_slot_free(arena, index);
    while (more != LW_NO_SLOT) {
        uint32_t next = arena->slots[more].next;
        lw_slot_free(arena, more);
        more = next;
    }
}

static enum lw_status make(struct lw_arena *arena, const uint8_t hash[16], const char *text, uint32_t length,
                           const struct lw_made *made, uint32_t *index) {
    uint32_t name_index;
    enum lw_status status = lw_slot_alloc(arena, LW_KIND_NAME, &name_index);
    if (status != LW_OK) return status;
    struct lw_slot *name = &arena->slots[name_index];
    memcpy(name->hash, hash, 16);
    status = write_text(arena, name, text, length);
    if (status == LW_OK) status = lw_slot_new(arena, made, index);
    if (status != LW_OK) {
        free_name(arena, name_index);
        return status;
    }
    name->name = *index;
    name->target_generation = lw_load_relaxed(&arena->slots[*index].generation);
    LW_CRASH(name_filled); /* CRASH: the primitive does not point back: the repair frees the name */
    arena->slots[*index].name = name_index;
    uint32_t *bucket = bucket_of(arena, hash);
    name->next = *bucket;
    LW_CRASH(name_linked); /* CRASH: whole, but in no bucket: the repair puts it into one */
    *bucket = name_index;
    arena->header->names++;
    return LW_OK;
}

/* The NAME slot, or LW_NO_SLOT. */
static uint32_t find(struct lw_arena *arena, const uint8_t hash[16]) {
    uint32_t at = *bucket_of(arena, hash);
    while (at != LW_NO_SLOT && memcmp(arena->slots[at].hash, hash, 16) != 0) at = arena->slots[at].next;
    return at;
}

enum lw_status lw_name_open(struct lw_arena *arena, const uint8_t hash[16], const char *text, uint32_t length,
                            const struct lw_made *made, uint32_t *index) {
    uint32_t name = find(arena, hash);
    if (name == LW_NO_SLOT) return make(arena, hash, text, length, made, index);
    *index = arena->slots[name].name;
    if (lw_load_relaxed(&arena->slots[*index].state) != (uint32_t)made->kind) return LW_WRONG_KIND;
    return lw_slot_hold(arena, *index, arena->slots[name].target_generation, made->kind);
}

bool lw_name_unlink(struct lw_arena *arena, const uint8_t hash[16]) {
    uint32_t name = find(arena, hash);
    if (name == LW_NO_SLOT) return false;
    lw_name_remove(arena, arena->slots[name].name);
    return true;
}

void lw_name_remove(struct lw_arena *arena, uint32_t index) {
    struct lw_slot *slot = &arena->slots[index];
    uint32_t name = slot->name;
    if (name == LW_NO_SLOT) return;
    slot->name = LW_NO_SLOT;
    LW_CRASH(name_unlinked); /* CRASH: the name does not count any more: the repair frees it */
    uint32_t *link = bucket_of(arena, arena->slots[name].hash);
    while (*link != LW_NO_SLOT && *link != name) link = &arena->slots[*link].next;
    if (*link == name) *link = arena->slots[name].next;
    free_name(arena, name);
    arena->header->names--;
}

uint32_t lw_name_text(const struct lw_arena *arena, uint32_t name, char *text, uint32_t room) {
    const struct lw_slot *slot = &arena->slots[name];
    uint32_t length = slot->length < room ? slot->length : room;
    uint32_t done = length < LW_NAME_TEXT ? length : LW_NAME_TEXT;
    memcpy(text, slot->text, done);
    for (uint32_t at = slot->more; done < length && at != LW_NO_SLOT; at = arena->slots[at].next) {
        uint32_t part = length - done < LW_MORE_TEXT ? length - done : LW_MORE_TEXT;
        memcpy(text + done, arena->slots[at].more_text, part);
        done += part;
    }
    return done;
}
