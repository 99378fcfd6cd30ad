/* The layout of an arena: the one description of what lies where in the shared file.
 *
 *   header (one page) | members | buckets of the name table | waiters | their notes | slots …
 *
 * Everything but the words of the primitives, the alive words and the waiters (lw_waiter.h) is changed only under the header's
 * robust mutex. Whoever finds that its last owner died in there rebuilds all lists from what each slot
 * says of itself (lw_arena_repair): a slot's `state` is always written last.
 *
 * A change here is a change of LW_LAYOUT_VERSION. */
#ifndef LW_LAYOUT_H
#define LW_LAYOUT_H

#include <pthread.h>
#include <stddef.h>

#include "lw_atomic.h"

#define LW_MAGIC 0x4b5257484354414cull /* "LATCHWRK", little-endian */
#define LW_LAYOUT_VERSION 4u

#define LW_MEMBER_BITS 14
#define LW_MEMBERS_MAX (1u << LW_MEMBER_BITS)
#define LW_BUCKETS 16384u
#define LW_SLOTS_MAX (1u << 24)
#define LW_NO_SLOT 0u /* slot 0 is never handed out */

/* A member id is an entry's index in its low 14 bits and, above, how often the entry was used: so an
 * id says for ever which process was meant. 29 bits, so that a Lock's word has room for three flags. */
#define LW_ID_BITS 29
#define LW_ID_GENERATIONS (1u << (LW_ID_BITS - LW_MEMBER_BITS))
#define LW_ID_DEAD ((1u << LW_ID_BITS) - 1) /* nobody's: stands for a member long gone */

enum lw_kind {
    LW_KIND_NONE,
    LW_KIND_HOLDERS,
    LW_KIND_CELLS,
    LW_KIND_NAME,
    LW_KIND_TEXT,
    LW_KIND_LOCK, /* from here on: primitives */
    LW_KIND_EVENT,
    LW_KIND_RLOCK,
    LW_KIND_SEMAPHORE,
    LW_KIND_PERMITS, /* a semaphore whose permits have owners */
    LW_KIND_LATCH,
    LW_KIND_CONDITION,
    LW_KIND_BARRIER,
    LW_KIND_RWLOCK,
    LW_KIND_COUNT
};

/* A slot is free exactly if its state is LW_FREE; else its state is its kind. */
#define LW_FREE 0u

static inline bool lw_kind_is_primitive(uint32_t kind) { return kind >= LW_KIND_LOCK && kind < LW_KIND_COUNT; }

/* Their first four words are a Lock's: of itself, or of the guard (lw_guard.h). */
static inline bool lw_kind_has_lock(uint32_t kind) {
    return kind == LW_KIND_LOCK || kind == LW_KIND_RLOCK || kind == LW_KIND_PERMITS ||
           (kind >= LW_KIND_CONDITION && kind < LW_KIND_COUNT);
}

static inline bool lw_kind_has_cells(uint32_t kind) {
    return kind == LW_KIND_PERMITS || (kind >= LW_KIND_CONDITION && kind < LW_KIND_COUNT);
}

struct lw_holder {
    uint32_t id;    /* a member; or, with LW_HEIRS in count, a family of forked processes */
    uint32_t count; /* handles; or LW_HEIRS | the epoch in which the dropped handle had been made */
};
#define LW_HEIRS 0x80000000u

#define LW_HOLDERS_INLINE 2
#define LW_HOLDERS_EXTRA 4

/* A member, and what it is in the primitive: lw_cells.h. */
struct lw_cell {
    union {
        _Atomic uint64_t both;
        struct {
            lw_word id;
            lw_word word;
        };
    };
};
#define LW_CELLS 4
#define LW_NAME_TEXT 16
#define LW_MORE_TEXT 32

struct lw_slot {
    union {
        struct {
            lw_word word;      /* the primitive's state, or its guard's: see each one's header */
            lw_word seq;       /* Lock: what its waiters sleep on */
            lw_word abandoned; /* Lock: non-zero from the recovery until the next release */
            lw_word handed_ms; /* Lock: when the last hand-off was made */
        };
        uint8_t hash[16]; /* NAME */
        lw_word claimed[LW_CELLS]; /* CELLS: when each was last claimed, or filled anew: lw_stamp.h */
    };
    lw_word state;
    lw_word generation; /* raised whenever the slot is freed: a late handle finds out */
    uint32_t next;      /* free: the queue; primitive: extra holders; name: bucket; text, cells: more */
    uint32_t name;      /* primitive: its NAME slot; NAME: the primitive's slot */
    union {
        struct {
            uint8_t pickled; /* when a handle was last pickled: see lw_slot.c; 0: never */
            _Atomic uint8_t deadlock; /* what is to be done about one: lw_settings.h */
            _Atomic uint16_t deaths; /* how many died with it; no more than it can count */
            union {
                lw_word limit; /* Semaphore: the bound; Latch: the count at first; Barrier: parties */
                lw_word depth; /* RLock */
                lw_word left;  /* RWLock: the writer that died with it */
            };
            union {
                lw_word thread;  /* Lock, RLock */
                lw_word initial; /* Semaphore: its value at first */
                lw_word waiting; /* Condition */
                lw_word round;   /* Barrier */
                lw_word gate;    /* RWLock */
                lw_word bell;    /* Permits */
            };
            union {
                lw_word cells; /* the first slot of its cells; written under the guard */
                lw_word since; /* Lock, RLock: when it was acquired: lw_stamp.h */
            };
            struct lw_holder holders[LW_HOLDERS_INLINE];
        };
        struct lw_holder extra[LW_HOLDERS_EXTRA]; /* HOLDERS */
        struct lw_cell cell[LW_CELLS];            /* CELLS */
        struct {
            uint32_t target_generation; /* NAME */
            uint32_t length;
            uint32_t more; /* the first TEXT slot */
            uint32_t spare;
            char text[LW_NAME_TEXT];
        };
        char more_text[LW_MORE_TEXT]; /* TEXT */
    };
};
_Static_assert(sizeof(struct lw_slot) == 64, "a slot is one cache line, and begins with one");
_Static_assert(offsetof(struct lw_slot, state) == 16, "layout");
_Static_assert(offsetof(struct lw_slot, holders) % 8 == 0 && sizeof(struct lw_holder) == 8, "stored at once");
_Static_assert(offsetof(struct lw_slot, cell) % 8 == 0 && sizeof(struct lw_cell) == 8, "stored at once");

struct lw_member {
    /* The alive word is the futex inside of this robust mutex: see lw_member.h. */
    union {
        pthread_mutex_t alive;
        uint8_t alive_room[64];
    };
    lw_word id; /* 0: free, or being made */
    lw_word found_dead; /* the id that was found dead by pid and start time */
    uint32_t last_id;
    uint32_t pid;
    uint64_t start;     /* of the process, in clock ticks since boot: proc(5), field 22 of stat */
    uint64_t namespace; /* inode of its pid namespace: a pid says nothing in another */
    uint32_t family;    /* the id of the member from which all of this family were forked */
    uint32_t birth;     /* the arena's epoch at its fork */
    uint64_t attached_ns;
    lw_word heir;         /* the process that it lives on in, or 0: see lw_heir.h */
    lw_word heir_by_file; /* and in all that have the descriptor with its byte locked */
    uint64_t heir_start;  /* of that process */
};
_Static_assert(sizeof(struct lw_member) == 128, "a member is two cache lines");

#define LW_LABEL_TEXT 1000

struct lw_header {
    uint64_t magic;
    uint32_t version;
    uint32_t slot_size;
    uint32_t member_size;
    uint32_t mutex_size;
    uint8_t uuid[16];
    uint64_t flags;
    uint32_t root_pid; /* the process that began the program; 0: a child was first */
    uint32_t reserved;
    uint64_t root_start;
    union {
        pthread_mutex_t mutex;
        uint8_t mutex_room[64];
    };
    lw_word epoch; /* raised before each fork of a member */
    lw_word members_ready; /* read without the mutex */
    uint32_t member_cursor;
    uint32_t slots_ready; /* with memory behind them */
    uint32_t slots_limit; /* how many the member with the least address space has mapped */
    uint32_t slots_used;  /* once handed out: the rest was never touched */
    uint32_t free_first;
    uint32_t free_last;
    uint32_t free_count;
    uint32_t live;     /* slots in use */
    uint32_t sweep_at; /* next sweep for what the dead held, when so many slots were used */
    uint32_t names;
    uint32_t repairs;
    lw_word waiters_ready;  /* with memory behind them */
    lw_word waiters_unseen; /* waits for which there was no room */
    lw_word look_ms;        /* the program's: see lw_settings.h */
    lw_word deadlock;
    uint32_t label_length;
    char label[LW_LABEL_TEXT]; /* the namespace's name, or what the program is called; never changes */
};

/* A waiter: a thread or task that waits, for others to see. See lw_waiter.h. */
struct lw_waiter {
    lw_word member;
    lw_word seq; /* odd: being written */
    uint32_t slot;
    uint32_t generation;
    uint32_t thread; /* the kernel's id */
    uint32_t task;   /* its number, if it is a task's that has one */
    uint32_t wants;  /* enum lw_wants */
    uint32_t noted;  /* how much of its note is text */
    int64_t since_ns; /* since the epoch, so that it is the same in whichever process asks */
    int64_t until_ns; /* the same; LW_FOREVER */
    uint32_t is_task;
    uint32_t writer; /* the member that wrote this: another one has taken the entry and said nothing yet */
    uint32_t spare[2];
};
_Static_assert(sizeof(struct lw_waiter) == 64, "a cache line");
#define LW_WAITERS_MAX 32768u
#define LW_NOTE_TEXT 512u

/* A namespace: named primitives whose state is not that of a new one outlive their users. */
#define LW_PERSISTENT 1u

#define LW_OFFSET_MEMBERS 4096u
#define LW_OFFSET_BUCKETS (LW_OFFSET_MEMBERS + LW_MEMBERS_MAX * (uint32_t)sizeof(struct lw_member))
#define LW_OFFSET_WAITERS (LW_OFFSET_BUCKETS + LW_BUCKETS * 4u)
#define LW_OFFSET_NOTES (LW_OFFSET_WAITERS + LW_WAITERS_MAX * (uint32_t)sizeof(struct lw_waiter))
#define LW_OFFSET_SLOTS (LW_OFFSET_NOTES + LW_WAITERS_MAX * LW_NOTE_TEXT)
_Static_assert(sizeof(struct lw_header) <= LW_OFFSET_MEMBERS, "the header is one page");
_Static_assert(LW_OFFSET_SLOTS % 4096 == 0, "areas are page-aligned");

#endif
