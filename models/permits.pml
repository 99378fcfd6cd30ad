/* Permits with owners: src/latchwork/_native/lw_permits.h. Three processes, each acquires one and releases it,
 * again and again; there are LIMIT. The flags: guarded.h, and
 *
 * -DONCE       each tries once instead, without waiting, and keeps what it gets
 * -DSTEPS      all look at the cells one by one; without it only the fast path does
 * -DSLOW       it may also be that a process doesn't find its HELD cell, and takes or gives under the guard
 * -DTIMEOUTS  of the calls of HURRIED of the processes; the first one is among them
 * -DDEATHS=1   without a re-check: but nobody dies between a grant and its wake, unless the one that it granted
 *              to watches it (-DANY_STEP: there, too, which needs the re-check). Which one of the three dies
 *              makes no difference: the first.
 *
 * Checked: never more than LIMIT in the hands of the living (an add that may be taken back is not in them, a
 * CHOSEN is); nobody sleeps for ever (an invalid end state), so a dead one's permits come back; with ONCE: in the
 * end none is left over.
 *
 * A process has one HELD cell here, and one to wait in; in the code a CHOSEN becomes a second HELD. */
#define N 3
#ifndef HURRIED
#define HURRIED 1
#endif
#ifndef LIMIT
#define LIMIT 1
#endif
#if defined(ANY_STEP) || defined(RECHECK)
#define MORTAL (_pid == 0)
#else
#define REACHES(p) (!(wakes & BIT(p)) || !(on[p] & CELL) || (on[p] & BIT(_pid)))
#define MORTAL (_pid == 0 && (wakes == 0 || (REACHES(1) && REACHES(2))))
#endif
#include "guarded.h"

#define FREE 0
#define WAITING 1
#define CHOSEN 2
#define NONE 9

#define NO_CELL 0
#define HELD_0 1
#define HELD_1 2

byte st[N], ticket[N], tickets;   /* tickets are renumbered when one leaves: only their order means anything */
byte held[N];
bool has[N];                      /* its call has returned true */
bool queue;                       /* a bit of the bell */
#ifdef ONCE
byte done;
#endif

#define NEXT(i) ((_pid + i) % N)

inline leave_line(p) {   /* in one step with the store that makes the cell another thing than WAITING */
    k = 0;
    do
    :: k < N -> if :: st[k] == WAITING && ticket[k] > ticket[p] -> ticket[k]-- :: else fi; k++
    :: else -> break
    od;
    ticket[p] = 0; tickets--; k = 0
}

inline find_oldest() {   /* the oldest living that waits (NONE) */
    k = 0; who = NONE;
    do
    :: k < N ->
        if
        :: ALIVE(k) && st[k] == WAITING && who == NONE -> who = k
        :: ALIVE(k) && st[k] == WAITING && who != NONE && ticket[k] < ticket[who] -> who = k
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

/* What the living hold: its own cannot change meanwhile. */
#define OWN ((held[_pid] == HELD_1) + (st[_pid] == CHOSEN))
#define HOLDS(p) (ALIVE(p) && (held[p] == HELD_1 || st[p] == CHOSEN))
#define COUNT_STEPS sum = OWN + HOLDS(NEXT(1)); sum = sum + HOLDS(NEXT(2))
#ifdef STEPS
#define COUNT COUNT_STEPS
#else
#define COUNT d_step { COUNT_STEPS }
#endif

inline check_limit() {
    assert((ALIVE(0) && (has[0] || st[0] == CHOSEN)) + (ALIVE(1) && (has[1] || st[1] == CHOSEN)) +
           (ALIVE(2) && (has[2] || st[2] == CHOSEN)) <= LIMIT)
}

/* Takes it; from a dead one: all that sleep are woken. Cells of the dead are freed: whoever does that is not
 * the one that dies. */
inline enter() {
    atomic {
        guard == 0 || !ALIVE(guard - 1) ->
        d_step {
            if
            :: guard != 0 -> WAKE_CELL(0); WAKE_CELL(1); WAKE_CELL(2)
            :: else
            fi;
            guard = _pid + 1
        }
    }
}

inline bury() {
    d_step {
        if
        :: !ALIVE(0) ->
            if
            :: st[0] == WAITING -> leave_line(0)
            :: else
            fi;
            st[0] = FREE; held[0] = NO_CELL
        :: else
        fi;
        told = 0;
        find_oldest()
    }
}

/* The wakes are sent when the guard has been left. */
inline leave_guard() {
    DIE_OR(UNLOCK_GUARD);
    do
    :: atomic { wakes & BIT(0) -> MAY_DIE; WAKE_CELL(0); wakes = wakes ^ BIT(0) }
    :: atomic { wakes & BIT(1) -> MAY_DIE; WAKE_CELL(1); wakes = wakes ^ BIT(1) }
    :: atomic { wakes & BIT(2) -> MAY_DIE; WAKE_CELL(2); wakes = wakes ^ BIT(2) }
    :: wakes == 0 -> break
    od
}

inline settle() {
    bury();
    if
    :: who != NONE ->
#ifndef BREAK_SAY
        if
        :: !queue -> DIE_OR(queue = true)
        :: else
        fi;
#endif
        COUNT;
        do
        :: atomic { sum < LIMIT && who != NONE ->
            MAY_DIE;
            d_step {
                leave_line(who); st[who] = CHOSEN; same[who] = false; wakes = wakes | BIT(who); sum++;
                check_limit();
                find_oldest()
            } }
        :: else -> break
        od
#ifdef BREAK_SAY
        ; queue = true
#endif
    :: else
    fi;
    DIE_OR(if :: who == NONE -> queue = false :: else fi; who = NONE; sum = 0)
}

inline confirm() { d_step { has[_pid] = true; check_limit(); sum = 0 } }

#ifdef BREAK_HELD_0
#define HAS_CELL(p) (held[p] == HELD_1 || st[p] == CHOSEN)
#else
#define HAS_CELL(p) (held[p] != NO_CELL || st[p] == CHOSEN)
#endif
#ifdef BREAK_OLDER
#define OLDER(p) false
#else
#define OLDER(p) (st[p] == WAITING && ticket[p] < ticket[_pid])
#endif

/* Without the guard: all that have a HELD cell, and those that came before. */
#define WATCHES(p) (HAS_CELL(p) || OLDER(p))
#define WATCH_1 same[_pid] = (st[_pid] == WAITING); watched[_pid] = (WATCHES(NEXT(1)) -> BIT(NEXT(1)) : 0)
#define WATCH_2 watched[_pid] = watched[_pid] | (WATCHES(NEXT(2)) -> BIT(NEXT(2)) : 0) | OWNER
#ifdef STEPS
#define WATCH d_step { WATCH_1 }; WATCH_2
#else
#define WATCH d_step { WATCH_1; WATCH_2 }
#endif

active [N] proctype P() {
    byte k, who = NONE, sum, told, wakes;
    bool expired, hurried, woken;
#ifdef ONCE
    if :: held[_pid] = HELD_0 :: true fi;   /* it has had one before, or not */
#endif

    do
#ifndef ONCE
    :: break
#endif
    :: true ->
        /* Without the guard. */
        if
        :: held[_pid] == HELD_0 && !queue ->
            DIE_OR(held[_pid] = HELD_1);
#ifdef BREAK_QUEUE_LAST
            COUNT_STEPS;
            if
            :: sum > LIMIT || queue -> DIE_OR(held[_pid] = HELD_0; sum = 0)
            :: else -> confirm(); goto got
            fi
#else
            if
#ifndef BREAK_QUEUE
            :: queue -> DIE_OR(held[_pid] = HELD_0)
#endif
            :: else ->
                COUNT_STEPS;
                if
                :: sum > LIMIT -> DIE_OR(held[_pid] = HELD_0; sum = 0)
                :: else -> confirm(); goto got
                fi
            fi
#endif
#ifdef SLOW
        :: true
#else
        :: held[_pid] != HELD_0 || queue
#endif
        fi;

        /* join */
        enter();
        settle();
        COUNT;
        d_step { find_oldest() };
        if
        :: sum < LIMIT && who == NONE ->
            DIE_OR(held[_pid] = HELD_1);
#ifndef BREAK_RECOUNT
            COUNT;
#endif
            if
            :: sum <= LIMIT -> confirm(); leave_guard(); goto got
            :: else -> DIE_OR(held[_pid] = HELD_0)
            fi
        :: else
        fi;
        d_step { sum = 0; who = NONE };
#ifdef ONCE
        leave_guard();
        goto got;
#endif
        DIE_OR(st[_pid] = WAITING; ticket[_pid] = tickets; tickets++; if :: _pid < HURRIED -> HURRY :: else fi);
        settle();
        leave_guard();

        do
        :: true ->
            WATCH;
            SLEEP(st[_pid] == WAITING);
            awake();
            if
            :: told -> enter(); settle(); leave_guard()
            :: else
            fi;
            if
            :: st[_pid] == CHOSEN -> DIE_OR(st[_pid] = FREE; held[_pid] = HELD_1; has[_pid] = true); goto got
            :: st[_pid] == WAITING && expired ->
                enter();
                if
                :: st[_pid] == CHOSEN -> DIE_OR(st[_pid] = FREE; held[_pid] = HELD_1; has[_pid] = true)
                :: st[_pid] == WAITING -> DIE_OR(d_step { leave_line(_pid); st[_pid] = FREE })
                fi;
                settle();
                leave_guard();
                if
                :: has[_pid] -> goto got
                :: else -> goto next
                fi
            :: else
            fi
        od;
got:    skip;
#ifdef ONCE
        d_step {
            done++;
            if
            :: done == N -> assert(has[0] + has[1] + has[2] == LIMIT)
            :: else
            fi
        };
        break;
#endif
#ifdef SLOW
        if
        :: true ->
            enter();
            DIE_OR(has[_pid] = false; held[_pid] = HELD_0);
            settle();
            leave_guard();
            goto next
        :: true
        fi;
#endif
        DIE_OR(has[_pid] = false; held[_pid] = HELD_0);
#ifndef BREAK_BELL
        if
        :: queue -> enter(); settle(); leave_guard()
        :: else
        fi;
#endif
next:
        DIE_OR(expired = false; hurried = false; told = 0)
    od;
over: skip
}
