#define _GNU_SOURCE
#include "lw_arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lw_crash.h"
#include "lw_member.h"
#include "lw_slot.h"

#define FIRST_SLOTS 512u
#define GROW_MAX 65536u
#define MEMBERS_STEP 32u
#define FIRST_WAITERS 64u
#define SLOTS_MAPPED_MIN 65536u

static size_t slots_end(uint32_t slots) { return LW_OFFSET_SLOTS + (size_t)slots * sizeof(struct lw_slot); }

/* Reserves real memory: touching a hole of a full tmpfs would be a SIGBUS instead of an error. */
static enum lw_status reserve(int fd, size_t offset, size_t length) {
    int error;
    do {
        error = posix_fallocate(fd, (off_t)offset, (off_t)length);
    } while (error == EINTR);
    if (error == 0) return LW_OK;
    errno = error;
    return error == ENOSPC || error == EFBIG || error == EDQUOT ? LW_NO_ROOM : LW_SYSTEM;
}

void lw_mutex_init(pthread_mutex_t *mutex) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

enum lw_status lw_arena_format(int fd, const uint8_t uuid[16], uint64_t flags, uint32_t root_pid, const char *label,
                               uint32_t label_length) {
    enum lw_status status = reserve(fd, 0, LW_OFFSET_MEMBERS + MEMBERS_STEP * sizeof(struct lw_member));
    if (status == LW_OK)
        status = reserve(fd, LW_OFFSET_BUCKETS, LW_OFFSET_WAITERS - LW_OFFSET_BUCKETS);
    if (status == LW_OK)
        status = reserve(fd, LW_OFFSET_SLOTS, slots_end(FIRST_SLOTS) - LW_OFFSET_SLOTS);
    if (status != LW_OK) return status;
    void *page = mmap(NULL, LW_OFFSET_MEMBERS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) return LW_SYSTEM;
    struct lw_header *header = page;
    header->version = LW_LAYOUT_VERSION;
    header->slot_size = sizeof(struct lw_slot);
    header->member_size = sizeof(struct lw_member);
    header->mutex_size = sizeof(pthread_mutex_t);
    memcpy(header->uuid, uuid, 16);
    header->flags = flags;
    header->root_pid = root_pid;
    header->root_start = root_pid ? lw_process_start(root_pid) : 0;
    lw_mutex_init(&header->mutex);
    lw_store_relaxed(&header->epoch, 1);
    lw_store_rel(&header->members_ready, MEMBERS_STEP);
    header->label_length = label_length < LW_LABEL_TEXT ? label_length : LW_LABEL_TEXT;
    memcpy(header->label, label, header->label_length);
    header->slots_limit = LW_SLOTS_MAX;
    header->slots_ready = FIRST_SLOTS;
    header->slots_used = 1;
    header->sweep_at = 4096;
    header->magic = LW_MAGIC;
    munmap(page, LW_OFFSET_MEMBERS);
    return LW_OK;
}

static enum lw_status check(const struct lw_header *header, size_t size) {
    if (header->magic != LW_MAGIC) return LW_FOREIGN;
    if (header->version != LW_LAYOUT_VERSION || header->slot_size != sizeof(struct lw_slot) ||
        header->member_size != sizeof(struct lw_member) || header->mutex_size != sizeof(pthread_mutex_t))
        return LW_VERSION;
    if (lw_load_acq(&header->members_ready) > LW_MEMBERS_MAX || lw_load_acq(&header->waiters_ready) > LW_WAITERS_MAX ||
        header->slots_ready > LW_SLOTS_MAX || header->slots_used > header->slots_ready || header->slots_used == 0 ||
        header->label_length > LW_LABEL_TEXT)
        return LW_FOREIGN;
    if (size < slots_end(header->slots_ready)) return LW_TRUNCATED;
    return LW_OK;
}

enum lw_status lw_arena_map(struct lw_arena *arena, int fd) {
    struct stat file;
    if (fstat(fd, &file) != 0) return LW_SYSTEM;
    if (!S_ISREG(file.st_mode)) return LW_FOREIGN;
    if ((size_t)file.st_size < sizeof(uint64_t)) return LW_FOREIGN;
    uint64_t magic = 0;
    uint32_t version = 0;
    if (pread(fd, &magic, sizeof magic, 0) != sizeof magic || magic != LW_MAGIC) return LW_FOREIGN;
    if (pread(fd, &version, sizeof version, sizeof magic) != sizeof version) return LW_TRUNCATED;
    if (version != LW_LAYOUT_VERSION) return LW_VERSION;
    if ((size_t)file.st_size < slots_end(1)) return LW_TRUNCATED;

    /* Address space for all that it can ever grow to, so that nothing ever moves; less where a limit
     * (ulimit -v) forbids it. */
    uint32_t slots = LW_SLOTS_MAX;
    void *base;
    for (;;) {
        base = mmap(NULL, slots_end(slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (base != MAP_FAILED) break;
        if (errno != ENOMEM || slots <= SLOTS_MAPPED_MIN) return errno == ENOMEM ? LW_NO_ROOM : LW_SYSTEM;
        slots /= 2;
    }
    struct lw_header *header = base;
    enum lw_status status = check(header, (size_t)file.st_size);
    if (status == LW_OK && header->slots_ready > slots) status = LW_NO_ROOM;
    if (status != LW_OK) {
        munmap(base, slots_end(slots));
        return status;
    }
    memset(arena, 0, sizeof *arena);
    arena->header = header;
    arena->members = (struct lw_member *)((char *)base + LW_OFFSET_MEMBERS);
    arena->buckets = (uint32_t *)((char *)base + LW_OFFSET_BUCKETS);
    arena->waiters = (struct lw_waiter *)((char *)base + LW_OFFSET_WAITERS);
    arena->notes = (char *)base + LW_OFFSET_NOTES;
    arena->slots = (struct lw_slot *)((char *)base + LW_OFFSET_SLOTS);
    arena->mapped = slots_end(slots);
    arena->slots_mapped = slots;
    arena->fd = fd;
    return LW_OK;
}

void lw_arena_unmap(struct lw_arena *arena) {
    munmap(arena->header, arena->mapped);
    close(arena->fd);
    arena->header = NULL;
    arena->fd = -1;
}

static bool entered(struct lw_arena *arena, int error) {
    if (error == EOWNERDEAD) {
        lw_arena_repair(arena);
        pthread_mutex_consistent(&arena->header->mutex);
        error = 0;
    }
    return error == 0;
}

void lw_arena_lock(struct lw_arena *arena) {
    while (!entered(arena, pthread_mutex_lock(&arena->header->mutex))) {
    }
}

bool lw_arena_trylock(struct lw_arena *arena) {
    return entered(arena, pthread_mutex_trylock(&arena->header->mutex));
}

void lw_arena_unlock(struct lw_arena *arena) { pthread_mutex_unlock(&arena->header->mutex); }

enum lw_status lw_arena_grow_slots(struct lw_arena *arena) {
    struct lw_header *header = arena->header;
    uint32_t ready = header->slots_ready;
    uint32_t more = ready < GROW_MAX ? ready : GROW_MAX;
    if (ready >= header->slots_limit) return LW_NO_ROOM;
    if (more > header->slots_limit - ready) more = header->slots_limit - ready;
    enum lw_status status = reserve(arena->fd, slots_end(ready), (size_t)more * sizeof(struct lw_slot));
    if (status != LW_OK) return status;
    LW_CRASH(arena_grown); /* CRASH: the file is longer than its header says: nothing lost */
    header->slots_ready = ready + more;
    return LW_OK;
}

enum lw_status lw_arena_grow_members(struct lw_arena *arena) {
    struct lw_header *header = arena->header;
    uint32_t ready = lw_load_relaxed(&header->members_ready);
    if (ready + MEMBERS_STEP > LW_MEMBERS_MAX) return LW_NO_ROOM;
    enum lw_status status = reserve(arena->fd, LW_OFFSET_MEMBERS + ready * sizeof(struct lw_member),
                                    MEMBERS_STEP * sizeof(struct lw_member));
    if (status == LW_OK) lw_store_rel(&header->members_ready, ready + MEMBERS_STEP);
    return status;
}

bool lw_arena_grow_waiters(struct lw_arena *arena, uint32_t ready) {
    uint32_t more = ready ? ready : FIRST_WAITERS, before = ready;
    if (ready >= LW_WAITERS_MAX) return false;
    if (more > LW_WAITERS_MAX - ready) more = LW_WAITERS_MAX - ready;
    /* Two that do it at once do the same. */
    if (reserve(arena->fd, LW_OFFSET_WAITERS + ready * sizeof(struct lw_waiter), more * sizeof(struct lw_waiter)) ||
        reserve(arena->fd, LW_OFFSET_NOTES + (size_t)ready * LW_NOTE_TEXT, (size_t)more * LW_NOTE_TEXT))
        return false;
    lw_cas_acqrel(&arena->header->waiters_ready, &before, ready + more);
    return true;
}

static void mark_chain(struct lw_arena *arena, uint8_t *used, uint32_t index, uint32_t kind) {
    while (index != LW_NO_SLOT && index < arena->header->slots_used &&
           lw_load_relaxed(&arena->slots[index].state) == kind && !used[index]) {
        used[index] = 1;
        index = arena->slots[index].next;
    }
}

/* A name counts if it and its primitive point at each other; all else that was being made or undone
 * when its maker died is free again. */
static bool name_counts(const struct lw_arena *arena, const struct lw_slot *name, uint32_t index) {
    uint32_t target = name->name;
    if (target == LW_NO_SLOT || target >= arena->header->slots_used) return false;
    const struct lw_slot *slot = &arena->slots[target];
    uint32_t kind = lw_load_relaxed(&slot->state);
    return lw_kind_is_primitive(kind) && slot->name == index &&
           lw_load_relaxed(&slot->generation) == name->target_generation;
}

void lw_arena_repair(struct lw_arena *arena) {
    struct lw_header *header = arena->header;
    uint32_t end = header->slots_used;
    uint8_t *used = calloc(end ? end : 1, 1);
    if (!used) return; /* The lists may be torn; but nothing is ever handed out twice: see lw_slot.c. */
    LW_CRASH(arena_repairing); /* CRASH: the next one in repairs again, from the slots */
    for (uint32_t i = 1; i < end; i++) {
        struct lw_slot *slot = &arena->slots[i];
        uint32_t kind = lw_load_relaxed(&slot->state);
        if (lw_kind_is_primitive(kind)) {
            used[i] = 1;
            mark_chain(arena, used, slot->next, LW_KIND_HOLDERS);
            if (lw_kind_has_cells(kind)) mark_chain(arena, used, lw_load_acq(&slot->cells), LW_KIND_CELLS);
            if (slot->name >= end || arena->slots[slot->name].name != i ||
                lw_load_relaxed(&arena->slots[slot->name].state) != LW_KIND_NAME)
                slot->name = LW_NO_SLOT;
        } else if (kind == LW_KIND_NAME && name_counts(arena, slot, i)) {
            used[i] = 1;
            mark_chain(arena, used, slot->more, LW_KIND_TEXT);
        }
    }
    memset(arena->buckets, 0, LW_BUCKETS * sizeof *arena->buckets);
    header->free_first = header->free_last = LW_NO_SLOT;
    header->free_count = header->live = header->names = 0;
    for (uint32_t i = 1; i < end; i++) {
        struct lw_slot *slot = &arena->slots[i];
        if (!used[i]) {
            lw_store_rel(&slot->state, LW_FREE);
            lw_slot_push_free(arena, i);
            continue;
        }
        header->live++;
        if (lw_load_relaxed(&slot->state) == LW_KIND_NAME) {
            uint32_t bucket;
            memcpy(&bucket, slot->hash, sizeof bucket);
            bucket %= LW_BUCKETS;
            slot->next = arena->buckets[bucket];
            arena->buckets[bucket] = i;
            header->names++;
        }
    }
    header->repairs++;
    free(used);
}
