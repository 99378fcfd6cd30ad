/* Awaiting the Lock: docs/design/003-awaiting.md. The Lock's word is lock.pml's.
 *
 * Two processes with a thread each (P: acquires, sleeps, releases) and one that awaits (C): its loop and its watcher
 * share a mutex and one lane, of up to two tasks. The watcher sleeps in the kernel on a snapshot: the word that it is called
 * by, the lane's `seq` and an alive word, which stay there when the lane has gone. The kernel wakes one of those
 * that stand at a word, and who is not there for it any more may be the one; and it names one word only, of all that
 * were woken: here never that of the lane.
 *
 * -DCANCELS    a task may be cancelled, at any time; others wait for ever
 * -DTIMEOUTS   a thread may give up when it sleeps; others wait for ever
 * -DSPURIOUS   the kernel may end a sleep for no reason
 * -DDEATH      a process may die at any step, C with both its threads; the re-check is then what saves the others, so
 *              a sleep may also end by it
 * -DDEATH_HELD one may die while it is the owner, or sleeps: no re-check is allowed to help
 * -DMORTAL=p   only that one may die
 * PS           how many P there are, P_ROUNDS how often each may come; T_ROUNDS how many tasks may come
 *
 * Checked: never two that hold it, be they tasks of one process; tasks get it in the order in which they came; and nobody
 * sleeps for ever (an invalid end state, as is what a cancelled task went on holding).
 *
 * -DBREAK_…    what was seen to be needed is left out: this must fail, with -DTIMEOUTS -DCANCELS:
 *   BREAK_ORPHAN=1   what the kernel's entry of a lane that has gone consumed is not passed on
 *   BREAK_ORPHAN=2   it is by a bare wake: one that has marked, trusting in WOKEN, and does not sleep yet misses it
 *   BREAK_COMPARE    without doubt: only another `seq` says that the lane was woken
 *   BREAK_DONE       what a cancelled task was granted is not passed on
 *   BREAK_CALL       the watcher is not called for a new lane
 * -DBREAK_DEATH   who is told of a death looks at `seq` only: this must fail, with -DP_ROUNDS=2 -DDEATH_HELD -DMORTAL=2.
 * BREAK_GIVE_UP alone (the last one out says nothing of the wake that was consumed) must not fail: the watcher passes it on. */
#ifndef PS
#define PS 2
#endif
#ifndef P_ROUNDS
#define P_ROUNDS 1
#endif
#ifndef T_ROUNDS
#define T_ROUNDS 1
#endif
#define C 2            /* the process that awaits, and its lane */
#define TASKS 2

byte owner;            /* 0, or process + 1 */
bool waiters, woken, handoff;
bool held;             /* by one that lives */

/* Of each wait: a P's, or the lane's. */
bool same[3];          /* `seq` is as it read it */
bool mine[3];          /* it consumed a wake: the others rely on it */
bool started[3];
byte w_owner[3];       /* whose alive word it sleeps on, process + 1 */

/* The kernel's: which words the threads stand at. */
bool at_seq[3];
byte at_alive[3];      /* process + 1 */
bool at_call;
bool up[3];            /* woken by one of them; it has not run yet, and stands at the others still */

bool dead[3];
bool calm[3];          /* it is the owner or sleeps, in the middle of nothing */
bool died;

/* C's own, under its mutex. */
bool mutex;
byte lane[TASKS];      /* task + 1, in order; there is a lane while there is a first */
#define FIRST lane[0]
mtype = { none, queued, done, taken };
mtype task[TASKS] = none;
bool patient[TASKS];   /* it will not be cancelled */
bool after[TASKS];     /* the other one came before it */
bool doubt;            /* WOKEN was set when the lane marked: the wake that it speaks of may still come, and be for the lane */
bool called;           /* since the snapshot was made */
bool snap;             /* the snapshot has a lane's word */
bool snap_same;        /* `seq` is as it expects it */
byte snap_owner;       /* the alive word in it */
bool stale;            /* that lane has gone, or waits anew: it has another snapshot to come */
bool busy;             /* the loop is in a release without the mutex */

#define RESERVED(w) (handoff && !mine[w])
#define FREE(w) ((owner == 0 && !RESERVED(w)) || (owner != 0 && dead[owner - 1]))

inline flags_to_wake() {
    wake = waiters && !woken;
    if :: wake -> waiters = false; woken = true :: else fi
}

inline announce() {    /* wake_one() in lw_lock.c; the kernel wakes in any order here: more than it really does */
    do
    :: !wake -> break
    :: else ->
        atomic { same[0] = false; same[1] = false; same[2] = false; snap_same = false };
        atomic {
            if
            :: at_seq[0] -> at_seq[0] = false; up[0] = true; wake = false
            :: at_seq[1] -> at_seq[1] = false; up[1] = true; wake = false
            :: at_seq[2] -> at_seq[2] = false; up[2] = true; wake = false
            :: else
            fi
        };
        if
        :: wake -> atomic {
            wake = (owner == 0 && waiters);
            woken = wake; handoff = false;
            if :: wake -> waiters = false :: else fi }
        :: else -> break
        fi
    od
}

#define WAIT_ENDS(w) mine[w] = false; started[w] = false; same[w] = false; w_owner[w] = 0

/* Inside atomic, as are those below; announce() is to follow. */
inline attempt(w) {
    if
    :: FREE(w) ->
        assert(!held);
        owner = w + 1; handoff = false; held = true; got = true;
        if :: started[w] -> waiters = true :: else fi;
        if :: mine[w] -> woken = false :: else fi;
        flags_to_wake();
        WAIT_ENDS(w)
    :: else
    fi
}

/* The look before `seq` was read is repeated by the swap. */
inline mark(w) {
    if
    :: FREE(w) -> same[w] = false
    :: else ->
        waiters = true;
        if :: mine[w] -> woken = false :: else fi;
        if :: owner != 0 && started[w] && !handoff -> handoff = true :: true fi;
        w_owner[w] = owner; mine[w] = false; started[w] = true; marked = true
    fi
}

inline leave(w) {      /* one that must go */
    if :: mine[w] -> waiters = true; woken = false :: else fi;
    flags_to_wake();
    WAIT_ENDS(w)
}

inline release(w) {
    assert(owner == w + 1 && held);
    held = false;
    wake = waiters && !woken;
    owner = 0;
    if
    :: wake -> waiters = false; woken = true
    :: !wake && waiters
    :: else -> woken = false; handoff = false
    fi
}

#define LEAVE_QUEUES(p) at_seq[p] = false; at_alive[p] = 0; up[p] = false
#define DEAD(o) ((o) != 0 && dead[(o) - 1])

inline tell(o, p) {
    if :: at_alive[p] == o -> at_alive[p] = 0; up[p] = true :: else fi
}

#if defined(DEATH) || defined(DEATH_HELD)
#ifdef MORTAL
#define IS_MORTAL(p) (MORTAL == p)
#else
#define IS_MORTAL(p) true
#endif
#define MORTALLY(p) unless { dead[p] }
#else
#define MORTALLY(p)
#endif

#ifdef DEATH
#define RECHECKED died
#else
#define RECHECKED false
#endif

active [PS] proctype P() {
    bool got, marked, wake, hurried;
    byte told, rounds;

    {
        do
        :: break
        :: rounds < P_ROUNDS -> rounds++;
            do
            :: atomic { attempt(_pid) };
                if :: got -> break :: else fi;
#ifdef TIMEOUTS
                if
                :: atomic { started[_pid] && !(mine[_pid] && owner == 0) -> leave(_pid) };
                    announce();
                    break
                :: true
                fi;
#endif
                same[_pid] = true;
                atomic { mark(_pid) };
                if
                :: atomic { marked ->   /* futex_waitv compares both words and sleeps, in one step */
                    marked = false;
                    if
                    :: same[_pid] && !DEAD(w_owner[_pid]) ->
                        at_seq[_pid] = true; at_alive[_pid] = w_owner[_pid]; calm[_pid] = true
#ifdef TIMEOUTS
                        ; if :: hurried = true :: hurried = false fi
#endif
                    :: else
                    fi };
                    atomic {
                        if
                        :: !calm[_pid] || up[_pid]
#ifdef SPURIOUS
                        :: calm[_pid]
#endif
                        :: calm[_pid] && hurried
                        :: calm[_pid] && (RECHECKED || w_owner[_pid] == 0) -> mine[_pid] = true   /* short, while reserved */
                        fi;
                        /* a wake has ended it; if also a death, that is what it is told */
                        told = (up[_pid] && DEAD(w_owner[_pid]) -> w_owner[_pid] : 0);
                        if
#ifdef BREAK_DEATH
                        :: told != 0 -> mine[_pid] = !same[_pid]
#else
                        :: told != 0 -> mine[_pid] = true
#endif
                        :: told == 0 && up[_pid] && !at_seq[_pid] -> mine[_pid] = true
                        :: else
                        fi;
                        LEAVE_QUEUES(_pid); calm[_pid] = false;
                        same[_pid] = false; w_owner[_pid] = 0; hurried = false
                    }
                    if
                    :: atomic { told != 0 -> tell(told, 0); tell(told, 1); tell(told, 2); told = 0 }
                    :: else
                    fi
                :: else
                fi
            od;
            if
            :: got ->
                announce();
#ifdef DEATH_HELD
                calm[_pid] = true;
#endif
                atomic { release(_pid); got = false; calm[_pid] = false };
                announce()
            :: else
            fi
        od
    } MORTALLY(_pid)
}

inline grant() {
    d_step {
        first = FIRST - 1;
        assert(task[first] == queued && !after[first] && task[1 - first] != done && task[1 - first] != taken);
        task[first] = done; after[1 - first] = false;
        lane[0] = lane[1]; lane[1] = 0; first = 0
    }
}

#define REGISTRATION_ENDS doubt = false; stale = snap

inline step_lane() {   /* lw_lane_run(): what it is granted goes to the first */
    do
    :: atomic { FIRST == 0 -> break }
    :: atomic { FIRST != 0 -> attempt(C); if :: got -> REGISTRATION_ENDS; grant() :: else fi };
        if
        :: got -> got = false; announce()
        :: else ->
            same[C] = true;
            atomic { mark(C); if :: marked -> doubt = woken; stale = snap :: else fi };
            if :: marked -> marked = false; break :: else fi
        fi
    od
}

/* Inside atomic: the last one is out. A wake that the watcher consumed and has not looked at yet is passed on now if
 * `seq` tells of it, and anyway when the watcher comes back. */
inline give_up() {
#ifdef BREAK_GIVE_UP
    mine[C] = false;
#else
    mine[C] = !same[C];
#endif
    leave(C);
    REGISTRATION_ENDS
}

active proctype Watcher() {
    bool got, marked, wake, due, kicked;
    byte first;

    {
        do
        :: atomic { !mutex ->
                snap = (FIRST != 0); snap_same = snap && same[C]; snap_owner = (snap -> w_owner[C] : 0);
                stale = false; called = false };
            atomic {
                if
                :: !called && (!snap || snap_same) && !DEAD(snap_owner) ->
                    at_call = true; at_seq[C] = snap; at_alive[C] = snap_owner; calm[C] = true
                :: else
                fi
            }
end_asleep:
            atomic {
                if
                :: !calm[C] || up[C]
#ifdef SPURIOUS
                :: calm[C] && snap
#endif
                :: calm[C] && snap && (RECHECKED || snap_owner == 0) -> due = true
                fi;
                kicked = up[C]; at_call = false; LEAVE_QUEUES(C); calm[C] = false
            }
            atomic { !mutex -> mutex = true;
                if
                :: kicked && snap && stale ->
#if BREAK_ORPHAN == 1
                    skip
#elif BREAK_ORPHAN == 2   /* the word is woken, and no flag is looked at */
                    if
                    :: at_seq[0] -> at_seq[0] = false; up[0] = true
                    :: at_seq[1] -> at_seq[1] = false; up[1] = true
                    :: else
                    fi
#else
                    waiters = true; woken = false; flags_to_wake()   /* as one that was woken, and leaves */
#endif
                :: else
                fi };
            announce();
#ifdef IS_MORTAL
            if
            :: atomic { DEAD(snap_owner) -> tell(snap_owner, 0); tell(snap_owner, 1) }
            :: atomic { else }
            fi;
#endif
            atomic {
                if
                :: FIRST != 0 ->
                    mine[C] = due;
                    if
                    :: DEAD(snap_owner) && DEAD(w_owner[C]) ->
                        due = true;
#ifdef BREAK_DEATH
                        mine[C] = !same[C]
#else
                        mine[C] = true
#endif
                    :: !(DEAD(snap_owner) && DEAD(w_owner[C])) && snap && !stale && !same[C] -> mine[C] = true
#ifndef BREAK_COMPARE
                    :: !(DEAD(snap_owner) && DEAD(w_owner[C])) && snap && !stale && kicked && doubt -> mine[C] = true
#endif
                    :: else
                    fi;
                    due = mine[C] || due
                :: else -> due = false
                fi;
                snap = false; snap_same = false; snap_owner = 0; stale = false; kicked = false;
                if :: !due -> mutex = false :: else fi
            };
            if :: due -> step_lane(); atomic { due = false; mutex = false } :: else fi
        od
    } MORTALLY(C)
}

#ifdef CANCELS
#define CHOOSE_PATIENCE(t) if :: patient[t] = true :: patient[t] = false fi
#else
#define CHOOSE_PATIENCE(t) patient[t] = true
#endif

inline out_of_lane(t) {
    d_step {
        if :: lane[0] == t + 1 -> lane[0] = lane[1] :: else fi;
        lane[1] = 0; after[0] = false; after[1] = false
    }
}

#define OVER(t) task[t] = none; patient[t] = false

/* What a task, or the loop for it, does. Its release is one with the mutex, to the first of the lane without the word being
 * freed; or one without it, to anybody. (That the second task comes while the first is there is only for symmetry.) */
#define ACTS(t) \
    :: atomic { !mutex && task[t] == none && (t == 0 || task[0] != none) && come < T_ROUNDS -> \
        come++; task[t] = queued; CHOOSE_PATIENCE(t); \
        if \
        :: FIRST != 0 -> lane[1] = t + 1; after[t] = true \
        :: else -> FIRST = t + 1; steps = true; mutex = true \
        fi }; \
        if :: steps -> step_lane(); atomic { steps = false; CALL; mutex = false } :: else fi \
    :: atomic { !mutex && task[t] == queued && !patient[t] -> OVER(t); out_of_lane(t); \
        if :: FIRST == 0 -> give_up(); mutex = wake :: else fi }; \
        if :: wake -> announce(); mutex = false :: else fi \
    :: atomic { !mutex && task[t] == done && !patient[t] -> OVER(t); PASSES_ON; mutex = wake }; \
        if :: wake -> announce(); mutex = false :: else fi \
    :: atomic { !mutex && task[t] == done -> task[t] = taken; patient[t] = false } \
    :: atomic { !mutex && task[t] == taken && FIRST != 0 && !handoff -> OVER(t); grant(); \
        if :: FIRST == 0 -> give_up(); mutex = wake :: else fi }; \
        if :: wake -> announce(); mutex = false :: else fi \
    :: atomic { task[t] == taken -> OVER(t); release(C); BUSY(wake) }; \
        if :: wake -> announce(); BUSY(false) :: else fi

#ifdef BREAK_CALL
#define CALL skip
#else
#define CALL if :: FIRST != 0 -> called = true; if :: at_call -> at_call = false; up[C] = true :: else fi :: else fi
#endif
#ifdef BREAK_DONE
#define PASSES_ON skip
#else
#define PASSES_ON release(C)
#endif
#ifdef DEATH_HELD
#define BUSY(is) busy = is
#else
#define BUSY(is) skip
#endif

active proctype Loop() {
    bool got, marked, wake, steps;
    byte first, come;

    {
        do
        :: atomic { task[0] == none && task[1] == none -> break }
        ACTS(0)
        ACTS(1)
        od
    } MORTALLY(C)
}

#ifdef IS_MORTAL
#ifdef DEATH_HELD
#define MAY_DIE(p) (IS_MORTAL(p) && calm[p] && !up[p] && (p != C || (!mutex && !busy)))
#else
#define MAY_DIE(p) IS_MORTAL(p)
#endif

/* The kernel marks the alive word and wakes ONE of those that stand at it. */
inline die(p) {
    dead[p] = true; died = true;
    LEAVE_QUEUES(p); calm[p] = false;
    if :: owner == p + 1 -> held = false :: else fi;
    if
    :: at_alive[0] == p + 1 -> at_alive[0] = 0; up[0] = true
    :: at_alive[1] == p + 1 -> at_alive[1] = 0; up[1] = true
    :: at_alive[2] == p + 1 -> at_alive[2] = 0; up[2] = true
    :: else
    fi
}

active proctype Death() {
end_nobody:
    if
    :: true
    :: atomic { MAY_DIE(0) -> die(0) }
#if PS > 1
    :: atomic { MAY_DIE(1) -> die(1) }
#endif
    :: atomic { MAY_DIE(2) -> die(2) }
    fi
}
#endif
