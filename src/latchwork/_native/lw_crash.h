/* Places where a process may die between two steps.
 *
 * Each is marked in the code by LW_CRASH(point) and a "CRASH:" comment that says what a death there
 * leaves behind. In the shipped build the mark is nothing. A build with -DLW_CRASH_POINTS stops the
 * process (SIGSTOP) at the armed point, so that a test can kill it exactly there. */
#ifndef LW_CRASH_H
#define LW_CRASH_H

#define LW_CRASH_LIST(X)   \
    X(lock_acquired)       \
    X(lock_looked)         \
    X(lock_marked)         \
    X(lock_woken)          \
    X(lock_recovering)     \
    X(lock_recovered)      \
    X(lock_released)       \
    X(lock_signalled)      \
    X(event_marked)        \
    X(event_woken)         \
    X(event_stored)        \
    X(alive_woken)         \
    X(member_claimed)      \
    X(member_locked)       \
    X(heir_set)            \
    X(heir_locked)         \
    X(fork_child)          \
    X(slot_popped)         \
    X(slot_filled)         \
    X(slot_bumped)         \
    X(slot_freed)          \
    X(slot_dropped)        \
    X(holders_extended)    \
    X(name_filled)         \
    X(name_linked)         \
    X(name_unlinked)       \
    X(arena_grown)         \
    X(arena_repairing)     \
    X(cells_made)          \
    X(cell_claimed)        \
    X(guard_held)          \
    X(queue_granted)       \
    X(queue_waiting)       \
    X(queue_woken)         \
    X(rlock_taken)         \
    X(rlock_given)         \
    X(semaphore_marked)    \
    X(semaphore_woken)     \
    X(semaphore_released)  \
    X(latch_marked)        \
    X(latch_opened)        \
    X(permits_counted)     \
    X(permits_queued)      \
    X(permits_granted)     \
    X(permits_released)    \
    X(condition_chosen)    \
    X(rwlock_left)         \
    X(rwlock_granted)      \
    X(rwlock_closed)       \
    X(rwlock_counted)      \
    X(rwlock_released)     \
    X(barrier_waiting)     \
    X(barrier_ended)       \
    X(barrier_telling)     \
    X(barrier_told)        \
    X(waiter_taken)        \
    X(waiter_written)

enum lw_crash_point {
#define LW_CRASH_ENUM(name) LW_CRASH_##name,
    LW_CRASH_LIST(LW_CRASH_ENUM)
#undef LW_CRASH_ENUM
        LW_CRASH_COUNT
};

#ifdef LW_CRASH_POINTS
void lw_crash_here(enum lw_crash_point point);
/* Stop at the (skip + 1)-th passage of the point; false if there is no such point. */
int lw_crash_arm(const char *name, int skip);
const char *lw_crash_name(int point);
#define LW_CRASH(point) lw_crash_here(LW_CRASH_##point)
#else
#define LW_CRASH(point) ((void)0)
#endif

#endif
