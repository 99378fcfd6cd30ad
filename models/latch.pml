/* The Latch's word, count << 1 | WAITERS: src/latchwork/_native/lw_latch.h. Three processes; each waits, or
 * counts down once or twice and then waits or goes. The latch is at 3.
 *
 * -DTIMEOUTS    a call may have a timeout, others have none
 * -DSPURIOUS    the kernel may end one sleep for no reason
 * -DDEATH_HELD  one process may die while it sleeps: no re-check is allowed to help
 * -DDEATH       one process may die at any step; the re-check may then end a sleep
 *
 * Checked: none returns before the count is zero; and when nothing moves any more, nobody sleeps although it
 * is (if somebody died: nobody who does not re-check). */
#define N 3
#define COUNT 3

byte count = COUNT; bool waiters;   /* the word */
bool asleep[N];
bool died, spurious;

#define DIE atomic { !died -> died = true; asleep[_pid] = false; goto over }
#ifdef TIMEOUTS
#define HURRY if :: hurried = true :: hurried = false fi
#else
#define HURRY skip
#endif
#ifdef DEATH
#define MAY_DIE if :: DIE :: true fi
#else
#define MAY_DIE skip
#endif

active [N] proctype P() {
    byte seen, downs;
    bool wake, hurried;

    do
    :: downs < 2 ->
        /* one compare-and-swap: the last one takes WAITERS with it; at zero nothing happens */
        atomic {
            downs++;
            if
            :: count > 0 ->
                count--;
                wake = (count == 0 && waiters);
                if :: count == 0 -> waiters = false :: else fi
            :: else
            fi
        }
        MAY_DIE;
#ifdef BREAK_WAKE
        if :: wake -> if :: asleep[0] -> asleep[0] = false :: asleep[1] -> asleep[1] = false :: asleep[2] -> asleep[2] = false :: else fi
#else
        if :: wake -> atomic { asleep[0] = false; asleep[1] = false; asleep[2] = false; wake = false }
#endif
        :: else
        fi
    :: break
    :: true ->
        HURRY;
looking:
        atomic {
            if
            :: count == 0 -> seen = 0; break
            :: else -> seen = count; waiters = true   /* compare-and-swap, from what it saw */
            fi
        }
        MAY_DIE;
        atomic { if :: count == seen && waiters -> asleep[_pid] = true :: else fi; seen = 0 };
#ifdef DEATH_HELD
        if :: asleep[_pid] -> if :: DIE :: true fi :: else fi;
#endif
end_asleep:
        if
        :: !asleep[_pid]
#ifdef SPURIOUS
        :: atomic { asleep[_pid] && !spurious -> spurious = true; asleep[_pid] = false }
#endif
#ifdef TIMEOUTS
        :: atomic { asleep[_pid] && hurried -> asleep[_pid] = false; break }
#endif
#ifdef DEATH
        :: atomic { asleep[_pid] && died && count == 0 -> asleep[_pid] = false }
#endif
        fi;
        MAY_DIE;
        goto looking
    od;
over: skip
}

active proctype Still() {
    timeout -> assert(count > 0 || !(asleep[0] || asleep[1] || asleep[2]))
}
