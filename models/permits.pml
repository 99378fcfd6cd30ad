/* Permits with owners: src/latchwork/_native/lw_permits.h. Three processes, each acquires one and releases it,
 * again and again; there are LIMIT. The flags: guarded.h; all of DEATHS=1 without a re-check.
 *
 * Checked: never more than LIMIT held by the living; first come, first served; nobody sleeps for ever (an
 * invalid end state), so a dead one's permits come back. */
#ifndef N
#define N 3
#endif
#ifndef LIMIT
#define LIMIT 1
#endif
#include "guarded.h"

#define FREE 0
#define WAITING 1
#define HELD 2
#define NONE 9

byte st[N], ticket[N], tickets;   /* tickets are renumbered when one leaves: only their order means anything */

inline leave(p) {   /* in one step with the store that makes the cell another thing than WAITING */
    k = 0;
    do
    :: k < N -> if :: st[k] == WAITING && ticket[k] > ticket[p] -> ticket[k]-- :: else fi; k++
    :: else -> break
    od;
    ticket[p] = 0; tickets--; k = 0
}

/* avail, and the oldest living that waits (NONE) */
inline look() {
    avail = LIMIT; who = NONE; k = 0;
    do
    :: k < N ->
        if
        :: ALIVE(k) && st[k] == HELD -> avail--
        :: ALIVE(k) && st[k] == WAITING && who == NONE -> who = k
        :: ALIVE(k) && st[k] == WAITING && who != NONE && ticket[k] < ticket[who] -> who = k
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

inline check_limit() {
    k = 0; avail = LIMIT;
    do
    :: k < N -> if :: ALIVE(k) && st[k] == HELD -> assert(avail > 0); avail-- :: else fi; k++
    :: else -> break
    od;
    k = 0; avail = 0
}

/* Under the guard: cells of the dead are cleared (a HELD one: given to nobody), then permits are granted. */
inline settle() {
    do
    :: true ->
        MAY_DIE;
        d_step {
            k = 0; gone = NONE;
            do
            :: k < N -> if :: !ALIVE(k) && st[k] != FREE -> gone = k :: else fi; k++
            :: else -> break
            od;
            look()
        }
        if
        :: gone != NONE -> d_step { if :: st[gone] == WAITING -> leave(gone) :: else fi; st[gone] = FREE; avail = 0; who = NONE; gone = NONE }
        :: gone == NONE && avail > 0 && who != NONE ->
            MAY_DIE;
            d_step { leave(who); st[who] = HELD; same[who] = false; avail = 0; check_limit() };
            MAY_DIE;
            d_step { WAKE_CELL(who); who = NONE; avail = 0 }
        :: else -> d_step { who = NONE; avail = 0 }; break
        fi
    od;
    told = 0
}

inline watch() {   /* under the guard: those that hold, and those that came before */
    d_step {
        k = 0; watched[_pid] = 0; same[_pid] = true;
        do
        :: k < N ->
            if
#ifdef BREAK_OLDER
            :: k != _pid && st[k] == HELD -> watched[_pid] = watched[_pid] | BIT(k)
#else
            :: k != _pid && (st[k] == HELD || (st[k] == WAITING && ticket[k] < ticket[_pid])) -> watched[_pid] = watched[_pid] | BIT(k)
#endif
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
    }
}

active [N] proctype P() {
    byte k, who = NONE, gone = NONE, avail, told;
    bool recovered, expired, hurried;

    do
    :: break
    :: true ->
        HURRY;
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        MAY_DIE;
        d_step { look() };
        if
        :: avail > 0 && who == NONE -> d_step { st[_pid] = HELD; avail = 0; check_limit() }; MAY_DIE; UNLOCK_GUARD; goto got
        :: else -> d_step { st[_pid] = WAITING; ticket[_pid] = tickets; tickets++; avail = 0; who = NONE }
        fi;
        MAY_DIE;
        do
        :: true ->
            watch();
            MAY_DIE;
            UNLOCK_GUARD;
            MAY_DIE;
            SLEEP(st[_pid] == WAITING);
            MAY_DIE;
            awake();
            MAY_DIE;
            if
            :: st[_pid] == HELD && !told -> break
            :: else
            fi;
            LOCK_GUARD;
            if :: recovered || told -> settle() :: else fi;
            MAY_DIE;
            if
            :: st[_pid] == HELD -> UNLOCK_GUARD; break
            :: st[_pid] == WAITING && expired ->
                d_step { leave(_pid); st[_pid] = FREE };
                MAY_DIE;
                UNLOCK_GUARD;
                goto next
            :: else
            fi
        od;
got:
        MAY_DIE;
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        MAY_DIE;
        st[_pid] = FREE;
        settle();
        MAY_DIE;
        UNLOCK_GUARD;
next:   MAY_DIE;
        d_step { expired = false; hurried = false; recovered = false; told = 0 }
    od;
over: skip
}
