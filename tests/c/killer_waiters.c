/* Those who are killed while they say that they wait, and those who read it: see killer.c. */
#include "lw_member.h"
#include "waiters.h"

#include "killer.h" /* last: its names are those of parameters elsewhere */

#define AT_ONCE 3
#define ROWS 1024 /* not that many ever wait, however many have died */

static void read_some(void) {
    uint32_t ready = lw_load_acq(&arena.header->waiters_ready);
    CHECK(ready <= ROWS);
    for (uint32_t i = 0; i < ready; i++) {
        struct lw_waiter row;
        char note[LW_NOTE_TEXT];
        if (lw_waiter_read(&arena, i, &row, note) && row.slot >= MADE_UP) CHECK(is_whole(&row, note));
    }
}

void use_waiters(void) {
    struct lw_seen seen[AT_ONCE] = {{0}};
    char text[LW_NOTE_TEXT];
    for (int i = 0; i < AT_ONCE; i++) {
        uint32_t number = MADE_UP | draw(MADE_UP);
        struct lw_waiter row = said(number);
        lw_seen_begin(&arena, &seen[i], &row);
        CHECK(seen[i].entry);
        if (draw(2)) lw_seen_note(&arena, &seen[i], text, note_of(number, text));
    }
    work();
    read_some();
    for (int i = 0; i < AT_ONCE; i++) lw_seen_end(&arena, &seen[i]);
}

void check_nobody_waits(void) {
    struct lw_waiter row;
    char note[LW_NOTE_TEXT];
    for (uint32_t i = 0; i < lw_load_acq(&arena.header->waiters_ready); i++)
        CHECK(!lw_waiter_read(&arena, i, &row, note));
    CHECK(lw_load_relaxed(&arena.header->waiters_unseen) == 0);
}
