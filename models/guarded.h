/* What the models of the guarded primitives share: members that die, futex_waitv, the guard.
 *
 * The guard is one step to take: that the Lock's protocol does it is shown by lock.pml. What is done under it
 * are steps of their own, and its owner may die between any two.
 *
 * DEATHS      that many may die, at any step where the model says MAY_DIE, if MORTAL
 * -DRECHECK   the bounded re-check may then end a sleep; without it only what the design says wakes anybody
 * -DTIMEOUTS  a call may have a timeout (hurried), which may end its sleep at any time; others may not
 * -DSPURIOUS  the kernel may end one sleep for no reason */
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef MORTAL
#define MORTAL true
#endif
#define BIT(p) (1 << (p))
#define CELL 128
#define ALIVE(p) (!(dead & BIT(p)))

byte dead, deaths;   /* the alive words, as a set of members */
byte guard;          /* 0, or pid + 1 */
byte on[N];          /* where a sleeper stands in line: members' alive words, and CELL */
bool up[N];          /* woken, but has not run yet: it still stands in the other lines */
byte watched[N];     /* the members whose alive words this one sleeps on, or last did */
bool spurious;       /* it was */
bool same[N];        /* the word it sleeps on (its cell, or the round) is as it read it under the guard */

/* The kernel marks the alive word and wakes ONE of those in line; who is woken already may be the one. */
inline die() {
    atomic { deaths < DEATHS && MORTAL ->
        dead = dead | BIT(_pid); deaths++;
        on[_pid] = 0; up[_pid] = false; watched[_pid] = 0; same[_pid] = false;
        if
        :: on[0] & BIT(_pid) -> on[0] = on[0] ^ BIT(_pid); up[0] = true
        :: on[1] & BIT(_pid) -> on[1] = on[1] ^ BIT(_pid); up[1] = true
        :: on[2] & BIT(_pid) -> on[2] = on[2] ^ BIT(_pid); up[2] = true
#if N > 3
        :: on[3] & BIT(_pid) -> on[3] = on[3] ^ BIT(_pid); up[3] = true
#endif
        :: else
        fi;
        goto over
    }
}
#if DEATHS
#define MAY_DIE if :: die() :: true fi
#define DIE_OR(does) atomic { MAY_DIE; does }   /* what does not change anything needs no death before it */
#define OR_DIE :: die()
#else
#define MAY_DIE skip
#define DIE_OR(does) atomic { does }
#define OR_DIE
#endif

/* recovered: who had it has died; settle before anything else */
#define LOCK_GUARD atomic { guard == 0 || !ALIVE(guard - 1) -> recovered = (guard != 0); guard = _pid + 1 }
#define UNLOCK_GUARD guard = 0

/* Who looks without the guard whom to watch looks last at who has it: that one may have freed its cell already,
 * and not have granted yet what follows. */
#ifdef BREAK_OWNER
#define OWNER 0
#else
#define OWNER (guard != 0 && guard != _pid + 1 -> BIT(guard - 1) : 0)
#endif

/* compares all words and sleeps, in one step */
#define SLEEP(still) atomic { if :: (still) && same[_pid] && !(dead & watched[_pid]) -> on[_pid] = CELL | watched[_pid] :: else fi }

#define WAKE_CELL(p) if :: on[p] & CELL -> on[p] = on[p] ^ CELL; up[p] = true :: else fi

/* The sleep ends; whatever ended it, the alive words are looked at: a wake for a death may have been counted
 * for this thread although it was woken, or gave up, for another reason. Who finds a dead one settles (told),
 * and before, if it was woken, wakes all others on it. */
#ifdef TIMEOUTS
#define HURRY if :: hurried = true :: hurried = false fi
#else
#define HURRY skip
#endif
inline awake() {
    if
    :: atomic { on[_pid] == 0 && !up[_pid] -> skip }
    :: atomic { up[_pid] -> skip }
#ifdef TIMEOUTS
    :: atomic { hurried && !expired -> expired = true }
#endif
#ifdef SPURIOUS
    :: atomic { on[_pid] != 0 && !spurious -> spurious = true }
#endif
#ifdef AWAKE_ALSO
    AWAKE_ALSO
#endif
#ifdef RECHECK
    :: atomic { on[_pid] != 0 && deaths > 0 -> skip }
#endif
    OR_DIE
    fi;
    d_step { woken = up[_pid]; on[_pid] = 0; up[_pid] = false; same[_pid] = false };
    MAY_DIE;
    d_step {
        told = watched[_pid] & dead;
        watched[_pid] = 0;
        k = (woken -> 0 : N);
        woken = false;
        do
        :: k < N ->
#ifndef BREAK_TELL
            if :: on[k] & told -> on[k] = on[k] & (255 - told); up[k] = true :: else fi;
#endif
            k++
        :: else -> break
        od;
        k = 0
    }
}
