/* The RWLock: src/latchwork/_native/lw_rwlock.h. N processes; each reads or writes, up to ROUNDS times. The
 * flags: guarded.h, and
 *
 * -DDEATHS=1   without a re-check; but a reader does not die between adding to its cell and being in, or
 *              between taking back and settling (-DANY_STEP: there, too)
 *
 * Checked: never a writer with another holder; nobody sleeps for ever (an invalid end state). */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#include "guarded.h"

#define FREE 0
#define READ 1
#define RWAIT 2
#define WWAIT 3
#define WRITE 4
#define NONE 9
#define QUEUED(p) (st[p] == RWAIT || st[p] == WWAIT)

byte st[N], ticket[N], tickets;
bool closed;                     /* the gate */
byte readers, writers;           /* who is inside, as sets of members; a dead one is not */

#if defined(ANY_STEP) || defined(RECHECK)
#define MAY_DIE_OUTSIDE MAY_DIE
#else
#define MAY_DIE_OUTSIDE skip
#endif

inline leave(p) {
    k = 0;
    do
    :: k < N -> if :: QUEUED(k) && ticket[k] > ticket[p] -> ticket[k]-- :: else fi; k++
    :: else -> break
    od;
    ticket[p] = 0; tickets--; k = 0
}

inline queue(as) {
    d_step { st[_pid] = as; ticket[_pid] = tickets; tickets++ }
}

inline look() {   /* gone: a cell of the dead; who: the oldest writer that waits; next: the oldest such reader */
    k = 0; gone = NONE; who = NONE; next = NONE; saw = 0; writes = false;
    do
    :: k < N ->
        if
        :: st[k] == FREE
        :: st[k] != FREE && !ALIVE(k) -> gone = k
        :: st[k] == READ && ALIVE(k) -> saw = saw | BIT(k)
        :: st[k] == WRITE && ALIVE(k) -> writes = true
        :: st[k] == WWAIT && ALIVE(k) -> if :: who == NONE -> who = k :: else -> if :: ticket[k] < ticket[who] -> who = k :: else fi fi
        :: st[k] == RWAIT && ALIVE(k) -> if :: next == NONE -> next = k :: else -> if :: ticket[k] < ticket[next] -> next = k :: else fi fi
        fi;
        k++
    :: else -> break
    od;
    k = 0;
#ifdef BREAK_YOUNGER
    if :: next != NONE && who != NONE && !ended -> next = NONE :: else fi
#else
    /* without a write that has ended, only readers that came before the writer go in */
    if :: next != NONE && who != NONE && !ended && ticket[next] > ticket[who] -> next = NONE :: else fi
#endif
}

inline forget() { gone = NONE; who = NONE; next = NONE; writes = false }

inline settle() {   /* ended: a write has just ended */
#ifndef BREAK_REWAKE
    /* the dead owner of the guard may have let somebody in and not have woken it */
    if
    :: recovered -> d_step {
        k = 0;
        do
        :: k < N -> if :: st[k] == READ || st[k] == WRITE -> WAKE_CELL(k) :: else fi; k++
        :: else -> break
        od;
        k = 0; recovered = false }
    :: else
    fi;
#endif
    do
    :: true ->
        MAY_DIE;
        d_step { look() };
        if
        :: gone != NONE ->
            d_step {
                if :: QUEUED(gone) -> leave(gone) :: else fi;
                if :: st[gone] == WRITE -> ended = true :: else fi;
#ifndef BREAK_LEAVER
                if :: st[gone] == WWAIT -> rewatch = true :: else fi;
#endif
                st[gone] = FREE; forget()
            }
        :: gone == NONE && !writes && next != NONE ->
            MAY_DIE;
            d_step { leave(next); st[next] = READ; same[next] = false };
            MAY_DIE;
            d_step { WAKE_CELL(next); rewatch = true; forget() }
        :: gone == NONE && !writes && next == NONE && who != NONE && !saw ->
            MAY_DIE;
            d_step { leave(who); st[who] = WRITE; same[who] = false };
            MAY_DIE;
            d_step { WAKE_CELL(who); rewatch = false; forget() };
            break
        :: gone == NONE && !writes && next == NONE && who == NONE ->
            MAY_DIE;
            closed = false;
            d_step { forget() };
            break
        :: else ->
            /* the oldest writer goes on waiting: does it watch those it waits for? */
#ifndef BREAK_WATCH
            if
#ifdef WATCH_ALWAYS
            :: who != NONE && who != _pid && saw ->
#else
            :: who != NONE && who != _pid && rewatch ->
#endif
                MAY_DIE;
#ifndef BREAK_BUMP
                same[who] = false;
                MAY_DIE;
#endif
                d_step { WAKE_CELL(who) }
            :: else
            fi;
#endif
            d_step { forget() };
            break
        fi
    od;
    atomic { told = 0; ended = false; rewatch = false }
}

/* Those that hold, and those that came before: the readers of the very look that said that this one has to wait,
 * as they may leave without the guard. */
inline watch() {
    d_step {
        k = 0; same[_pid] = true;
#ifdef BREAK_SAW
        watched[_pid] = 0;
#else
        watched[_pid] = saw;
#endif
        do
        :: k < N ->
            if
            :: k != _pid && st[k] != FREE && !(QUEUED(k) && ticket[k] > ticket[_pid]) -> watched[_pid] = watched[_pid] | BIT(k)
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
    }
}

/* Under the guard, queued and settled. Ends without the guard. */
inline wait_for(as, got_as) {
    do
    :: st[_pid] == got_as -> UNLOCK_GUARD; break
    :: st[_pid] == as && expired ->
        d_step {
            leave(_pid); st[_pid] = FREE;
#ifndef BREAK_LEAVER
            rewatch = (as == WWAIT)
#endif
        };
        if :: as == WWAIT -> settle() :: else fi;
        MAY_DIE;
        UNLOCK_GUARD;
        goto next_round
    :: st[_pid] == as && !expired ->
        watch();
        MAY_DIE;
        UNLOCK_GUARD;
        MAY_DIE;
        SLEEP(st[_pid] == as);
        MAY_DIE;
        awake();
        MAY_DIE;
        if
        :: st[_pid] == got_as && !told -> break
        :: else
        fi;
        LOCK_GUARD;
        settle();
        MAY_DIE
    od
}

active [N] proctype P() {
    byte k, who = NONE, next = NONE, gone = NONE, told, round;
    byte saw;
    bool recovered, expired, hurried, writes, ended, rewatch;

    do
    :: round == ROUNDS -> break
    :: round < ROUNDS ->
        round++;
        HURRY;
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        queue(WWAIT);
        MAY_DIE;
        closed = true;
        settle();
        MAY_DIE;
        wait_for(WWAIT, WRITE);
        MAY_DIE;
        d_step { assert(((readers | writers) & (255 - dead)) == 0); writers = writers | BIT(_pid) };
        MAY_DIE;
        writers = writers ^ BIT(_pid);
        MAY_DIE;
        LOCK_GUARD;
        if :: recovered -> settle() :: else fi;
        MAY_DIE;
        st[_pid] = FREE;
        ended = true;
        settle();
        MAY_DIE;
        UNLOCK_GUARD
    :: round < ROUNDS ->
        round++;
        HURRY;
        st[_pid] = READ;
        MAY_DIE_OUTSIDE;
        if
        :: !closed -> skip
        :: else ->
            MAY_DIE_OUTSIDE;
            st[_pid] = FREE;
            MAY_DIE_OUTSIDE;
            LOCK_GUARD;
            MAY_DIE_OUTSIDE;
            if :: recovered -> settle() :: else fi;
            queue(RWAIT);
            settle();
            MAY_DIE;
            wait_for(RWAIT, READ)
        fi;
        atomic { assert((writers & (255 - dead)) == 0); readers = readers | BIT(_pid) };
        MAY_DIE;
        readers = readers ^ BIT(_pid);
        MAY_DIE;
        st[_pid] = FREE;
        MAY_DIE;
#ifndef BREAK_GATE
        if
        :: closed ->
            LOCK_GUARD;
            settle();
            MAY_DIE;
            UNLOCK_GUARD
        :: else
        fi
#endif
next_round:
        MAY_DIE;
        d_step { saw = 0; expired = false; hurried = false; recovered = false; told = 0 }
    od;
over: skip
}
