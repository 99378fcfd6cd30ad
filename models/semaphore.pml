/* The Semaphore's word, count << 1 | WAITERS: src/latchwork/_native/lw_semaphore.h. Four processes; two of
 * them begin with permits in hand. Each acquires, or releases what it has, one or two at once.
 *
 * -DTIMEOUTS  a call may have a timeout, others have none: it may give up while it sleeps, or after it was woken
 * -DSPURIOUS  the kernel may end one sleep for no reason
 * -DDEATH     one process may die at any step; the re-check may then end a sleep
 *
 * Checked: no permit is made or lost; and when nothing moves any more, nobody sleeps while a permit is free
 * (unless somebody died: then a sleeper re-checks). */
#ifndef N
#define N 4
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef HAND
#define HAND 2
#endif

byte count; bool waiters;   /* the word */
byte held[4];
bool asleep[4], woken[4];
bool died, spurious;

#ifdef TIMEOUTS
#define HURRY if :: hurried = true :: hurried = false fi
#else
#define HURRY skip
#endif
#ifdef DEATH
#define MAY_DIE if :: atomic { !died -> died = true; asleep[_pid] = false; goto over } :: true fi
#else
#define MAY_DIE skip
#endif
#define ALL (held[0] + held[1] + held[2] + held[3])

inline wake_one() {   /* any of them; n counts */
    if
    :: asleep[0] -> asleep[0] = false; woken[0] = true; n++
    :: asleep[1] -> asleep[1] = false; woken[1] = true; n++
    :: asleep[2] -> asleep[2] = false; woken[2] = true; n++
    :: asleep[3] -> asleep[3] = false; woken[3] = true; n++
    :: else
    fi
}

active [N] proctype P() {
    byte round, n, add, left;
    bool slept, mine, more, wake, hurried;

    atomic { if :: _pid < 2 -> held[_pid] = HAND :: else fi };
    do
    :: round == ROUNDS -> break
    :: atomic { round < ROUNDS && held[_pid] > 0 -> round++;
            if :: add = 1 :: held[_pid] > 1 -> add = 2 fi };
        /* release: one fetch-and-add; WAITERS stays */
        atomic { held[_pid] = held[_pid] - add; count = count + add; wake = waiters; left = count };
        MAY_DIE;
        if
        :: wake ->
            atomic { n = 0; wake_one(); if :: add == 2 -> wake_one() :: else fi };
            MAY_DIE;
            if
#ifdef BREAK_CLEAR
            :: n == 0 -> waiters = false
#else
            :: n == 0 -> atomic { if :: count == left && waiters -> waiters = false :: else fi }
#endif
            :: else
            fi
        :: else
        fi;
        atomic { n = 0; add = 0; left = 0; wake = false }
    :: atomic { round < ROUNDS -> round++; slept = false; mine = false; HURRY };
acquiring:
        atomic {   /* each a compare-and-swap, and so one step with the look that it repeats */
            if
            :: count > 0 ->
                count--; held[_pid]++;
#ifndef BREAK_SET
                if :: slept -> waiters = true :: else fi;
#endif
#ifdef BREAK_CHAIN
                more = false;
#else
                more = slept && count > 0;
#endif
                assert(count + ALL <= 2 * HAND);
                goto got
            :: else
            fi
        }
#ifdef TIMEOUTS
        if
        :: slept && hurried -> goto leaving
        :: true
        fi;
#endif
        atomic { if :: count > 0 -> goto acquiring :: else -> waiters = true fi };
        MAY_DIE;
        atomic { if :: count == 0 && waiters -> asleep[_pid] = true; mine = false :: else -> goto acquiring fi };
end_asleep:
        if
        :: atomic { !asleep[_pid] -> mine = woken[_pid]; woken[_pid] = false; slept = true }
#ifdef SPURIOUS
        :: atomic { asleep[_pid] && !spurious -> spurious = true; asleep[_pid] = false; slept = true }
#endif
#ifdef TIMEOUTS
        :: atomic { asleep[_pid] && hurried -> asleep[_pid] = false; goto leaving }
#endif
#ifdef DEATH
        :: atomic { asleep[_pid] && died && count > 0 -> asleep[_pid] = false; slept = true }
#endif
        fi;
        MAY_DIE;
#ifdef TIMEOUTS
        if
        :: hurried -> goto leaving
        :: true
        fi;
#endif
        goto acquiring;
leaving:
        MAY_DIE;
#ifndef BREAK_PASS
        if :: mine -> atomic { wake_one(); n = 0 } :: else fi;
#endif
        goto next;
got:
        MAY_DIE;
        /* it was woken by one release, and others may have come: their wake may have been spared */
        if :: more -> atomic { wake_one(); n = 0 } :: else fi;
next:   atomic { mine = false; slept = false; more = false; hurried = false }
    od;
over: skip
}

active proctype Still() {
    timeout -> assert(count == 0 || !(asleep[0] || asleep[1] || asleep[2] || asleep[3]))
}
