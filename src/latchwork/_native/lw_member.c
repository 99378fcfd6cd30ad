#define _GNU_SOURCE
#include "lw_member.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lw_crash.h"
#include "lw_futex.h"
#include "lw_heir.h"
#include "lw_slot.h"

static struct lw_arena *arenas;

/* glibc and musl keep the futex of a mutex at different places. */
static inline lw_word *alive_word(struct lw_member *member) {
#if defined(__GLIBC__)
    return (lw_word *)&member->alive;
#else
    return (lw_word *)&member->alive + 1;
#endif
}

static bool on_main_thread(void) { return (pid_t)syscall(SYS_gettid) == getpid(); }

static uint64_t ask_pid_namespace(void) {
    struct stat file;
    return stat("/proc/self/ns/pid", &file) == 0 ? (uint64_t)file.st_ino : 0;
}

/* 0: not asked yet. A process never changes its own; but a child may be of another one. */
static _Atomic uint64_t namespace_found;

static void forget_namespace(void) { atomic_store_explicit(&namespace_found, 0, memory_order_relaxed); }

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_namespace); }

static uint64_t pid_namespace(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    uint64_t found = atomic_load_explicit(&namespace_found, memory_order_relaxed);
    if (found) return found;
    found = ask_pid_namespace();
    atomic_store_explicit(&namespace_found, found, memory_order_relaxed);
    return found;
}

/* Fields 3 and 22 of /proc/PID/stat: the second field may hold anything, so count from its last ')'. */
uint64_t lw_process_start(uint32_t pid) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return 0;
    text[length] = 0;
    char *field = strrchr(text, ')');
    if (!field || field[1] != ' ') return 0;
    field += 2;
    if (*field == 'Z' || *field == 'X' || *field == 'x') return 0;
    for (int i = 3; i < 22; i++) {
        field = strchr(field, ' ');
        if (!field) return 0;
        field++;
    }
    return strtoull(field, NULL, 10);
}

bool lw_member_alive(const struct lw_arena *arena, uint32_t id) {
    uint32_t index = lw_member_index(id);
    if (index >= lw_load_acq(&arena->header->members_ready)) return false;
    struct lw_member *member = &arena->members[index];
    if (lw_load_acq(&member->id) != id) return false;
    if (lw_load_relaxed(&member->found_dead) == id) return false;
    if (lw_load_acq(alive_word(member)) & FUTEX_OWNER_DIED && !lw_heir_exists(member)) return false;
    return lw_load_acq(&member->id) == id; /* else that was the word of one that uses the entry again */
}

bool lw_member_is_mute(const struct lw_arena *arena, uint32_t id) {
    struct lw_member *member = &arena->members[lw_member_index(id)];
    uint32_t word = lw_load_acq(alive_word(member));
    return word == 0 || (word & FUTEX_OWNER_DIED && lw_heir_exists(member));
}

uint32_t lw_member_pid(const struct lw_arena *arena, uint32_t id) {
    struct lw_member *member = &arena->members[lw_member_index(id)];
    if (member->namespace != pid_namespace()) return 0;
    uint32_t heir = lw_load_acq(&member->heir);
    bool died = lw_load_acq(alive_word(member)) & FUTEX_OWNER_DIED;
    return died && heir && lw_member_alive(arena, id) ? heir : member->pid;
}

bool lw_member_is_silent(const struct lw_arena *arena, uint32_t id) {
    return !lw_member_alive(arena, id) || lw_member_is_mute(arena, id);
}

/* By pid and start time; `visible`: whether they mean anything here. */
static bool process_lives(const struct lw_member *member, bool visible) {
    if (!visible || member->start == 0) return true;
    uint64_t found = lw_process_start(member->pid);
    if (found == member->start) return true;
    /* No /proc here: it exists, and more can't be known. */
    return found == 0 && kill((pid_t)member->pid, 0) == 0 && lw_process_start((uint32_t)getpid()) == 0;
}

bool lw_member_recheck(struct lw_arena *arena, uint32_t id) {
    if (id == arena->self_id) return true;
    if (!lw_member_alive(arena, id)) return false;
    struct lw_member *member = &arena->members[lw_member_index(id)];
    /* In another pid namespace its number means somebody else here: only the kernel's mark counts. */
    bool visible = member->namespace == pid_namespace();
    bool died = lw_load_acq(alive_word(member)) & FUTEX_OWNER_DIED;
    if (!died && process_lives(member, visible)) return true;
    if (lw_heir_exists(member) && lw_heir_lives(arena, member, visible)) return true;
    if (lw_load_acq(&member->id) != id) return false;
    /* An id, not a flag: the entry may be another's by now. */
    lw_store_rel(&member->found_dead, id);
    return false;
}

bool lw_member_lives(struct lw_arena *arena, uint32_t id) {
    return lw_member_alive(arena, id) && (!lw_member_is_mute(arena, id) || lw_member_recheck(arena, id));
}

lw_word *lw_member_watch(struct lw_arena *arena, uint32_t id, uint32_t *expected, bool *dead) {
    *dead = false;
    struct lw_member *member = &arena->members[lw_member_index(id)];
    lw_word *word = alive_word(member);
    uint32_t value = lw_load_acq(word);
    for (;;) {
        if (!lw_member_alive(arena, id)) {
            *dead = true;
            return NULL;
        }
        if (value == 0 || value & FUTEX_OWNER_DIED) return NULL; /* it lives: without a word, or in its heir */
        if (value & FUTEX_WAITERS) break;
        if (lw_cas_acqrel(word, &value, value | FUTEX_WAITERS)) {
            value |= FUTEX_WAITERS;
            break;
        }
    }
    *expected = value;
    return word;
}

void lw_member_tell(struct lw_arena *arena, uint32_t id) {
    /* CRASH: the kernel woke this one only; the others find out at their next re-check. */
    LW_CRASH(alive_woken);
    lw_futex_wake(alive_word(&arena->members[lw_member_index(id)]), INT_MAX);
}

bool lw_member_has_alive(const struct lw_arena *arena) {
    return arena->self_id != 0 && !lw_member_is_mute(arena, arena->self_id);
}

void lw_member_lock_alive(struct lw_arena *arena) {
    if (arena->self_id == 0 || lw_member_has_alive(arena) || !on_main_thread()) return;
    pthread_mutex_lock(&arena->members[lw_member_index(arena->self_id)].alive);
}

/* An entry is free if nobody uses it or its user is dead. First the cheap look at all, then, only if
 * the table would have to grow, the one with system calls. */
static struct lw_member *find_entry(struct lw_arena *arena, bool thorough) {
    struct lw_header *header = arena->header;
    uint32_t ready = lw_load_relaxed(&header->members_ready);
    for (uint32_t n = 0; n < ready; n++) {
        uint32_t index = (header->member_cursor + n) % ready;
        struct lw_member *member = &arena->members[index];
        if (index == lw_member_index(LW_ID_DEAD)) continue;
        uint32_t id = lw_load_acq(&member->id);
        if (id == 0 || !(thorough ? lw_member_recheck(arena, id) : lw_member_alive(arena, id))) {
            header->member_cursor = (index + 1) % ready;
            return member;
        }
    }
    return NULL;
}

enum lw_status lw_member_attach(struct lw_arena *arena, uint32_t family, uint32_t birth) {
    struct lw_header *header = arena->header;
    if (header->slots_ready > arena->slots_mapped) return LW_NO_ROOM;
    if (header->slots_limit > arena->slots_mapped) header->slots_limit = arena->slots_mapped;
    struct lw_member *member = find_entry(arena, false);
    if (!member && lw_load_relaxed(&header->members_ready) >= 256) member = find_entry(arena, true);
    if (!member) {
        uint32_t fresh = lw_load_relaxed(&header->members_ready);
        enum lw_status status = lw_arena_grow_members(arena);
        if (status != LW_OK && !(member = find_entry(arena, true))) return status;
        if (!member) member = &arena->members[fresh];
    }
    uint32_t index = (uint32_t)(member - arena->members);
    uint32_t generation = (member->last_id >> LW_MEMBER_BITS) + 1;
    if (generation >= LW_ID_GENERATIONS) {
        /* Ids of this entry begin anew: first nothing may be left that still names an old one. */
        lw_store_rel(&member->id, 0);
        lw_slot_forget_member(arena, index);
        generation = 1;
    }
    uint32_t id = generation << LW_MEMBER_BITS | index;
    lw_store_rel(&member->id, 0);
    if (lw_load_relaxed(alive_word(member)) != 0) lw_futex_wake(alive_word(member), INT_MAX);
    memset(member->alive_room, 0, sizeof member->alive_room);
    lw_mutex_init(&member->alive);
    /* CRASH: the entry is free still, as its id is 0. */
    LW_CRASH(member_claimed);
    lw_store_relaxed(&member->heir, 0);
    lw_store_relaxed(&member->heir_by_file, 0);
    lw_store_relaxed(&member->found_dead, 0); /* ids come again, once in a great while */
    member->pid = (uint32_t)getpid();
    member->start = lw_process_start(member->pid);
    member->namespace = pid_namespace();
    member->family = family ? family : id;
    member->birth = birth;
    member->attached_ns = (uint64_t)lw_now_ns();
    member->last_id = id;
    if (on_main_thread()) pthread_mutex_lock(&member->alive);
    /* CRASH: free still; the dead mutex is made anew by its next user. */
    LW_CRASH(member_locked);
    lw_store_rel(&member->id, id);
    arena->self_id = id;
    return LW_OK;
}

uint32_t lw_member_others(struct lw_arena *arena) {
    uint32_t others = 0;
    uint32_t ready = lw_load_acq(&arena->header->members_ready);
    for (uint32_t i = 0; i < ready; i++) {
        uint32_t id = lw_load_acq(&arena->members[i].id);
        if (id != 0 && id != arena->self_id && lw_member_recheck(arena, id)) others++;
    }
    return others;
}

/* A fork is not an attach: the child gets an entry of its own, born in a new epoch, so that what its
 * parent drops from now on stays while the child, which inherited it, lives: lw_slot_drop. */
static void before_fork(void) {
    for (struct lw_arena *arena = arenas; arena; arena = arena->next)
        if (arena->self_id) arena->fork_epoch = lw_add_acqrel(&arena->header->epoch, 1) + 1;
}

static void after_fork_in_child(void) {
    for (struct lw_arena *arena = arenas; arena; arena = arena->next) {
        uint32_t parent = arena->self_id;
        if (!parent) continue;
        arena->self_id = 0;
        uint32_t family = arena->members[lw_member_index(parent)].family;
        LW_CRASH(fork_child); /* CRASH: not a member yet: holds nothing */
        lw_arena_lock(arena);
        lw_member_attach(arena, family, arena->fork_epoch); /* no room: tried again at its first use */
        lw_arena_unlock(arena);
    }
}

void lw_arena_register(struct lw_arena *arena) {
    static bool watching;
    for (struct lw_arena *known = arenas; known; known = known->next)
        if (known == arena) return;
    arena->next = arenas;
    arenas = arena;
    if (!watching) {
        pthread_atfork(before_fork, NULL, after_fork_in_child);
        watching = true;
    }
}
