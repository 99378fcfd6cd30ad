/* The Event's word: src/latchwork/_native/lw_event.h. Two waiters and a setter that sets and clears.
 *
 * -DTIMEOUTS  a waiter may give up      -DSPURIOUS  a sleep may end for no reason
 * -DDEATH     one process may die at any step; the waiters' re-check may then end a sleep
 *
 * Checked: a waiter that was there when the event was set does not sleep on for ever (an invalid end
 * state), although it is cleared at once; and none returns True unless the event was set meanwhile. */
#define ROUNDS 2

byte gen; bool set, marked;
bool asleep[3];
bool died, over_now;        /* over_now: nothing will be set any more */

#ifdef DEATH
#define MAY_DIE if :: atomic { !died -> died = true; asleep[_pid] = false }; goto over :: true fi
#else
#define MAY_DIE skip
#endif

active [2] proctype Waiter() {
    byte g, seen;
    bool m;
    g = gen;
    do
    :: true ->
        atomic {
            if
            :: set || gen != g -> assert(gen > 0); break
            :: else -> m = marked; seen = gen
            fi
        }
        MAY_DIE;
        atomic { if :: !set && gen == seen -> marked = true; m = true :: else -> m = false fi }
        if
        :: !m -> skip
        :: else ->
            MAY_DIE;
            /* the word is compared as a whole: generation, SET and WAITERS */
            atomic { if :: !set && gen == seen && marked -> asleep[_pid] = true :: else fi };
            if
            :: !asleep[_pid]
            :: atomic { asleep[_pid] && over_now && gen == g -> asleep[_pid] = false }; break   /* came too late */
#ifdef SPURIOUS
            :: atomic { asleep[_pid] -> asleep[_pid] = false }
#endif
#ifdef TIMEOUTS
            :: atomic { asleep[_pid] -> asleep[_pid] = false }; break
#endif
#ifdef DEATH
            :: atomic { died && asleep[_pid] -> asleep[_pid] = false }
#endif
            fi;
            MAY_DIE
        fi
    od;
over: skip
}

active proctype Setter() {
    byte round;
    bool wake;
    do
    :: round < ROUNDS ->
        atomic { wake = false; if :: !set -> gen++; set = true; wake = marked; marked = false :: else fi };
        MAY_DIE;
        if :: wake -> atomic { asleep[0] = false; asleep[1] = false } :: else fi;
        if :: set = false :: round == ROUNDS - 1 fi;    /* clear, at once; the last may leave it set */
        round++
    :: else -> break
    od;
over: over_now = true
}
