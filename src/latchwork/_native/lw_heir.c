#define _GNU_SOURCE
#include "lw_heir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lw_crash.h"
#include "lw_member.h"

static struct lw_member *self(struct lw_arena *arena) { return &arena->members[lw_member_index(arena->self_id)]; }

bool lw_heir_set(struct lw_arena *arena, uint32_t pid) {
    uint64_t start = pid ? lw_process_start(pid) : 0;
    if (pid && !start && lw_process_start((uint32_t)getpid())) return false;
    struct lw_member *member = self(arena);
    /* Nobody may see the one process's number with the other's start. */
    lw_store_rel(&member->heir, 0);
    member->heir_start = start;
    lw_store_rel(&member->heir, pid);
    if (pid == 0) lw_store_rel(&member->heir_by_file, 0);
    LW_CRASH(heir_set); /* CRASH: the heir has not begun yet, and ends by that */
    return true;
}

/* Beyond the end of any file: nobody reads or writes there. */
static struct flock byte_of(const struct lw_arena *arena, const struct lw_member *member) {
    return (struct flock){.l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = ((off_t)1 << 40) + (off_t)(member - arena->members),
                          .l_len = 1};
}

int lw_heir_lock(struct lw_arena *arena, int fd) {
    struct lw_member *member = self(arena);
    struct flock byte = byte_of(arena, member);
    if (fcntl(fd, F_OFD_SETLK, &byte) != 0) return -1;
    LW_CRASH(heir_locked); /* CRASH: the heir has not begun; nobody asks for the byte */
    lw_store_rel(&member->heir_by_file, 1);
    return 0;
}

bool lw_heir_is_locked(const struct lw_arena *arena, const struct lw_member *member) {
    struct flock byte = byte_of(arena, member);
    /* What can't be known is not taken for a death. */
    return fcntl(arena->fd, F_OFD_GETLK, &byte) != 0 || byte.l_type != F_UNLCK;
}

/* A zombie, or one of which the main thread alone has ended: /proc/PID/stat says the same of both. */
static bool has_ended(uint32_t pid) {
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0) return lw_process_start((uint32_t)getpid()) != 0; /* as well as can be known, if by a /proc */
    struct pollfd end = {.fd = fd, .events = POLLIN};
    bool ended = poll(&end, 1, 0) == 1;
    close(fd);
    return ended;
}

static bool process_lives(uint32_t pid, uint64_t start) {
    uint64_t found = lw_process_start(pid);
    if (found) return found == start || !start;
    /* EPERM: it has become another user's. */
    if (kill((pid_t)pid, 0) != 0 && errno != EPERM) return false;
    return !has_ended(pid);
}

bool lw_heir_lives(const struct lw_arena *arena, const struct lw_member *member, bool visible) {
    uint32_t pid = lw_load_acq(&member->heir);
    if (pid && (!visible || process_lives(pid, member->heir_start))) return true;
    return lw_load_acq(&member->heir_by_file) && lw_heir_is_locked(arena, member);
}
