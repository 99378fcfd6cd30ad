/* The Lock's word: src/latchwork/_native/lw_lock.h. Three processes.
 *
 * -DTIMEOUTS   a waiter may give up, or be interrupted by a signal, whenever it sleeps
 * -DSPURIOUS   the kernel may end a sleep for no reason
 * -DDEATH      one process may die at any step; the re-check is then what saves the others, so a sleep
 *              may also end by it
 * -DDEATH_HELD one process may die while it is the owner or sleeps: no re-check is allowed to help
 *
 * Checked: never two inside; and nobody sleeps for ever (an invalid end state). */
#define N 3

byte owner;            /* 0, or pid + 1 */
bool waiters, woken, handoff;
bool same[N];          /* `seq` is as this one read it: exactly what a counter that never wraps tells */
byte asleep[N];        /* 0 no, 1 yes */
byte watched[N];       /* whose alive word, pid + 1 */
bool consumed[N];      /* the sleep ended by a wake */
bool dead[N];
byte inside;
bool died;

inline wake_one(n) {   /* the kernel wakes in any order here: more than it really does */
    atomic {
        n = 0;
        if
        :: asleep[0] -> asleep[0] = 0; consumed[0] = true; n = 1
        :: asleep[1] -> asleep[1] = 0; consumed[1] = true; n = 1
        :: asleep[2] -> asleep[2] = 0; consumed[2] = true; n = 1
        :: else
        fi
    }
}

/* The kernel marks the alive word and wakes one, who tells all others: here in one step. */
inline die() {
    atomic {
        dead[_pid] = true; died = true;
        i = 0;
        do
        :: i < N -> if :: asleep[i] && watched[i] == _pid + 1 -> asleep[i] = 0 :: else fi; i++
        :: else -> break
        od;
        asleep[_pid] = 0;
        if :: inside > 0 && owner == _pid + 1 && in_cs -> inside-- :: else fi
    }
    goto over
}

#ifdef DEATH
#define MAY_DIE if :: !died -> die() :: true fi
#else
#define MAY_DIE skip
#endif

#define ALIVE(o) (!dead[(o) - 1])
#define RESERVED (handoff && !mine)

inline announce() {   /* wake_one() in lw_lock.c */
    do
    :: !wake -> break
    :: wake ->
        atomic { same[0] = false; same[1] = false; same[2] = false };
        MAY_DIE;
        wake_one(n);
        if
        :: n > 0 -> atomic { n = 0; wake = false }; break
        :: else -> atomic {
            again = (owner == 0 && waiters);
            woken = again; handoff = false;
            if :: again -> waiters = false :: else fi;
            wake = again }
        fi
    od;
}

active [N] proctype P() {
    byte i, n, w_owner;
    bool mine, started, in_cs, ok, again, wake;

    do
    :: break
    :: atomic { true -> mine = false; started = false; ok = false; again = false };
acquiring:
        /* attempt(): the compare-and-swap is one step with the look that it repeats */
        atomic {
            ok = false;
            if
            :: owner == 0 && !RESERVED -> ok = true
            :: owner != 0 && !ALIVE(owner) -> ok = true
            :: else
            fi;
            if
            :: ok ->
                ok = false;
                owner = _pid + 1; handoff = false;
                if :: started -> waiters = true :: else fi;
                if :: mine -> woken = false :: else fi;
                wake = waiters && !woken;
                if :: wake -> waiters = false; woken = true :: else fi;
                mine = false; started = false;
                inside++; in_cs = true;
                assert(inside == 1)
            :: else
            fi
        }
        if
        :: in_cs -> goto got
        :: else
        fi;
        MAY_DIE;
#ifdef TIMEOUTS
        if
        :: started ->
            atomic {
                if
                :: mine && owner == 0 -> goto acquiring
                :: mine && owner != 0 -> waiters = true; woken = false; mine = false
                :: else
                fi;
                wake = waiters && !woken;
                if :: wake -> waiters = false; woken = true :: else fi
            }
            MAY_DIE;
            announce();
            goto next
        :: true
        fi;
#endif
        same[_pid] = true;
        /* mark(): the look before `seq` was read is repeated by the swap */
        atomic {
            if
            :: (owner == 0 && !RESERVED) || (owner != 0 && !ALIVE(owner)) -> same[_pid] = false; goto acquiring
            :: else
            fi;
            waiters = true;
            if :: mine -> woken = false :: else fi;
            if :: owner != 0 && started && !handoff -> handoff = true :: true fi;
            w_owner = owner; mine = false; started = true
        }
        MAY_DIE;
        atomic {   /* futex_waitv: compare both words and sleep, in one step */
            consumed[_pid] = false;
            if
            :: same[_pid] && (w_owner == 0 || ALIVE(w_owner)) -> asleep[_pid] = 1; watched[_pid] = w_owner; same[_pid] = false
            :: else -> w_owner = 0; goto acquiring
            fi
        }
#ifdef DEATH_HELD
        if :: atomic { !died && asleep[_pid] -> asleep[_pid] = 0 }; die() :: true fi;
#endif
        if
        :: atomic { !asleep[_pid] -> mine = consumed[_pid]; consumed[_pid] = false }
#ifdef SPURIOUS
        :: atomic { asleep[_pid] -> asleep[_pid] = 0; mine = false }
#endif
#ifdef TIMEOUTS
        :: atomic { asleep[_pid] -> asleep[_pid] = 0; mine = false }
#endif
#ifdef DEATH
        :: atomic { died && asleep[_pid] -> asleep[_pid] = 0; mine = true }   /* the re-check */
#endif
        :: atomic { asleep[_pid] && w_owner == 0 -> asleep[_pid] = 0; mine = true } /* short, while reserved */
        fi;
        atomic { w_owner = 0; watched[_pid] = 0 };
        MAY_DIE;
        goto acquiring;
got:
        MAY_DIE;
        announce();
        MAY_DIE;
#ifdef DEATH_HELD
        if :: !died -> die() :: true fi;
#endif
        atomic {   /* release: one compare-and-swap */
            inside--; in_cs = false;
            assert(owner == _pid + 1);
            wake = waiters && !woken;
            owner = 0;
            if
            :: wake -> waiters = false; woken = true
            :: !wake && waiters -> skip
            :: else -> woken = false; handoff = false; waiters = false
            fi
        }
        MAY_DIE;
        announce();
next:   skip
    od;
over: skip
}
