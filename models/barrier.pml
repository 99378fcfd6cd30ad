/* The Barrier: src/latchwork/_native/lw_barrier.h. PARTIES of three processes, each waits up to ROUNDS times.
 * The flags: guarded.h, and
 *
 * -DACTION     the last to arrive runs an action, without the guard
 * -DMEDDLE     once, any of them aborts or resets it instead of waiting
 * -DDEATHS=1   without a re-check: but the newest does not die before it woke one of the others to watch it,
 *              nor one that ends a round between the round word and the wakes, unless somebody watches it
 *
 * Checked: all of a round get the same outcome; and when nothing moves any more, nobody sleeps in a round that
 * has ended, or that is full, or that has a dead party. */
#define N 3
#ifndef PARTIES
#define PARTIES 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
bool shown[N];    /* it woke one of the others to watch it */
#ifndef RECHECK
#define MORTAL (shown[_pid] || ((on[0] | on[1] | on[2]) & BIT(_pid)))
#endif
/* the millisecond: it may pass at any time, and does if nothing else happens */
#define AWAKE_ALSO :: atomic { on[_pid] != 0 && !shown[_pid] -> call = true }
#include "guarded.h"

#define FREE 0
#define WAITING 1
#define RUNNING 2
#define TRIPPED 3
#define BROKEN 4
#define NONE 9

/* The round word: number, how the last one ended, whether it is broken. It has calls, too, so that it changes with
 * each that wants to be watched: that is what `same` says. */
byte number, last; bool broken;
byte st[N], in[N];       /* the cell; and its round */
byte out[12];            /* what was read as the outcome of each round */
bool meddled;

#define CHANGED same[0] = false; same[1] = false; same[2] = false
#ifdef BREAK_CALLS
#define CALLED skip
#else
#define CALLED CHANGED
#endif

inline wake_one() {
    d_step { CALLED };
    MAY_DIE;
    atomic {
        if
        :: on[0] & CELL -> on[0] = on[0] ^ CELL; up[0] = true
        :: on[1] & CELL -> on[1] = on[1] ^ CELL; up[1] = true
        :: on[2] & CELL -> on[2] = on[2] ^ CELL; up[2] = true
        :: else
        fi;
        shown[_pid] = true
    }
}

inline wake_all() {
    d_step { WAKE_CELL(0); WAKE_CELL(1); WAKE_CELL(2) }
}

inline ends(how, is_broken) { d_step { number++; last = how; broken = is_broken; CHANGED } }

inline settle() {
    do
    :: true ->
        MAY_DIE;
        d_step {
            k = 0; late = NONE; gone = NONE;
            do
            :: k < N ->
                if
                :: (st[k] == WAITING || st[k] == RUNNING) && in[k] != number -> late = k
                :: (st[k] == WAITING || st[k] == RUNNING) && in[k] == number && !ALIVE(k) -> gone = k
                :: else
                fi;
                k++
            :: else -> break
            od;
            k = 0
        }
        if
        :: late != NONE -> st[late] = last
        :: late == NONE && gone != NONE -> ends(BROKEN, true)
        :: else -> break
        fi
    od;
    MAY_DIE;
    wake_all();
    atomic { late = NONE; gone = NONE; told = 0; recovered = false }
}

inline watch() {
    d_step {
        k = 0; watched[_pid] = 0; n = 0; same[_pid] = true;
        do
        :: k < N ->
            if
            :: k != _pid && (st[k] == WAITING || st[k] == RUNNING) && in[k] == number -> watched[_pid] = watched[_pid] | BIT(k)
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
    }
}

inline count_in() {
    k = 0; n = 0;
    do
    :: k < N -> if :: (st[k] == WAITING || st[k] == RUNNING) && in[k] == number -> n++ :: else fi; k++
    :: else -> break
    od;
    k = 0
}

active [N] proctype P() {
    byte k, n, late = NONE, gone = NONE, told, round;
    bool woken;
    bool recovered, expired, hurried, call;

    do
    :: break
#ifdef MEDDLE
    :: atomic { round < ROUNDS && !meddled -> meddled = true; round++ };
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        d_step { count_in() };
        if
        :: ends(BROKEN, true)                            /* abort */
        :: n > 0 -> ends(BROKEN, false)                  /* reset */
        :: n == 0 -> broken = false
        fi;
        settle();
        UNLOCK_GUARD;
        n = 0
#endif
    :: round < ROUNDS ->
        round++;
        HURRY;
arriving:
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        MAY_DIE;
        if :: broken -> UNLOCK_GUARD; goto next :: else fi;
        d_step { count_in() };
        if
        :: n == PARTIES ->   /* they run their action: this one belongs to the next round */
            watch();
            UNLOCK_GUARD;
            SLEEP(true);
            shown[_pid] = true;
            goto drained;
drained:    awake();
            if
            :: told -> LOCK_GUARD; settle(); UNLOCK_GUARD
            :: else
            fi;
            shown[_pid] = false;
            if :: expired -> goto next :: else fi;
            goto arriving
        :: n + 1 < PARTIES ->
            d_step { st[_pid] = WAITING; in[_pid] = number; n = 0 }
        :: n + 1 == PARTIES ->
            n = 0;
#ifdef ACTION
            d_step { st[_pid] = RUNNING; in[_pid] = number };
            MAY_DIE;
            UNLOCK_GUARD;
#ifndef BREAK_RUNNING
            wake_one();
#else
            shown[_pid] = true;
#endif
            MAY_DIE;
            shown[_pid] = false;
            LOCK_GUARD;
            if :: recovered -> settle() :: else fi;
#else
            d_step { st[_pid] = WAITING; in[_pid] = number };
#endif
            MAY_DIE;
            if
            :: in[_pid] == number -> ends(TRIPPED, false); settle()
            :: else
            fi;
            UNLOCK_GUARD;
            goto got
        fi;
        MAY_DIE;
        do
        :: true ->
            watch();
            UNLOCK_GUARD;
            MAY_DIE;
            SLEEP(st[_pid] == WAITING);
            MAY_DIE;
end_asleep:
            awake();
            MAY_DIE;
            if
            :: call -> call = false; wake_one()
            :: else
            fi;
            if :: st[_pid] != WAITING && !told -> break :: else fi;
            LOCK_GUARD;
            if :: recovered || told -> settle() :: else fi;
            MAY_DIE;
            if
            :: st[_pid] != WAITING -> UNLOCK_GUARD; break
            :: st[_pid] == WAITING && expired -> ends(BROKEN, true); settle(); UNLOCK_GUARD; break
            :: else
            fi
        od;
got:    MAY_DIE;
        atomic {
            assert(st[_pid] == TRIPPED || st[_pid] == BROKEN);
#ifdef BREAK_OUTCOME
            if :: out[in[_pid]] == 0 -> out[in[_pid]] = last :: else -> assert(out[in[_pid]] == last) fi;
#else
            if :: out[in[_pid]] == 0 -> out[in[_pid]] = st[_pid] :: else -> assert(out[in[_pid]] == st[_pid]) fi;
#endif
            st[_pid] = FREE
        }
next:   MAY_DIE;
        atomic { n = 0; told = 0; expired = false; hurried = false; call = false; shown[_pid] = false; recovered = false }
    od;
over: skip
}

#define BAD(p) (on[p] && (st[p] == WAITING && (in[p] != number || broken) || st[p] == FREE))
#define LEFT(p) (!ALIVE(p) && (st[p] == WAITING || st[p] == RUNNING) && in[p] == number)

active proctype Still() {
    timeout ->
    assert(!BAD(0) && !BAD(1) && !BAD(2));
    assert(!(on[0] || on[1] || on[2]) || !(LEFT(0) || LEFT(1) || LEFT(2)))
}
