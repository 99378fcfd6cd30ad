/* Entries of which all follows from one number: so that a torn one shows. */
#ifndef TESTS_WAITERS_H
#define TESTS_WAITERS_H

#include <string.h>

#include "lw_waiter.h"

#define MADE_UP 0x20000000u /* beyond all slots: of nobody who really waits */

static inline struct lw_waiter said(uint32_t number) {
    return (struct lw_waiter){
        .slot = number,
        .generation = number * 3 + 1,
        .thread = ~number,
        .task = number * 2654435761u,
        .wants = number % 4,
        .since_ns = (int64_t)number << 32 | number,
        .until_ns = (int64_t)number << 31 | number,
        .is_task = number % 2,
    };
}

static inline uint32_t note_of(uint32_t number, char text[LW_NOTE_TEXT]) {
    uint32_t length = 1 + number % LW_NOTE_TEXT;
    memset(text, 'a' + (int)(number % 26), length);
    return length;
}

/* Whether this is what somebody has said, all of it. */
static inline bool is_whole(const struct lw_waiter *row, const char *note) {
    struct lw_waiter whole = said(row->slot);
    char text[LW_NOTE_TEXT];
    bool same = row->generation == whole.generation && row->thread == whole.thread && row->task == whole.task &&
                row->wants == whole.wants && row->since_ns == whole.since_ns && row->until_ns == whole.until_ns &&
                row->is_task == whole.is_task;
    if (row->noted == 0) return same;
    return same && row->noted == note_of(row->slot, text) && memcmp(note, text, row->noted) == 0;
}

#endif
