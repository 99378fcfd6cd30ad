/* The RWLock: src/latchwork/_native/lw_rwlock.h. N processes; each reads or writes, up to ROUNDS times. The
 * flags: guarded.h, and
 *
 * -DROLES      the first only reads, the others only write (which leaves room for N=4)
 * -DSTEPS      those that are to be watched are looked at one by one
 * -DTIMEOUTS   of the calls of HURRIED of the processes; not of the first one
 * -DDEATHS=1   without a re-check: but nobody dies between a grant (or a nudge) and its wake, unless the one that
 *              is to be woken watches it (-DANY_STEP: there, too, which needs the re-check). Which one dies
 *              makes no difference: the first.
 *
 * Checked: never a writer with another holder; nobody sleeps for ever (an invalid end state).
 *
 * A process has one HELD cell here, and one to wait in; in the code a CHOSEN becomes a second HELD. */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef HURRIED
#define HURRIED 1
#endif
#if defined(ANY_STEP) || defined(RECHECK)
#define MORTAL (_pid == 0)
#else
#define REACHES(p) (!(wakes & BIT(p)) || !(on[p] & CELL) || (on[p] & BIT(_pid)))
#if N > 3
#define MORTAL (_pid == 0 && (wakes == 0 || (REACHES(1) && REACHES(2) && REACHES(3))))
#else
#define MORTAL (_pid == 0 && (wakes == 0 || (REACHES(1) && REACHES(2))))
#endif
#endif
#include "guarded.h"

#define FREE 0
#define RWAIT 1
#define WWAIT 2
#define CHOSEN 3
#define WRITES 4
#define NONE 9
#define QUEUED(p) (st[p] == RWAIT || st[p] == WWAIT)

#define NO_CELL 0
#define HELD_0 1
#define HELD_1 2

byte st[N], ticket[N], tickets;
byte held[N];
bool closed;                     /* the gate */
byte readers, writers;           /* who is inside, as sets of members; a dead one is not */

inline leave_line(p) {
    k = 0;
    do
    :: k < N -> if :: QUEUED(k) && ticket[k] > ticket[p] -> ticket[k]-- :: else fi; k++
    :: else -> break
    od;
    ticket[p] = 0; tickets--; k = 0
}

/* Of the living: who, the oldest writer that waits; next, the oldest reader that may be let in; reads, whether any
 * is held; writes. */
inline look() {
    k = 0; who = NONE; next = NONE; reads = false; writes = false;
    do
    :: k < N ->
        if
        :: ALIVE(k) ->
            reads = (reads || held[k] == HELD_1 || st[k] == CHOSEN);
            writes = (writes || st[k] == WRITES);
            if
            :: st[k] == WWAIT && who == NONE -> who = k
            :: st[k] == WWAIT && who != NONE && ticket[k] < ticket[who] -> who = k
            :: st[k] == RWAIT && next == NONE -> next = k
            :: st[k] == RWAIT && next != NONE && ticket[k] < ticket[next] -> next = k
            :: else
            fi
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
#ifdef BREAK_OLDEST
    if :: next != NONE && who != NONE && !ended -> next = NONE :: else fi
#else
#ifndef BREAK_YOUNGER
    /* without a write that has ended, only readers that came before the writer */
    if :: next != NONE && who != NONE && !ended && ticket[next] > ticket[who] -> next = NONE :: else fi
#endif
#endif
}

inline enter() {   /* from a dead owner: all that sleep on cells are woken */
    atomic {
        guard == 0 || !ALIVE(guard - 1) ->
        d_step {
#ifndef BREAK_REWAKE
            if
            :: guard != 0 -> WAKE_CELL(0); WAKE_CELL(1); WAKE_CELL(2)
#if N > 3
                ; WAKE_CELL(3)
#endif
            :: else
            fi;
#endif
            guard = _pid + 1
        }
    }
}

/* The wakes are sent when the guard has been left. */
inline leave_guard() {
    DIE_OR(UNLOCK_GUARD);
    do
    :: atomic { wakes & BIT(0) -> MAY_DIE; WAKE_CELL(0); wakes = wakes ^ BIT(0) }
    :: atomic { wakes & BIT(1) -> MAY_DIE; WAKE_CELL(1); wakes = wakes ^ BIT(1) }
    :: atomic { wakes & BIT(2) -> MAY_DIE; WAKE_CELL(2); wakes = wakes ^ BIT(2) }
#if N > 3
    :: atomic { wakes & BIT(3) -> MAY_DIE; WAKE_CELL(3); wakes = wakes ^ BIT(3) }
#endif
    :: wakes == 0 -> break
    od
}

#define CLEAR_LOOK who = NONE; next = NONE; reads = false; writes = false

inline choose(p, as) { leave_line(p); st[p] = as; same[p] = false; wakes = wakes | BIT(p) }

inline give() {   /* ended: a write has just ended; as one has, too, if who wrote is dead */
    d_step {
        if
        :: !ALIVE(0) ->
            if
            :: QUEUED(0) -> leave_line(0)
            :: st[0] == WRITES -> ended = true
            :: else
            fi;
            st[0] = FREE; held[0] = NO_CELL
        :: else
        fi;
        told = 0;
        look()
    }
    if
    :: !writes && who == NONE ->
        do
        :: atomic { next != NONE -> MAY_DIE; d_step { choose(next, CHOSEN); look() } }
        :: next == NONE -> break
        od;
        if
        :: closed -> DIE_OR(closed = false)
        :: else
        fi
    :: !writes && who != NONE ->
        if
        :: !closed -> DIE_OR(closed = true)
        :: else
        fi;
        if
        :: next != NONE ->
            do
            :: atomic { next != NONE -> MAY_DIE; d_step { choose(next, CHOSEN); look() } }
            :: next == NONE -> break
            od;
#ifdef BREAK_WATCH
            skip
#else
            if
            :: ended && who != NONE ->   /* it is to watch them */
#ifdef BREAK_NUDGE
                DIE_OR(wakes = wakes | BIT(who))
#else
                DIE_OR(same[who] = false; wakes = wakes | BIT(who))
#endif
            :: else
            fi
#endif
        :: else ->
            d_step { look() };   /* the reads, once more */
            if
            :: !reads -> DIE_OR(d_step { if :: who != NONE -> choose(who, WRITES) :: else fi })
            :: else
            fi
        fi
    :: else
    fi;
    d_step { ended = false; who = NONE; next = NONE; reads = false; writes = false }
}

/* Without the guard: all that hold or have a HELD cell, and those that came before. */
#ifdef BREAK_HELD_0
#define HAS_CELL(p) (held[p] == HELD_1 || st[p] == CHOSEN || st[p] == WRITES)
#else
#define HAS_CELL(p) (held[p] != NO_CELL || st[p] == CHOSEN || st[p] == WRITES)
#endif
#define OLDER(p) (QUEUED(p) && ticket[p] < ticket[_pid])
#define NEXT(i) ((_pid + i) % N)
#define WATCH_ONE(p) watched[_pid] = watched[_pid] | ((HAS_CELL(p) || OLDER(p)) -> BIT(p) : 0)
#define WATCH_1 same[_pid] = QUEUED(_pid); WATCH_ONE(NEXT(1))
#if N > 3
#define WATCH_3 ; WATCH_ONE(NEXT(3)); watched[_pid] = watched[_pid] | OWNER
#else
#define WATCH_3 ; watched[_pid] = watched[_pid] | OWNER
#endif
#ifdef STEPS
#define WATCH d_step { WATCH_1 }; WATCH_ONE(NEXT(2)) WATCH_3
#else
#define WATCH d_step { WATCH_1; WATCH_ONE(NEXT(2)) WATCH_3 }
#endif

/* Queued, and without the guard. */
inline wait_for(as, got_as) {
    do
    :: true ->
        WATCH;
        SLEEP(st[_pid] == as);
        awake();
        if
        :: told -> enter(); give(); leave_guard()
        :: else
        fi;
        if
        :: st[_pid] == got_as -> break
        :: st[_pid] == as && expired ->
            enter();
            if
            :: st[_pid] == got_as -> give(); leave_guard(); break
            :: st[_pid] == as ->
                DIE_OR(d_step { leave_line(_pid); st[_pid] = FREE });
                give();
#ifndef BREAK_LEAVER
                if
                :: as == WWAIT ->
                    d_step { look() };
                    if
                    :: who != NONE -> DIE_OR(same[who] = false; wakes = wakes | BIT(who))
                    :: else
                    fi;
                    d_step { who = NONE; next = NONE; reads = false; writes = false }
                :: else
                fi;
#endif
                leave_guard();
                goto next_round
            fi
        :: else
        fi
    od
}

active [N] proctype P() {
    byte k, who = NONE, next = NONE, told, round, wakes;
    bool expired, hurried, woken, reads, writes, ended;
    if :: held[_pid] = HELD_0 :: true fi;   /* it has read before, or not */

    do
    :: round == ROUNDS -> break
#ifdef ROLES
    :: round < ROUNDS && _pid != 0 ->
#else
    :: round < ROUNDS ->
#endif
        round++;
        if
        :: !closed ->   /* without the queue */
            enter();
            if
            :: !closed ->
                DIE_OR(closed = true);
                d_step { look() };
                if
                :: !reads && !writes && next == NONE ->
                    DIE_OR(st[_pid] = WRITES; reads = false; who = NONE);
                    leave_guard();
                    goto writing
                :: else -> d_step { CLEAR_LOOK }; give()
                fi
            :: else
            fi;
            leave_guard()
        :: true
        fi;
        enter();
        DIE_OR(st[_pid] = WWAIT; ticket[_pid] = tickets; tickets++; if :: _pid != 0 && _pid <= HURRIED -> HURRY :: else fi);
        give();
        leave_guard();
        wait_for(WWAIT, WRITES);
writing: skip;
        d_step { assert(((readers | writers) & (255 - dead)) == 0); writers = writers | BIT(_pid) };
        DIE_OR(writers = writers ^ BIT(_pid));
        enter();
        DIE_OR(st[_pid] = FREE; ended = true);
        give();
        leave_guard();
        goto next_round
#ifdef ROLES
    :: round < ROUNDS && _pid == 0 ->
#else
    :: round < ROUNDS ->
#endif
        round++;
        if
        :: held[_pid] == HELD_0 && !closed ->
            DIE_OR(held[_pid] = HELD_1);
            if
            :: !closed -> goto reading
            :: else -> DIE_OR(held[_pid] = HELD_0)
            fi
        :: held[_pid] != HELD_0 || closed
        fi;
        enter();
        give();
        d_step { look(); next = NONE; reads = false };
        if
        :: !writes && who == NONE ->
            if
            :: held[_pid] == NO_CELL -> DIE_OR(held[_pid] = HELD_0)
            :: else
            fi;
            DIE_OR(held[_pid] = HELD_1);
            leave_guard();
            goto reading
        :: else ->
            DIE_OR(st[_pid] = RWAIT; ticket[_pid] = tickets; tickets++; who = NONE; writes = false;
                if :: _pid != 0 && _pid <= HURRIED -> HURRY :: else fi);
            leave_guard()
        fi;
        wait_for(RWAIT, CHOSEN);
        DIE_OR(st[_pid] = FREE; held[_pid] = HELD_1);
reading: skip;
        d_step { assert((writers & (255 - dead)) == 0); readers = readers | BIT(_pid) };
        DIE_OR(readers = readers ^ BIT(_pid));
        DIE_OR(held[_pid] = HELD_0);
#ifndef BREAK_GATE
        if
        :: closed -> enter(); give(); leave_guard()
        :: else
        fi;
#endif
next_round:
        DIE_OR(expired = false; hurried = false; told = 0)
    od;
over: skip
}
