/* The Condition's cells: src/latchwork/_native/lw_condition.h. Three that wait, one that notifies ROUNDS times.
 * The flags: guarded.h, and
 *
 * -DDEATHS=1   without a re-check: one that waits may die at any moment before its wait has returned; with
 *              -DRECHECK the one that notifies, too
 *
 * Checked: of those that wait when notify(1) is called, at least one that stays alive returns True for it, or
 * all give up; one that gives up just as it is chosen returns True; who returns has the lock; nobody else
 * sleeps for ever. */
#define N 4
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef RECHECK
#define MORTAL (_pid != 3)   /* the one that notifies */
#endif
#include "guarded.h"

#define FREE 0
#define WAITING 1
#define CHOSEN 2
#define NONE 9

byte st[N], ticket[N], tickets;
byte owner;                /* of the Condition's lock; a dead one's is free */
byte due[N];               /* notifications since this one came that some living one has not yet returned for */

#define LOCK atomic { owner == 0 || !ALIVE(owner - 1) -> owner = _pid + 1 }
#define CHOOSE(p) st[p] == WAITING -> st[p] = CHOSEN; same[p] = false

inline leave(p) {
    k = 0;
    do
    :: k < N -> if :: st[k] != FREE && ticket[k] > ticket[p] -> ticket[k]-- :: else fi; k++
    :: else -> break
    od;
    ticket[p] = 0; tickets--; k = 0
}

inline look() {   /* gone: a dead chosen one, else any dead one; who: the oldest that waits */
    k = 0; gone = NONE; who = NONE;
    do
    :: k < N ->
        if
        :: st[k] == CHOSEN && !ALIVE(k) -> gone = k
        :: st[k] == WAITING && !ALIVE(k) && gone == NONE -> gone = k
        :: st[k] == WAITING && ALIVE(k) && who == NONE -> who = k
        :: st[k] == WAITING && ALIVE(k) && who != NONE && ticket[k] < ticket[who] -> who = k
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

inline choose() {   /* a compare-and-swap, as the cell may be freed without the guard: then the next oldest */
    d_step {
        if
#ifdef BREAK_SWAP
        :: true -> st[who] = CHOSEN; same[who] = false
#else
        :: CHOOSE(who)
#endif
        :: else -> who = NONE; again = true
        fi
    };
    MAY_DIE;
    if
    :: who != NONE -> d_step { WAKE_CELL(who) }
    :: else
    fi
}

inline settle() {
    do
    :: true ->
        MAY_DIE;
        again = false;
        d_step { look() };
        if
        :: gone == NONE -> break
        :: gone != NONE && st[gone] == CHOSEN && who != NONE ->
            MAY_DIE;
#ifdef BREAK_ORDER
            d_step { leave(gone); st[gone] = FREE };
            MAY_DIE;
            choose();
#else
            choose();   /* first another, then the dead one's cell: a death between the two is one wake too many */
            MAY_DIE;
            if :: !again -> d_step { leave(gone); st[gone] = FREE } :: else fi
#endif
        :: else -> d_step { leave(gone); st[gone] = FREE }
        fi
    od;
    atomic { gone = NONE; who = NONE; again = false; told = 0; recovered = false }
}

inline watch() {   /* all that came before, chosen or not */
    d_step {
        k = 0; watched[_pid] = 0; same[_pid] = true;
        do
        :: k < N ->
            if
#ifdef BREAK_CHOSEN
            :: k != _pid && st[k] == WAITING && ticket[k] < ticket[_pid] -> watched[_pid] = watched[_pid] | BIT(k)
#else
            :: k != _pid && st[k] != FREE && ticket[k] < ticket[_pid] -> watched[_pid] = watched[_pid] | BIT(k)
#endif
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
    }
}

active [3] proctype P() {
    byte k, who = NONE, gone = NONE, told;
    bool woken, recovered, expired, hurried, again, result;

    HURRY;
    LOCK;
    LOCK_GUARD;
    if :: recovered -> settle() :: else fi;
    MAY_DIE;
    d_step {
        st[_pid] = WAITING; ticket[_pid] = tickets; tickets++;
        k = 0;
        do   /* what is under way may come to this one, if those chosen die */
        :: k < N -> if :: st[k] == CHOSEN -> due[_pid]++ :: else fi; k++
        :: else -> break
        od;
        k = 0
    };
    MAY_DIE;
    watch();
    UNLOCK_GUARD;
    MAY_DIE;
    owner = 0;
    MAY_DIE;
    do
    :: true ->
        SLEEP(st[_pid] == WAITING);
        MAY_DIE;
end_asleep:
        awake();
        MAY_DIE;
        if
        :: told ->
            LOCK_GUARD;
            settle();
            MAY_DIE;
            watch();
            UNLOCK_GUARD
        :: !told && st[_pid] == WAITING && !expired ->   /* for no reason; or the alive words had changed */
            LOCK_GUARD;
            if :: recovered -> settle() :: else fi;
            watch();
            UNLOCK_GUARD
        :: else
        fi;
        if :: st[_pid] == CHOSEN || expired -> break :: else fi
    od;
    MAY_DIE;
    LOCK;
    MAY_DIE;
    atomic {   /* frees the cell: one swap, no guard */
        result = (st[_pid] == CHOSEN);
        d_step { leave(_pid); st[_pid] = FREE; watched[_pid] = 0; same[_pid] = false };
        assert(owner == _pid + 1);
        assert(result || expired);
        k = 0;
        do
        :: k < N -> if :: result && due[k] > 0 -> due[k]-- :: else fi; k++
        :: else -> break
        od;
        k = 0; due[_pid] = 0
    }
    owner = 0;
over: skip
}

active proctype Notifier() {
    byte k, who = NONE, gone = NONE, told, round;
    bool woken, recovered, again;

    do
    :: round == ROUNDS -> break
    :: round < ROUNDS ->
        round++;
        LOCK;
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        again = true;
        do
        :: !again -> break
        :: again ->
            again = false;
            d_step { look() };
            if
            :: who == NONE -> skip
            :: else ->
                MAY_DIE;
                d_step {
                    if
                    :: st[who] == WAITING ->
                        st[who] = CHOSEN; same[who] = false;
                        k = 0;
                        do
                        :: k < N -> if :: st[k] == WAITING || k == who -> due[k]++ :: else fi; k++
                        :: else -> break
                        od;
                        k = 0
                    :: else -> again = true
                    fi
                };
                MAY_DIE;
                if :: !again -> d_step { WAKE_CELL(who) } :: else fi
            fi
        od;
        MAY_DIE;
        UNLOCK_GUARD;
        owner = 0;
        atomic { gone = NONE; who = NONE }
    od;
over: skip
}

active proctype Still() {
    timeout -> assert(due[0] == 0 || !on[0]); assert(due[1] == 0 || !on[1]); assert(due[2] == 0 || !on[2])
}
